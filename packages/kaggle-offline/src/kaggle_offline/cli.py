"""The command line: ``kaggle-offline freeze|push|submit|…``; ``--help`` lists the verbs."""

import argparse
import errno
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kaggle_local.terminal import safe_output

from kaggle_offline.errors import (
    ConfigurationError,
    CredentialsError,
    EntryError,
    FindingsError,
    OfflineError,
    SystemProblemError,
    TargetError,
    UnknownCompetitionError,
)
from kaggle_offline.kernel_folder import KernelFolder, find_repository, list_competitions, read_kernel_folder
from kaggle_offline.markdown import fenced, in_cell
from kaggle_offline.report import SUMMARY
from kaggle_offline.scaffold import KINDS
from kaggle_offline.tags import LOOKS
from kaggle_offline.workflow_run import add_summary, give_jobs

if TYPE_CHECKING:
    from kaggle_offline.subject import Finding
    from kaggle_offline.target import Target

_VERBS = {
    "freeze": "make dataset folders with just what Kaggle's image lacks, installable offline",
    "push": "publish what changed, push the kernel and see it run through",
    "submit": "hand in the kernel that ran through and wait for its score",
    "history": "show what was submitted, the newest first, and what it was made of",
    "lock": "pin what is shipped, and show what the image provides, what is added and what is replaced",
}


# Until doctor gives up asking Kaggle whose the credentials are.
_SECONDS_OF_DOCTOR = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    options = _parser().parse_args(arguments)
    with safe_output():
        return _run_verb(options)


def _run_verb(options: argparse.Namespace) -> int:
    """Run the verb; print what went wrong and return the exit code."""
    try:
        _dispatch(options)
    except OfflineError as error:
        print(f"kaggle-offline: {error.problem}\n  → {error.cure}", file=sys.stderr)
        add_summary(f"### {options.verb} failed\n\n{fenced(error.problem)}\n\n→ {in_cell(error.cure)}")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read has seen enough; what is left to write goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\nkaggle-offline: interrupted\n  → Run the same command again; it finishes the work.", file=sys.stderr)
        return 130
    return 0


def _dispatch(options: argparse.Namespace) -> None:
    """Run the verb.

    Raises:
        OfflineError: whatever goes wrong.
    """
    try:
        repository = find_repository(Path.cwd())
        special = {
            "doctor": _run_doctor,
            "image": _run_image,
            "new": _run_new,
            "plan": _run_plan,
            "predict": _run_predict,
            "probe": _run_probe,
        }
        special.get(options.verb, _run)(options, repository)
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = ": ".join(filter(None, [str(error.filename or ""), error.strerror or type(error).__name__]))
        raise SystemProblemError(problem, _cure_of(error)) from error


def _cure_of(error: OSError) -> str:
    """Return what to do about what this machine refuses."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return "Make it readable, writable or empty, then run the same command again."
    place = Path(error.filename or Path.cwd())
    there = next((folder for folder in (place, *place.absolute().parents) if folder.is_dir()), Path.cwd())
    free = f"{shutil.disk_usage(there).free / 1e6:,.0f} MB are free in {there}"
    if sys.platform != "win32":
        disk = os.statvfs(there)
        free += " and no file more can be made" if disk.f_files and not disk.f_favail else ""
    return f"{free}: make room, then run the same command again; nothing is lost."


def _parser() -> argparse.ArgumentParser:
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
        if verb in ("push", "submit"):
            command.add_argument(
                "--minutes", type=_minutes, metavar="N", help="give up after so many; run again, it goes on from there"
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
    text = "find what would go wrong, before it does; with KAGGLE_TARGET=kaggle, whose the credentials are, too"
    doctor = verbs.add_parser("doctor", help=text, description=text)
    doctor.add_argument("competitions", nargs="*", metavar="COMPETITION", help="a folder of kernels/ (default: all)")
    text = "make a kernel folder, a package, a competition to rehearse on and tests, and lock them"
    new = verbs.add_parser("new", help=text, description=text)
    new.add_argument("competition", metavar="COMPETITION", help="the last part of the competition's address on Kaggle")
    new.add_argument("--kind", choices=KINDS, help="what it is about (default: asked on a terminal, else tabular)")
    new.add_argument(
        "--from",
        dest="code",
        type=Path,
        metavar="FILE",
        help="a notebook or script that becomes the kernel; its pip lines become requirements",
    )
    text = "show which competitions a tag would submit, or a change touches"
    plan = verbs.add_parser("plan", help=text, description=text)
    about = plan.add_mutually_exclusive_group(required=True)
    about.add_argument("tag", nargs="?", metavar="TAG", help=f"on what is checked out: {LOOKS}")
    about.add_argument("--since", metavar="REV", help="what has changed since the branch left REV, committed or not")
    text = "freeze, push and submit to the local Kaggle, and compare the score with that of the base"
    predict = verbs.add_parser("predict", help=text, description=text)
    predict.add_argument(
        "competitions", nargs="*", metavar="COMPETITION", help="a folder of kernels/ (default: those that changed)"
    )
    predict.add_argument(
        "--since", metavar="REV", help="the base is where the branch left REV (default: the origin's default branch)"
    )
    text = "ask Kaggle what nobody has reported, with private datasets and kernels that are deleted afterwards"
    probed = verbs.add_parser("probe", help=text, description=text)
    probed.add_argument("--minutes", type=_minutes, metavar="N", help="give up after so many")
    image = verbs.add_parser("image", help="what Kaggle's image holds: capture it, or compare two")
    actions = image.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "have a kernel report what its image holds, and write requirements/images/NAME.txt from that"
    capture = actions.add_parser("capture", help=text, description=text)
    capture.add_argument("name", metavar="NAME", help="of the image, such as kaggle-gpu-2026-11")
    capture.add_argument("--gpu", action="store_true", help="on a kernel with a GPU")
    text = "capture the images that kernels are for anew, into build/"
    actions.add_parser("recapture", help=text, description=text)
    text = "where an image was recaptured as another than it was, have kernels and locks follow"
    actions.add_parser("renew", help=text, description=text)
    text = "show what two images have differently, what matters to the locks here first"
    diff = actions.add_parser("diff", help=text, description=text)
    diff.add_argument("before", metavar="A", help="an image of requirements/images/")
    diff.add_argument("after", metavar="B", help="another")
    diff.add_argument("--all", action="store_true", help="list what matters to no lock, too")
    return parser


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: not a number of minutes above 0")
    return minutes


def _target() -> str:
    """Return the target that ``KAGGLE_TARGET`` names."""
    word = os.environ.get("KAGGLE_TARGET", "local")
    if word not in ("local", "kaggle"):
        raise TargetError(f"KAGGLE_TARGET={word}: no such target", "Set it to local (the default) or kaggle.")
    return word


def _kernels(names: Sequence[str], repository: Path) -> list[KernelFolder]:
    names = names or list_competitions(repository)
    if not names:
        raise UnknownCompetitionError(f"{repository / 'kernels'}: no competition there", "Make a folder for one.")
    return [read_kernel_folder(repository, name) for name in names]


def _run(options: argparse.Namespace, repository: Path) -> None:
    word = _target()
    kernels = _kernels(options.competitions, repository)
    if options.verb == "freeze":
        from kaggle_offline.freeze import freeze

        if word == "kaggle":
            _check_before_freeze(kernels, repository)
        for kernel in kernels:
            freeze(kernel, renew_lock=not _in_ci())
        return
    if options.verb == "lock":
        from kaggle_offline.freeze import lock_and_report

        lock_and_report(kernels, frozenset(options.upgrade))
        return
    from kaggle_offline.history import history
    from kaggle_offline.push import push
    from kaggle_offline.submit import submit
    from kaggle_offline.target import open_target

    minutes = getattr(options, "minutes", None)
    with open_target(word, repository, minutes=minutes) as target:
        for kernel in kernels:
            if options.verb == "history":
                print(history(target.client, kernel.competition))
            elif options.verb == "push":
                with target.alone_with(kernel):
                    push(kernel, target, force=options.force)
            else:
                with _summarized(kernel), target.alone_with(kernel):
                    submit(kernel, target)


def _check_before_freeze(kernels: Sequence[KernelFolder], repository: Path) -> None:
    """Ask kaggle.com whether it would take what is about to be frozen, where there are credentials to ask with.

    A workflow freezes without credentials: building what others have written must not see them.

    Raises:
        EntryError: a competition would not take it.
    """
    from kaggle_offline.preflight import Preflight
    from kaggle_offline.target import open_target

    try:
        with open_target("kaggle", repository) as target:
            for kernel in kernels:
                Preflight(target, kernel).before_sending()
    except CredentialsError as error:
        print(f"  kaggle.com is not asked about the competition; push will ask ({error.problem})", flush=True)


@contextmanager
def _summarized(kernel: KernelFolder) -> Iterator[None]:
    """Add the report to the run's page if the block writes one, even if the score is too low."""
    try:
        yield
    finally:
        summary = kernel.build / SUMMARY
        if summary.exists():
            add_summary(summary.read_text(encoding="utf-8"))


def _in_ci() -> bool:
    """Tell whether this is a CI run, which uses the committed files alone."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def _run_plan(options: argparse.Namespace, repository: Path) -> None:
    from kaggle_offline.plan import plan_changes, plan_tag

    plan = plan_changes(repository, options.since) if options.tag is None else plan_tag(repository, options.tag)
    print(plan)
    add_summary(plan.markdown())
    give_jobs("competitions", list(plan.reasons))


def _run_predict(options: argparse.Namespace, repository: Path) -> None:
    from kaggle_offline.plan import branch_point, default_branch, plan_changes
    from kaggle_offline.predict import predict

    since = options.since or default_branch(repository)
    names = options.competitions
    if not names:
        plan = plan_changes(repository, since)
        print(plan)
        names = list(plan.reasons)
    base = branch_point(repository, since)
    for kernel in _kernels(names, repository) if names else ():
        with _summarized(kernel):
            predict(kernel, base, renew_lock=not _in_ci())


def _run_doctor(options: argparse.Namespace, repository: Path) -> None:
    from kaggle_offline.doctor import examine
    from kaggle_offline.subject import Finding
    from kaggle_offline.target import open_target
    from kaggle_offline.waiting import Patience

    # All folders: one that lacks its settings no other session would see.
    folders = (path.name for path in sorted((repository / "kernels").iterdir()) if path.is_dir())
    names = options.competitions or [name for name in folders if not name.startswith((".", "_"))]
    if not names:
        raise UnknownCompetitionError(f"{repository / 'kernels'}: no competition there", "Make one: nox -s new")
    found = {name: examine(repository, name) for name in names}
    if _target() == "kaggle":
        try:
            # A look, not work that would wait for a Kaggle that is down.
            patience = Patience(answer=_SECONDS_OF_DOCTOR, repeat=_SECONDS_OF_DOCTOR)
            with open_target("kaggle", repository, patience=patience) as target:
                target.client.check_credentials()
                print(f"Kaggle knows you as {target.client.owner}: what is pushed will be yours")
                for name in found:
                    found[name] += _ask_about(target, repository, name)
        except OfflineError as error:
            found["credentials"] = [Finding(error.problem, error.cure)]
    for name, findings in found.items():
        print(f"{name}: {'nothing found' if not findings else ''}".rstrip())
        for finding in findings:
            print(f"  {finding.problem}\n    → {finding.cure}")
    total = sum(map(len, found.values()))
    if total:
        raise FindingsError(f"{total} found", "Each has its cure above.")


def _ask_about(target: "Target", repository: Path, name: str) -> "list[Finding]":
    """Ask Kaggle about a competition; print what is worth knowing, return what would stop a submission."""
    from kaggle_offline.preflight import Preflight
    from kaggle_offline.subject import Finding

    try:
        Preflight(target, read_kernel_folder(repository, name)).before_sending()
    except ConfigurationError:
        return []  # it is among the findings already
    except EntryError as error:
        return [Finding(error.problem, error.cure)]
    return []


def _run_new(options: argparse.Namespace, repository: Path) -> None:
    from kaggle_offline.existing_code import adopt
    from kaggle_offline.freeze import lock_and_report
    from kaggle_offline.scaffold import image_for_new, names_of, paths_of, write_competition

    image = image_for_new(repository)
    known = {*image.pins, *image.unlisted}
    names = names_of(options.competition, known)
    kind = options.kind or (_ask_kind() if sys.stdin.isatty() else "tabular")
    adopted = adopt(options.code, names.competition, known) if options.code else None
    if adopted:
        image = image_for_new(repository, gpu=adopted.settings.get("enable_gpu") is True)
        names = names_of(
            options.competition, {*known, *(Path(name).parts[0].removesuffix(".py") for name in adopted.modules)}
        )
    written = write_competition(repository, names, kind, image, adopted)
    for path in written:
        print(f"  {path}")
    if adopted:
        rehearsal = next(path for path in written if path.name == "rehearsal.py")
        left = [f"{rehearsal}: have it write the files and columns that {options.code.name} reads", *adopted.left]
        for title, lines in (("from what was there:", adopted.done), ("left to you:", left)):
            print("\n".join([title, *(f"  {line}" for line in lines)]) if lines else f"{title} nothing")
    try:
        lock_and_report([read_kernel_folder(repository, names.competition)], frozenset())
    except OfflineError:
        print(f"All is written. Once what follows is mended: nox -s lock -- {names.competition}", flush=True)
        raise
    except KeyboardInterrupt:
        # Nothing half made: the same command would find it in its way.
        for path in (repository / made for made in paths_of(names)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        raise
    print(f"Now: nox -s freeze push submit -- {names.competition}")


def _ask_kind() -> str:
    try:
        while (answer := input(f"What is it about ({', '.join(KINDS)})? ").strip()) not in KINDS:
            print("One of these words, please.")
    except EOFError:
        raise KeyboardInterrupt from None
    return answer


def _run_probe(options: argparse.Namespace, repository: Path) -> None:
    from kaggle_offline.probe import Answer, probe, table
    from kaggle_offline.target import open_target

    answers: list[Answer] = []
    with open_target(_target(), repository, minutes=options.minutes) as target:
        try:
            # One after the other: what is known is shown even if the rest fails.
            answers.extend(probe(target))
        finally:
            if answers:
                print(f"\nPaste this into an issue:\n\n{table(answers)}")


def _run_image(options: argparse.Namespace, repository: Path) -> None:
    from kaggle_offline.image import capture, compare

    if options.action == "diff":
        print(compare(repository, options.before, options.after, everything=options.all))
        return
    from kaggle_offline.image_renewal import recapture, renew
    from kaggle_offline.target import open_target

    if options.action == "renew":
        renew(repository, _kernels([], repository))
        return
    with open_target(_target(), repository) as target:
        if options.action == "recapture":
            recapture(target, repository, _kernels([], repository), datetime.now(UTC).date())
        else:
            capture(target, repository, options.name, gpu=options.gpu)
