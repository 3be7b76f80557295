"""``status``: how far each competition is: frozen, published, run, submitted; and what the account has left."""

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.browser import show
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.errors import NotFrozenError, NotThereError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders
from kaggle_offline.tables import aligned

_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a competition is on a target.

    Attributes:
        frozen: the commit that was frozen; None where nothing is.
        kernel: the newest version of the kernel, 0 without one.
        run: how its run is: ``queued``, ``running``, ``complete`` or ``error``; empty without one.
        submissions_left: today's; None where the competition has no limit, or Kaggle does not say.
        gpu_hours_left: this week's, of the account; None where Kaggle does not say.
        submission: the newest submission's number; empty without one.
        submission_status: ``pending``, ``complete`` or ``error``; empty without one.
        score: its score on the public leaderboard.
    """

    frozen: str | None
    kernel: int
    run: str
    submissions_left: int | None
    gpu_hours_left: float | None
    submission: str = ""
    submission_status: str = ""
    score: float | None = None


def status(kernel: KernelFolder, target: Target) -> Status:
    """Ask a target how far a competition is.

    Raises:
        KaggleError: Kaggle does not answer.
    """
    client = target.client
    try:
        frozen = str(read_frozen(kernel).source) or "without a commit"
    except NotFrozenError:
        frozen = None
    number, run = 0, ""
    shown = client.kernels.state(kernel.slug)
    if shown is not None:
        # Kaggle shows the last version that is complete, while a later one runs.
        *_, newest = client.kernels.versions_from(kernel.slug, shown)
        number, run = newest.version, client.kernels.run(kernel.slug, newest.version).status
    try:
        submissions = client.competitions.submissions(kernel.on_kaggle)
        left = client.competitions.limits(kernel.on_kaggle).left
    except NotThereError:
        # The local Kaggle does not host it before the first push; kaggle.com shows it to those who have joined.
        submissions, left = [], None
    seconds = client.kernels.gpu_seconds_left()
    hours = None if seconds is None else round(seconds / _HOUR, 1)
    found = Status(frozen=frozen, kernel=number, run=run, submissions_left=left, gpu_hours_left=hours)
    if submissions:
        newest_one = submissions[0]
        found = replace(found, submission=newest_one.ref, submission_status=newest_one.status, score=newest_one.score)
    return found


def _described(found: Status) -> str:
    """Return a status for people, a line each."""
    kernel, outcome = "not pushed", "no"
    if found.kernel:
        kernel = f"version {found.kernel}, {found.run}"
    if found.submission:
        score = found.submission_status if found.score is None else f"{found.score:.5f}"
        outcome = f"{score} (submission {found.submission})"
    rows = [("frozen", found.frozen or "no"), ("kernel", kernel), ("submitted", outcome)]
    if found.submissions_left is not None:
        rows.append(("left today", f"{found.submissions_left} submissions"))
    if found.gpu_hours_left is not None:
        rows.append(("left this week", f"{found.gpu_hours_left:g} hours of GPU time"))
    return aligned(rows)


def run(options: argparse.Namespace, repository: Path) -> dict[str, Any]:
    """Run the subcommand; return the status of each competition."""
    kernels = read_kernel_folders(repository, options.competitions)
    found = {}
    with open_target(options.target, repository) as target:
        for kernel in kernels:
            known = status(kernel, target)
            print(f"{kernel.competition} → {target.name}\n{_described(known)}")
            found[kernel.competition] = asdict(known)
            if options.open and known.kernel and target.page_of(kernel):
                show(target.page_of(kernel))
    return {"status": found}
