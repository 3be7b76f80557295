"""From a checkpoint and a folder of images to ``submission.csv``."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor

from plant_pathology.data import PlantPathologyDM
from plant_pathology.labels import LABELS, decode
from plant_pathology.model import load_checkpoint


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What was predicted.

    Attributes:
        table: a row per image, sorted by name: ``image`` and a probability per label, float32.
        flaws: what was wrong with files, a line for each.
    """

    table: pd.DataFrame
    flaws: list[str]

    def report(self) -> str:
        """What to print when all is done."""
        if not self.flaws:
            return f"{len(self.table)} images predicted"
        lines = [f"{len(self.table)} images predicted, {len(self.flaws)} of them not whole:"]
        return "\n".join([*lines, *(f"  {flaw}" for flaw in self.flaws)])


def predict(competition: Path, checkpoint: Path, *, batch_size: int = 32, workers: int | None = None) -> Predictions:
    """Predict every test image of the competition; what cannot be read gets how often each label occurs.

    Args:
        competition: the competition's folder.
        checkpoint: a Lightning checkpoint of `MultiPlantPathology`.
        batch_size: images in a batch.
        workers: processes that decode images; by default one per core.

    Raises:
        FileNotFoundError: there is no checkpoint, or not one image.
        CheckpointError: the checkpoint is none, or one of another model.
    """
    model = load_checkpoint(checkpoint)
    data = PlantPathologyDM(
        competition,
        image_size=model.image_size,
        batch_size=batch_size,
        workers=(os.cpu_count() or 1) if workers is None else workers,
    )
    trainer = pl.Trainer(logger=False, enable_checkpointing=False)
    batches: list[tuple[list[str], list[str], Tensor]] = trainer.predict(model, data)  # type: ignore[assignment]
    table = pd.DataFrame(torch.cat([p for *_, p in batches]).float().cpu().numpy(), columns=list(LABELS))
    table.insert(0, "image", [name for names, _, _ in batches for name in names])
    return Predictions(table=table, flaws=[flaw for _, flaws, _ in batches for flaw in flaws if flaw])


def write_submission(probabilities: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Write the table that `predict` made in the competition's format, ``image,labels``; return that table."""
    labels = [decode(row) for row in probabilities[list(LABELS)].to_numpy()]
    submission = pd.DataFrame({"image": probabilities["image"], "labels": labels})
    submission.to_csv(path, index=False)
    return submission
