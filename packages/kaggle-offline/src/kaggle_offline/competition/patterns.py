"""Patterns of file names, such as ``images/{id}.png``: the files that belong to the rows of a table."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.submission_toml import HoldOut

if TYPE_CHECKING:
    import pandas as pd


def is_pattern(train: str) -> bool:
    """Tell whether train is files, whose names hold an id and a label, and not a table."""
    return "{" in train


def patterns_of(rehearsal: HoldOut) -> Mapping[str, str]:
    """Return the files of train's rows, and where they are in the test set; files of folders go to ``test/``."""
    if is_pattern(rehearsal.train) and not rehearsal.files:
        return {rehearsal.train: f"test/{PurePosixPath(rehearsal.train).name}"}
    return rehearsal.files


def fields_of(pattern: str) -> set[str]:
    """Return the columns that a pattern names.

    Raises:
        ConfigurationError: its braces are not pairs with a name in each.
    """
    found = set()
    try:
        for _, name, specification, conversion in Formatter().parse(pattern):
            if name == "" or specification or conversion:
                raise ValueError(pattern)
            found |= {name}
    except ValueError as error:
        raise ConfigurationError(f"{pattern}: not a pattern", "Write columns in braces: images/{id}.png") from error
    return {name for name in found if name is not None}


def file_of(pattern: str, row: Mapping[str, str]) -> str:
    """Return the file that belongs to a row, relative to the data.

    Raises:
        ConfigurationError: the row's cells lead out of the data.
    """
    name = pattern
    for field in fields_of(pattern):
        name = name.replace(f"{{{field}}}", row[field])
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\\0]|^\w:", name):
        raise ConfigurationError(f"{pattern}: {name!r} would lead out of the data", "Correct the row, or the pattern.")
    return name


def read_pattern(folder: Path, pattern: str) -> "pd.DataFrame":
    """Return a table of the files whose names fit a pattern such as ``train/{label}/{image}``, sorted by name."""
    import pandas as pd

    fields_of(pattern)
    names, expression = [], ""
    for literal, name, _, _ in Formatter().parse(pattern):
        expression += re.escape(literal)
        if name:
            names.append(name)
            expression += "([^/]+)"
    found = []
    for path in sorted(folder.glob("/".join(["*"] * (pattern.count("/") + 1)))):
        match = re.fullmatch(expression, path.relative_to(folder).as_posix())
        if match and path.is_file():
            found.append(match.groups())
    return pd.DataFrame(found, columns=names, dtype=str)
