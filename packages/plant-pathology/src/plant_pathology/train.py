"""Train on a competition's folder: ``python -m plant_pathology.train --data FOLDER``."""

import argparse
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.utilities import rank_zero_only

from plant_pathology.labels import LABELS, Probabilities, choose
from plant_pathology.network.checkpoint import UNKNOWN, Checkpoint, Metadata, write_checkpoint
from plant_pathology.network.cores import count_cores
from plant_pathology.network.devices import best_precision
from plant_pathology.network.model import Classifier, MultiPlantPathology, normalisation
from plant_pathology.training.data import PlantPathologyDM, digest_of_data
from plant_pathology.training.scores import mean_f1, tune_thresholds
from plant_pathology.training.training_report import write_report

# Settings that the outcome does not depend on, so that a training may go on with others.
_OF_THE_MACHINE = ("data", "output", "force", "run", "workers", "accelerator", "devices", "strategy", "precision")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a training run; every field is an option of the command line."""

    data: Path = field(metadata={"help": "the competition's folder, with train_images/ and train.csv"})
    output: Path = field(
        metadata={"help": "the checkpoint to write, or a folder: it is called after the backbone there; a .json beside"}
    )
    force: bool = field(default=False, metadata={"help": "replace the checkpoint if there is one"})
    run: Path = field(
        default=Path("training"),
        metadata={"help": "folder for reports, and for the state from which the same command resumes"},
    )
    backbone: str = field(default="mobilenetv3_small_050", metadata={"help": "a timm model"})
    pretrained: bool = field(default=False, metadata={"help": "start from timm's published weights"})
    height: int = field(default=192, metadata={"help": "height of the images that the network sees"})
    width: int = field(default=288, metadata={"help": "width of the images that the network sees"})
    epochs: int = field(default=12, metadata={"help": "passes over the training images"})
    batch_size: int = field(default=32, metadata={"help": "images in a batch, on each device"})
    learning_rate: float = field(default=4e-3, metadata={"help": "peak of the schedule: a warm-up, then a half cosine"})
    warm_up: float = field(default=0.1, metadata={"help": "share of the steps in which the learning rate rises"})
    weight_decay: float = field(default=1e-2, metadata={"help": "of AdamW"})
    balance: float = field(
        default=0.25,
        metadata={"help": "0: each label counts as often as it occurs; 1: its presence weighs as much as its absence"},
    )
    ema: float = field(default=0.99, metadata={"help": "decay of the weights' moving average, which is kept; 0: none"})
    folds: int = field(default=6, metadata={"help": "parts of the images, with the same share of each label"})
    fold: int = field(default=0, metadata={"help": "the part to validate with, from 0"})
    seed: int = field(default=0, metadata={"help": "fixes the split, the weights and the order"})
    workers: int = field(default=count_cores(), metadata={"help": "processes that decode images"})
    accelerator: str = field(default="auto", metadata={"help": "cpu, gpu, …: Lightning's"})
    devices: str = field(default="auto", metadata={"help": "how many, or which: Lightning's"})
    strategy: str = field(default="auto", metadata={"help": "ddp, …: Lightning's"})
    precision: str = field(
        default="auto",
        metadata={"help": "32-true, 16-mixed, bf16-mixed, …: Lightning's; auto: the fastest of the device"},
    )

    def checkpoint(self) -> Path:
        """Return the file to write."""
        if self.output.suffix:
            return self.output
        name = f"{self.backbone}-fold{self.fold}" if self.fold else self.backbone
        return self.output / f"{name}.ckpt"

    def folder(self) -> Path:
        """Return the folder of this run's files and its report."""
        return self.run / self.checkpoint().stem


def _shows_bars() -> bool:
    """Tell whether there is a terminal; in a log, a bar would be a line for each of its steps."""
    return sys.stderr.isatty()


class History(Callback):
    """The results of each epoch, kept over a stop; `epochs` has a row of numbers for each."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's losses and F1."""
        del pl_module
        values = {name: float(trainer.callback_metrics[name]) for name in ("train_loss", "val_loss", "val_f1")}
        self.epochs.append({"epoch": trainer.current_epoch + 1, **values})
        if not _shows_bars() and trainer.is_global_zero:
            told = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: {told}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the part of Lightning's checkpoint that is this callback's."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.epochs = list(state_dict["epochs"])


class OrderOfEpoch(Callback):
    """Has each epoch draw its own order and augmentation, be it the first after a stop or not."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed what draws them; the batches are drawn after this."""
        del pl_module
        torch.manual_seed(self.seed + 1_000_003 * trainer.current_epoch)


def train(settings: Settings) -> float:
    """Train, take the weights of the best validation F1, tune the thresholds, write checkpoint and report.

    A training that was stopped goes on after its last whole epoch when it is called with the same settings.

    Returns:
        The validation F1 with tuned thresholds, from 0 to 1.

    Raises:
        FileNotFoundError: ``settings.data`` is not a competition's folder.
        FileExistsError: the checkpoint exists, and ``settings.force`` is not given.
        ValueError: a label is unknown, or another training of this checkpoint was stopped, or is running.
        RuntimeError: timm has no such backbone.
    """
    with _locked(settings.folder()):
        path = settings.checkpoint()
        # A training that was stopped has been allowed to replace it.
        if path.exists() and not settings.force and not (settings.folder() / "last.ckpt").exists():
            raise FileExistsError(f"{path}: exists. Replace it with --force, or name another with --output.")
        return _train(settings)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a run's folder; the first process of a training holds it for the others."""
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout as error:
        raise ValueError(
            f"{folder}: another training is running here. Wait for it, or name another folder with --run."
        ) from error


def _train(settings: Settings) -> float:
    pl.seed_everything(settings.seed, workers=True)
    chosen = {name: value for name, value in asdict(settings).items() if name not in _OF_THE_MACHINE}
    digest = digest_of_data(settings.data)
    last = _last_epoch(settings.folder(), {**chosen, "data": digest})
    data = PlantPathologyDM(
        settings.data,
        image_size=(settings.height, settings.width),
        batch_size=settings.batch_size,
        workers=settings.workers,
        folds=settings.folds,
        fold=settings.fold,
        seed=settings.seed,
    )
    data.setup("fit")
    mean, std = normalisation(settings.backbone)
    classifier = Classifier(settings.backbone, mean, std, pretrained=settings.pretrained)
    model = MultiPlantPathology(
        classifier,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warm_up=settings.warm_up,
        label_weights=data.label_weights(settings.balance),
    )
    history = History()
    best = ModelCheckpoint(
        settings.folder(),
        filename="best",
        monitor="val_f1",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    # A callback of its own: with the best one's `save_last`, Lightning writes it only where an epoch was the best.
    latest = ModelCheckpoint(
        settings.folder(), filename="last", monitor=None, save_on_train_epoch_end=True, enable_version_counter=False
    )
    average = [EMAWeightAveraging(decay=settings.ema)] if settings.ema else []
    bars = [TQDMProgressBar(refresh_rate=10)] if _shows_bars() else []
    precision = best_precision(settings.accelerator) if settings.precision == "auto" else settings.precision
    trainer = pl.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=settings.strategy,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=settings.epochs,
        callbacks=[*average, history, OrderOfEpoch(settings.seed), best, latest, *bars],
        enable_progress_bar=bool(bars),
        logger=False,
        num_sanity_val_steps=0,
        default_root_dir=settings.folder(),
    )
    with warnings.catch_warnings():
        # The folder holds the run that goes on; the other is between Lightning and torch.
        warnings.filterwarnings("ignore", message=".*(exists and is not empty|LeafSpec)")
        trainer.fit(model, data, ckpt_path=last, weights_only=True)
    # The averaged weights, where there are any.
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    model.load_state_dict(state)
    probabilities, target = _validate(classifier.to(trainer.strategy.root_device), data)
    thresholds = tune_thresholds(probabilities, target)
    score = mean_f1(choose(probabilities, thresholds), target)
    metadata = Metadata(
        backbone=settings.backbone,
        image_size=data.image_size,
        mean=mean,
        std=std,
        labels=LABELS,
        thresholds=thresholds,
        commit=_commit(),
        data=digest,
    )
    record = {
        "settings": chosen,
        "metadata": asdict(metadata),
        "images": {"train": len(data.train), "validation": len(data.validation)},
        "validation_f1": round(score, 4),
        "torch": torch.__version__,
    }
    weights = {name: value.cpu() for name, value in classifier.network.state_dict().items()}
    rank_zero_only(write_report)(
        settings.folder() / "report.html",
        title=settings.checkpoint().stem,
        epochs=history.epochs,
        images=data.validation.paths,
        probabilities=probabilities,
        target=target,
        thresholds=thresholds,
        settings=chosen,
        folds={**_other_folds(settings, chosen), settings.fold: score},
    )
    # Last, as there is nothing to go on from any more then.
    _finish(settings, Checkpoint(metadata=metadata, weights=weights), record)
    return score


def _last_epoch(folder: Path, chosen: dict[str, Any]) -> Path | None:
    """Return the checkpoint that a training with these settings goes on from, if one was stopped."""
    last, record = folder / "last.ckpt", folder / "settings.json"
    if last.exists():
        if json.loads(record.read_text()) != chosen:
            raise ValueError(
                f"{folder}: a training with other settings or images was stopped here (settings.json has them). "
                "Go on with those, delete the folder, or name another with --run."
            )
        return last
    folder.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(chosen, indent=2) + "\n")
    return None


def _other_folds(settings: Settings, chosen: dict[str, Any]) -> dict[int, float]:
    """Return the validation F1 of those folds whose checkpoints lie beside this one, trained with the same settings."""
    found = {}
    for path in sorted(settings.checkpoint().parent.glob("*.json")):
        try:
            record = json.loads(path.read_text())
            fold = int(record["settings"]["fold"])
            if {**record["settings"], "fold": settings.fold} == chosen:
                found[fold] = float(record["validation_f1"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _validate(
    classifier: Classifier, data: PlantPathologyDM
) -> tuple[Probabilities, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return the probabilities and labels of the images held back, each of shape ``(n, 6)``, in their order."""
    classifier.eval()
    device = next(classifier.parameters()).device
    with torch.inference_mode():
        batches = [(classifier(images.to(device)).sigmoid().cpu(), target) for images, target in data.val_dataloader()]
    probabilities, targets = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
    return probabilities, targets.astype(bool)


@rank_zero_only
def _finish(settings: Settings, checkpoint: Checkpoint, record: dict[str, Any]) -> None:
    """Write the checkpoint and the record beside it; there is nothing to go on from any more."""
    path = settings.checkpoint()
    write_checkpoint(checkpoint, path)
    path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    (settings.folder() / "last.ckpt").unlink()


def _commit() -> str:
    """Return the commit that is checked out, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; see ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python -m plant_pathology.train",
        description="Train a leaf classifier, keeping the weights of the best validation F1. "
        "A training that was stopped goes on when the same command is run again.",
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
    # Lightning recommends other products at the level of information.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    try:
        score = train(settings)
    except (OSError, ValueError, RuntimeError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    rank_zero_only(print)(
        f"{settings.checkpoint()}: validation F1 {score:.4f}; curves and mistakes: {settings.folder() / 'report.html'}"
    )


if __name__ == "__main__":
    main()
