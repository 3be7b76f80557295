"""Compare a kernel's submission with the competition's sample submission before it counts."""

import csv
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO

from kaggle_offline.errors import KaggleError, OutputError
from kaggle_offline.files import UNREADABLE_ZIP

# How many rows are named of those that have one problem.
_NAMED = 3
# Characters of a line. A small zip file can unpack to one of gigabytes.
_LONGEST = 2**26
# An id and a prediction.
_LEAST_COLUMNS = 2
_CURE = "Correct the kernel's output, then run freeze and push again."


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A submission: how often each id is there, and the cells, as id and column, without a value."""

    columns: list[str]
    ids: Counter[str]
    empty: list[tuple[str, str]]


def check_output(path: Path, sample: Path | None) -> str:
    """Check that a submission has the sample's columns and ids, each id as often, and a value in each cell.

    The first column of the sample is the id. A column in which the sample has cells without a value
    may have some; the order of columns and of rows is free.

    Args:
        path: the submission.
        sample: the sample, also as a zip file; None where the competition has none.

    Returns:
        A summary in words.

    Raises:
        OutputError: it differs; the message says in what.
        KaggleError: the sample is malformed.
    """
    if sample is None:
        submission = _read(path)
        _require_values(path, submission, allowed=frozenset())
        return f"{submission.ids.total()} rows, no sample to compare with (sample, in submission.toml)"
    wanted = _read_sample(sample)
    submission = _read(path, wanted.columns[:1])
    _require_shape(path, submission, wanted)
    _require_values(path, submission, allowed=frozenset(column for _, column in wanted.empty))
    return f"{submission.ids.total()} rows, as in the sample"


def _require_shape(path: Path, submission: _Table, wanted: _Table) -> None:
    """Check a submission's columns and ids against the sample's.

    Raises:
        OutputError: they differ.
    """
    if sorted(submission.columns) != sorted(wanted.columns):
        columns = ", ".join(submission.columns) or "none"
        raise OutputError(f"{path}: its columns are {columns}, not {', '.join(wanted.columns)}", _CURE)
    # A sample may have the columns alone.
    ids = wanted.ids or submission.ids
    missing = ids - submission.ids
    extra = submission.ids - ids
    problems = []
    if missing:
        problems.append(f"{missing.total()} rows are missing ({_some(missing)})")
    if extra:
        problems.append(f"{extra.total()} rows are not in the sample ({_some(extra)})")
    if problems:
        raise OutputError(f"{path}: {', '.join(problems)}", _CURE)


def _require_values(path: Path, submission: _Table, *, allowed: frozenset[str]) -> None:
    """Check that a submission has rows, and no empty cell outside of the ``allowed`` columns.

    Raises:
        OutputError: it does not.
    """
    if not submission.ids:
        raise OutputError(f"{path}: no rows", _CURE)
    empty = [f"{row}: {column}" for row, column in submission.empty if column not in allowed]
    if empty:
        raise OutputError(f"{path}: {len(empty)} cells are empty or not a number ({_some(empty)})", _CURE)


def _read_sample(path: Path) -> _Table:
    cure = 'Run the same command again; if it is not a sample, name another in submission.toml: sample = "…", or "".'
    try:
        table = _read(path)
    except OutputError as error:
        raise KaggleError(f"The sample submission cannot be read: {error.problem}", cure) from error
    if len(table.columns) < _LEAST_COLUMNS:
        raise KaggleError(f"{path}: a sample submission without columns", cure)
    return table


def _some(names: Iterable[str]) -> str:
    shown = sorted(names)
    if len(shown) > _NAMED:
        shown = [*shown[:_NAMED], "…"]
    return ", ".join(shown)


def _read(path: Path, id_columns: Sequence[str] = ()) -> _Table:
    """Read a table, its ids from the first of ``id_columns`` that it has, else from its first column."""
    ids: Counter[str] = Counter()
    empty: list[tuple[str, str]] = []
    # A mask that is written as runs of pixels is longer than the default.
    csv.field_size_limit(_LONGEST)
    try:
        with _opened(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(_lines(text), strict=True)
            columns = next(rows, [])
            at = next((columns.index(name) for name in id_columns if name in columns), 0)
            for row in filter(None, rows):
                if len(row) != len(columns):
                    raise OutputError(f"{path}: line {rows.line_num} has {len(row)} cells, not {len(columns)}", _CURE)
                ids[row[at]] += 1
                empty += [(row[at], column) for column, cell in zip(columns, row, strict=True) if _is_empty(cell)]
    except (*UNREADABLE_ZIP, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path}: not a CSV file: {error}", _CURE) from error
    return _Table(columns=columns, ids=ids, empty=empty)


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, none of them longer than memory bears.

    Raises:
        csv.Error: one is.
    """
    while line := file.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise csv.Error(f"a line of more than {_LONGEST:,} characters")
        yield line


def _is_empty(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        return math.isnan(float(cell))
    except ValueError:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file, or the one file of a zip: Kaggle hands out large ones so."""
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
