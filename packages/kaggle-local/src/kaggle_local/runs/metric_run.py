"""A run of a host's metric: in the image, without a network, within its limits, apart from kernels."""

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaggle_local.errors import SubmissionError
from kaggle_local.runs.container import Container
from kaggle_local.runs.execution import Executor, ready_image
from kaggle_local.runs.image import ImageSpec
from kaggle_local.runs.imports import with_imports
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.limits import RunLimits
from kaggle_local.runs.log import RunLog
from kaggle_local.runs.sandbox import INPUT, Mount

if TYPE_CHECKING:
    import pandas as pd

# Characters of a ParticipantVisibleError that are shown (Kaggle's documentation of metrics).
_VISIBLE = 280
# Characters of scores.json that are read.
_LONGEST = 10_000

# The driver reads tables with them.
_ALWAYS = ("numpy", "pandas")

_DRIVER = Path(__file__).with_name("metric_driver.py")
_UTILITIES = Path(__file__).with_name("metric_modules") / "kaggle_metric_utilities.py"


@dataclass(frozen=True, kw_only=True)
class MetricRun:
    """Runs a host's metric; see `kaggle_local.scoring.score.CustomMetric`.

    Attributes:
        metric: its file.
        row_id: the name of the id column.
        settings: the further arguments of ``score``.
        image: of the kernel whose output is scored; what the metric imports is added.
        images: the folder of the environments.
        container: the engine, and the image in it; None for the sandbox.
        limits: of the run.
        given_up: tells whether the run is to end at once.
    """

    metric: Path
    row_id: str
    settings: Mapping[str, Any]
    image: ImageSpec
    images: Path
    container: Container | None
    limits: RunLimits
    given_up: Callable[[], bool]

    def __call__(self, parts: "Sequence[tuple[pd.DataFrame, pd.DataFrame]]") -> list[float]:
        """Return the score of each part, in one run: Kaggle's limit is on all of them together.

        Args:
            parts: solution and submission, as texts, with the same rows; the id is among the columns.

        Raises:
            SubmissionError: the metric raises, takes too long, or returns no number.
            ImageError: the image cannot be built.
            SandboxError: this machine cannot isolate the metric.
            Stopped: the run is given up.
        """
        image = None
        if self.container is None:
            image = ready_image(with_imports(self.image, [self.metric], also=_ALWAYS), self.images)
        executor = Executor(image=image, container=self.container, given_up=self.given_up, cancelled=lambda: False)
        with tempfile.TemporaryDirectory() as temporary:
            inputs, folder = Path(temporary, "inputs"), Path(temporary, "run")
            inputs.mkdir()
            folder.mkdir()
            shutil.copyfile(self.metric, inputs / "metric.py")
            shutil.copyfile(_UTILITIES, inputs / _UTILITIES.name)
            for number, (solution, submission) in enumerate(parts):
                # All is quoted: readers would take a bare carriage return for a line's end.
                solution.to_csv(inputs / f"solution-{number}.csv", index=False, quoting=csv.QUOTE_ALL)
                submission.to_csv(inputs / f"submission-{number}.csv", index=False, quoting=csv.QUOTE_ALL)
            call = {"parts": len(parts), "row_id": self.row_id, "settings": dict(self.settings)}
            (inputs / "call.json").write_text(json.dumps(call, default=str), encoding="utf-8")
            program = Program(
                source=_DRIVER.read_text(encoding="utf-8"),
                kind="script",
                mounts=[Mount(inputs, f"{INPUT}/metric")],
                environment={},
                limits=self.limits,
                gpu=False,
            )
            log = RunLog()
            outcome = executor.run(program, folder, log)
            found = _read(folder / "output" / "scores.json") if not outcome.failed else {}
        visible = found.get("visible")
        if isinstance(visible, str):
            shown = visible[:_VISIBLE]
            raise SubmissionError(f"{self.metric.name}: {shown}", "Correct the submission.", kind=shown)
        scores = found.get("scores")
        if isinstance(scores, list) and len(scores) == len(parts) and all(type(value) is float for value in scores):
            return scores
        problem = outcome.stopped or _last_line(log) or "it ended without a score"
        raise SubmissionError(
            f"{self.metric.name}: {problem}",
            "A competitor sees only that scoring failed. The metric runs in the image, without a network.",
        )


def _read(output: Path) -> dict[str, Any]:
    """Return what the driver wrote; empty if it is not there, or is something else."""
    try:
        with output.open(encoding="utf-8") as file:
            document = json.loads(file.read(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _last_line(log: RunLog) -> str:
    """Return the last line of the errors, which names the exception."""
    events, _ = log.since(0)
    said = "".join(event["data"] for event in events if event["stream_name"] == "stderr")
    return (said.strip().splitlines() or [""])[-1]
