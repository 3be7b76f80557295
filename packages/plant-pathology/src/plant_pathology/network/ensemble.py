"""Several checkpoints as one model that predicts."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from plant_pathology.labels import LABELS
from plant_pathology.network.checkpoint import CheckpointError, Metadata, read_checkpoint
from plant_pathology.network.model import Classifier, build_classifier

# Backbones halve an image five times; image sizes are multiples of that.
_STRIDE = 32

# The largest multiple of a network's own size; more is a mistake.
_LARGEST_SCALE = 4

Size = tuple[int, int]
Batch = tuple[Tensor, list[Tensor], list[str], Tensor]


class Ensemble(pl.LightningModule):
    """The weighted mean of what classifiers say, each of the image at its own size.

    Args:
        members: the classifiers, with what their checkpoints say of them and their weights in the mean.
        flips: also show each image mirrored in either way and both, and take the mean.
        scales: shares of its own size at which each classifier sees an image; the mean is taken.

    Attributes:
        sizes: (height, width) of each size at which an image is needed.
        thresholds: the weighted mean of the members', shape ``(6,)``.
        deadline: by ``time.monotonic()``; from then on nothing is predicted.
    """

    deadline = math.inf

    def __init__(
        self,
        members: Sequence[tuple[Classifier, Metadata, float]],
        *,
        flips: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(classifier for classifier, _, _ in members)
        total = sum(weight for _, _, weight in members)
        self.weights = [weight / total / len(scales) for _, _, weight in members]
        self.views = [_views(metadata.image_size, scales) for _, metadata, _ in members]
        self.sizes: tuple[Size, ...] = tuple(sorted(set(chain(*self.views))))
        self.flips: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3)) if flips else ((),)
        self.thresholds = np.average(
            [metadata.thresholds for _, metadata, _ in members], axis=0, weights=[weight for *_, weight in members]
        )
        self.to(memory_format=torch.channels_last)

    def setup(self, stage: str) -> None:
        """Have one deadline for all processes."""
        del stage
        self.deadline = self.trainer.strategy.broadcast(self.deadline)

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Return the images at each of `sizes`, uint8 ``(n, 3, h, w)``, to probabilities, float32 ``(n, 6)``."""
        seen = dict(
            zip(self.sizes, (view.contiguous(memory_format=torch.channels_last) for view in images), strict=True)
        )
        result = torch.zeros((len(images[0]), len(LABELS)), device=images[0].device)
        for classifier, weight, views in zip(self.classifiers, self.weights, self.views, strict=True):
            for size in views:
                for axes in self.flips:
                    result += weight / len(self.flips) * classifier(seen[size].flip(axes)).sigmoid()
        return result

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the probabilities of the images of a batch that were read, float32 ``(n, 6)``."""
        del batch_idx
        _, images, _, readable = batch
        if time.monotonic() >= self.deadline:
            # Images that were decoded but cannot be predicted in time: not read, and nothing wrong with them.
            readable[:] = False
        if readable.all():
            return self(images)  # type: ignore[no-any-return]
        if not readable.any():
            return torch.zeros((0, len(LABELS)))
        return self([view[readable] for view in images])  # type: ignore[no-any-return]


def load_ensemble(
    paths: Sequence[Path],
    weights: Mapping[str, float] | None = None,
    *,
    flips: bool = False,
    scales: Sequence[float] = (1.0,),
) -> Ensemble:
    """Load checkpoints on the CPU, ready to predict.

    Args:
        paths: the checkpoints.
        weights: by a checkpoint's file name, its weight in the mean; 1 unless said.
        flips: see `Ensemble`.
        scales: see `Ensemble`.

    Raises:
        FileNotFoundError: a file is not there.
        CheckpointError: a file is not a checkpoint of this competition, or no file is given.
        ValueError: a weight is of no checkpoint, of two, or not above 0; a scale is not above 0, or above 4; a
            checkpoint is there twice.
    """
    if not all(0 < scale <= _LARGEST_SCALE for scale in scales) or not scales:
        raise ValueError(f"scales {list(scales)}: each must be above 0, and at most {_LARGEST_SCALE}")
    if not paths:
        raise CheckpointError("no checkpoint to predict with")
    weights = weights or {}
    for path, times in Counter(path.resolve() for path in paths).items():
        if times > 1:
            raise ValueError(f"{path}: is there {times} times")
    names = Counter(path.name for path in paths)
    unknown = {name for name in weights if names[name] != 1}
    if unknown or not all(0 < weight < math.inf for weight in weights.values()):
        raise ValueError(f"weights {dict(weights)}: each must be above 0, and of one of {[p.name for p in paths]}")
    checkpoints = [(path, read_checkpoint(path)) for path in paths]
    members = [(build_classifier(c, path), c.metadata, weights.get(path.name, 1.0)) for path, c in checkpoints]
    return Ensemble(members, flips=flips, scales=scales).eval()


def _views(size: Size, scales: Sequence[float]) -> list[Size]:
    return [_scaled(size, scale) for scale in scales]


def _scaled(size: Size, scale: float) -> Size:
    """Return a size times ``scale``, in whole strides; as it is at a scale of 1."""
    if scale == 1:
        return size
    height, width = (max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in size)
    return height, width
