"""The score of a submission, logged to the trackers that are installed."""

import json
from collections.abc import Mapping, Sequence
from statistics import fmean

from kaggle_offline.environment import command
from kaggle_offline.reports.result import KernelVersion, Published, Result
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.trackers.programs import call, is_installed

_PROGRAMS = {"MLflow": "mlflow", "W&B": "wandb"}


def log_score(kernel: KernelFolder, result: Result, folds: Sequence[float]) -> None:
    """Log a submission's scores, commit and versions to MLflow and W&B, where they are installed.

    A submission is one run of the tracker, however often it is logged. It is made already: what goes wrong here is
    printed.

    Args:
        kernel: the competition.
        result: with a submission.
        folds: the scores of a cross-validation; may be empty.
    """
    for name, module in _PROGRAMS.items():
        if not is_installed(module):
            continue
        # It takes seconds, and minutes where a server does not answer.
        print(f"  {name}: ", end="", flush=True)
        program = f"kaggle_offline.trackers.{module}_run"
        text = json.dumps(_entry(kernel, result, folds))
        logged, line = call(program, folder=kernel.repository, text=text, WANDB_DIR=str(kernel.build))
        if logged:
            print(f"logged to {line}")
        else:
            print(f"not logged: {line}\n    → To log the score, run: {command('submit', kernel.competition)}")


def _entry(kernel: KernelFolder, result: Result, folds: Sequence[float]) -> Mapping[str, object]:
    """Return the submission as `mlflow_run` and `wandb_run` read it."""
    submission, source, run = result.submission, result.source, result.run
    if submission is None or source is None or run is None:
        raise ValueError("no submission")
    scores = {"public_score": submission.score, "private_score": submission.private_score}
    if folds:
        scores["cross_validation"] = fmean(folds)
    versions = {
        "tag": source.tag,
        "commit": source.commit,
        "image": run.image,
        "docker_image": run.docker_image,
        "kernel": _version(result.kernel),
        "packages": _version(result.packages),
        "models": _version(result.models),
    }
    return {
        "competition": kernel.competition,
        "submission": submission.ref,
        "name": source.tag or f"submission {submission.ref}",
        "scores": {name: score for name, score in scores.items() if score is not None},
        "versions": {name: version for name, version in versions.items() if version},
    }


def _version(of: KernelVersion | Published | None) -> str:
    return f"{of.ref}/{of.version}" if of else ""
