"""The model: a regressor for each answer, of its logarithm, as the metric compares logarithms."""

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from my_competition.data import COLUMNS, TARGETS
from my_competition.learners import make_regressor

Model = dict[str, Pipeline]


def fit(features: pd.DataFrame, answers: pd.DataFrame) -> Model:
    """Return a regressor for each answer, fitted."""
    return {target: make_regressor().fit(features, np.log1p(answers[target].astype(float))) for target in TARGETS}


def predict_answers(model: Model, features: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of each row, none below 0, with the submission's columns."""
    numbers = [np.expm1(model[target].predict(features)).clip(min=0) for target in TARGETS]
    return pd.DataFrame(dict(zip(COLUMNS, numbers, strict=True)))
