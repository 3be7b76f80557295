"""The network: any timm backbone with one logit per label; what trains it, and several of them as one."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import timm
import torch
from torch import Tensor, nn

from plant_pathology.labels import DEFAULT_THRESHOLDS, LABELS, choose
from plant_pathology.network.checkpoint import Checkpoint, CheckpointError
from plant_pathology.training.scores import mean_f1


class Classifier(nn.Module):
    """A timm backbone with the normalisation of its pixels.

    Args:
        backbone: name of a timm model.
        mean: of red, green and blue, from 0 to 1.
        std: likewise.
        pretrained: start from timm's published weights, which need a network to fetch.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: str, mean: Sequence[float], std: Sequence[float], *, pretrained: bool = False) -> None:
        super().__init__()
        self.network = timm.create_model(backbone, pretrained=pretrained, num_classes=len(LABELS))
        # Not persistent: a checkpoint's metadata has them.
        for name, values in (("shift", mean), ("scale", std)):
            self.register_buffer(name, 255 * torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the images, uint8 ``(n, 3, height, width)``, to logits, float32 ``(n, 6)``."""
        logits: Tensor = self.network((images - self.shift) / self.scale)
        return logits.float()


def build_classifier(checkpoint: Checkpoint, path: Path) -> Classifier:
    """Return the network of a checkpoint, ready to predict.

    Args:
        checkpoint: what `read_checkpoint` gave.
        path: where it lay, for the message.

    Raises:
        CheckpointError: timm has no such backbone, or the weights are not its.
    """
    metadata = checkpoint.metadata
    # Names of another form lead timm to folders and networks.
    if not timm.is_model(metadata.backbone):
        raise CheckpointError(f"{path}: Unknown model {metadata.backbone}: timm has none of that name")
    try:
        classifier = Classifier(metadata.backbone, metadata.mean, metadata.std).eval()
        classifier.network.load_state_dict(checkpoint.weights)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: its weights are not those of {metadata.backbone}: {error}") from error
    try:
        with torch.inference_mode():
            classifier(torch.zeros((1, 3, *metadata.image_size), dtype=torch.uint8))
    except Exception as error:  # backbones raise all kinds of exceptions
        raise CheckpointError(f"{path}: {metadata.backbone} cannot see {metadata.image_size}: {error}") from error
    return classifier


def normalisation(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation that timm publishes for a backbone's pixels.

    Raises:
        RuntimeError: timm has no such backbone.
    """
    if not timm.is_model(backbone):
        raise RuntimeError(f"timm has no model {backbone}; timm.list_models() lists them")
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(backbone).to_dict())
    return tuple(config["mean"]), tuple(config["std"])


def share_of_peak(step: int, *, warm_up: int, steps: int) -> float:
    """Return the learning rate at a step, as a share of its peak: linear to the peak, then a half cosine to zero.

    Loshchilov & Hutter 2017 (SGDR), without restarts, after Goyal et al. 2017's warm-up.
    """
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


class MultiPlantPathology(pl.LightningModule):
    """Trains a `Classifier` with binary cross-entropy on its logits.

    Args:
        classifier: the network.
        learning_rate: peak of the schedule.
        weight_decay: of AdamW.
        warm_up: share of the steps in which the learning rate rises.
        label_weights: float32 ``(6,)``: by how much more a label's presence counts than its absence.
    """

    label_weights: Tensor

    def __init__(
        self,
        classifier: Classifier,
        *,
        learning_rate: float,
        weight_decay: float,
        warm_up: float,
        label_weights: Tensor,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warm_up = warm_up
        self.register_buffer("label_weights", label_weights, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the images, uint8 ``(n, 3, height, width)``, to logits, float32 ``(n, 6)``."""
        logits: Tensor = self.classifier(images)
        return logits

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weight=self.label_weights)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss of one batch."""
        images, target = batch
        loss = self._loss(self(images), target)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Log ``val_loss`` and ``val_f1``; the latter with the default thresholds."""
        images, target = batch
        logits = self(images)
        probabilities = logits.sigmoid().cpu().numpy()
        score = mean_f1(choose(probabilities, DEFAULT_THRESHOLDS), target.bool().cpu().numpy())
        options: dict[str, Any] = {"prog_bar": True, "batch_size": len(images), "sync_dist": True}
        self.log("val_loss", self._loss(logits, target), **options)
        self.log("val_f1", score, **options)

    def configure_optimizers(self) -> Any:
        """AdamW, its learning rate as `share_of_peak` says."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        warm_up = max(1, round(self.warm_up * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: share_of_peak(step, warm_up=warm_up, steps=steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
