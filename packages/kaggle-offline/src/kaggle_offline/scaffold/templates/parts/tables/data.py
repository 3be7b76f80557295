"""The competition's tables: a row for each case, and of those to train on the answers."""

from pathlib import Path

import pandas as pd

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
SAMPLE = "SAMPLE TABLE"
_TRAIN, _TEST = "TRAIN TABLE", "TEST TABLE"


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the rows to train on: their features, and their answers.

    Raises:
        FileNotFoundError: the table is not there.
        KeyError: it lacks an answer.
    """
    table = _read(folder / _TRAIN)
    return table.drop(columns=[ID, *TARGETS], errors="ignore"), table[list(TARGETS)]


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read the rows of the test set: their ids, and their features.

    Raises:
        FileNotFoundError: the table is not there.
        KeyError: neither it nor the sample submission has the id.
    """
    table = _read(folder / _TEST)
    ids = table if ID in table.columns else _read(folder / SAMPLE)
    return ids[ID].astype(str).tolist(), table.drop(columns=[ID], errors="ignore")


def _read(path: Path) -> pd.DataFrame:
    """Read a table; the ids are texts, and so are columns of anything but numbers."""
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(path, dtype={ID: str}, low_memory=False)
    words = [column for column in table.columns if not pd.api.types.is_numeric_dtype(table[column])]
    return table.fillna(dict.fromkeys(words, "")).astype(dict.fromkeys(words, str))
