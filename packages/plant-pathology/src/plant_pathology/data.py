"""The images: from a competition's folder to batches of tensors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from plant_pathology.labels import encode

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


def list_images(folder: Path) -> list[Path]:
    """The images that lie in ``folder``, sorted by name.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
    """
    images = sorted(p for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise FileNotFoundError(f"{folder}: no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def read_image(path: Path, size: tuple[int, int]) -> Tensor:
    """Decode an image and scale it to ``size``, the same way for training and prediction.

    ``draft`` lets libjpeg decode at the nearest power of two above the size that is needed, which
    is four times faster on the competition's photographs than decoding them whole.

    Args:
        path: an image that Pillow reads.
        size: (height, width) of the result.

    Returns:
        A uint8 tensor, shape ``(3, height, width)``.

    Raises:
        OSError: the file is no image, or a broken one; the message names it.
    """
    height, width = size
    try:
        with Image.open(path) as image:
            image.draft("RGB", (width, height))
            pixels = np.array(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    except OSError as error:
        raise OSError(f"{path}: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


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
        image = read_image(self.paths[index], self.size)
        return (self.augment(image) if self.augment else image), self.targets[index]


class TestLeaves(Dataset[tuple[Tensor, str]]):
    """Pairs of an image, uint8 ``(3, height, width)``, and the name of its file."""

    def __init__(self, paths: list[Path], size: tuple[int, int]) -> None:
        self.paths = paths
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        path = self.paths[index]
        return read_image(path, self.size), path.name


class PlantPathologyDM(pl.LightningDataModule):
    """The competition's folder as Lightning wants it.

    Training and validation come from ``train_images/`` and ``train.csv``; the test set is whatever
    images lie in ``test_images/``.

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
            self.test = TestLeaves(list_images(self.root / "test_images"), self.image_size)

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

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, str]]:
        """Batches of test images, uint8 ``(n, 3, h, w)``, and their file names, in sorted order."""
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
