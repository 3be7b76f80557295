"""Checks of the project: its Python, its lock, its checkpoints, credentials in it, and the time that it takes."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from kaggle_offline.competition.sources import data_of, metric_file
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.doctor.subject import Check, Finding, Subject, finding_of
from kaggle_offline.errors import OfflineError
from kaggle_offline.files import alone
from kaggle_offline.git import MOST_ON_GITHUB, git
from kaggle_offline.reports.result import read_result
from kaggle_offline.repository.checkpoints import files_of, list_checkpoints, pointers_among
from kaggle_offline.repository.packages import package_files, package_folders, read_project_file, source_root

_SECONDS_OF_HOUR = 3600
# The longest session on Kaggle, in hours.
_MOST_HOURS = 12

# Kaggle's tokens, and credentials that are set in the code.
_SECRET = re.compile(r"KGAT_\w{8}|KAGGLE_(?:KEY|API_TOKEN)['\"]?\]?\s*=\s*['\"]\w")


def _python(subject: Subject) -> Iterator[Finding]:
    project = read_project_file(subject.kernel.package).get("project")
    text = str(project.get("requires-python", "")) if isinstance(project, dict) else ""
    where = subject.where(subject.kernel.package / "pyproject.toml")
    try:
        fits = SpecifierSet(text).contains(f"{subject.image.python}.99")
    except InvalidSpecifier:
        yield Finding(f"{where}: requires-python: {text!r}", 'Write it as in: requires-python = ">=3.11"')
        return
    if not fits:
        yield Finding(
            f"{where}: requires-python is {text}, and {subject.image.name} has {subject.image.python}",
            "Allow the image's Python.",
        )


def _lock(subject: Subject) -> Iterator[Finding]:
    # If requires-python excludes the image's Python, nothing can be locked.
    if not any(_python(subject)):
        with alone(subject.kernel.build):
            lock_kernel(subject.kernel, image=subject.image, renew=False)
    for path in (subject.kernel.lock, subject.kernel.image):
        if path.is_relative_to(subject.kernel.repository):
            yield from subject.ignored(subject.where(path))


def _rehearsal(subject: Subject) -> Iterator[Finding]:
    rehearsal = subject.kernel.settings.rehearsal
    if not isinstance(rehearsal, str):
        for find in (data_of, metric_file):
            try:
                find(subject.kernel, rehearsal)
            except OfflineError as error:
                yield finding_of(subject.kernel.repository, error)
        return
    words = shlex.split(rehearsal)
    if words[:2] == ["python", "-m"] and len(words) > 2:  # noqa: PLR2004
        module = Path(*words[2].split("."))
        # The module may be one of a required neighbour.
        files = []
        for path in (subject.kernel.package, *package_folders(subject.kernel.repository)):
            root = source_root(path)
            files += [(root / module).with_suffix(".py"), root / module / "__main__.py"]
        if not any(file.is_file() for file in files):
            yield Finding(
                f"{subject.settings}: rehearsal.competition: {words[2]} is in no package here",
                "Name a module of the package; it is given the folder to write.",
            )


def _checkpoints(subject: Subject) -> Iterator[Finding]:
    folder, repository = subject.kernel.checkpoints, subject.kernel.repository
    if folder is None:
        return
    files = files_of(folder)
    pointers = [finding_of(repository, error) for error in pointers_among(files)]
    yield from pointers
    if not pointers:
        try:
            list_checkpoints(folder, repository, subject.kernel.settings.trusted)
        except OfflineError as error:
            yield finding_of(repository, error)
    yield from _kept_by_git(subject, files)


def _built_wheels(subject: Subject) -> Iterator[Finding]:
    yield from _kept_by_git(subject, sorted(subject.kernel.built_wheels.glob("*.whl")))


def _kept_by_git(subject: Subject, files: Sequence[Path]) -> Iterator[Finding]:
    """Find files that a tag's run would not have, since Git ignores them or GitHub refuses them."""
    for path in files:
        name = subject.where(path)
        ignored = list(subject.ignored(name))
        yield from ignored
        size = path.stat().st_size
        filtered = git(subject.kernel.repository, "check-attr", "filter", "--", name) or ""
        if not ignored and size > MOST_ON_GITHUB and not filtered.endswith(": lfs"):
            yield Finding(
                f"{name}: {size / 2**20:.0f} MiB, and GitHub refuses more than 100", "Keep it with: git lfs track"
            )


def _secrets(subject: Subject) -> Iterator[Finding]:
    cure = "Move them to ~/.kaggle/, and make new ones on Kaggle if they were ever pushed."
    repository = subject.kernel.repository
    lying = [*repository.glob("kaggle*.json"), *repository.glob(".kaggle/*")]
    lying += subject.kernel.folder.rglob("kaggle*.json")
    files = package_files(subject.kernel.package, repository).values()
    lying += [path for path in files if path.match("kaggle*.json")]
    for path in sorted(set(lying)):
        yield Finding(f"{subject.where(path)}: credentials left in a file", cure)
    for code in (*subject.cells, *subject.modules):
        if _SECRET.search(code.text):
            yield Finding(
                f"{code.where}: credentials written in the code", "Take them out, and make new ones on Kaggle."
            )


def _time(subject: Subject) -> Iterator[Finding]:
    """Compare the last run's time, in proportion to its rows, with the limit; start-up makes the estimate too long."""
    limits = subject.kernel.settings.limits
    result = read_result(subject.kernel.build)
    run, submission = result.run, result.submission
    if limits is not None and limits.hours > _MOST_HOURS:
        yield Finding(
            f"{subject.settings}: limits.hours: {limits.hours:g}, and Kaggle gives no kernel more than {_MOST_HOURS}",
            "Write the competition's limit, in hours.",
        )
    output = subject.kernel.build / "output" / subject.kernel.settings.output
    if limits is None or run is None or not output.is_file():
        return
    if submission is not None and submission.calls is not None:
        seconds = submission.calls.projected(limits.rows)
        if seconds > limits.hours * _SECONDS_OF_HOUR:
            yield Finding(
                f"{subject.settings}: limits: {limits.rows} rows would take {seconds / _SECONDS_OF_HOUR:.1f} hours, "
                f"at the rate of the last rehearsal; {limits.hours:g} are allowed",
                "Predict less for each row.",
            )
        return
    with output.open("rb") as file:
        rows = sum(1 for _ in file) - 1
    seconds = run.seconds / max(rows, 1) * limits.rows
    if rows > 0 and seconds > limits.hours * _SECONDS_OF_HOUR:
        yield Finding(
            f"{subject.settings}: limits: {limits.rows} rows would take {seconds / _SECONDS_OF_HOUR:.1f} hours, as the "
            f"last run took {run.seconds:.0f} s for {rows}; {limits.hours:g} are allowed",
            "Predict less for each, or rehearse with more rows if most of that was start-up.",
        )


PROJECT_CHECKS: tuple[Check, ...] = (_python, _lock, _rehearsal, _checkpoints, _built_wheels, _secrets, _time)
