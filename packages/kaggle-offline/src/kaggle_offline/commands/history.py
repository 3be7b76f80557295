"""``history``: an account's submissions and their origins, as Kaggle keeps them."""

import argparse
from pathlib import Path

from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import NotThereError
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.repository.kernel_folder import read_kernel_folders
from kaggle_offline.repository.provenance import read_chain
from kaggle_offline.tables import aligned

_HEADER = ("date (UTC)", "score", "tag", "commit", "packages", "models", "kernel", "submission")


def history(client: KaggleClient, competition: str) -> str:
    """Return a table of the account's submissions to a competition, the newest first.

    The origin is empty for submissions that this tool did not make.
    """
    try:
        submissions = client.competitions.submissions(competition)
    except NotThereError:
        submissions = []
    if not submissions:
        return f"{competition}: no submissions"
    rows: list[tuple[str, ...]] = [_HEADER]
    for submission in submissions:
        chain = read_chain(submission.description)
        date = f"{submission.date:%Y-%m-%d %H:%M}" if submission.date else ""
        score = submission.status if submission.score is None else f"{submission.score:.5f}"
        origin = ("", "", "", "", "")
        if chain is not None:
            models = "" if chain.models is None else str(chain.models)
            origin = (chain.source.tag, chain.source.commit, str(chain.packages), models, str(chain.kernel))
        rows.append((date, score, *origin, submission.ref))
    return f"{competition}\n{aligned(rows)}"


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions)
    with open_target(options.target, repository) as target:
        for kernel in kernels:
            print(history(target.client, kernel.on_kaggle))
