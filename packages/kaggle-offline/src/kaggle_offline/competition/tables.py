"""Tables of a competition's data: CSV and parquet, cells kept as they are."""

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.zip", ".parquet")
"""The formats of tables; older competitions have CSV in zips."""


def read_table(path: Path) -> "pd.DataFrame":
    """Return a table: of CSV the cells as texts, of parquet as they are.

    Raises:
        ConfigurationError: it is not there, or not a table.
    """
    import pandas as pd

    if not path.is_file():
        raise ConfigurationError(f"{path}: not there", f"Run: {command('data', 'COMPETITION')}, which downloads it.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path, dtype_backend="pyarrow")
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"{path}: not a table: {error}", "Name a CSV or parquet file.") from error


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table in the format of the file's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Without a note of pandas' own types, which would give a kernel others than those of the competition's file.
        plain = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(plain, path)
    else:
        table.to_csv(path, index=False, lineterminator="\n", quoting=_quoting(table))


def _quoting(table: "pd.DataFrame") -> Literal[0, 1]:
    """Return how much is quoted: the writer leaves a bare carriage return bare, which readers take for a line's end."""
    for column in table.select_dtypes(exclude="number"):
        if texts(table[column]).str.contains("\r", regex=False).any():
            return csv.QUOTE_ALL
    return csv.QUOTE_MINIMAL


def texts(column: "pd.Series[Any]") -> "pd.Series[str]":
    """Return cells as texts; a cell without a value is an empty one."""
    return column.astype(object).where(column.notna(), "").map(str)


def records_of(table: "pd.DataFrame") -> Iterator[dict[str, str]]:
    """Yield the rows of a table, as texts by column."""
    columns = {str(column): texts(table[column]) for column in table.columns}
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))
