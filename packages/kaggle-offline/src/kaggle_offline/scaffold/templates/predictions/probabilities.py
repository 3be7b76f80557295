"""The model: a classifier of the one answer, whose labels are the submission's columns."""

import pandas as pd
from sklearn.pipeline import Pipeline

from my_competition.data import COLUMNS, TARGETS
from my_competition.learners import make_classifier


def fit(features: pd.DataFrame, answers: pd.DataFrame) -> Pipeline:
    """Return a classifier, fitted; labels are texts."""
    return make_classifier().fit(features, answers[TARGETS[0]].astype(str))


def predict_answers(model: Pipeline, features: pd.DataFrame) -> pd.DataFrame:
    """Return the probability of each label for each row; a label that was never seen has none."""
    found = pd.DataFrame(model.predict_proba(features), columns=model.classes_)
    return found.reindex(columns=list(COLUMNS), fill_value=0.0)
