"""What a kernel hands in, compared with the competition's sample submission before it counts."""

import csv
import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kaggle_offline.errors import OutputError
from kaggle_offline.files import UNREADABLE_ZIP

# Of a problem that many rows have, so many are named.
_NAMED = 3
_CURE = "Correct what the kernel writes, then run freeze and push again."


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A submission. ``empty`` are the cells, as id and column, that hold nothing or not a number."""

    columns: list[str]
    ids: list[str]
    empty: list[tuple[str, str]]


def check_output(path: Path, sample: Path | None) -> str:
    """See that a submission has what the sample has: its columns and ids, each once, and a value in each cell.

    A column in which the sample itself has empty cells may have some.

    Args:
        path: the submission.
        sample: the sample, also as a zip file; None where the competition has none.

    Returns:
        What was seen, in words.

    Raises:
        OutputError: it differs; the message says in what.
    """
    submission = _read(path, path.name)
    if not submission.ids:
        raise OutputError(f"{path}: not a row in it", _CURE)
    allowed: set[str] = set()
    if sample is not None:
        wanted = _read(sample, "the sample submission")
        allowed = {column for _, column in wanted.empty}
        if set(submission.columns) != set(wanted.columns):
            raise OutputError(
                f"{path}: its columns are {', '.join(submission.columns)}, not {', '.join(wanted.columns)}", _CURE
            )
        missing, extra = set(wanted.ids) - set(submission.ids), set(submission.ids) - set(wanted.ids)
        problems = [f"{len(missing)} ids are missing ({_some(missing)})"] if missing else []
        problems += [f"{len(extra)} ids should not be there ({_some(extra)})"] if extra else []
        if problems:
            raise OutputError(f"{path}: {', '.join(problems)}", _CURE)
    twice = len(submission.ids) - len(set(submission.ids))
    if twice:
        raise OutputError(
            f"{path}: {len(submission.ids)} rows, {twice} of them with an id that was there before", _CURE
        )
    empty = [f"{row}: {column}" for row, column in submission.empty if column not in allowed]
    if empty:
        raise OutputError(f"{path}: {len(empty)} cells are empty or not a number ({_some(empty)})", _CURE)
    against = "as in the sample" if sample is not None else "no sample to compare with"
    return f"{len(submission.ids)} rows, {against}"


def _some(names: set[str] | list[str]) -> str:
    return ", ".join(sorted(names)[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _read(path: Path, what: str) -> _Table:
    ids: list[str] = []
    empty: list[tuple[str, str]] = []
    try:
        with _opened(path) as file:
            rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
            columns = next(rows, [])
            for row in filter(None, rows):
                if len(row) != len(columns):
                    raise OutputError(f"{path}: line {rows.line_num} has {len(row)} cells, not {len(columns)}", _CURE)
                ids.append(row[0])
                empty += [(row[0], column) for column, cell in zip(columns, row, strict=True) if _is_empty(cell)]
    except (*UNREADABLE_ZIP, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path}: {what} cannot be read as CSV: {error}", _CURE) from error
    return _Table(columns=columns, ids=ids, empty=empty)


def _is_empty(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        return math.isnan(float(cell))
    except ValueError:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file, or the one file of a zip: Kaggle hands out large ones so."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise ValueError(f"a zip file with {len(names)} tables")
        with archive.open(names[0]) as member:
            yield member
