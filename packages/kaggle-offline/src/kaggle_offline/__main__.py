"""The command line: ``kaggle-offline freeze|push|submit [COMPETITION ...]``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kaggle_offline.errors import OfflineError, TargetError, UnknownCompetitionError
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
        target = _target()
        names = options.competitions or list_competitions(repository)
        if not names:
            raise UnknownCompetitionError(f"{repository / 'kernels'}: no competition there", "Make a folder for one.")
        kernels = [read_kernel_folder(repository, name) for name in names]
        _run(options.verb, kernels, repository, target)
    except OfflineError as error:
        print(f"kaggle-offline: {error.problem}\n  → {error.cure}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nkaggle-offline: interrupted\n  → Run the same command again; it finishes the work.", file=sys.stderr)
        return 130
    return 0


def _target() -> str:
    """What ``KAGGLE_TARGET`` says."""
    word = os.environ.get("KAGGLE_TARGET", "local")
    if word not in ("local", "kaggle"):
        raise TargetError(f"KAGGLE_TARGET={word}: no such target", "Set it to local (the default) or kaggle.")
    return word


def _run(verb: str, kernels: Sequence[KernelFolder], repository: Path, word: str) -> None:
    if verb == "freeze":
        from kaggle_offline.freeze import freeze

        for kernel in kernels:
            freeze(kernel)
        return
    from kaggle_offline.push import push
    from kaggle_offline.submit import submit
    from kaggle_offline.target import open_target

    with open_target(word, repository) as target:
        for kernel in kernels:
            (push if verb == "push" else submit)(kernel, target)


if __name__ == "__main__":
    sys.exit(main())
