"""A submission: checked before it is written, and written whole or not at all."""

import csv
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Literal

_NAMED = 3


class SubmissionError(ValueError):
    """The predictions are not a valid submission; the message names the problem."""


def write_submission(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], sample: Path | None = None
) -> int:
    """Write a submission as CSV, or as parquet where the file is called so; return how many rows it has.

    Args:
        path: the file; one that is there is replaced in one step.
        columns: their names, the id first.
        rows: a value for each column. Text that no encoding has, as in odd files' names, is written as it came.
        sample: the competition's sample submission: the same columns and ids are asked for, in any order. Parquet gets
            the types of a parquet sample.

    Raises:
        SubmissionError: a row is too short or too long, a value is missing or not a number, an id is
            given twice, rows are missing, or the sample has other ids.
    """
    table = [tuple(row) for row in rows]
    wrong = next((row for row in table if len(row) != len(columns)), None)
    if wrong is not None:
        raise SubmissionError(f"{wrong}: {len(wrong)} values, for the columns {', '.join(columns)}")
    empty = [str(row[0]) for row in table if any(map(_is_empty, row))]
    ids = Counter(str(row[0]) for row in table)
    twice = [name for name, count in ids.items() if count > 1]
    for problem, names in (("have a cell without a value", empty), ("are there more than once", twice)):
        if names:
            raise SubmissionError(f"{len(names)} ids {problem}: {_some(names)}")
    if not table:
        raise SubmissionError("not a row in it")
    if sample is not None:
        _compare(columns, set(ids), sample)
    draft = path.with_name(f".{path.name}.draft")
    if path.suffix == ".parquet":
        _write_parquet(draft, columns, table, sample)
    else:
        _write_csv(draft, columns, table)
    draft.replace(path)
    return len(table)


def _write_csv(path: Path, columns: Sequence[str], table: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        # Some readers take a bare carriage return for a line's end, and the writer quotes none.
        quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
        for row in table:
            if any("\r" in str(value) for value in row):
                quoting = csv.QUOTE_ALL
        writer = csv.writer(file, lineterminator="\n", quoting=quoting)
        writer.writerow(columns)
        writer.writerows(table)


def _write_parquet(path: Path, columns: Sequence[str], table: Sequence[Sequence[object]], sample: Path | None) -> None:
    import pandas as pd

    frame = pd.DataFrame(table, columns=list(columns))
    if sample is not None and sample.suffix == ".parquet":
        frame = frame.astype(pd.read_parquet(sample).dtypes.to_dict())
    frame.to_parquet(path, index=False)


def _is_empty(value: object) -> bool:
    """Tell whether a cell is missing, blank or NaN, the one number that does not equal itself."""
    return value is None or value != value or not str(value).strip()  # noqa: PLR0124


def _compare(columns: Sequence[str], ids: set[str], sample: Path) -> None:
    wanted, asked = _read_sample(sample, columns[0])
    if sorted(wanted) != sorted(columns):
        raise SubmissionError(f"its columns are {', '.join(columns)}, not {', '.join(wanted)} as in {sample.name}")
    for problem, names in (("are missing", asked - ids), ("should not be there", ids - asked)):
        if names:
            raise SubmissionError(f"{len(names)} ids of {sample.name} {problem}: {_some(sorted(names))}")


def _read_sample(sample: Path, id_column: str) -> tuple[list[str], set[str]]:
    """Return the columns of a sample submission, and the ids that it asks for."""
    if sample.suffix == ".parquet":
        import pandas as pd

        table = pd.read_parquet(sample)
        return list(map(str, table.columns)), set(map(str, table.get(id_column, ())))
    with _opened(sample) as file, TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as text:
        wanted, *rows = csv.reader(text)
    at = wanted.index(id_column) if id_column in wanted else 0
    return wanted, {row[at] for row in rows if row}


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file, or the one table of a zip, as older competitions have them."""
    if path.suffix != ".zip":
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive, archive.open(path.stem) as member:
        yield member


def _some(names: Sequence[str]) -> str:
    shown = list(names[:_NAMED])
    if len(names) > _NAMED:
        shown.append("…")
    return ", ".join(shown)
