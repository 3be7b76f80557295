"""Submissions of any format, read within bounds: CSV, parquet, a JSON object, or one of these in a zip."""

import csv
import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any, TextIO

from kaggle_offline.errors import OutputError
from kaggle_offline.files import UNREADABLE_ZIP

CORRECT_IT = "Correct the kernel's output, then run freeze and push again."

_FORMATS = (".csv", ".parquet", ".json")
# Bytes of a JSON or parquet file, which are read as a whole, and characters of a CSV file's line. A small zip file can
# unpack to one of gigabytes.
_LARGEST = 2**30
_LONGEST = 2**26


@dataclass(frozen=True, kw_only=True)
class Table:
    """A submission.

    Attributes:
        columns: of the table; of a JSON object, its keys and its values.
        ids: how often each id is there.
        empty: the cells without a value, as id and column.
        forms: of a JSON object, the form of each id's value.
    """

    columns: list[str]
    ids: Counter[str]
    empty: list[tuple[str, str]]
    forms: Mapping[str, object] = field(default_factory=dict)


def read_submission(path: Path, id_columns: Sequence[str] = ()) -> Table:
    """Read a submission, its ids from the first of ``id_columns`` that it has, else from its first column.

    Raises:
        OutputError: the file is not in its format.
    """
    format_name = "CSV"
    try:
        with _opened(path) as (file, name):
            if name.endswith(".parquet"):
                format_name = "parquet"
                return _read_parquet(io.BytesIO(_whole(file)), id_columns)
            if name.endswith(".json"):
                format_name = "JSON"
                return _read_json(_whole(file))
            return _read_csv(path, file, id_columns)
    except (*UNREADABLE_ZIP, UnicodeDecodeError, csv.Error, RecursionError) as error:
        raise OutputError(f"{path}: not a {format_name} file: {error}", CORRECT_IT) from error


def _whole(file: IO[bytes]) -> bytes:
    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"more than {_LARGEST:,} bytes")
    return content


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Yield a file, or the one table of a zip, and its name in small letters: Kaggle hands out large ones so."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file, path.name.lower()
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if PurePath(name).suffix.lower() in _FORMATS]
        if len(names) != 1:
            raise ValueError(f"a zip file with {len(names)} tables")
        with archive.open(names[0]) as member:
            yield member, names[0].lower()


def _read_csv(path: Path, file: IO[bytes], id_columns: Sequence[str]) -> Table:
    ids: Counter[str] = Counter()
    empty: list[tuple[str, str]] = []
    # A mask that is written as runs of pixels is longer than the default.
    csv.field_size_limit(_LONGEST)
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(_lines(text), strict=True)
        columns = next(rows, [])
        at = _place_of_id(columns, id_columns)
        for row in filter(None, rows):
            if len(row) != len(columns):
                raise OutputError(f"{path}: line {rows.line_num} has {len(row)} cells, not {len(columns)}", CORRECT_IT)
            ids[row[at]] += 1
            empty += [(row[at], column) for column, cell in zip(columns, row, strict=True) if _is_empty(cell)]
    return Table(columns=columns, ids=ids, empty=empty)


def _place_of_id(columns: Sequence[str], id_columns: Sequence[str]) -> int:
    return next((columns.index(name) for name in id_columns if name in columns), 0)


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


def _read_parquet(file: IO[bytes], id_columns: Sequence[str]) -> Table:
    import pyarrow.parquet as pq

    ids: Counter[str] = Counter()
    empty: list[tuple[str, str]] = []
    table = pq.ParquetFile(file)
    columns = [str(name) for name in table.schema_arrow.names]
    if len(set(columns)) < len(columns):
        raise ValueError("two columns have the same name")
    at = _place_of_id(columns, id_columns)
    for batch in table.iter_batches():
        if not columns:
            break
        rows = [str(value) for value in batch.column(at).to_pylist()]
        ids.update(rows)
        for column, values in zip(columns, batch.columns, strict=True):
            cells = zip(rows, values.to_pylist(), strict=True)
            empty += [(row, column) for row, value in cells if value is None or _is_empty(str(value))]
    return Table(columns=columns, ids=ids, empty=empty)


def _read_json(content: bytes) -> Table:
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("the ids are the keys of one object")  # noqa: TRY004 - as for any other damage
    empty = [(key, "value") for key, value in document.items() if value is None]
    forms = {key: _form(value) for key, value in document.items()}
    return Table(columns=["key", "value"], ids=Counter(document.keys()), empty=empty, forms=forms)


def _form(value: Any) -> object:
    """Return the form of a JSON value: the keys of objects, and how many of them are in a list.

    A list of anything else may be of any length, as the grids of ARC Prize are.
    """
    if isinstance(value, dict):
        return {key: _form(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_form(entry) for entry in value if isinstance(entry, dict)]
    return "number" if isinstance(value, int | float) else type(value).__name__
