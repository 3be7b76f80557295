"""Answers to the gateway, a batch of the test set at a time."""

from collections.abc import Callable
from functools import cache

import pandas as pd
from competition_kit.inputs import find_input
from competition_kit.notes import noted

from my_competition.data import COLUMNS, ID, PolarsTable, in_form_of, read_training
from my_competition.model import fit, predict_answers


def predict(test: pd.DataFrame | PolarsTable, *others: object) -> pd.DataFrame:
    """Predict a batch; the gateway calls this for each.

    Args:
        test: rows of the test set.
        others: tables that some gateways send with them, such as lags; go on here.

    Returns:
        The ids and the answers: a row for each row of the batch, in their order.
    """
    del others
    batch = test if isinstance(test, pd.DataFrame) else test.to_pandas()
    answers = _learned(tuple(batch.columns.drop(ID, errors="ignore")))(batch)
    return answers.assign(**{ID: batch[ID].tolist()})[[ID, *COLUMNS]]


@cache
def _learned(columns: tuple[str, ...]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Learn at the first call, which may take as long as it likes: a server has 15 minutes to start.

    Args:
        columns: of batches.

    Returns:
        A function that predicts the answers of a batch.
    """
    with noted("read"):
        training, answers = read_training(find_input("my-competition"))
        training = training[[name for name in columns if name in training.columns]]
    with noted(f"fitted on {len(answers)} rows"):
        model = fit(training, answers)
    return lambda batch: predict_answers(model, in_form_of(batch, training))
