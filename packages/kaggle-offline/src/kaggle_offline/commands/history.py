"""``history``: an account's submissions and their origins, as Kaggle keeps them."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import NotThereError
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.repository.kernel_folder import read_kernel_folders
from kaggle_offline.repository.provenance import Chain, read_chain
from kaggle_offline.tables import aligned

_HEADER = ("date (UTC)", "score", "tag", "commit", "packages", "models", "kernel", "submission")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A submission of the account, and its origin, None for one that this tool did not make.

    Attributes:
        ref: Kaggle's number.
        date: of the submission, UTC, as ISO 8601; empty where Kaggle does not say.
        status: ``pending``, ``complete`` or ``error``.
        score: on the public leaderboard.
        private_score: on the private leaderboard; None while Kaggle hides it.
        origin: the tag, the commit, and the versions.
    """

    ref: str
    date: str
    status: str
    score: float | None
    private_score: float | None
    origin: Chain | None


def history(client: KaggleClient, competition: str) -> list[Entry]:
    """Return the account's submissions to a competition, the newest first."""
    try:
        submissions = client.competitions.submissions(competition)
    except NotThereError:
        submissions = []
    found = []
    for submission in submissions:
        entry = Entry(
            ref=submission.ref,
            date=submission.date.isoformat() if submission.date else "",
            status=submission.status,
            score=submission.score,
            private_score=submission.private_score,
            origin=read_chain(submission.description),
        )
        found.append(entry)
    return found


def _table(competition: str, entries: Sequence[Entry]) -> str:
    if not entries:
        return f"{competition}: no submissions"
    rows: list[tuple[str, ...]] = [_HEADER]
    for entry in entries:
        score = entry.status if entry.score is None else f"{entry.score:.5f}"
        origin = ("", "", "", "", "")
        if entry.origin is not None:
            chain = entry.origin
            models = "" if chain.models is None else str(chain.models)
            origin = (chain.source.tag, chain.source.commit, str(chain.packages), models, str(chain.kernel))
        rows.append((entry.date[:16].replace("T", " "), score, *origin, entry.ref))
    return f"{competition}\n{aligned(rows)}"


def run(options: argparse.Namespace, repository: Path) -> dict[str, Any]:
    """Run the subcommand; return the submissions to each competition."""
    kernels = read_kernel_folders(repository, options.competitions)
    found = {}
    with open_target(options.target, repository) as target:
        for kernel in kernels:
            entries = history(target.client, kernel.on_kaggle)
            print(_table(kernel.on_kaggle, entries))
            found[kernel.competition] = list(map(asdict, entries))
    return {"submissions": found}
