"""The model: a classifier for each answer, which is 0 or 1."""

import pandas as pd
from sklearn.pipeline import Pipeline

from my_competition.data import COLUMNS, TARGETS
from my_competition.learners import make_classifier

Model = dict[str, Pipeline]


def fit(features: pd.DataFrame, answers: pd.DataFrame) -> Model:
    """Return a classifier for each answer, fitted."""
    return {target: make_classifier().fit(features, answers[target].astype(int)) for target in TARGETS}


def predict_answers(model: Model, features: pd.DataFrame) -> pd.DataFrame:
    """Return the probability of a 1 for each row, with the submission's columns."""
    ones = [model[target].predict_proba(features)[:, -1] for target in TARGETS]
    return pd.DataFrame(dict(zip(COLUMNS, ones, strict=True)))
