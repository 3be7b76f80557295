"""Check of the competition's files that a kernel reads: without one of them, a rehearsal ends there."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kaggle_offline.code.input_files import input_files
from kaggle_offline.competition.data_folder import data_files
from kaggle_offline.competition.sketch import SKETCH
from kaggle_offline.competition.sources import data_of
from kaggle_offline.doctor.subject import Check, Code, Finding, Subject
from kaggle_offline.environment import command
from kaggle_offline.errors import OfflineError
from kaggle_offline.files import read_json
from kaggle_offline.repository.kernel_folder import KernelFolder

# A column in the pattern of a file's name, once special characters are escaped.
_FIELD = re.compile(r"\\\{.+?\\\}")


@dataclass(frozen=True, kw_only=True)
class _Rehearsed:
    """The public files that a rehearsal has.

    Attributes:
        names: of files, or patterns of them; empty if nobody knows yet.
        problem: of a file that is not among them.
        cure: the hint.
    """

    names: Iterable[str]
    problem: str = ""
    cure: str = ""


def _files(subject: Subject) -> Iterator[Finding]:
    # The cells of a kernel share their names.
    programs: list[list[Code]] = [list(subject.cells)]
    programs += [[code] for code in subject.reached if code.module]
    read: list[tuple[str, str]] = []
    for program in programs:
        for file in input_files([code.text for code in program]):
            if file.slug == subject.kernel.on_kaggle:
                read.append((program[file.number].where, file.name))
    if not read:
        return
    try:
        rehearsed = _rehearsed(subject.kernel)
        known = _with_folders(rehearsed.names)
    except (OfflineError, OSError, ValueError, LookupError, TypeError):
        # Another check tells what is wrong with the data or the sketch.
        return
    patterns = [re.compile(_FIELD.sub("[^/]+", re.escape(name))) for name in known if "{" in name]
    for where, name in read:
        if known and name not in known and not any(pattern.fullmatch(name) for pattern in patterns):
            yield Finding(f"{where}: reads {name}, {rehearsed.problem}", rehearsed.cure)


def _with_folders(names: Iterable[str]) -> set[str]:
    """Return the names of files or patterns, and of the folders that they are in."""
    found: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        found |= {name, *map(str, path.parents)}
    return found


def _rehearsed(kernel: KernelFolder) -> _Rehearsed:
    """Return the files of a competition's rehearsal, without making them.

    Raises:
        ConfigurationError: there are neither data nor a sketch.
        OSError, ValueError, LookupError, TypeError: the sketch is malformed.
    """
    rehearsal = kernel.settings.rehearsal
    if isinstance(rehearsal, str):
        return _Rehearsed(
            names=_names(kernel.build / "competition" / "public"),
            problem="which the command of the last rehearsal did not write",
            cure="Correct the name, or have the command write it: [rehearsal] competition in submission.toml.",
        )
    data = data_of(kernel, rehearsal)
    if data is not None:
        download = command("data", f"{kernel.on_kaggle} --only NAME")
        return _Rehearsed(
            names=_names(data),
            problem=f"which is not among the competition's data in data/{data.name}",
            cure=f"Correct the name, or run: {download}",
        )
    if rehearsal.gateway:
        # Beside the tables, the drawn data have files of the gateway.
        return _Rehearsed(names=())
    sketch = read_json(kernel.folder / SKETCH)
    return _Rehearsed(
        names=[*sketch["tables"], *sketch["files"]],
        problem=f"which {SKETCH} does not have, so that rehearsals do not, either",
        cure=f"Correct the name, or run: {command('data', kernel.on_kaggle)}",
    )


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in data_files(folder)]


DATA_CHECKS: tuple[Check, ...] = (_files,)
