"""The competition's tables: a row for each case, and of those to train on the answer."""

from pathlib import Path

import pandas as pd

ID, TARGET = "id", "target"


def read_training(folder: Path) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Read ``train.csv``: the features, a column each, and the answers.

    Raises:
        FileNotFoundError: it is not there.
        KeyError: it lacks the id or the target.
    """
    table = pd.read_csv(folder / "train.csv")
    return table.drop(columns=[ID, TARGET]), table[TARGET]


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read ``test.csv``: the ids, and the features as in `read_training`.

    Raises:
        FileNotFoundError: it is not there.
        KeyError: it lacks the id.
    """
    table = pd.read_csv(folder / "test.csv")
    return table[ID].astype(str).tolist(), table.drop(columns=[ID])
