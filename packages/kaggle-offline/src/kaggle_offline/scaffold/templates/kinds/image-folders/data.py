"""The competition's images, small; those to train on lie in the folders of their labels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
SAMPLE = "SAMPLE TABLE"
_TRAIN, _TEST = "train", "test"
_SIDE = 16


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the images to train on: pixels from 0 to 1, a column each, and their labels.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = sorted((folder / _TRAIN).glob("*/*"))
    if not paths:
        raise FileNotFoundError(folder / _TRAIN)
    return _read(paths), pd.DataFrame({TARGETS[0]: [path.parent.name for path in paths]})


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read the images of the test set, which the sample submission lists: their ids, and pixels.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the sample submission lacks the id.
    """
    ids = pd.read_csv(folder / SAMPLE, dtype=str)[ID].tolist()
    return ids, _read(folder / _TEST / name for name in ids)


def _read(paths: Iterable[Path]) -> pd.DataFrame:
    rows = []
    for path in paths:
        with Image.open(path) as image:
            rows.append(np.asarray(image.convert("RGB").resize((_SIDE, _SIDE)), dtype=np.float32).ravel() / 255)
    return pd.DataFrame(np.stack(rows))
