"""Sounds as features."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

_BANDS = 64


def read_files(paths: Iterable[Path]) -> pd.DataFrame:
    """Read sounds: the loudness of bands of the spectrum, a column each.

    Raises:
        FileNotFoundError: a file is not there.
    """
    rows = []
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(path)
        samples, _ = soundfile.read(path, always_2d=True)
        spectrum = np.abs(np.fft.rfft(samples.mean(axis=1)))
        rows.append([float(np.log1p(band.mean())) for band in np.array_split(spectrum, _BANDS)])
    return pd.DataFrame(rows)
