"""The images to predict: every one that the competition asks for, be it there and whole or not."""

import time
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from plant_pathology.cores import count_cores
from plant_pathology.images import ImageError, read_image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

# What is wrong with an image for which no time was left.
LATE = "late"

# Its place in the list, its pixels at each size (uint8, (3, height, width)), what is wrong, whether it was read.
Leaf = tuple[int, tuple[Tensor, ...], str, bool]


def list_test_images(root: Path) -> list[Path]:
    """The test images of a competition's folder, sorted by name.

    They are what lies in ``test_images/`` under an image's name, and what ``sample_submission.csv`` asks for.

    Raises:
        FileNotFoundError: there is no image at all.
        ValueError: the sample asks for something that is no file's name, or has no images.
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
            raise ValueError(f"{sample}: {wrong[0]!r} is no file's name")
        names |= set(table["image"])
    return [folder / name for name in sorted(names)]


class TestLeaves(Dataset[Leaf]):
    """Test images, each decoded once, at every size that is asked for. What cannot be read is black.

    Args:
        paths: the files.
        sizes: (height, width) of each result.
        deadline: by ``time.monotonic()``; from then on no file is read, and what is wrong is `LATE`.
    """

    def __init__(self, paths: list[Path], sizes: tuple[tuple[int, int], ...], deadline: float = float("inf")) -> None:
        self.paths = paths
        self.sizes = sizes
        self.deadline = deadline

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Leaf:
        path, flaw = self.paths[index], LATE
        if time.monotonic() < self.deadline:
            try:
                picture = read_image(path, self.sizes)
            except ImageError as error:
                flaw = str(error)
            else:
                return index, picture.pixels, picture.flaw and f"{path.name}: {picture.flaw}", True
        return index, tuple(torch.zeros((3, *size), dtype=torch.uint8) for size in self.sizes), flaw, False


class TestLeavesDM(pl.LightningDataModule):
    """Batches of what `TestLeaves` gives, in its order, made by worker processes ahead of the network.

    Args:
        leaves: the images.
        batch_size: images in a batch.
        workers: processes that decode for each device; by default its share of the cores. 0 decodes in this one.
    """

    def __init__(self, leaves: TestLeaves, *, batch_size: int, workers: int | None) -> None:
        super().__init__()
        self.leaves = leaves
        self.batch_size = batch_size
        self.workers = workers

    def setup(self, stage: str) -> None:
        """Have one deadline for all processes."""
        del stage
        assert self.trainer is not None
        self.leaves.deadline = self.trainer.strategy.broadcast(self.leaves.deadline)

    def predict_dataloader(self) -> DataLoader[Leaf]:
        """Batches: places in the list, images of each size, uint8 ``(n, 3, h, w)``, flaws, whether each was read."""
        assert self.trainer is not None
        share = max(1, count_cores() // self.trainer.num_devices)
        return DataLoader(
            self.leaves,
            batch_size=self.batch_size,
            num_workers=share if self.workers is None else self.workers,
            pin_memory=torch.cuda.is_available(),
        )
