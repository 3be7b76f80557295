"""The images: from a competition's folder to batches of tensors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from plant_pathology.images import ImageError, read_image
from plant_pathology.labels import encode

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


def list_test_images(root: Path) -> list[Path]:
    """The test images of a competition's folder, sorted by name, be they there and whole or not.

    They are what lies in ``test_images/`` under an image's name, and what ``sample_submission.csv`` asks for.

    Raises:
        FileNotFoundError: there is no image at all.
    """
    folder, sample = root / "test_images", root / "sample_submission.csv"
    names = {p.name for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES}
    if not names:
        raise FileNotFoundError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    if sample.is_file():
        names |= set(pd.read_csv(sample, dtype=str, keep_default_na=False)["image"])
    return [folder / name for name in sorted(names)]


class LabelledLeaves(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of an image, uint8 ``(3, height, width)``, and its labels, float32 ``(6,)``."""

    def __init__(
        self, paths: list[Path], cells: list[str], size: tuple[int, int], augment: Callable[[Tensor], Tensor] | None
    ) -> None:
        self.paths = paths
        self.targets = [torch.from_numpy(encode(cell)) for cell in cells]
        self.size = size
        self.augment = augment

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = read_image(self.paths[index], self.size).pixels
        return (self.augment(image) if self.augment else image), self.targets[index]


class TestLeaves(Dataset[tuple[Tensor, str, str, bool]]):
    """Test images: pixels, uint8 ``(3, height, width)``, the file's name, what is wrong with it, whether it was read.

    What cannot be read is black.
    """

    def __init__(self, paths: list[Path], size: tuple[int, int]) -> None:
        self.paths = paths
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, str, str, bool]:
        path = self.paths[index]
        try:
            picture = read_image(path, self.size)
        except ImageError as error:
            return torch.zeros((3, *self.size), dtype=torch.uint8), path.name, str(error), False
        return picture.pixels, path.name, picture.flaw and f"{path.name}: {picture.flaw}", True


class PlantPathologyDM(pl.LightningDataModule):
    """The competition's folder as Lightning wants it.

    Training and validation come from ``train_images/`` and ``train.csv``; the test set is what
    `list_test_images` finds.

    Args:
        root: the competition's folder.
        image_size: (height, width) that images are scaled to.
        batch_size: images in a batch.
        workers: processes that decode images; 0 decodes in this one.
        validation_fraction: share of the training images held back, by a split that ``seed`` fixes.
        seed: fixes the split.
    """

    def __init__(
        self,
        root: Path,
        *,
        image_size: tuple[int, int],
        batch_size: int = 32,
        workers: int = 0,
        validation_fraction: float = 0.15,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.root = Path(root)
        self.image_size = image_size
        self.batch_size = batch_size
        self.workers = workers
        self.validation_fraction = validation_fraction
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Read ``train.csv`` or list the test images, as ``stage`` needs it.

        Raises:
            FileNotFoundError: a file or folder of the competition is not there.
            ValueError: ``train.csv`` names an unknown label.
        """
        if stage == "fit":
            table = pd.read_csv(self.root / "train.csv", dtype=str, keep_default_na=False)
            order = np.random.default_rng(self.seed).permutation(len(table))
            held_back = max(1, round(len(table) * self.validation_fraction))
            self.validation = self._labelled(table.iloc[order[:held_back]], augment=None)
            self.train = self._labelled(table.iloc[order[held_back:]], augment=_augmentation())
        else:
            self.test = TestLeaves(list_test_images(self.root), self.image_size)

    def _labelled(self, table: pd.DataFrame, augment: Callable[[Tensor], Tensor] | None) -> LabelledLeaves:
        paths = [self.root / "train_images" / name for name in table["image"]]
        return LabelledLeaves(paths, list(table["labels"]), self.image_size, augment)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled and augmented batches: images uint8 ``(n, 3, h, w)``, labels float32 ``(n, 6)``."""
        return DataLoader(
            self.train,
            batch_size=self.batch_size,
            shuffle=True,
            drop_last=len(self.train) > self.batch_size,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches held back from training, not augmented."""
        return DataLoader(
            self.validation, batch_size=self.batch_size, num_workers=self.workers, persistent_workers=self.workers > 0
        )

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, str, str, bool]]:
        """Batches of what `TestLeaves` gives, images as uint8 ``(n, 3, h, w)``, sorted by name."""
        return DataLoader(self.test, batch_size=self.batch_size, num_workers=self.workers)


def _augmentation() -> Callable[[Tensor], Tensor]:
    """What leaves a leaf's labels as they are: mirror, turn, scale, other light."""
    augment: Callable[[Tensor], Tensor] = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomAffine(degrees=15, translate=(0.05, 0.05), scale=(0.9, 1.15)),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
        ]
    )
    return augment
