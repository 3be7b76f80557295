"""From checkpoints and a folder of images to ``submission.csv``: ``python -m plant_pathology.predict --help``."""

import argparse
import csv
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytorch_lightning as pl
from competition_kit.notes import noted
from competition_kit.submission import write_submission
from pytorch_lightning.callbacks import BasePredictionWriter, Callback
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from tqdm import tqdm

from plant_pathology.labels import LABELS, choose, decode, prior
from plant_pathology.leaves.batches import LeafDM
from plant_pathology.leaves.leaf_dataset import LATE, LeafDataset, list_test_images
from plant_pathology.network.checkpoint import CheckpointError, list_checkpoints
from plant_pathology.network.devices import best_precision, count_devices
from plant_pathology.network.ensemble import Batch, load_ensemble

# Between two lines of progress where no person watches, in seconds.
_LOG_INTERVAL = 30


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The predictions.

    Attributes:
        table: a row per image, sorted by name: ``image`` and a probability per label, float32. For an image that was
            not predicted they are how often each label occurs.
        predicted: of each row whether it was predicted, bool, shape ``(n,)``.
        thresholds: the probability that each label has to exceed, shape ``(6,)``.
        flaws: the problems with files, a line for each.
        late: images for which no time was left.
    """

    table: pd.DataFrame
    predicted: npt.NDArray[np.bool_]
    thresholds: npt.NDArray[np.float64]
    flaws: list[str]
    late: int

    def submission(self) -> pd.DataFrame:
        """Return the competition's table, ``image,labels``; images without a prediction have the most common label."""
        chosen = choose(self.table[list(LABELS)].to_numpy(), self.thresholds)
        chosen[~self.predicted] = choose(prior()[None])
        return pd.DataFrame({"image": self.table["image"], "labels": decode(chosen)})

    def report(self) -> str:
        """Return the lines to print when all is done."""
        lines = [f"{int(self.predicted.sum())} of {len(self.table)} images predicted"]
        if self.late:
            (label,) = decode(choose(prior()[None]))
            lines += [f"THE TIME LIMIT WAS OVER: {self.late} images were not looked at, and got the label {label}"]
        if self.flaws:
            lines += [f"{len(self.flaws)} files are not whole:", *(f"  {flaw}" for flaw in self.flaws)]
        # A file's name may be no text.
        return "\n".join(lines).encode(errors="backslashreplace").decode()


class RowWriter(BasePredictionWriter):
    """Writes rows as they are predicted, each process into a file of its own, so that memory does not grow.

    Args:
        folder: for the files; all processes use that of the first.
        images: how many there are in all.

    Attributes:
        probabilities: of all images, when the run has ended, shape ``(n, 6)``; nan for images without one.
        flaws: the problems with images, by their places.
    """

    def __init__(self, folder: Path, images: int) -> None:
        super().__init__(write_interval="batch")
        self.folder = folder
        self.probabilities = np.full((images, len(LABELS)), np.nan, dtype=np.float32)
        self.flaws: dict[int, str] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin a file."""
        del pl_module, stage
        self.folder = trainer.strategy.broadcast(self.folder)
        self.file: IO[str] = (self.folder / f"{trainer.global_rank}.csv").open(
            "w", newline="", errors="surrogateescape"
        )
        self.rows = csv.writer(self.file)

    def write_on_batch_end(  # noqa: PLR0917 - Lightning's
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Tensor,
        batch_indices: Sequence[int] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write a batch: the image's place, its flaw, and its probabilities if it was read."""
        del trainer, pl_module, batch_indices, batch_idx, dataloader_idx
        places, _, flaws, readable = batch
        probabilities = iter(prediction.tolist())
        for place, flaw, read in zip(places.tolist(), flaws, readable.tolist(), strict=True):
            if read:
                self.rows.writerow([place, flaw, *next(probabilities)])
            else:
                self.rows.writerow([place, flaw or LATE])
        self.file.flush()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for all processes, read their rows, and wait again, because the first then removes its folder."""
        del pl_module
        self.file.close()
        trainer.strategy.barrier()
        for path in self.folder.iterdir():
            self._read(path)
        trainer.strategy.barrier()

    def _read(self, path: Path) -> None:
        with path.open(newline="", errors="surrogateescape") as file:
            for place, flaw, *probabilities in csv.reader(file):
                if probabilities:
                    self.probabilities[int(place)] = [float(value) for value in probabilities]
                if flaw:
                    self.flaws[int(place)] = flaw


class ImageProgress(Callback):
    """A progress bar that counts images: how many a second, and what time is left."""

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin at zero, with this process' share of the images."""
        del pl_module
        loader = trainer.predict_dataloaders
        interval = 0.1 if sys.stderr.isatty() else _LOG_INTERVAL
        self.bar = tqdm(
            desc="predicting",
            total=len(loader.places),  # type: ignore[union-attr]
            unit="image",
            mininterval=interval,
            disable=not trainer.is_global_zero,
        )

    def on_predict_batch_end(  # noqa: PLR0917 - Lightning's
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch's images."""
        del trainer, pl_module, outputs, batch_idx, dataloader_idx
        self.bar.update(len(batch[0]))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the bar as it is."""
        del trainer, pl_module
        self.bar.close()


def predict(
    competition: Path,
    checkpoints: Sequence[Path],
    *,
    weights: Mapping[str, float] | None = None,
    flips: bool = False,
    scales: Sequence[float] = (1.0,),
    batch_size: int = 32,
    workers: int | None = None,
    time_limit: float = float("inf"),
    accelerator: str = "auto",
    devices: str | int = "auto",
    strategy: str = "auto",
    precision: str = "auto",
) -> Predictions:
    """Predict every test image of the competition; unreadable images get the share of each label.

    Each image is decoded once, by worker processes, while the network works on those before it. On several
    devices each takes its share, and every process returns the whole.

    Args:
        competition: the competition's folder.
        checkpoints: whose mean is taken.
        weights: by a checkpoint's file name, its weight in the mean; 1 unless said.
        flips: also show each image mirrored in either way and both.
        scales: shares of its own size at which each network sees an image.
        batch_size: images in a batch.
        workers: processes that decode images for each device; by default its share of the cores.
        time_limit: seconds from now after which no further image is looked at.
        accelerator: Lightning's.
        devices: Lightning's.
        strategy: Lightning's.
        precision: Lightning's, or ``auto``: the fastest of the device.

    Raises:
        FileNotFoundError: a checkpoint is not there, or not one image.
        CheckpointError: a file is not a checkpoint of this competition.
        ValueError: a weight is of no checkpoint.
    """
    deadline = time.monotonic() + time_limit
    model = load_ensemble(checkpoints, weights, flips=flips, scales=scales)
    model.deadline = deadline
    paths = list_test_images(competition)
    data = LeafDM(LeafDataset(paths, model.sizes, deadline), batch_size=batch_size, workers=workers)
    if len(paths) < count_devices(devices):
        # Lightning has no process without an image.
        devices = 1
    if precision == "auto":
        precision = best_precision(accelerator)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Lightning's own affairs.
        warnings.filterwarnings("ignore", message=".*(LeafSpec|batch indices)")
        writer = RowWriter(Path(folder), len(paths))
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=strategy,
            precision=precision,  # type: ignore[arg-type]
            callbacks=[writer, ImageProgress()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.predict(model, datamodule=data, return_predictions=False)
    predicted = np.isfinite(writer.probabilities).all(axis=1)
    table = pd.DataFrame(np.where(predicted[:, None], writer.probabilities, prior()), columns=list(LABELS))
    table.insert(0, "image", [path.name for path in paths])
    for place in np.flatnonzero(~predicted):
        # Images that were read, but for which the network's output was not a number.
        writer.flaws.setdefault(int(place), f"{paths[place].name}: the network gave no number")
    flaws = [flaw for _, flaw in sorted(writer.flaws.items())]
    return Predictions(
        table=table,
        predicted=predicted,
        thresholds=model.thresholds,
        flaws=[flaw for flaw in flaws if flaw != LATE],
        late=flaws.count(LATE),
    )


@rank_zero_only
def _hand_in(predictions: Predictions, output: Path, probabilities: Path | None) -> None:
    submission = predictions.submission()
    write_submission(output, list(map(str, submission)), submission.itertuples(index=False))
    if probabilities:
        # A file's name may be no text.
        predictions.table.to_csv(probabilities, index=False, errors="surrogateescape")
    print(predictions.report())


def _weight(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition("=")
    return name, float(weight)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; see ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python -m plant_pathology.predict",
        description="Predict every test image of a competition's folder and write the submission. "
        "Images that cannot be read get the most common label, and a line at the end.",
    )
    parser.add_argument("--data", type=Path, required=True, help="the competition's folder, with test_images/")
    parser.add_argument(
        "--checkpoints", type=Path, nargs="+", required=True, help="files, or folders of them: their mean"
    )
    parser.add_argument("--output", type=Path, required=True, help="the submission to write")
    parser.add_argument("--probabilities", type=Path, help="also write the probability of each label, as CSV")
    parser.add_argument(
        "--weights", type=_weight, nargs="*", default=[], metavar="NAME=W", help="of checkpoints in the mean; else 1"
    )
    parser.add_argument("--flips", action="store_true", help="also show each image mirrored, in three ways")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], help="of the network's size, averaged")
    parser.add_argument(
        "--time-limit", type=float, default=float("inf"), help="seconds until the remaining images are given up"
    )
    parser.add_argument("--batch-size", type=int, default=32, help="images in a batch (default %(default)s)")
    parser.add_argument("--workers", type=int, help="processes that decode, for each device (default: its cores)")
    for name in ("accelerator", "devices", "strategy", "precision"):
        parser.add_argument(f"--{name}", default="auto", help="Lightning's (default %(default)s)")
    options = vars(parser.parse_args(arguments))
    output, probabilities = options.pop("output"), options.pop("probabilities")
    options["weights"] = dict(options["weights"])
    options["checkpoints"] = list(chain(*map(list_checkpoints, options["checkpoints"])))
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    try:
        with noted("checkpoints loaded, images predicted"):
            predictions = predict(options.pop("data"), **options)
    except (OSError, CheckpointError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    _hand_in(predictions, output, probabilities)


if __name__ == "__main__":
    main()
