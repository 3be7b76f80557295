"""A synthetic Plant Pathology, for everyone who has no account to fetch the real one.

``python -m plant_pathology.synthetic FOLDER`` writes a *competition folder*: ``public/`` and
``hidden/`` in the competition's layout, ``solution.csv`` and ``competition.toml``. Each image is
a function of the seed, the split and its number alone, so it does not change with the number of
images or processes: the same seed, size, NumPy and Pillow give the same bytes.

Cost: about 0.3 s per megapixel on one core; 4000x2672 takes 3 to 5 s and 800 MB.
"""

import argparse
import csv
import math
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from tqdm import tqdm

from plant_pathology.labels import FREQUENCIES
from plant_pathology.network.cores import count_cores

Pixels = npt.NDArray[np.float32]

SLUG = "plant-pathology-2021-fgvc8"
MAXIMUM_SIZE = (4000, 2672)
MINIMUM_SIDE = 16

SPLITS = ("train", "public", "hidden")


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Where the leaf lies, in units of half the image's height, and what its outline is."""

    centre: tuple[float, float]
    angle: float
    length: float
    width: float
    bend: float
    teeth: float

    def half_width(self, along: Pixels) -> Pixels:
        """Return half the leaf's width at positions ``along`` its midrib (0 the stalk, 1 the tip)."""
        inside = np.clip(along, 0, 1)
        oval = np.sin(np.pi * inside**0.8)
        notches = 1 - 0.06 * np.mod(inside * self.teeth, 1)
        return np.asarray(self.width * oval * notches, dtype=np.float32)

    def to_leaf(self, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        """Image coordinates to (position along the midrib from 0 to 1, distance across it)."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u = (x - self.centre[0]) * cos + (y - self.centre[1]) * sin
        v = (y - self.centre[1]) * cos - (x - self.centre[0]) * sin
        return (u / self.length + 1) / 2, v - self.bend * u * u

    def to_image(self, along: float, across: float) -> tuple[float, float]:
        """Return the inverse of `to_leaf`, for one point."""
        u = (along * 2 - 1) * self.length
        v = across + self.bend * u * u
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.centre[0] + u * cos - v * sin, self.centre[1] + u * sin + v * cos


@dataclass(frozen=True)
class Canvas:
    """The picture under work: pixels of shape (height, width, 3) from 0 to 1, and the leaf on it."""

    pixels: Pixels
    leaf: Leaf
    along: Pixels
    across: Pixels
    mask: Pixels

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.mask.shape[0], self.mask.shape[1]

    @property
    def unit(self) -> float:
        """Pixels in half the image's height."""
        return len(self.pixels) / 2

    def paint(self, colour: Sequence[float], alpha: Pixels, window: tuple[slice, slice]) -> None:
        """Lay ``colour`` over the leaf in ``window``, as opaque as ``alpha`` says."""
        weight = (alpha * self.mask[window])[..., None]
        area = self.pixels[window]
        area += weight * (np.asarray(colour, dtype=np.float32) - area)


EVERYWHERE = (slice(None), slice(None))


def noise(rng: np.random.Generator, cells: int, shape: tuple[int, int]) -> Pixels:
    """Smooth noise from 0 to 1, shape ``shape``, about ``cells`` bumps to the shorter side."""
    height, width = shape
    grid = rng.random((cells + 2, round((cells + 2) * width / height)), dtype=np.float32)
    smooth = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32)


def _ramp(values: Pixels, low: float, high: float) -> Pixels:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _shade(rng: np.random.Generator, colour: Sequence[float], spread: float = 0.06) -> list[float]:
    return [float(np.clip(c + rng.uniform(-spread, spread), 0, 1)) for c in colour]


def _spots(
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    count: int,
    radius: tuple[float, float],
    ragged: float,
    draw: Callable[[Pixels, tuple[slice, slice]], None],
) -> None:
    """Call ``draw`` for ``count`` spots on the leaf with their distance field (1 at the rim)."""
    height, width = canvas.shape
    for _ in range(count):
        along = rng.uniform(0.08, 0.92)
        half = float(canvas.leaf.half_width(np.array([along], np.float32))[0])
        x, y = canvas.leaf.to_image(along, rng.uniform(-0.85, 0.85) * half)
        size = math.exp(rng.uniform(math.log(radius[0]), math.log(radius[1])))
        waves, phase = int(rng.integers(3, 8)), rng.uniform(0, 2 * math.pi)
        squash = rng.uniform(0.75, 1.0)
        column, row = x * canvas.unit + width / 2, y * canvas.unit + height / 2
        reach = math.ceil(size * canvas.unit * 2.2) + 1
        rows = slice(max(0, int(row) - reach), max(0, min(height, int(row) + reach)))
        columns = slice(max(0, int(column) - reach), max(0, min(width, int(column) + reach)))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        dy = (np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - row) / (size * canvas.unit)
        dx = (np.arange(columns.start, columns.stop, dtype=np.float32)[None] - column) / (size * canvas.unit * squash)
        rim = 1 + ragged * np.sin(waves * np.arctan2(dy, dx) + phase)
        draw(np.asarray(np.hypot(dx, dy) / rim, dtype=np.float32), (rows, columns))


def _scab(canvas: Canvas, rng: np.random.Generator, amount: float) -> None:
    """Olive to black velvety blotches with feathered edges."""
    colour = _shade(rng, (0.21, 0.20, 0.10), 0.05)
    opacity = rng.uniform(0.6, 0.9)
    feathers = noise(rng, 40, canvas.shape)

    def blotch(distance: Pixels, window: tuple[slice, slice]) -> None:
        frayed = distance + 0.9 * (feathers[window] - 0.5)
        canvas.paint(colour, opacity * (1 - _ramp(frayed, 0.55, 1.15)), window)

    _spots(canvas, rng, count=round(amount * rng.uniform(6, 16)), radius=(0.05, 0.13), ragged=0.2, draw=blotch)


def _rust(canvas: Canvas, rng: np.random.Generator, amount: float) -> None:
    """Bright orange spots in a yellow halo."""
    halo, centre = _shade(rng, (0.88, 0.78, 0.20)), _shade(rng, (0.93, 0.46, 0.08))
    dark = _shade(rng, (0.50, 0.16, 0.05))

    def pustule(distance: Pixels, window: tuple[slice, slice]) -> None:
        canvas.paint(halo, 0.75 * (1 - _ramp(distance, 0.9, 1.8)), window)
        canvas.paint(centre, 0.95 * (1 - _ramp(distance, 0.7, 1.0)), window)
        canvas.paint(dark, 0.7 * (1 - _ramp(distance, 0.1, 0.35)), window)

    _spots(canvas, rng, count=round(amount * rng.uniform(8, 26)), radius=(0.022, 0.055), ragged=0.05, draw=pustule)


def _frog_eye(canvas: Canvas, rng: np.random.Generator, amount: float) -> None:
    """Round spots, tan or grey within, with a purple-brown rim: a frog's eye."""
    rim, centre = _shade(rng, (0.31, 0.13, 0.16)), _shade(rng, (0.70, 0.58, 0.42))

    def eye(distance: Pixels, window: tuple[slice, slice]) -> None:
        canvas.paint(rim, 0.9 * (1 - _ramp(distance, 0.95, 1.15)), window)
        canvas.paint(centre, 0.95 * (1 - _ramp(distance, 0.6, 0.75)), window)

    _spots(canvas, rng, count=round(amount * rng.uniform(6, 20)), radius=(0.025, 0.065), ragged=0.04, draw=eye)


def _powdery_mildew(canvas: Canvas, rng: np.random.Generator, amount: float) -> None:
    """White powder in soft patches, with the leaf's green still visible below."""
    patches = noise(rng, int(rng.integers(4, 8)), canvas.shape)
    grains = noise(rng, 90, canvas.shape)
    cover = _ramp(patches + 0.25 * (grains - 0.5), 0.62 - 0.22 * amount, 0.85)
    canvas.paint(_shade(rng, (0.86, 0.88, 0.84), 0.04), rng.uniform(0.65, 0.85) * cover, EVERYWHERE)


def _complex(canvas: Canvas, rng: np.random.Generator, amount: float) -> None:
    """Many troubles at once: yellowing, dead brown margins and a mixture of faint spots."""
    yellow = _ramp(noise(rng, 4, canvas.shape), 0.35, 0.8)
    canvas.paint(_shade(rng, (0.78, 0.70, 0.22)), rng.uniform(0.5, 0.8) * yellow, EVERYWHERE)
    edge = np.abs(canvas.across) / np.maximum(canvas.leaf.half_width(canvas.along), 1e-3)
    depth = edge + 0.9 * (noise(rng, 7, canvas.shape) - 0.5)
    dead = _ramp(np.asarray(depth, dtype=np.float32), 0.62, 0.82)
    canvas.paint(_shade(rng, (0.42, 0.27, 0.13)), 0.9 * dead, EVERYWHERE)
    for other in rng.choice(np.array([_scab, _rust, _frog_eye], dtype=object), 2, replace=False):
        other(canvas, rng, 0.2 * amount)


_DISEASES = {
    "complex": _complex,
    "frog_eye_leaf_spot": _frog_eye,
    "powdery_mildew": _powdery_mildew,
    "rust": _rust,
    "scab": _scab,
}


def _background(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Foliage, soil or sky out of focus, shape (height, width, 3)."""
    scenes = (
        ((0.10, 0.16, 0.06), (0.38, 0.48, 0.24)),  # leaves in shadow
        ((0.22, 0.17, 0.11), (0.52, 0.44, 0.34)),  # soil and bark
        ((0.36, 0.46, 0.34), (0.80, 0.85, 0.88)),  # light through the branches
    )
    dark, light = scenes[int(rng.integers(len(scenes)))]
    blend = 0.7 * noise(rng, int(rng.integers(2, 5)), shape) + 0.3 * noise(rng, 12, shape)
    low, high = np.array(_shade(rng, dark), np.float32), np.array(_shade(rng, light), np.float32)
    return np.asarray(low + blend[..., None] * (high - low), dtype=np.float32)


def _leaf(rng: np.random.Generator, aspect: float) -> Leaf:
    length = rng.uniform(0.85, 1.3)
    return Leaf(
        centre=(rng.uniform(-0.2, 0.2) * aspect, rng.uniform(-0.15, 0.15)),
        angle=rng.uniform(0, 2 * math.pi),
        length=length,
        width=length * rng.uniform(0.5, 0.72),
        bend=rng.uniform(-0.18, 0.18),
        teeth=rng.uniform(18, 40),
    )


def _paint_blade(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw the healthy leaf: its green, its unevenness, the midrib and the side veins."""
    green = _shade(rng, (0.33, 0.50, 0.20), 0.08)
    canvas.paint(green, np.ones_like(canvas.mask), EVERYWHERE)
    canvas.paint((0.22, 0.36, 0.14), 0.5 * noise(rng, 5, canvas.shape), EVERYWHERE)
    canvas.paint((0.55, 0.66, 0.36), 0.25 * noise(rng, 60, canvas.shape), EVERYWHERE)
    spacing, slope = rng.uniform(0.07, 0.11), rng.uniform(0.35, 0.6)
    phase = np.mod((canvas.along - slope * np.abs(canvas.across) / canvas.leaf.length) / spacing, 1)
    side = 1 - _ramp(np.asarray(np.abs(phase - 0.5), np.float32), 0.02, 0.09)
    canvas.paint((0.62, 0.72, 0.42), 0.45 * side, EVERYWHERE)
    middle = 1 - _ramp(np.asarray(np.abs(canvas.across), np.float32), 0.008, 0.022)
    canvas.paint((0.70, 0.76, 0.50), 0.8 * middle, EVERYWHERE)


def draw(labels: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Draw the photograph of a leaf that shows ``labels`` (a cell of train.csv).

    Args:
        labels: label names parted by blanks; ``"healthy"`` alone for a leaf without a lesion.
        size: (width, height) in pixels.
        rng: the only source of chance.

    Returns:
        An RGB image.
    """
    width, height = size
    shape = (height, width)
    leaf = _leaf(rng, width / height)
    y = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / (height / 2)
    x = (np.arange(width, dtype=np.float32)[None] - width / 2) / (height / 2)
    along, across = leaf.to_leaf(x, y)
    margin = leaf.half_width(along) - np.abs(across)
    soft = rng.uniform(0.006, 0.02)
    mask = _ramp(np.asarray(margin, np.float32), 0, soft)
    canvas = Canvas(_background(rng, shape), leaf, along, across, mask)

    _paint_blade(canvas, rng)
    for label in labels.split():
        if label != "healthy":
            _DISEASES[label](canvas, rng, rng.uniform(0.6, 1.2))

    direction = rng.uniform(0, 2 * math.pi)
    light = 1 + rng.uniform(0, 0.22) * (x * math.cos(direction) + y * math.sin(direction))
    light = light * rng.uniform(0.78, 1.2) * (0.85 + 0.3 * noise(rng, 3, shape))
    warmth = np.array([rng.uniform(0.94, 1.06), 1.0, rng.uniform(0.9, 1.08)], dtype=np.float32)
    pixels = canvas.pixels
    pixels *= np.asarray(light, dtype=np.float32)[..., None] * warmth

    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 0.006) * height / 2))
    grain = rng.integers(-6, 7, size=shape, dtype=np.int16)[..., None]
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.int16) + grain, 0, 255).astype(np.uint8))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image to draw: everything that its bytes depend on, and where they go."""

    seed: int
    split: str
    number: int
    labels: str
    size: tuple[int, int]
    path: Path


def render(job: Job) -> None:
    """Draw one image and save it as a JPEG."""
    rng = np.random.default_rng([job.seed, SPLITS.index(job.split), job.number])
    draw(job.labels, job.size, rng).save(job.path, quality=int(rng.integers(82, 95)))


def choose_labels(seed: int, split: str, count: int) -> list[str]:
    """Return the cells for ``count`` images, drawn with the competition's uneven frequencies."""
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    cells = list(FREQUENCIES)
    weights = np.array(list(FREQUENCIES.values()), dtype=np.float64)
    return [cells[i] for i in rng.choice(len(cells), size=count, p=weights / weights.sum())]


def _write_csv(path: Path, names: Iterable[str], cells: Iterable[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "labels"])
        writer.writerows(zip(names, cells, strict=True))


_SETTINGS = """\
slug = "{slug}"
title = "Plant Pathology 2021 - FGVC8 (synthetic, seed {seed})"
metric = "mean-f1"
id = "image"
target = "labels"

[limits]
seconds = 32400
submissions_per_day = 100
"""


# Lies in the folder of a competition while it is drawn.
_BEGUN = ".drawing"


def write_competition(folder: Path, *, train: int, public: int, hidden: int, size: tuple[int, int], seed: int) -> None:
    """Write a competition folder with so many images in each split.

    Args:
        folder: created if need be; a competition that an earlier call wrote there is replaced.
        train: number of images to train on.
        public: number of images of the public test.
        hidden: number of images of the hidden test.
        size: (width, height) of every JPEG, at most 4000x2672.
        seed: fixes every byte.

    Raises:
        ValueError: a size or a number that the competition does not allow, or a folder in use.
    """
    if not (MINIMUM_SIDE <= size[0] <= MAXIMUM_SIZE[0] and MINIMUM_SIDE <= size[1] <= MAXIMUM_SIZE[1]):
        raise ValueError(
            f"size {size[0]}x{size[1]}: from {MINIMUM_SIDE}x{MINIMUM_SIDE} to {MAXIMUM_SIZE[0]}x{MAXIMUM_SIZE[1]}"
        )
    if min(train, public, hidden) < 1:
        raise ValueError("every split needs at least one image")
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A call that is stopped leaves it, and the next one may delete what that has drawn.
    begun = folder / _BEGUN
    begun.touch()
    counts = dict(zip(SPLITS, (train, public, hidden), strict=True))
    cells = {split: choose_labels(seed, split, count) for split, count in counts.items()}
    names = {split: _names(seed, split, count) for split, count in counts.items()}
    commonest = max(FREQUENCIES, key=FREQUENCIES.__getitem__)
    jobs: list[Job] = []
    for side, tests in (("public", "public"), ("hidden", "hidden")):
        root = folder / side
        for split, images in (("train", root / "train_images"), (tests, root / "test_images")):
            images.mkdir(parents=True, exist_ok=True)
            if side == "hidden" and split == "train":
                continue  # links to the public ones
            for number, (name, cell) in enumerate(zip(names[split], cells[split], strict=True)):
                path = images / name
                jobs.append(Job(seed=seed, split=split, number=number, labels=cell, size=size, path=path))
        _write_csv(root / "train.csv", names["train"], cells["train"])
        _write_csv(root / "sample_submission.csv", names[tests], [commonest] * counts[tests])
    _draw_all(jobs)
    for name in names["train"]:
        link = folder / "hidden" / "train_images" / name
        link.unlink(missing_ok=True)
        os.link(folder / "public" / "train_images" / name, link)
    _write_csv(folder / "solution.csv", names["hidden"], cells["hidden"])
    (folder / "competition.toml").write_text(_SETTINGS.format(slug=SLUG, seed=seed))
    begun.unlink()


def _clear(folder: Path) -> None:
    """Delete the images of an older competition in the folder.

    Raises:
        ValueError: the folder has other files.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "competition.toml").exists() and not (folder / _BEGUN).exists():
            raise ValueError(f"{folder} is not empty, and no competition folder")
        for side in ("public", "hidden"):
            shutil.rmtree(folder / side, ignore_errors=True)


def _names(seed: int, split: str, count: int) -> list[str]:
    """Draw file names; as in the competition, a name tells nothing of the label, the split or the place."""
    names = []
    for number in range(count):
        generator = np.random.default_rng([seed, SPLITS.index(split), number, 1])
        names.append(f"{generator.bytes(8).hex()}.jpg")
    return names


def _draw_all(jobs: Sequence[Job]) -> None:
    """Draw on every core, with a progress bar where a person watches."""
    with ProcessPoolExecutor(min(len(jobs), count_cores())) as pool:
        for _ in tqdm(pool.map(render, jobs, chunksize=4), total=len(jobs), desc="drawing leaves", disable=None):
            pass


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; see ``--help``."""
    parser = argparse.ArgumentParser(prog="python -m plant_pathology.synthetic", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="the competition folder to write")
    parser.add_argument("--train", type=int, default=24, help="images to train on (default %(default)s)")
    parser.add_argument("--public", type=int, default=12, help="public test images (default %(default)s)")
    parser.add_argument("--hidden", type=int, default=150, help="hidden test images (default %(default)s)")
    parser.add_argument("--size", type=_size, default=(600, 400), help="WIDTHxHEIGHT (default 600x400)")
    parser.add_argument("--seed", type=int, default=2021, help="fixes every byte (default %(default)s)")
    options = parser.parse_args(arguments)
    try:
        write_competition(
            options.folder,
            train=options.train,
            public=options.public,
            hidden=options.hidden,
            size=options.size,
            seed=options.seed,
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
