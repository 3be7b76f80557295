"""A competition to rehearse on, drawn at random: make it look like the real one.

``python -m my_competition.rehearsal FOLDER`` writes the competition folder.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_TRAIN, _PUBLIC, _HIDDEN, _SIDE = 300, 40, 120, 48
_SHAPES = ("circle", "square", "triangle")

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
    """Write a competition folder with images of one shape each.

    Args:
        folder: created if need be, with nothing of that name in it yet.
        seed: fixes every byte.
    """
    generator = np.random.default_rng(seed)
    shapes = generator.choice(_SHAPES, size=_TRAIN + _PUBLIC + _HIDDEN).tolist()
    cases = [(f"{number:04}.png", shape, _draw(shape, generator)) for number, shape in enumerate(shapes)]
    train, public, hidden = cases[:_TRAIN], cases[_TRAIN:-_HIDDEN], cases[-_HIDDEN:]
    for side, test in (("public", public), ("hidden", hidden)):
        for part, images in (("train", train), ("test", test)):
            (folder / side / part).mkdir(parents=True)
            for name, _, image in images:
                image.save(folder / side / part / name)
        _write(folder / side / "train.csv", [(name, shape) for name, shape, _ in train])
        _write(folder / side / "sample_submission.csv", [(name, _SHAPES[0]) for name, *_ in test])
    _write(folder / "solution.csv", [(name, shape) for name, shape, _ in hidden])
    (folder / "competition.toml").write_text(_COMPETITION)


def _draw(shape: str, generator: np.random.Generator) -> Image.Image:
    grain = generator.integers(150, 256, size=(_SIDE, _SIDE), dtype=np.uint8)
    image = Image.fromarray(grain)
    x, y = generator.integers(_SIDE // 2 - 6, _SIDE // 2 + 7, size=2).tolist()
    r = int(generator.integers(9, 15))
    draw, ink = ImageDraw.Draw(image), int(generator.integers(0, 100))
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=ink)
    else:
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=ink)
    return image


def _write(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("id", "target"), *rows])


if __name__ == "__main__":
    write_competition(Path(sys.argv[1]))
