"""The command line: ``kaggle-offline freeze|push|submit|…``; ``--help`` lists the subcommands.

A subcommand's modules are imported when it runs: help, and a mistake in an option, take no time.
"""

import argparse
import errno
import importlib
import math
import os
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

from kaggle_local.errors import free_space
from kaggle_local.terminal import safe_output

from kaggle_offline.errors import OfflineError, SystemProblemError, TargetError

_VERBS = {
    "freeze": "write dataset folders with the packages that Kaggle's image lacks, installable offline",
    "push": "publish changed datasets, push the kernel and wait until its run is complete",
    "submit": "submit the kernel version whose run is complete, and wait for its score",
    "history": "list submissions, newest first, with their tags, commits and versions",
    "lock": "pin the shipped packages, and show which are provided, added and replaced",
}

# Those that may follow each other on one command line, with the same arguments.
_FOLLOWING = ("lock", "freeze", "push", "submit")

# The modules of subcommands that are not in kaggle_offline.commands.
_ELSEWHERE = {"probe": "kaggle_offline.observation.probe"}

# Subcommands that KAGGLE_TARGET changes; those that only ask ask kaggle.com by default.
_ASKING = ("init", "new", "data")
_WITH_TARGET = (*_ASKING, "freeze", "push", "submit", "history", "lock", "doctor", "probe", "image")

# As `kaggle_offline.repository.provenance` reads tags.
TAGS = "submit-v3 (every competition that has changed) or submit-<competition>-v3 (that one)"

# The kinds of competitions whose data `kaggle_offline.scaffold.competition` can make up.
KINDS = ("image", "tabular", "text")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, or several that follow each other, until one fails; return the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    # A mistake in an option is found before anything runs.
    commands = [parser.parse_args(command) for command in _commands(words)]
    with safe_output():
        for options in commands:
            code = _run_verb(options)
            if code:
                return code
    return 0


def _commands(words: Sequence[str]) -> list[list[str]]:
    """Return the commands of a line: ``freeze push titanic`` is ``freeze titanic``, then ``push titanic``."""
    verbs = list(takewhile(_FOLLOWING.__contains__, words))
    if not verbs:
        return [list(words)]
    return [[verb, *words[len(verbs) :]] for verb in verbs]


def _run_verb(options: argparse.Namespace) -> int:
    """Run the subcommand; print its error, and return the exit code."""
    try:
        _dispatch(options)
    except OfflineError as error:
        from kaggle_offline.reports.github import add_summary
        from kaggle_offline.reports.markdown import fenced, in_cell

        print(f"kaggle-offline: {error.problem}\n  → {error.cure}", file=sys.stderr)
        add_summary(f"### {options.verb} failed\n\n{fenced(error.problem)}\n\n→ {in_cell(error.cure)}")
        return error.exit_code
    except BrokenPipeError:
        # The reader of the pipe has closed it; the rest of the output goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\nkaggle-offline: interrupted\n  → Run the same command again; it finishes the work.", file=sys.stderr)
        return 130
    return 0


def _dispatch(options: argparse.Namespace) -> None:
    """Run the subcommand.

    Raises:
        OfflineError: any failure.
    """
    from kaggle_offline.repository.kernel_folder import find_repository, git_root

    try:
        repository = git_root(Path.cwd()) if options.verb == "init" else find_repository(Path.cwd())
        if options.verb in _WITH_TARGET:
            options.target = _target(options.verb)
        importlib.import_module(options.module).run(options, repository)
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = error.strerror or type(error).__name__
        if error.filename:
            problem = f"{error.filename}: {problem}"
        raise SystemProblemError(problem, _cure_of(error)) from error


def _target(verb: str) -> str:
    """Return the target that ``KAGGLE_TARGET`` names, or the usual one of the subcommand."""
    usual = "kaggle" if verb in _ASKING else "local"
    word = os.environ.get("KAGGLE_TARGET", usual)
    if word not in ("local", "kaggle"):
        raise TargetError(f"KAGGLE_TARGET={word}: no such target", "Set it to local or kaggle.")
    return word


def _cure_of(error: OSError) -> str:
    """Return the hint for an error of this machine."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return "Make it readable, writable or empty, then run the same command again."
    place = Path(error.filename or Path.cwd())
    folders = [folder for folder in (place, *place.absolute().parents) if folder.is_dir()]
    folder = folders[0] if folders else Path.cwd()
    return f"{free_space(folder)} in {folder}: free some, then run the same command again; nothing is lost."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kaggle-offline",
        description="From a trained model to a leaderboard score, through a kernel without a network.",
        epilog="lock, freeze, push and submit may follow each other: `freeze push submit titanic`. "
        "KAGGLE_TARGET=local (the default) is the embedded Kaggle, without an account or network; "
        "KAGGLE_TARGET=kaggle is kaggle.com, which new and data ask by default.",
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in _VERBS.items():
        command = _subcommand(verbs, verb, text)
        command.add_argument(
            "competitions", nargs="*", metavar="COMPETITION", help="a folder of kernels/ (default: all)"
        )
        if verb in ("push", "submit"):
            command.add_argument(
                "--minutes", type=_minutes, metavar="N", help="give up after N minutes; the same command continues"
            )
        if verb == "freeze":
            command.add_argument(
                "--on-kaggle",
                action="store_true",
                help="build the wheels that cannot be built here on Kaggle, in a kernel with a network",
            )
        if verb == "push":
            command.add_argument(
                "--force",
                action="store_true",
                help="add dataset versions while a run or a submission uses the dataset, which could cancel it",
            )
        if verb == "lock":
            command.add_argument(
                "--upgrade",
                nargs="?",
                const="*",
                action="append",
                default=[],
                metavar="PACKAGE",
                help="take the newest version that fits: of PACKAGE, or of all (may be given several times)",
            )
            preview = "show what would change for another image of requirements/images/, and write nothing"
            command.add_argument("--image", default="", metavar="NAME", help=preview)
    text = "find problems before they cost a submission; with KAGGLE_TARGET=kaggle, ask Kaggle about the account, too"
    doctor = _subcommand(verbs, "doctor", text)
    doctor.add_argument("competitions", nargs="*", metavar="COMPETITION", help="a folder of kernels/ (default: all)")
    text = "begin a competition in any Git repository: a kernel folder, a lock, workflows, and lines of .gitignore"
    _add_beginning(_subcommand(verbs, "init", text))
    text = "begin a competition: a kernel folder, a package, data to rehearse on, tests and a lock"
    _add_beginning(_subcommand(verbs, "new", text))
    text = "download a competition's data into data/; what is there already stays"
    data = _subcommand(verbs, "data", text)
    data.add_argument(
        "competition", metavar="COMPETITION", help="the competition's address on Kaggle, or its last part"
    )
    data.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="only such files, as in 'images/*'")
    data.add_argument("--images", type=_count, metavar="N", help="at most N images of each folder")
    text = "show which competitions a tag would submit, or a change touches"
    plan = _subcommand(verbs, "plan", text)
    about = plan.add_mutually_exclusive_group(required=True)
    about.add_argument(
        "tag",
        nargs="?",
        metavar="TAG",
        help=f"a tag on the checked-out commit: {TAGS}",
    )
    about.add_argument("--since", metavar="REV", help="plan the changes since the branch left REV, committed or not")
    text = "freeze, push and submit to the local Kaggle, and compare the score with that of the base"
    predict = _subcommand(verbs, "predict", text)
    predict.add_argument(
        "competitions", nargs="*", metavar="COMPETITION", help="a folder of kernels/ (default: those that changed)"
    )
    predict.add_argument(
        "--since", metavar="REV", help="the base is where the branch left REV (default: the origin's default branch)"
    )
    text = "test assumptions about Kaggle, with a private dataset and private kernels that are deleted afterwards"
    probed = _subcommand(verbs, "probe", text)
    probed.add_argument("--minutes", type=_minutes, metavar="N", help="give up after N minutes")
    _add_image(verbs)
    return parser


def _add_beginning(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommands that begin a competition."""
    parser.add_argument(
        "competition", metavar="COMPETITION", help="the competition's address on Kaggle, or its last part"
    )
    kind = "kind of data (default: what Kaggle's files show; without an account asked on a terminal, else tabular)"
    parser.add_argument("--kind", choices=KINDS, help=kind)
    parser.add_argument("--name", default="", metavar="NAME", help="name of the kernel folder (default: COMPETITION)")
    metric = "the competition's metric, or a file with the host's own (default: what Kaggle says)"
    parser.add_argument("--metric", default="", metavar="METRIC", help=metric)
    served = "the kernel answers a gateway (default: if the competition's data have one)"
    parser.add_argument("--served", action="store_true", help=served)
    parser.add_argument(
        "--from",
        dest="code",
        default="",
        metavar="CODE",
        help="a notebook or script that becomes the kernel, or owner/kernel on Kaggle; pip lines become requirements",
    )
    package = "the package that the kernel imports, such as . or libs/titanic (init: the only one that is there)"
    parser.add_argument("--package", default="", metavar="PATH", help=package)


def _add_image(verbs: Any) -> None:
    """Add the subcommand ``image`` with its actions."""
    image = _subcommand(verbs, "image", "derive or capture the packages of Kaggle's image, or compare two images")
    actions = image.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "let a kernel report the packages of its image, and write requirements/images/NAME.txt"
    capture = actions.add_parser("capture", help=text, description=text)
    capture.add_argument("name", metavar="NAME", help="of the image, such as kaggle-gpu-2026-11")
    capture.add_argument("--gpu", action="store_true", help="on a kernel with a GPU")
    text = "derive the packages of an image from public lists, and write requirements/images/NAME.txt"
    derive = actions.add_parser("derive", help=text, description=text)
    derive.add_argument("name", metavar="NAME", help="of the image, such as kaggle-gpu-2026-11")
    derive.add_argument("--gpu", action="store_true", help="the image of kernels with a GPU")
    derive.add_argument("--python", required=True, metavar="VERSION", help="the image's Python, such as 3.13.15")
    derive.add_argument("--date", required=True, type=_date, metavar="DAY", help="of the build, such as 2026-10-03")
    derive.add_argument("--as-of", type=_date, metavar="DAY", help="the newest releases to consider (default: --date)")
    for option, what in (
        ("base", "pip freeze of the Colab runtime"),
        ("requirements", "Kaggle's kaggle_requirements.txt"),
        ("dockerfile", "Kaggle's Dockerfile.tmpl, whose pip commands count"),
    ):
        text = f"{what}: a file or an address (default: the newest that is published)"
        derive.add_argument(f"--{option}", default="", metavar="FILE", help=text)
    derive.add_argument("--docker-image", default="", metavar="DIGEST", help="gcr.io/…/python@sha256:…, if it is known")
    derive.add_argument("--source", default="", metavar="TEXT", help="where the lists come from, for the header")
    text = "capture the images in use again, into build/"
    actions.add_parser("recapture", help=text, description=text)
    text = "report how the newest public lists differ from the images in use; needs no account"
    rederive = actions.add_parser("rederive", help=text, description=text)
    rederive.add_argument(
        "--lists", default="", metavar="FOLDER", help="a folder or an address with copies of the lists"
    )
    text = "update kernels and locks to recaptured images that have changed"
    actions.add_parser("renew", help=text, description=text)
    text = "compare two images, beginning with the packages that the locks here use"
    diff = actions.add_parser("diff", help=text, description=text)
    diff.add_argument("before", metavar="A", help="an image of requirements/images/")
    diff.add_argument("after", metavar="B", help="another")
    diff.add_argument("--all", action="store_true", help="also list the packages that no lock uses")


class _PrintVersion(argparse.Action):
    """Print the version; in a clone, it comes from Git's tags, such as ``v0.1.0-12-g1a2b3c4``."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from kaggle_offline.git import git

        described = git(Path(__file__).parent, "describe", "--tags", "--match", "v[0-9]*", "--always", "--dirty")
        clone = f" ({described})" if described else ""
        print(f"{parser.prog} {version('kaggle-offline')}{clone}")
        parser.exit()


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: not a number of 0 or more")
    return number


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: not a day such as 2026-10-03") from None


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: not a number of minutes above 0")
    return minutes


def _subcommand(verbs: Any, verb: str, text: str) -> argparse.ArgumentParser:
    """Add the parser of a subcommand, and name the module that runs it."""
    command: argparse.ArgumentParser = verbs.add_parser(verb, help=text, description=text)
    command.set_defaults(module=_ELSEWHERE.get(verb, f"kaggle_offline.commands.{verb}"))
    return command
