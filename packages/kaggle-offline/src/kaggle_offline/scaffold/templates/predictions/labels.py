"""The model: a classifier for each answer."""

import pandas as pd
from sklearn.pipeline import Pipeline

from my_competition.data import COLUMNS, TARGETS
from my_competition.learners import make_classifier

Model = dict[str, Pipeline]


def fit(features: pd.DataFrame, answers: pd.DataFrame) -> Model:
    """Return a classifier for each answer, fitted; labels are texts."""
    return {target: make_classifier().fit(features, answers[target].astype(str)) for target in TARGETS}


def predict_answers(model: Model, features: pd.DataFrame) -> pd.DataFrame:
    """Return the likeliest labels of each row, with the submission's columns."""
    labels = [model[target].predict(features) for target in TARGETS]
    return pd.DataFrame(dict(zip(COLUMNS, labels, strict=True)))
