"""The network: any timm backbone with one logit per label."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import timm
import torch
from torch import Tensor, nn

from plant_pathology.labels import LABELS, prior


def mean_f1(predicted: Tensor, target: Tensor) -> Tensor:
    """F1 of each sample's labels, averaged over samples: the competition's metric.

    F1 = 2 TP / (2 TP + FP + FN) per sample, as scikit-learn's ``f1_score(average="samples")``.

    Args:
        predicted: bool, shape ``(n, labels)``.
        target: bool, shape ``(n, labels)``.

    Returns:
        A float32 scalar from 0 to 1.
    """
    hits = (predicted & target).sum(dim=1)
    total = predicted.sum(dim=1) + target.sum(dim=1)
    return (2 * hits / total.clamp(min=1)).float().mean()


class MultiPlantPathology(pl.LightningModule):
    """Multi-label leaf classifier, trained with binary cross-entropy on the logits.

    Args:
        backbone: name of a timm model.
        image_size: (height, width) that the network sees.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW.
        pretrained: start from timm's published weights, which need a network to fetch.
    """

    mean: Tensor
    std: Tensor
    prior: Tensor

    def __init__(
        self,
        backbone: str,
        image_size: tuple[int, int],
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        # A checkpoint carries its weights: loading one must never ask the network for others.
        self.save_hyperparameters(ignore=["pretrained"])
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.image_size = image_size
        self.network = timm.create_model(backbone, pretrained=pretrained, num_classes=len(LABELS))
        normalisation = timm.data.resolve_model_data_config(self.network)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(normalisation[name]).view(1, 3, 1, 1))
        # It is the competition's, so no checkpoint has it.
        self.register_buffer("prior", torch.from_numpy(prior()), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images, uint8 ``(n, 3, height, width)``, to logits, float32 ``(n, 6)``."""
        logits: Tensor = self.network((images.float() / 255 - self.mean) / self.std)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The loss of one batch."""
        images, target = batch
        loss = nn.functional.binary_cross_entropy_with_logits(self(images), target)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Log ``val_loss`` and ``val_f1``."""
        images, target = batch
        logits = self(images)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
        predicted = logits > 0
        predicted[torch.arange(len(logits)), logits.argmax(dim=1)] = True
        self.log("val_loss", loss, prog_bar=True, batch_size=len(images))
        self.log("val_f1", mean_f1(predicted, target.bool()), prog_bar=True, batch_size=len(images))

    def predict_step(
        self, batch: tuple[Tensor, list[str], list[str], Tensor], _: int
    ) -> tuple[list[str], list[str], Tensor]:
        """File names, what is wrong with them, and probabilities, float32 ``(n, 6)``; the prior where none was read."""
        images, names, flaws, readable = batch
        probabilities = self(images).sigmoid()
        return list(names), list(flaws), torch.where(readable[:, None], probabilities, self.prior.to(probabilities))

    def configure_optimizers(self) -> Any:
        """AdamW under a one-cycle schedule over all steps."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.learning_rate, total_steps=int(self.trainer.estimated_stepping_batches)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class CheckpointError(ValueError):
    """A file is not a checkpoint of this model."""


def load_checkpoint(path: Path) -> MultiPlantPathology:
    """Load a Lightning checkpoint on the CPU, ready to predict, running no code from the file.

    Raises:
        CheckpointError: the file is no checkpoint, or one of another model.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        missing = {"hyper_parameters", "state_dict"} - set(checkpoint)
        if missing:
            raise KeyError(f"it has no {' and no '.join(sorted(missing))}")
        model = MultiPlantPathology(**checkpoint["hyper_parameters"])
        model.load_state_dict(checkpoint["state_dict"])
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises what unpickling, zip files and modules raise
        raise CheckpointError(f"{path}: not a checkpoint of MultiPlantPathology: {error}") from error
    return model.eval()
