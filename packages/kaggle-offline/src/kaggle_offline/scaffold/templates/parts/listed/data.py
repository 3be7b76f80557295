"""The competition's files, a row each, and of those to train on the answers."""

from pathlib import Path

import pandas as pd

from my_competition.files import read_files

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
SAMPLE = "SAMPLE TABLE"
_TRAIN = "TRAIN TABLE"
# The files of a row.
_TRAIN_FILE, _TEST_FILE = "TRAIN FILES", "TEST FILES"


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the files to train on: their features, and their answers.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the table lacks the id or an answer.
    """
    table = pd.read_csv(folder / _TRAIN, dtype=str)
    return read_files(folder / _TRAIN_FILE.format_map({ID: name}) for name in table[ID]), table[list(TARGETS)]


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read the files of the test set, which the sample submission lists: their ids, and their features.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the sample submission lacks the id.
    """
    ids = pd.read_csv(folder / SAMPLE, dtype=str)[ID].tolist()
    return ids, read_files(folder / _TEST_FILE.format_map({ID: name}) for name in ids)
