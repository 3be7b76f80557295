"""``history``: an account's submissions and their origins, as Kaggle keeps them."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kaggle_offline.browser import show
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import NotThereError
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.reports.history import Entry, write_history
from kaggle_offline.reports.result import read_result
from kaggle_offline.repository.kernel_folder import read_kernel_folders
from kaggle_offline.repository.provenance import read_chain
from kaggle_offline.tables import aligned

_HEADER = ("date (UTC)", "score", "tag", "commit", "packages", "models", "kernel", "submission")


def history(client: KaggleClient, competition: str) -> list[Entry]:
    """Return the account's submissions to a competition, the newest first."""
    try:
        submissions = client.competitions.submissions(competition)
    except NotThereError:
        submissions = []
    found = []
    for submission in submissions:
        date = ""
        if submission.date:
            date = submission.date.isoformat()
        entry = Entry(
            ref=submission.ref,
            date=date,
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
            known = read_result(kernel.build).submission
            direction = known.greater_is_better if known else None
            page = write_history(
                kernel.build, kernel.competition, entries, greater_is_better=direction, repository=repository
            )
            if options.open:
                show(str(page))
    return {"submissions": found}
