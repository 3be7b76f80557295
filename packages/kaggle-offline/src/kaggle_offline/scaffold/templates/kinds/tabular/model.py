"""The model: a baseline to begin with."""

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder


def fit(features: pd.DataFrame, target: "pd.Series[str]") -> Pipeline:
    """Boosted trees on numbers as they are and on a column for each word, fitted."""
    words = make_column_selector(dtype_exclude="number")
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((encoder, words), remainder="passthrough")
    return make_pipeline(columns, HistGradientBoostingClassifier(random_state=0)).fit(features, target)
