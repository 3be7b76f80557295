"""The competition's sounds, as spectra, and of those to train on the answers."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

ID = "ID NAME"
TARGETS = ("TARGET NAMES",)
COLUMNS = ("COLUMN NAMES",)
SAMPLE = "SAMPLE TABLE"
_TRAIN = "TRAIN TABLE"
# The files of a row.
_TRAIN_FILE, _TEST_FILE = "TRAIN FILES", "TEST FILES"
_BANDS = 64


def read_training(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the sounds to train on: the loudness of bands of the spectrum, a column each, and the answers.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the table lacks the id or an answer.
    """
    table = pd.read_csv(folder / _TRAIN, dtype=str)
    return _read(folder / _TRAIN_FILE.format_map({ID: name}) for name in table[ID]), table[list(TARGETS)]


def read_test(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """Read the sounds of the test set, which the sample submission lists: their ids, and the loudness of bands.

    Raises:
        FileNotFoundError: a file is not there.
        KeyError: the sample submission lacks the id.
    """
    ids = pd.read_csv(folder / SAMPLE, dtype=str)[ID].tolist()
    return ids, _read(folder / _TEST_FILE.format_map({ID: name}) for name in ids)


def _read(paths: Iterable[Path]) -> pd.DataFrame:
    rows = []
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(path)
        samples, _ = soundfile.read(path, always_2d=True)
        spectrum = np.abs(np.fft.rfft(samples.mean(axis=1)))
        rows.append([float(np.log1p(band.mean())) for band in np.array_split(spectrum, _BANDS)])
    return pd.DataFrame(rows)
