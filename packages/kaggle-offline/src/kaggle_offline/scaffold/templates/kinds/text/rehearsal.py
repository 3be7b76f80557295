"""A competition to rehearse on, drawn at random: make it look like the real one.

``python -m my_competition.rehearsal FOLDER`` writes the competition folder.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_TRAIN, _PUBLIC, _HIDDEN = 400, 100, 200
_GOOD = ("a joy", "well made", "worth every minute", "moving", "I would see it again")
_BAD = ("a bore", "badly made", "a waste of time", "flat", "I left before the end")
_PLAIN = ("It is about two brothers", "The music is by a friend", "It was raining", "We had good seats", "It is long")

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
    """Write a competition folder; the words of one mood tell the answer, and one case in twenty is mistaken.

    Args:
        folder: created if need be, with nothing of that name in it yet.
        seed: fixes every byte.
    """
    generator = np.random.default_rng(seed)
    cases = [_case(generator, number) for number in range(_TRAIN + _PUBLIC + _HIDDEN)]
    train, public, hidden = cases[:_TRAIN], cases[_TRAIN:-_HIDDEN], cases[-_HIDDEN:]
    for side, test in (("public", public), ("hidden", hidden)):
        (folder / side).mkdir(parents=True)
        _write(folder / side / "train.csv", ("id", "text", "target"), train)
        _write(folder / side / "test.csv", ("id", "text"), [case[:-1] for case in test])
        _write(folder / side / "sample_submission.csv", ("id", "target"), [(case[0], "good") for case in test])
    _write(folder / "solution.csv", ("id", "target"), [(case[0], case[-1]) for case in hidden])
    (folder / "competition.toml").write_text(_COMPETITION)


def _case(generator: np.random.Generator, number: int) -> tuple[str, str, str]:
    is_good = bool(generator.random() < 0.6)  # noqa: PLR2004 - most are
    moods = generator.choice(_GOOD if is_good else _BAD, size=2, replace=False).tolist()
    sentences = [str(generator.choice(_PLAIN)), f"It is {moods[0]}", f"{moods[1]}"]
    is_mistaken = bool(generator.random() < 0.05)  # noqa: PLR2004
    text = ". ".join(str(sentence) for sentence in generator.permutation(sentences))
    return f"review-{number}", f"{text}.", "good" if is_good != is_mistaken else "bad"


def _write(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])


if __name__ == "__main__":
    write_competition(Path(sys.argv[1]))
