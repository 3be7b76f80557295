"""A competition to rehearse on: the 1,797 real digits that scikit-learn brings, in the competition's layout.

``python -m digit_recognizer.rehearsal FOLDER`` writes the competition folder. They are 8 by 8 pixels with
17 shades (Alpaydin & Kaynak 1998); the competition's are 28 by 28 with 256, and nothing here depends on that.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from digit_recognizer.data import ID, TARGET, write_tables

_TRAIN, _PUBLIC = 1000, 297

_COMPETITION = f"""\
slug = "digit-recognizer"
title = "Digit Recognizer (digits of scikit-learn)"
metric = "accuracy"
id = "{ID}"
target = "{TARGET}"

[limits]
submissions_per_day = 100
"""


def write_competition(folder: Path, seed: int = 2012) -> None:
    """Write a competition folder: 1,000 digits to train on, 297 of the public test, 500 of the hidden one.

    Args:
        folder: created if need be, with nothing of that name in it yet.
        seed: fixes which digits are where.
    """
    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(digits))
    pixels, digits = pixels[order].astype(np.float32), digits[order].astype(np.int64)
    train, public, hidden = slice(_TRAIN), slice(_TRAIN, _TRAIN + _PUBLIC), slice(_TRAIN + _PUBLIC, None)
    for side, rows in (("public", public), ("hidden", hidden)):
        write_tables(folder / side, (pixels[train], digits[train]), pixels[rows])
    answers = "".join(f"{number},{digit}\n" for number, digit in enumerate(digits[hidden].tolist(), start=1))
    (folder / "solution.csv").write_text(f"{ID},{TARGET}\n{answers}")
    (folder / "competition.toml").write_text(_COMPETITION)


if __name__ == "__main__":
    write_competition(Path(sys.argv[1]))
