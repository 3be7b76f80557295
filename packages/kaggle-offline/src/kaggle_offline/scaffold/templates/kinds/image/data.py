"""The competition's images, small, and of those to train on the answers."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
SAMPLE = "SAMPLE TABLE"
_TRAIN = "TRAIN TABLE"
# The files of a row.
_TRAIN_FILE, _TEST_FILE = "TRAIN FILES", "TEST FILES"
_SIDE = 16


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the images to train on: pixels from 0 to 1, a column each, and the answers.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the table lacks the id or an answer.
    """
    table = pd.read_csv(folder / _TRAIN, dtype=str)
    return _read(folder / _TRAIN_FILE.format_map({ID: name}) for name in table[ID]), table[list(TARGETS)]


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read the images of the test set, which the sample submission lists: their ids, and pixels.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the sample submission lacks the id.
    """
    ids = pd.read_csv(folder / SAMPLE, dtype=str)[ID].tolist()
    return ids, _read(folder / _TEST_FILE.format_map({ID: name}) for name in ids)


def _read(paths: Iterable[Path]) -> pd.DataFrame:
    rows = []
    for path in paths:
        with Image.open(path) as image:
            rows.append(np.asarray(image.convert("RGB").resize((_SIDE, _SIDE)), dtype=np.float32).ravel() / 255)
    return pd.DataFrame(np.stack(rows))
