"""The images to predict: every one that the competition asks for, be it there and whole or not."""

import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from plant_pathology.leaves.images import ImageError, read_image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

# The flaw of an image for which no time was left.
LATE = "late"

# Its place in the list, its pixels at each size (uint8, (3, height, width)), its flaw, whether it was read.
Leaf = tuple[int, tuple[Tensor, ...], str, bool]


def list_test_images(root: Path) -> list[Path]:
    """Return the test images of a competition's folder, sorted by name.

    They are what lies in ``test_images/`` under an image's name, and what ``sample_submission.csv`` asks for.

    Raises:
        FileNotFoundError: no images found.
        ValueError: the sample has a row without a valid file name, or no rows.
    """
    folder, sample = root / "test_images", root / "sample_submission.csv"
    names = {p.name for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES}
    if not names:
        raise FileNotFoundError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    if sample.is_file():
        # A file's name may be no text.
        table = pd.read_csv(sample, dtype=str, keep_default_na=False, encoding_errors="surrogateescape")
        if "image" not in table:
            raise ValueError(f"{sample}: no column image, but {', '.join(table.columns)}")
        wrong = [name for name in table["image"] if name != Path(name).name]
        if wrong:
            raise ValueError(f"{sample}: {wrong[0]!r} is not a file name")
        names |= set(table["image"])
    return [folder / name for name in sorted(names)]


class LeafDataset(Dataset[Leaf]):
    """Test images, each decoded once, at every size that is asked for. An image that cannot be read is black.

    Args:
        paths: the files.
        sizes: (height, width) of each result.
        deadline: by ``time.monotonic()``; from then on no file is read, and the flaw is `LATE`.

    Attributes:
        given_up: by an image's place, why it is not to be read.
    """

    def __init__(self, paths: list[Path], sizes: tuple[tuple[int, int], ...], deadline: float = float("inf")) -> None:
        self.paths = paths
        self.sizes = sizes
        self.deadline = deadline
        self.given_up: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Leaf:
        path = self.paths[index]
        flaw = self.given_up.get(index, "")
        if not flaw and time.monotonic() >= self.deadline:
            flaw = LATE
        if not flaw:
            try:
                picture = read_image(path, self.sizes)
            except ImageError as error:
                flaw = str(error)
            else:
                return index, picture.pixels, picture.flaw and f"{path.name}: {picture.flaw}", True
        return index, tuple(torch.zeros((3, *size), dtype=torch.uint8) for size in self.sizes), flaw, False
