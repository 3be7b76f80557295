"""The competition's images, small and grey, and of those to train on the answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

ID, TARGET = "id", "target"
_SIDE = 24

Pixels = npt.NDArray[np.float32]


def read_training(folder: Path) -> tuple[Pixels, list[str]]:
    """Read ``train.csv`` and the images of ``train/``: pixels, float32 ``(n, 576)`` from 0 to 1, and the answers.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the table lacks the id or the target.
    """
    table = pd.read_csv(folder / "train.csv", dtype=str)
    return _read([folder / "train" / name for name in table[ID]]), table[TARGET].tolist()


def read_test(folder: Path) -> tuple[list[str], Pixels]:
    """Read the images of ``test/``: their names, sorted, which are the ids, and pixels as in `read_training`.

    Raises:
        FileNotFoundError: the folder is not there.
    """
    paths = sorted((folder / "test").iterdir())
    return [path.name for path in paths], _read(paths)


def _read(paths: Sequence[Path]) -> Pixels:
    images = np.empty((len(paths), _SIDE * _SIDE), dtype=np.float32)
    for row, path in zip(images, paths, strict=True):
        with Image.open(path) as image:
            row[:] = np.asarray(image.convert("L").resize((_SIDE, _SIDE)), dtype=np.float32).ravel() / 255
    return images
