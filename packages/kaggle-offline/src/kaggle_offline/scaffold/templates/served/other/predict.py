"""Answers to the gateway, a batch of the test set at a time."""

from collections.abc import Sized

import pandas as pd

_ID = "ID NAME"
_COLUMNS = ("COLUMN NAMES",)


def predict(test: Sized, *others: object) -> pd.DataFrame:
    """Answer 0: go on here, with a model that is loaded at the first call.

    Args:
        test: rows of the test set, or a single value of it.
        others: what else the gateway sends.

    Returns:
        A row for each row of the batch, in their order, with the ids if the batch has them.
    """
    del others
    rows = 1 if isinstance(test, str) else len(test)
    answers = pd.DataFrame(dict.fromkeys(_COLUMNS, [0] * rows))
    if _ID in getattr(test, "columns", ()):
        answers.insert(0, _ID, list(test[_ID]))  # type: ignore[index] # it is a table
    return answers
