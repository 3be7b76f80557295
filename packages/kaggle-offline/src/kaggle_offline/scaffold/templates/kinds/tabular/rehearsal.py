"""A competition to rehearse on, drawn at random: make it look like the real one.

``python -m my_competition.rehearsal FOLDER`` writes the competition folder.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_TRAIN, _PUBLIC, _HIDDEN = 600, 100, 300
_COLOURS = ("red", "green", "blue")
_NAMES = ("id", "width", "height", "colour", "target")

_COMPETITION = """\
slug = "my-competition"
title = "My competition (drawn)"
metric = "accuracy"
id = "id"
target = "target"

[limits]
submissions_per_day = 100
"""


def write_competition(folder: Path, seed: int = 0) -> None:
    """Write a competition folder; whether a case is "yes" is told by its sides and its colour, with some noise.

    Args:
        folder: created if need be, with nothing of that name in it yet.
        seed: fixes every byte.
    """
    generator = np.random.default_rng(seed)
    cases = [_case(generator, number) for number in range(_TRAIN + _PUBLIC + _HIDDEN)]
    train, public, hidden = cases[:_TRAIN], cases[_TRAIN:-_HIDDEN], cases[-_HIDDEN:]
    for side, test in (("public", public), ("hidden", hidden)):
        (folder / side).mkdir(parents=True)
        _write(folder / side / "train.csv", _NAMES, train)
        _write(folder / side / "test.csv", _NAMES[:-1], [case[:-1] for case in test])
        _write(folder / side / "sample_submission.csv", ("id", "target"), [(case[0], "no") for case in test])
    _write(folder / "solution.csv", ("id", "target"), [(case[0], case[-1]) for case in hidden])
    (folder / "competition.toml").write_text(_COMPETITION)


def _case(generator: np.random.Generator, number: int) -> tuple[str, ...]:
    width, height = generator.uniform(0, 10, size=2).round(2).tolist()
    colour = str(generator.choice(_COLOURS))
    is_large = width * height + 10 * (colour == "red") + generator.normal(0, 3) > 25  # noqa: PLR2004 - of 100
    return f"case-{number}", str(width), str(height), colour, "yes" if is_large else "no"


def _write(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])


if __name__ == "__main__":
    write_competition(Path(sys.argv[1]))
