"""From a checkpoint and a folder of images to ``submission.csv``."""

import os
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor

from plant_pathology.data import PlantPathologyDM
from plant_pathology.labels import LABELS, decode
from plant_pathology.model import load_checkpoint


def predict(competition: Path, checkpoint: Path, *, batch_size: int = 32, workers: int | None = None) -> pd.DataFrame:
    """Predict every image of the competition's ``test_images/``.

    Args:
        competition: the competition's folder.
        checkpoint: a Lightning checkpoint of `MultiPlantPathology`.
        batch_size: images in a batch.
        workers: processes that decode images; by default one per core.

    Returns:
        A row per image, sorted by name: ``image`` and a probability per label, float32.

    Raises:
        FileNotFoundError: there is no checkpoint, or no image.
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
    batches: list[tuple[list[str], Tensor]] = trainer.predict(model, data)  # type: ignore[assignment]
    table = pd.DataFrame(torch.cat([p for _, p in batches]).float().cpu().numpy(), columns=list(LABELS))
    table.insert(0, "image", [name for names, _ in batches for name in names])
    return table


def write_submission(probabilities: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Write what `predict` returned in the competition's format, ``image,labels``; return that table."""
    labels = [decode(row) for row in probabilities[list(LABELS)].to_numpy()]
    submission = pd.DataFrame({"image": probabilities["image"], "labels": labels})
    submission.to_csv(path, index=False)
    return submission
