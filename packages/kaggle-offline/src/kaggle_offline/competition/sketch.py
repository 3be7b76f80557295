"""``data.json``: a sketch of a competition's data, from which look-alikes are drawn where the data are absent.

Most rules forbid publishing the data, so that the sketch has no row of them: columns, types, ranges, categories,
counts, and the sizes of files.
"""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kaggle_offline.competition.data_folder import IMAGES, SOUNDS
from kaggle_offline.competition.patterns import file_of, is_pattern, patterns_of, read_pattern
from kaggle_offline.competition.rehearsal import RehearsalData, read_sample
from kaggle_offline.competition.tables import read_table, records_of, texts

if TYPE_CHECKING:
    import pandas as pd

SKETCH = "data.json"
VERSION = 1

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)

# A column with at most so many values, each of them several times on the average, is one of categories.
_MOST_CATEGORIES = 50
_LEAST_REPEATS = 4
# Digits of a range: enough for its scale.
_DIGITS = 3
# Short codes, and words that nobody is called. Anything else may be a name.
_PLAIN = re.compile(r"[A-Za-z0-9_.+-]{1,3}|(?i:true|false|male|female|none|other|unknown)")
# A column with fewer values has no ranges and no categories of its own: they would be its values.
_LEAST_VALUES = 50
# The words that pandas reads as a gap (its read_csv, na_values).
_GAPS = ("", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?")
# Files whose sizes are read.
_LOOKED_AT = 200


def make_sketch(data: RehearsalData) -> dict[str, Any]:
    """Return the sketch of the tables and the files that a rehearsal needs.

    Raises:
        ConfigurationError: a table is not there.
    """
    rehearsal = data.rehearsal
    sample = read_sample(data)
    tables = {}
    if data.sample:
        tables[data.sample] = sample
    if is_pattern(rehearsal.train):
        tables[rehearsal.train] = read_pattern(data.folder, rehearsal.train)
    else:
        tables[rehearsal.train] = read_table(data.folder / rehearsal.train)
    if rehearsal.test:
        tables[rehearsal.test] = read_table(data.folder / rehearsal.test)
    # Known to those alone who have the data: hashes of names could be guessed otherwise.
    key = hashlib.sha256()
    for name in filter(lambda name: not is_pattern(name), tables):
        with (data.folder / name).open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    literal = {*rehearsal.target, *map(str, sample.columns[1:])}
    id_column = str(sample.columns[0])
    sketched: dict[str, Any] = {}
    # Train first: a column of the test set is sketched as the same column of train, which has more rows.
    known: dict[str, dict[str, Any]] = {}
    for name in sorted(tables, key=lambda name: name != rehearsal.train):
        columns = []
        for column in map(str, tables[name].columns):
            cells = texts(tables[name][column])
            if column == id_column:
                entry = _id(cells)
            elif column in known:
                entry = known[column]
            else:
                entry = known[column] = _column(cells, key.digest(), literal=column in literal)
            if name.endswith(".parquet"):
                entry = {**entry, "dtype": str(tables[name][column].dtype)}
            columns.append({"name": column, **entry})
        sketched[name] = {"rows": len(tables[name]), "columns": columns}
    patterns = patterns_of(rehearsal)
    files = {pattern: _files(data.folder, pattern) for pattern in sorted({*patterns, *patterns.values()})}
    return {"version": VERSION, "id": id_column, "tables": sketched, "files": files}


def _column(cells: "pd.Series[str]", key: bytes, *, literal: bool) -> dict[str, Any]:
    """Return the sketch of a column.

    Args:
        cells: as texts.
        key: of the hashes.
        literal: its categories are those of the answers, which every kernel knows.
    """
    gaps = cells.isin(_GAPS)
    entry = _values(cells[~gaps], key, literal=literal)
    if gaps.any():
        entry |= {"missing": round(float(gaps.mean()), _DIGITS), "gap": str(cells[gaps].mode().iloc[0])}
    return entry


def _id(cells: "pd.Series[str]") -> dict[str, Any]:
    if cells.str.fullmatch(r"[0-9]{1,15}").all():
        return {"type": "id", "numbers": True}
    suffixes = Counter(PurePosixPath(cell).suffix for cell in cells)
    suffix = ""
    if suffixes and all(other.lower() in (*IMAGES, *SOUNDS) for other in suffixes):
        suffix = suffixes.most_common(1)[0][0]
    return {"type": "id", "numbers": False, "suffix": suffix}


def _values(cells: "pd.Series[str]", key: bytes, *, literal: bool) -> dict[str, Any]:
    import pandas as pd

    counts = cells.value_counts()
    few = 0 < len(counts) <= _MOST_CATEGORIES and len(cells) >= _LEAST_REPEATS * len(counts)
    if few and (literal or len(cells) >= _LEAST_VALUES):
        shares = (counts / counts.sum()).round(_DIGITS)
        values = list(map(str, counts.index))
        if not literal:
            values = [_hidden(value, key) for value in values]
        return {"type": "category", "values": values, "shares": shares.tolist()}
    numbers = pd.to_numeric(cells, errors="coerce")
    if len(cells) and numbers.notna().all():
        kind = "integer" if cells.str.fullmatch(r"[+-]?[0-9]+").all() else "decimal"
        return {"type": kind, "quantiles": _quantiles(numbers)}
    if len(cells) >= _LEAST_VALUES and cells.str.fullmatch(_DATE).all():
        return {"type": "date", "range": [cells.min()[:10], cells.max()[:10]], "length": len(cells.iloc[0])}
    return {"type": "text", "words": _quantiles(cells.map(lambda cell: len(cell.split())))}


def _quantiles(values: "pd.Series[Any]") -> list[float]:
    """Return the quantiles of `QUANTILES`, to so many digits that none need be a value of the data."""
    if len(values) < _LEAST_VALUES:
        return [100 * share for share in QUANTILES]
    return [float(f"{value:.{_DIGITS}g}") for value in values.quantile(list(QUANTILES)).fillna(0).tolist()]


def _hidden(value: str, key: bytes) -> str:
    """Return a category as it is, or hashed where it may be a name."""
    if _PLAIN.fullmatch(value):
        return value
    return f"value-{hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:8]}"


def _files(folder: Path, pattern: str) -> dict[str, Any]:
    """Return the sketch of the files of a pattern: their number, and the sizes and modes of images."""
    table = read_pattern(folder, pattern)
    paths = [folder / file_of(pattern, row) for row in records_of(table.head(_LOOKED_AT))]
    images = [path for path in paths if path.suffix.lower() in IMAGES]
    entry: dict[str, Any] = {"count": len(table)}
    if images:
        entry |= _images(images)
    return entry


def _images(paths: Sequence[Path]) -> Mapping[str, Any]:
    from PIL import Image

    sizes, modes = Counter[tuple[int, int]](), Counter[str]()
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes[image.size] += 1
                modes[image.mode] += 1
        except (OSError, Image.DecompressionBombError):
            continue
    common = [list(size) for size, _ in sizes.most_common(5)]
    return {"sizes": common, "modes": [mode for mode, _ in modes.most_common(2)]}
