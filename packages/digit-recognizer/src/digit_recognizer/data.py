"""The competition's tables: a row of pixels for each image, and of those to train on the digit."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
Digits = npt.NDArray[np.int64]

ID, TARGET = "ImageId", "Label"
_LABEL = "label"


def read_training(folder: Path) -> tuple[Pixels, Digits]:
    """Read ``train.csv``: pixels, float32 ``(n, pixels)``, and digits, int64 ``(n,)``.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: its first column is not the label, or a cell is not a number.
    """
    names, table = _read(folder / "train.csv")
    if names[0] != _LABEL:
        raise ValueError(f"{folder / 'train.csv'}: the first column is {names[0]}, not {_LABEL}")
    return table[:, 1:], table[:, 0].astype(np.int64)


def read_test(folder: Path) -> Pixels:
    """Read ``test.csv``: pixels, float32 ``(n, pixels)``; the ids are 1 to n, in that order.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: a cell is not a number.
    """
    return _read(folder / "test.csv")[1]


def write_tables(folder: Path, train: tuple[Pixels, Digits], test: Pixels) -> None:
    """Write a side of the competition as Kaggle hands it out: what to train on, what to predict, and the sample."""
    folder.mkdir(parents=True)
    names = [f"pixel{n}" for n in range(test.shape[1])]
    pixels, digits = train
    _write(folder / "train.csv", [_LABEL, *names], np.column_stack([digits, pixels]))
    _write(folder / "test.csv", names, test)
    ids = np.arange(1, len(test) + 1)
    _write(folder / "sample_submission.csv", [ID, TARGET], np.column_stack([ids, np.zeros_like(ids)]))


def _read(path: Path) -> tuple[list[str], Pixels]:
    with path.open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
        return names, np.loadtxt(file, dtype=np.float32, delimiter=",", ndmin=2)


def _write(path: Path, names: list[str], table: npt.NDArray[np.generic]) -> None:
    np.savetxt(path, table, fmt="%d", delimiter=",", header=",".join(names), comments="")
