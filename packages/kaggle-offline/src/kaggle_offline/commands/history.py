"""``history``: what was submitted, and what it was made of, as Kaggle itself holds it."""

import argparse
from pathlib import Path

from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import NotThereError
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.repository.kernel_folder import read_kernel_folders
from kaggle_offline.repository.provenance import read_chain

_HEADER = ("date (UTC)", "score", "tag", "commit", "packages", "models", "kernel", "submission")


def history(client: KaggleClient, competition: str) -> str:
    """A table of the account's submissions to a competition, the newest first.

    Those that were not made by this tool have no chain: what they were made of Kaggle does not tell.
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
        made_of: tuple[str, ...] = ("",) * 5
        if chain is not None:
            numbers = ("" if n is None else str(n) for n in (chain.packages, chain.models, chain.kernel))
            made_of = (chain.source.tag, chain.source.commit, *numbers)
        rows.append((date, score, *made_of, submission.ref))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join([competition, *(f"  {line}".rstrip() for line in lines)])


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions)
    with open_target(options.target, repository) as target:
        for kernel in kernels:
            print(history(target.client, kernel.competition))
