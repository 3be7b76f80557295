"""The model: a classifier of the one answer, whose likeliest labels are handed in."""

import pandas as pd
from sklearn.pipeline import Pipeline

from my_competition.data import COLUMNS, TARGETS
from my_competition.learners import make_classifier

# So many labels count.
_FIRST = "RANKED LABELS"


def fit(features: pd.DataFrame, answers: pd.DataFrame) -> Pipeline:
    """Return a classifier, fitted; labels are texts."""
    return make_classifier().fit(features, answers[TARGETS[0]].astype(str))


def predict_answers(model: Pipeline, features: pd.DataFrame) -> pd.DataFrame:
    """Return the likeliest labels of each row, the likeliest first, parted by blanks."""
    order = model.predict_proba(features).argsort(axis=1)[:, ::-1][:, :_FIRST]
    return pd.DataFrame({COLUMNS[0]: [" ".join(model.classes_[row]) for row in order]})
