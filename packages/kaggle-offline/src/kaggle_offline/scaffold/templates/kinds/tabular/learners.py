"""The learners: boosted trees. Go on here, with features of your own and with a search for better settings."""

from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder


def make_classifier() -> Pipeline:
    """Return a learner of labels."""
    return make_pipeline(_columns(), HistGradientBoostingClassifier(random_state=0))


def make_regressor() -> Pipeline:
    """Return a learner of numbers."""
    return make_pipeline(_columns(), HistGradientBoostingRegressor(random_state=0))


def _columns() -> ColumnTransformer:
    """Numbers stay as they are; each frequent word of a column of words becomes a column."""
    words = make_column_selector(dtype_exclude="number")
    encoder = OneHotEncoder(max_categories=30, handle_unknown="infrequent_if_exist", sparse_output=False)
    return make_column_transformer((encoder, words), remainder="passthrough")
