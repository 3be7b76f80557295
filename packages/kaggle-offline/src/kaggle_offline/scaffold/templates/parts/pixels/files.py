"""Images as features."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

_SIDE = 16


def read_files(paths: Iterable[Path]) -> pd.DataFrame:
    """Read images, made small: pixels from 0 to 1, a column each.

    Raises:
        FileNotFoundError: a file is not there.
    """
    rows = []
    for path in paths:
        with Image.open(path) as image:
            rows.append(np.asarray(image.convert("RGB").resize((_SIDE, _SIDE)), dtype=np.float32).ravel() / 255)
    return pd.DataFrame(np.stack(rows))
