"""``image``: capture the packages of Kaggle's image, compare two images, renew those in use."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from kaggle_offline.delivery.target import open_target
from kaggle_offline.observation.capture import capture
from kaggle_offline.observation.comparison import compare
from kaggle_offline.observation.renewal import recapture, renew
from kaggle_offline.repository.kernel_folder import read_kernel_folders


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    if options.action == "diff":
        print(compare(repository, options.before, options.after, everything=options.all))
        return
    if options.action == "renew":
        renew(repository, read_kernel_folders(repository, []))
        return
    with open_target(options.target, repository) as target:
        if options.action == "recapture":
            recapture(target, repository, read_kernel_folders(repository, []), datetime.now(UTC).date())
        else:
            capture(target, repository, options.name, gpu=options.gpu)
