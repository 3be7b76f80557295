"""Data drawn from a sketch: files that look like the competition's, where those are absent.

Every column leans on one hidden quantity of its row, the target most of all: a model that works learns something.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaggle_offline.competition.patterns import fields_of, file_of, is_pattern, patterns_of
from kaggle_offline.competition.served import add_stand_in
from kaggle_offline.competition.sketch import QUANTILES, SKETCH, VERSION
from kaggle_offline.competition.tables import records_of, write_table
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import read_json
from kaggle_offline.repository.submission_toml import HoldOut

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

# Rows of a table; with files, each of which has to be drawn, fewer.
_MOST_ROWS = 1000
_MOST_WITH_FILES = 120
# The longest side of an image, and the seconds of a sound.
_SIDE = 64
_SECONDS = 0.5
_RATE = 16_000

_MODES = ("1", "L", "P", "RGB", "RGBA")
# Others are written as PNG, which every reader recognizes by its first bytes.
_FORMATS = {".bmp": "BMP", ".jpeg": "JPEG", ".jpg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}

# The shares of a column that follow the hidden quantity of the row; the rest is noise.
_FOLLOWS, _TARGET_FOLLOWS = 0.7, 0.98
_WORDS = 200


def draw_data(path: Path, rehearsal: HoldOut, folder: Path) -> None:
    """Draw the tables and files of a sketch; the same sketch gives the same bytes.

    Args:
        path: the sketch.
        rehearsal: which tables and files there are.
        folder: where they go.

    Raises:
        ConfigurationError: the file is not a sketch, or one of other settings.
    """
    try:
        sketch = read_json(path)
        if sketch["version"] != VERSION:
            raise ValueError(f"version {sketch['version']}")
        _draw(sketch, rehearsal, folder)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"{path}: not a sketch of these settings: {error!r}",
            f"Run: {command('data', 'COMPETITION')}, which writes it anew.",
        ) from error


def drawn_share(folder: Path, rehearsal: HoldOut) -> float:
    """Return the share of train's rows that are drawn from the sketch in a kernel folder, above 0 and up to 1."""
    try:
        sketch = read_json(folder / SKETCH)
        rows = int(sketch["tables"][rehearsal.train]["rows"])
    except (OSError, LookupError, TypeError, ValueError):
        return 1.0
    return min(1.0, _most_rows(sketch) / max(rows, 1))


def _most_rows(sketch: Mapping[str, Any]) -> int:
    return _MOST_WITH_FILES if sketch["files"] else _MOST_ROWS


def _draw(sketch: Mapping[str, Any], rehearsal: HoldOut, folder: Path) -> None:
    import numpy as np

    tables, id_column = sketch["tables"], str(sketch["id"])
    train, test = tables[rehearsal.train], None
    if rehearsal.test:
        test = tables[rehearsal.test]
    samples = tables.keys() - {rehearsal.train, rehearsal.test}
    if len(samples) != int(not rehearsal.id):
        raise ValueError(f"sample submissions: {sorted(samples)}")
    most = _most_rows(sketch)
    drawing = _Drawing(np.random.default_rng(0), {*rehearsal.target})
    trained, of_train = drawing.table(train, most, first=1)
    tested, of_test = drawing.table(test or tables[min(samples)], max(1, most // 4), first=len(trained) + 1)
    if test is not None:
        write_table(tested, folder / rehearsal.test)
    columns = list(rehearsal.target)
    for sample in samples:
        asked, _ = drawing.table(tables[sample], len(tested), first=len(trained) + 1)
        if id_column in tested.columns:
            asked[id_column] = tested[id_column]
        write_table(asked, folder / sample)
        columns = [str(column) for column in asked.columns if column != id_column]
    if rehearsal.gateway:
        add_stand_in(folder, rehearsal, rehearsal.test or min(samples), id_column, columns)
    if not is_pattern(rehearsal.train):
        write_table(trained, folder / rehearsal.train)
    for source, target in patterns_of(rehearsal).items():
        _draw_files(folder, source, sketch["files"].get(source, {}), trained, of_train)
        _draw_files(folder, target, sketch["files"].get(target, {}), tested, of_test)


class _Drawing:
    """Draws tables.

    Args:
        generator: of all that is random.
        target: the columns that follow the hidden quantity.
    """

    def __init__(self, generator: "np.random.Generator", target: set[str]) -> None:
        self._generator = generator
        self._target = target

    def table(
        self, sketch: Mapping[str, Any], most: int, *, first: int
    ) -> "tuple[pd.DataFrame, npt.NDArray[np.float64]]":
        """Return a table, and the hidden quantity of its rows from 0 to 1.

        Args:
            sketch: of the table.
            most: the most rows.
            first: the first number of ids.
        """
        import numpy as np
        import pandas as pd

        rows = max(1, min(int(sketch["rows"]), most))
        hidden = self._generator.normal(size=rows)
        columns: dict[str, list[str]] = {}
        for column in sketch["columns"]:
            follows = _TARGET_FOLLOWS if column["name"] in self._target else _FOLLOWS
            noise = self._generator.normal(size=rows)
            level = _ranks(follows * hidden + (1 - follows**2) ** 0.5 * noise)
            cells = self._cells(column, level, first)
            gaps = self._generator.random(rows) < column.get("missing", 0)
            columns[column["name"]] = np.where(gaps, column.get("gap", ""), cells).tolist()
        table = pd.DataFrame(columns, dtype=str)
        for column in sketch["columns"]:
            if "dtype" in column:
                cells = table[column["name"]].astype(object).replace("", None)
                table[column["name"]] = cells.astype("string[pyarrow]")
                # The sketch has the values of a dictionary as any other text.
                if not column["dtype"].startswith("dictionary"):
                    table[column["name"]] = table[column["name"]].astype(column["dtype"])
        return table, _ranks(hidden)

    def _cells(self, column: Mapping[str, Any], level: "npt.NDArray[np.float64]", first: int) -> list[str]:
        """Return the cells of a column; ``level`` are the ranks of its values."""
        if column["type"] == "id":
            return _ids(column, range(first, first + len(level)))
        if column["type"] == "category":
            return _categories(column, level)
        if column["type"] == "text":
            return [self._text(column["words"], share) for share in level]
        if column["type"] == "date":
            return _dates(column, level)
        return _numbers(column, level)

    def _text(self, lengths: list[float], level: float) -> str:
        """Return a text of made-up words; those with high numbers are more likely at a high level."""
        import numpy as np

        count = max(1, round(float(np.interp(self._generator.random(), QUANTILES, lengths))))
        places = self._generator.beta(1 + 4 * level, 1 + 4 * (1 - level), size=count) * _WORDS
        return " ".join(f"word{int(place)}" for place in places)


def _ids(column: Mapping[str, Any], numbers: range) -> list[str]:
    if column["numbers"]:
        return [str(number) for number in numbers]
    return [f"{random.Random(number).getrandbits(40):010x}{column['suffix']}" for number in numbers]  # noqa: S311


def _categories(column: Mapping[str, Any], level: "npt.NDArray[np.float64]") -> list[str]:
    import numpy as np

    bounds = np.cumsum(column["shares"])
    places = np.searchsorted(bounds, level * bounds[-1], side="right").clip(0, len(bounds) - 1)
    return [column["values"][place] for place in places]


def _dates(column: Mapping[str, Any], level: "npt.NDArray[np.float64]") -> list[str]:
    import numpy as np

    start, stop = (np.datetime64(text) for text in column["range"])
    days = start + (level * ((stop - start).astype(int) + 1)).astype("timedelta64[D]")
    return [f"{day} 00:00:00"[: column["length"]] for day in days]


def _numbers(column: Mapping[str, Any], level: "npt.NDArray[np.float64]") -> list[str]:
    import numpy as np

    values = np.interp(level, QUANTILES, column["quantiles"])
    if column["type"] == "integer":
        return [str(round(value)) for value in values]
    return [f"{value:.6g}" for value in values]


def _ranks(values: "npt.NDArray[np.float64]") -> "npt.NDArray[np.float64]":
    """Return the rank of each value, evenly spaced above 0 and below 1."""
    return (values.argsort().argsort() + 0.5) / len(values)


def _draw_files(
    folder: Path,
    pattern: str,
    entry: Mapping[str, Any],
    table: "pd.DataFrame",
    quantity: "npt.NDArray[np.float64]",
) -> None:
    """Draw a file for each row of a table, by its hidden quantity; a table without the pattern's columns has none."""
    if not fields_of(pattern) <= set(table.columns):
        return
    for number, (row, level) in enumerate(zip(records_of(table), quantity, strict=True)):
        path = folder / file_of(pattern, row)
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw_file(path, entry, float(level), number)


def _draw_file(path: Path, entry: Mapping[str, Any], level: float, number: int) -> None:
    """Draw one file: an image as bright, or a sound as high, as the hidden quantity; others are a few bytes."""
    if entry.get("sizes"):
        _draw_image(path, entry, level, number)
    elif path.suffix.lower() == ".wav":
        _draw_sound(path, level)
    else:
        path.write_bytes(bytes(random.Random(number).randbytes(64)))  # noqa: S311


def _draw_image(path: Path, entry: Mapping[str, Any], level: float, number: int) -> None:
    import numpy as np
    from PIL import Image

    width, height = entry["sizes"][number % len(entry["sizes"])]
    scale = min(1.0, _SIDE / max(width, height))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    noise = np.random.default_rng(number).normal(0, 20, size=shape)
    image = Image.fromarray((255 * level + noise).clip(0, 255).astype(np.uint8)).convert("RGB")
    modes: tuple[str, ...] = _MODES
    if path.suffix.lower() in (".jpg", ".jpeg"):
        modes = ("L", "RGB")
    (mode,) = [mode for mode in entry["modes"] if mode in modes][:1] or ["RGB"]
    image.convert(mode).save(path, format=_FORMATS.get(path.suffix.lower(), "PNG"))


def _draw_sound(path: Path, level: float) -> None:
    import wave

    import numpy as np

    times = np.arange(int(_RATE * _SECONDS)) / _RATE
    sound = 0.5 * np.sin(2 * np.pi * (200 + 1800 * level) * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes((sound * 2**15).astype("<i2").tobytes())
