"""The images to train on: from a competition's folder to batches of tensors."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from plant_pathology.labels import encode
from plant_pathology.leaves.images import read_image


class LabelledLeaves(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of an image, uint8 ``(3, height, width)``, and its labels, float32 ``(6,)``."""

    def __init__(
        self, paths: list[Path], cells: list[str], size: tuple[int, int], augment: Callable[[Tensor], Tensor] | None
    ) -> None:
        self.paths = paths
        self.targets = torch.from_numpy(np.stack([encode(cell) for cell in cells]))
        self.size = size
        self.augment = augment

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = read_image(self.paths[index], [self.size]).pixels[0]
        if self.augment:
            image = self.augment(image)
        return image, self.targets[index]


class PlantPathologyDM(pl.LightningDataModule):
    """``train_images/`` and ``train.csv`` of a competition's folder, in folds.

    Every fold has its share of each combination of labels, and so of each label.

    Args:
        root: the competition's folder.
        image_size: (height, width) that images are scaled to.
        batch_size: images in a batch.
        workers: processes that decode images; 0 decodes in this one.
        folds: equal parts that the images are split into.
        fold: the number, from 0, of the part that is held back for validation.
        seed: fixes the split.

    Raises:
        ValueError: unknown fold.
    """

    def __init__(
        self,
        root: Path,
        *,
        image_size: tuple[int, int],
        batch_size: int = 32,
        workers: int = 0,
        folds: int = 6,
        fold: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= fold < folds or folds < 2:  # noqa: PLR2004 - one to train on and one to validate with
            raise ValueError(f"fold {fold} of {folds}: folds are counted from 0, and there are two at least")
        self.root = Path(root)
        self.image_size = image_size
        self.batch_size = batch_size
        self.workers = workers
        self.folds = folds
        self.fold = fold
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Read ``train.csv`` and split it.

        Raises:
            FileNotFoundError: a file or folder of the competition is not there.
            ValueError: ``train.csv`` names an unknown label, or has fewer images than folds.
        """
        # Here, so that a kernel need not import it.
        from sklearn.model_selection import StratifiedKFold

        if stage != "fit":
            raise ValueError(f"{stage}: this module has training data; LeafDataset has the images to predict")
        table = pd.read_csv(self.root / "train.csv", dtype=str, keep_default_na=False)
        # The order of a cell's labels says nothing.
        combinations = [" ".join(sorted(cell.split())) for cell in table["labels"]]
        splits = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        with warnings.catch_warnings():
            # A combination of labels that too few images have for each fold to get one.
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            train, validation = list(splits.split(table, combinations))[self.fold]
        self.train = self._labelled(table.iloc[train], augment=_augmentation())
        self.validation = self._labelled(table.iloc[validation], augment=None)

    def _labelled(self, table: pd.DataFrame, augment: Callable[[Tensor], Tensor] | None) -> LabelledLeaves:
        paths = [self.root / "train_images" / name for name in table["image"]]
        return LabelledLeaves(paths, list(table["labels"]), self.image_size, augment)

    def label_weights(self, power: float) -> Tensor:
        """Return the weight of each label's presence against its absence, float32 ``(6,)``: (absent / present)^power.

        With a power of 1 the two weigh the same in sum; with 0 every image does.
        """
        present = self.train.targets.sum(dim=0).clamp(min=1)
        return ((len(self.train) - present).clamp(min=1) / present) ** power

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled and augmented batches: images uint8 ``(n, 3, h, w)``, labels float32 ``(n, 6)``."""
        return DataLoader(
            self.train,
            batch_size=self.batch_size,
            shuffle=True,
            drop_last=len(self.train) > self.batch_size,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches held back from training, not augmented."""
        return DataLoader(
            self.validation, batch_size=self.batch_size, num_workers=self.workers, persistent_workers=self.workers > 0
        )


def digest_of_data(root: Path) -> str:
    """Return the digest of a competition's images: of ``train.csv``, and each file's name and size.

    Their bytes are not read: of the competition's that would be 16 GB.

    Raises:
        FileNotFoundError: a file of it is not there.
    """
    table = (root / "train.csv").read_bytes()
    digest = hashlib.sha256(table)
    for path in sorted((root / "train_images").iterdir()):
        digest.update(f"{path.name}\0{path.stat().st_size}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _augmentation() -> Callable[[Tensor], Tensor]:
    """Return a function that changes an image but not its labels: it mirrors, turns, scales, changes the light."""
    augment: Callable[[Tensor], Tensor] = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomAffine(degrees=15, translate=(0.05, 0.05), scale=(0.9, 1.15)),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
        ]
    )
    return augment
