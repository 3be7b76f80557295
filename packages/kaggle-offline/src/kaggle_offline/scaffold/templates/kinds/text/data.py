"""The competition's texts, and of those to train on the answer."""

from pathlib import Path

import pandas as pd

ID, TARGET = "id", "target"
_TEXT = "text"


def read_training(folder: Path) -> tuple[list[str], list[str]]:
    """Read ``train.csv``: the texts, and the answers.

    Raises:
        FileNotFoundError: it is not there.
        KeyError: it lacks the text or the target.
    """
    table = _read(folder / "train.csv")
    return table[_TEXT].tolist(), table[TARGET].tolist()


def read_test(folder: Path) -> tuple[list[str], list[str]]:
    """Read ``test.csv``: the ids, and the texts.

    Raises:
        FileNotFoundError: it is not there.
        KeyError: it lacks the id or the text.
    """
    table = _read(folder / "test.csv")
    return table[ID].tolist(), table[_TEXT].tolist()


def _read(path: Path) -> pd.DataFrame:
    # A text may be empty, or the word for nothing.
    return pd.read_csv(path, dtype=str, keep_default_na=False)
