"""The files of submissions as tables of texts: CSV, parquet, a JSON object, or one of these in a zip."""

import io
import json
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

from kaggle_local.errors import SubmissionError

if TYPE_CHECKING:
    import pandas as pd

# Bytes of a table; a larger one is refused. A small file can unpack to gigabytes.
_LARGEST = 2**30
# Cells of a parquet table, which says its rows and not what they take in memory: a column of one value takes none.
_MOST_CELLS = 2 * 10**7

FORMATS = (".csv", ".parquet", ".json")
"""The formats of a table, also in a zip; a file of another suffix is read as CSV."""


def read_texts(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """Return a file's table, its cells as texts; a cell without a value is an empty one.

    Args:
        path: CSV, parquet or JSON by its suffix, or a zip with one of these. The keys of a JSON object are the ids, and
            its values the predictions, as JSON without blanks.
        columns: the id and the target of the competition, which name a JSON object's two columns.

    Raises:
        SubmissionError: the file is missing, too large, or not in its format.
    """
    if path.is_symlink() or not path.is_file():
        raise SubmissionError(f"{path.name}: the kernel did not write it", "Write it to /kaggle/working.")
    with _opened(path) as (file, name, size):
        if size > _LARGEST:
            raise SubmissionError(f"{path.name}: {size:,} bytes", f"At most {_LARGEST:,} are read.")
        if name.endswith(".parquet"):
            return _read_parquet(file, path.name)
        if name.endswith(".json"):
            return _read_json(file, path.name, columns)
        return _read_csv(file, path.name)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], str, int]]:
    """Yield a file, or the one table of a zip, with its name in small letters and its size."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file, path.name.lower(), path.stat().st_size
        return
    try:
        with zipfile.ZipFile(path) as archive:
            tables = [entry for entry in archive.infolist() if PurePath(entry.filename).suffix.lower() in FORMATS]
            if len(tables) != 1:
                raise SubmissionError(f"{path.name}: a zip file with {len(tables)} tables", "Put one table into it.")
            with archive.open(tables[0]) as member:
                yield member, tables[0].filename.lower(), tables[0].file_size
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise SubmissionError(f"{path.name}: not a zip file: {error}", "Write it with zipfile or pandas.") from error


def _read_csv(file: IO[bytes], name: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Rows with more cells than there are columns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{name}: not a CSV file: {error}", "Write it with pandas or csv.") from error


def _read_parquet(file: IO[bytes], name: str) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A file in a zip can be read from its start to its end alone.
        table = pq.ParquetFile(io.BytesIO(file.read()))
        cells = table.metadata.num_rows * table.metadata.num_columns
        if cells > _MOST_CELLS:
            raise SubmissionError(f"{name}: {cells:,} cells", f"At most {_MOST_CELLS:,} are read.")
        if len(set(table.schema_arrow.names)) < len(table.schema_arrow.names):
            raise SubmissionError(f"{name}: two columns have the same name", "Give each a name of its own.")
        frame: pd.DataFrame = table.read().to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SubmissionError(f"{name}: not a parquet file: {error}", "Write it with pandas or polars.") from error
    if any(frame.index.names):
        # pandas keeps a named index, which is often the id.
        frame = frame.reset_index()
    return pd.DataFrame({str(column): _texts(frame[column]) for column in frame.columns}, dtype=object)


def _texts(column: "pd.Series[Any]") -> "pd.Series[str]":
    return column.astype(object).where(column.notna(), "").map(str)


def _read_json(file: IO[bytes], name: str, columns: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    try:
        document = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{name}: not a JSON file: {error}", "Write it with json.dump.") from error
    if not isinstance(document, dict):
        raise SubmissionError(f"{name}: not a JSON object", "Write an object: each id with its prediction.")
    cells = [json.dumps(value, separators=(",", ":")) for value in document.values()]
    return pd.DataFrame({columns[0]: list(document), columns[1]: cells}, dtype=object)
