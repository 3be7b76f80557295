"""The command line: ``kaggle-offline freeze|push|submit [COMPETITION ...]``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kaggle_offline.errors import OfflineError
from kaggle_offline.kernel_folder import KernelFolder, find_repository, list_competitions, read_kernel_folder

_VERBS = {
    "freeze": "make dataset folders with just what Kaggle's image lacks, installable offline",
    "push": "publish what changed, push the kernel and see it run through",
    "submit": "hand in the kernel that ran through and wait for its score",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb for the competitions named, or for all; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="kaggle-offline",
        description="From a trained model to a leaderboard score, through a kernel without a network.",
        epilog="KAGGLE_TARGET=local (the default) is a Kaggle of your own, without an account or network; "
        "KAGGLE_TARGET=kaggle is kaggle.com.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in _VERBS.items():
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument(
            "competitions", nargs="*", metavar="COMPETITION", help="a folder of kernels/ (default: all)"
        )
    options = parser.parse_args(arguments)
    try:
        repository = find_repository(Path.cwd())
        names = options.competitions or list_competitions(repository)
        kernels = [read_kernel_folder(repository, name) for name in names]
        _run(options.verb, kernels, repository)
    except OfflineError as error:
        print(f"kaggle-offline: {error.problem}\n  → {error.cure}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nkaggle-offline: interrupted\n  → Run the same command again; it finishes the work.", file=sys.stderr)
        return 130
    return 0


def _run(verb: str, kernels: Sequence[KernelFolder], repository: Path) -> None:
    if verb == "freeze":
        from kaggle_offline.freeze import freeze

        for kernel in kernels:
            freeze(kernel)
        return
    from kaggle_offline.push import push
    from kaggle_offline.submit import submit
    from kaggle_offline.target import VARIABLE, open_target

    with open_target(os.environ.get(VARIABLE, "local"), repository) as target:
        for kernel in kernels:
            (push if verb == "push" else submit)(kernel, target)


if __name__ == "__main__":
    sys.exit(main())
