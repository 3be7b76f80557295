"""Train on a competition's folder: ``python -m plant_pathology.train --data FOLDER``."""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar

from plant_pathology.data import PlantPathologyDM
from plant_pathology.model import MultiPlantPathology


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training run depends on; every field is an option of the command line."""

    data: Path = field(metadata={"help": "the competition's folder, with train_images/ and train.csv"})
    output: Path = field(metadata={"help": "the checkpoint to write; a .json beside it says how it was made"})
    backbone: str = field(default="mobilenetv3_small_050", metadata={"help": "a timm model"})
    pretrained: bool = field(default=False, metadata={"help": "start from timm's published weights"})
    height: int = field(default=192, metadata={"help": "height of the images that the network sees"})
    width: int = field(default=288, metadata={"help": "width of the images that the network sees"})
    epochs: int = field(default=12, metadata={"help": "passes over the training images"})
    batch_size: int = field(default=32, metadata={"help": "images in a batch"})
    learning_rate: float = field(default=4e-3, metadata={"help": "peak of the one-cycle schedule"})
    workers: int = field(default=os.cpu_count() or 1, metadata={"help": "processes that decode images"})
    seed: int = field(default=0, metadata={"help": "fixes the split, the weights and the order"})


def train(settings: Settings) -> float:
    """Train, keep the weights of the best validation F1 and write them with a record of the run.

    The checkpoint holds weights and hyperparameters, no optimiser state: a third of the size.

    Returns:
        The best validation F1, from 0 to 1.

    Raises:
        FileNotFoundError: ``settings.data`` is not a competition's folder.
        ValueError: a label is unknown.
        RuntimeError: timm has no such backbone.
    """
    started = time.monotonic()
    pl.seed_everything(settings.seed, workers=True)
    size = (settings.height, settings.width)
    data = PlantPathologyDM(
        settings.data, image_size=size, batch_size=settings.batch_size, workers=settings.workers, seed=settings.seed
    )
    model = MultiPlantPathology(
        settings.backbone, size, learning_rate=settings.learning_rate, pretrained=settings.pretrained
    )
    with tempfile.TemporaryDirectory() as scratch:
        best = ModelCheckpoint(scratch, monitor="val_f1", mode="max", save_weights_only=True)
        trainer = pl.Trainer(
            max_epochs=settings.epochs,
            callbacks=[best, TQDMProgressBar(refresh_rate=10)],
            logger=False,
            default_root_dir=scratch,
        )
        trainer.fit(model, data)
        settings.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(best.best_model_path, settings.output)
    score = float(best.best_model_score) if best.best_model_score is not None else 0.0
    record = {
        "settings": {
            name: value for name, value in asdict(settings).items() if name not in ("data", "output", "workers")
        },
        "images": {"train": len(data.train), "validation": len(data.validation)},
        "validation_f1": round(score, 4),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "torch": torch.__version__,
    }
    settings.output.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    return score


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python -m plant_pathology.train",
        description="Train a leaf classifier, keeping the weights of the best validation F1.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, option in Settings.__dataclass_fields__.items():
        flag, text = f"--{name.replace('_', '-')}", option.metadata["help"]
        if option.type is bool:
            parser.add_argument(flag, action="store_true", help=text)
        elif name in ("data", "output"):
            parser.add_argument(flag, type=Path, required=True, default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, type=option.type, default=option.default, help=text)
    settings = Settings(**vars(parser.parse_args(arguments)))
    try:
        score = train(settings)
    except (OSError, ValueError, RuntimeError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(f"{settings.output}: validation F1 {score:.4f}")


if __name__ == "__main__":
    main()
