"""The score of a submission, logged to the trackers that are installed."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from kaggle_offline.environment import command
from kaggle_offline.git import subjects
from kaggle_offline.reports.result import Result, Submission
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.provenance import Chain
from kaggle_offline.trackers.programs import call, is_used

_PROGRAMS = {"MLflow": "mlflow", "W&B": "wandb"}


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A submission with a score.

    Attributes:
        submission: Kaggle's number, and the scores.
        origin: what was submitted.
        result: names the kernel and the datasets, and has the run.
        folds: the scores of a cross-validation; may be empty.
    """

    submission: Submission
    origin: Chain
    result: Result
    folds: Sequence[float]


def log_score(kernel: KernelFolder, scored: Scored) -> None:
    """Log a submission's scores, commit and versions to MLflow and W&B, where they are installed.

    A submission is one run of the tracker, however often it is logged. It is made already: what goes wrong here is
    printed.
    """
    for name, module in _PROGRAMS.items():
        if not is_used(module) or (module == "wandb" and os.environ.get("WANDB_MODE") == "disabled"):
            continue
        # It takes seconds, and minutes where a server does not answer.
        print(f"  {name}: ", end="", flush=True)
        program = f"kaggle_offline.trackers.{module}_run"
        text = json.dumps(_entry(kernel, scored))
        outcome = call(program, folder=kernel.repository, text=text, WANDB_DIR=str(kernel.build))
        if outcome.succeeded:
            print(f"logged to {outcome.printed}")
        else:
            again = command("submit", kernel.competition)
            print(f"not logged: {outcome.said}\n    → To log the score, run: {again}")


def _entry(kernel: KernelFolder, scored: Scored) -> dict[str, Any]:
    """Return the submission as `mlflow_run` and `wandb_run` read it."""
    submission, origin, result = scored.submission, scored.origin, scored.result
    scores = {"public_score": submission.score, "private_score": submission.private_score}
    if scored.folds:
        scores["cross_validation"] = fmean(scored.folds)
    versions = {"tag": origin.source.tag, "commit": origin.source.commit}
    if result.run:
        versions |= {"image": result.run.image, "docker_image": result.run.docker_image}
    for name, of, version in (
        ("kernel", result.kernel, origin.kernel),
        ("packages", result.packages, origin.packages),
        ("models", result.models, origin.models),
    ):
        if of is not None and version is not None:
            versions[name] = f"{of.ref}/{version}"
    digits = origin.source.digits
    known = subjects(kernel.repository, [digits])
    return {
        "competition": kernel.competition,
        "submission": submission.ref,
        "name": origin.source.tag or f"submission {submission.ref}",
        # Trackers link a commit of which they have all digits.
        "commit": known.get(digits, (digits or origin.source.commit, ""))[0],
        "scores": {name: score for name, score in scores.items() if score is not None},
        "versions": {name: version for name, version in versions.items() if version},
    }
