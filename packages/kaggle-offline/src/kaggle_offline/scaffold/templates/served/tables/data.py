"""The competition's tables to train on, and the batches that the gateway sends."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
_TRAIN = "TRAIN TABLE"


class PolarsTable(Protocol):
    """A table of polars, as far as it is used here."""

    def to_pandas(self) -> pd.DataFrame:
        """Return the same table of pandas."""


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the rows to train on: their features, and their answers.

    Raises:
        FileNotFoundError: the table is not there.
        KeyError: it lacks an answer.
    """
    path = folder / _TRAIN
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={ID: str}, low_memory=False)
    table = table.dropna(subset=list(TARGETS))
    features = table.drop(columns=[ID, *TARGETS], errors="ignore")
    return in_form_of(features, features), table[list(TARGETS)]


def in_form_of(batch: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that a batch shares with the table to train on, with its types: numbers, or words.

    A batch may have no value in a column, and so no type.
    """
    columns: dict[str, pd.Series[Any]] = {}
    for name in batch.columns:
        if name in training.columns and pd.api.types.is_numeric_dtype(training[name]):
            columns[name] = pd.to_numeric(batch[name], errors="coerce").astype(float)
        elif name in training.columns:
            columns[name] = batch[name].fillna("").astype(str)
    return pd.DataFrame(columns)
