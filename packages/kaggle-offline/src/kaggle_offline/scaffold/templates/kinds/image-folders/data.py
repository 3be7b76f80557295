"""The competition's images; those to train on lie in the folders of their labels."""

from pathlib import Path

import pandas as pd

from my_competition.files import read_files

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
SAMPLE = "SAMPLE TABLE"
_TRAIN, _TEST = "train", "test"


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the images to train on: their pixels, and their labels.

    Raises:
        FileNotFoundError: the folders have no image.
    """
    paths = sorted((folder / _TRAIN).glob("*/*"))
    if not paths:
        raise FileNotFoundError(folder / _TRAIN)
    return read_files(paths), pd.DataFrame({TARGETS[0]: [path.parent.name for path in paths]})


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read the images of the test set, which the sample submission lists: their ids, and their pixels.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the sample submission lacks the id.
    """
    ids = pd.read_csv(folder / SAMPLE, dtype=str)[ID].tolist()
    return ids, read_files(folder / _TEST / name for name in ids)
