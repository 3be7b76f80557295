"""The command line: ``kaggle-offline freeze|push|submit|…``; ``--help`` lists the subcommands.

A subcommand's modules are imported when it runs: help, and a mistake in an option, take no time.
"""

import argparse
import errno
import importlib
import json
import logging
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import date
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

from kaggle_local.errors import free_space
from kaggle_local.terminal import print_styled, safe_output

from kaggle_offline.errors import OfflineError, SystemProblemError, TargetError

_VERBS = {
    "status": "show how far each competition is, and what the account has left",
    "freeze": "write dataset folders with the packages that Kaggle's image lacks, installable offline",
    "push": "publish changed datasets, push the kernel and wait until its run is complete",
    "submit": "submit the kernel version whose run is complete, and wait for its score",
    "history": "list submissions, newest first, with their tags, commits and versions",
    "lock": "pin the shipped packages, and show which are provided, added and replaced",
}

_STDOUT, _STDERR = 1, 2

# The page that --open opens.
_OPENED = {
    "push": "the kernel's page on Kaggle",
    "status": "the kernel's page on Kaggle",
    "submit": "the report",
    "history": "the page of all submissions",
}

# Those that write result.json.
_WITH_RESULT = ("freeze", "push", "submit", "predict")

# Those that may follow each other on one command line, with the same arguments.
_FOLLOWING = ("lock", "freeze", "push", "submit")

# The options of every subcommand, which may stand before it.
_FLAGS = ("--json", "-q", "--quiet", "-v", "--verbose")
_WITH_VALUE = ("--notify", "--target")

# The modules of subcommands that are not in kaggle_offline.commands.
_ELSEWHERE = {"probe": "kaggle_offline.observation.probe"}

# Subcommands that KAGGLE_TARGET changes; those that only ask ask kaggle.com by default.
_ASKING = ("init", "new", "data")
_WITH_TARGET = (*_ASKING, "freeze", "push", "submit", "status", "history", "lock", "doctor", "probe", "image")

# As `kaggle_offline.repository.provenance` reads tags.
TAGS = "submit-v3 (every competition that has changed) or submit-<competition>-v3 (that one)"

# The kinds of competitions whose data `kaggle_offline.scaffold.competition` can make up.
KINDS = ("image", "tabular", "text")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, or several that follow each other, until one fails; return the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        # Answers the shell, and exits.
        argcomplete.autocomplete(parser)
    # A mistake in an option is found before anything runs.
    commands = [parser.parse_args(command) for command in _commands(words)]
    if len(commands) > 1 and any(getattr(options, "detach", False) for options in commands):
        parser.error("--detach: the next command would not find what goes on; run one alone")
    code = 0
    with safe_output():
        for options in commands:
            code = _run_verb(options)
            if code:
                break
        if options.notify:
            _notify(options.notify, f"kaggle-offline {options.verb}: {_outcome(options, code)}")
    return code


def _outcome(options: argparse.Namespace, code: int) -> str:
    """Return how a command ended, with the scores of what it has submitted."""
    if code:
        return f"failed, exit code {code}"
    parts = ["done"]
    if options.verb == "submit":
        from kaggle_offline.reports.result import read_result

        for competition in options.competitions or _known_competitions():
            submission = read_result(_repository() / "build" / competition).submission
            if submission is not None and submission.score is not None:
                parts.append(f"{competition} {submission.score:.5f}")
    return ", ".join(parts)


def _notify(line: str, message: str) -> None:
    """Run the user's command with a message as its last argument."""
    try:
        # Standard output may be a script's, for the outcome alone.
        command = [*shlex.split(line), message]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=_STDERR, check=False)
        problem = f"exit code {done.returncode}" if done.returncode else ""
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        print(f"kaggle-offline: --notify {line}: {problem}", file=sys.stderr)


def _commands(words: Sequence[str]) -> list[list[str]]:
    """Return the commands of a line: ``-q freeze push titanic`` is ``freeze -q titanic``, then ``push -q titanic``."""
    number = 0
    while number < len(words):
        name, equals, _ = words[number].partition("=")
        if name not in (*_FLAGS, *_WITH_VALUE):
            break
        number += 1
        if name in _WITH_VALUE and not equals:
            number += 1
    leading, rest = words[:number], words[number:]
    verbs = list(takewhile(_FOLLOWING.__contains__, rest)) or list(rest[:1])
    if not verbs:
        return [list(words)]
    return [[verb, *leading, *rest[len(verbs) :]] for verb in verbs]


def _run_verb(options: argparse.Namespace) -> int:
    """Run the subcommand; print its error, or its outcome as JSON, and return the exit code."""
    stdout, code = sys.stdout, 0
    document: dict[str, Any] = {"command": options.verb}
    if options.verbose:
        logging.basicConfig(format="  + %(message)s", stream=sys.stderr, force=True)
        logging.getLogger("kaggle_offline").setLevel(logging.DEBUG)
    try:
        with _progress(options):
            document |= _dispatch(options) or {}
    except OfflineError as error:
        code = error.exit_code
        document |= {"error": {"problem": error.problem, "hint": error.cure}, **error.document}
        _print_error(options.verb, error)
    except BrokenPipeError:
        # The reader of the pipe has closed it; the rest of the output goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\nkaggle-offline: interrupted\n  → Run the same command again; it finishes the work.", file=sys.stderr)
        code = 130
    if options.json:
        if options.verb in _WITH_RESULT:
            document["results"] = _results(options.competitions)
        print(json.dumps({**document, "exit_code": code}, ensure_ascii=False), file=stdout, flush=True)
    return code


def _results(names: Sequence[str]) -> dict[str, Any]:
    """Return the content of the ``result.json`` of competitions, by default of all that have one."""
    from kaggle_offline.files import read_json
    from kaggle_offline.reports.result import RESULT

    found = {}
    for name in names or _known_competitions():
        with suppress(OfflineError, OSError, ValueError):
            found[name] = read_json(_repository() / "build" / name / RESULT)
    return found


def _repository() -> Path:
    from kaggle_offline.repository.kernel_folder import find_repository

    return find_repository(Path.cwd())


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[None]:
    """Send what a subcommand prints where the options want it, until the block ends."""
    if options.quiet:
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
            _programs_print_to(nowhere.fileno()),
        ):
            yield
    elif options.json:
        with redirect_stdout(sys.stderr), _programs_print_to(_STDERR):
            yield
    else:
        yield


@contextmanager
def _programs_print_to(descriptor: int) -> Iterator[None]:
    """Give the programs that this one starts another standard output, until the block ends."""
    kept = os.dup(_STDOUT)
    os.dup2(descriptor, _STDOUT)
    try:
        yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _print_error(verb: str, error: OfflineError) -> None:
    from kaggle_offline.reports.github import add_summary
    from kaggle_offline.reports.markdown import fenced, in_cell

    print_styled("kaggle-offline:", "bad", file=sys.stderr, end=" ")
    print(error.problem, file=sys.stderr)
    print_styled("  →", "strong", file=sys.stderr, end=" ")
    print(error.cure, file=sys.stderr)
    add_summary(f"### {verb} failed\n\n{fenced(error.problem)}\n\n→ {in_cell(error.cure)}")


def _dispatch(options: argparse.Namespace) -> dict[str, Any] | None:
    """Run the subcommand; return what it tells beside its output.

    Raises:
        OfflineError: any failure.
    """
    from kaggle_offline.repository.kernel_folder import git_root

    try:
        repository = Path.cwd()
        if options.verb == "init":
            repository = git_root(repository)
        elif options.verb != "completion":
            repository = _repository()
        if options.verb in _WITH_TARGET:
            options.target = _target(options)
            if getattr(options, "detach", False) and options.target == "local":
                raise TargetError("--detach: the local Kaggle runs as long as the command", "Leave --detach out.")
        elif options.target == "kaggle":
            raise TargetError(f"--target kaggle: {options.verb} never asks kaggle.com", "Leave --target out.")
        told: dict[str, Any] | None = importlib.import_module(options.module).run(options, repository)
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = error.strerror or type(error).__name__
        if error.filename:
            problem = f"{error.filename}: {problem}"
        raise SystemProblemError(problem, _cure_of(error)) from error
    return told


def _target(options: argparse.Namespace) -> str:
    """Return the target that ``--target`` or ``KAGGLE_TARGET`` names, or the usual one of the subcommand."""
    usual = "kaggle" if options.verb in _ASKING else "local"
    if options.target:
        from kaggle_offline.environment import BY_OPTION

        # For every part of the command, and what it starts.
        os.environ["KAGGLE_TARGET"] = os.environ[BY_OPTION] = options.target
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
        _add_competitions(command, "all")
        if verb in _OPENED:
            command.add_argument("--open", action="store_true", help=f"open {_OPENED[verb]} at the end")
        if verb in ("push", "submit"):
            minutes = "give up after N minutes (default: 2880); the same command continues"
            command.add_argument("--minutes", type=_minutes, metavar="N", help=minutes)
            detach = "return while Kaggle works; the same command, without it, waits for the end"
            command.add_argument("--detach", action="store_true", help=detach)
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
    _add_competitions(doctor, "all")
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
    data.add_argument("--images", type=_count, metavar="N", help="at most N images of each folder (default: all)")
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
    _add_competitions(predict, "those that changed")
    predict.add_argument("--open", action="store_true", help="open the report at the end")
    predict.add_argument(
        "--since",
        metavar="REV",
        help="the base is where the branch left REV (default: the origin's default branch, else main or master)",
    )
    text = "test assumptions about Kaggle, with a private dataset and private kernels that are deleted afterwards"
    probed = _subcommand(verbs, "probe", text)
    probed.add_argument("--minutes", type=_minutes, metavar="N", help="give up after N minutes (default: 2880)")
    _add_image(verbs)
    text = "print a line for the start-up file of a shell, which then completes commands and competitions"
    completion = _subcommand(verbs, "completion", text)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    return parser


def _add_competitions(command: argparse.ArgumentParser, default: str) -> None:
    """Add names of competitions, which shells can complete."""
    text = f"a folder of kernels/ (default: {default})"
    names = command.add_argument("competitions", nargs="*", metavar="COMPETITION", help=text)
    vars(names)["completer"] = _known_competitions


def _known_competitions(**_: object) -> dict[str, str]:
    """Return the competitions of this repository, each with its place, which some shells show."""
    from kaggle_offline.repository.kernel_folder import list_competitions

    try:
        return {name: f"kernels/{name}" for name in list_competitions(_repository())}
    except OfflineError:
        return {}


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
        from kaggle_offline.git import git, is_tracked

        described = None
        if is_tracked(Path(__file__)):
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
    everywhere = command.add_argument_group("options of every subcommand")
    everywhere.add_argument(
        "--target",
        choices=("local", "kaggle"),
        default="",
        help="the local Kaggle, or kaggle.com (default: KAGGLE_TARGET, else kaggle to init, new and data, else local)",
    )
    output = everywhere.add_mutually_exclusive_group()
    output.add_argument("-q", "--quiet", action="store_true", help="print errors alone")
    output.add_argument(
        "-v", "--verbose", action="store_true", help="also print the programs and calls, with their times"
    )
    outcome = "print the outcome as a line of JSON; everything else goes to standard error"
    everywhere.add_argument("--json", action="store_true", help=outcome)
    message = "run COMMAND at the end, with a message as its last argument, such as: notify-send"
    everywhere.add_argument("--notify", default="", metavar="COMMAND", help=message)
    command.set_defaults(module=_ELSEWHERE.get(verb, f"kaggle_offline.commands.{verb}"))
    return command
