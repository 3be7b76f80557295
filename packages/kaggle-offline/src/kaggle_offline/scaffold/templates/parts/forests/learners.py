"""The learners: forests. Go on here, with a network that is trained elsewhere, from a dataset of checkpoints."""

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import Pipeline, make_pipeline


def make_classifier() -> Pipeline:
    """Return a learner of labels."""
    return make_pipeline(RandomForestClassifier(n_estimators=200, n_jobs=-1, random_state=0))


def make_regressor() -> Pipeline:
    """Return a learner of numbers."""
    return make_pipeline(RandomForestRegressor(n_estimators=200, n_jobs=-1, random_state=0))
