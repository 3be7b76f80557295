"""A submission's table: its columns, its rows in the solution's order, its cells of the metric's kind."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaggle_local.errors import SubmissionError
from kaggle_local.scoring.boxes import read_boxes
from kaggle_local.scoring.competition import Competition
from kaggle_local.scoring.formats import read_texts
from kaggle_local.scoring.metrics import Cells
from kaggle_local.scoring.ranking import pixels

if TYPE_CHECKING:
    import pandas as pd


def read_table(competition: Competition, path: Path, cells: Cells) -> "pd.DataFrame":
    """Return a table of texts with the competition's columns.

    Raises:
        SubmissionError: it is not a table, a column is missing, or a cell is empty that must not be.
    """
    columns = [competition.id, *competition.target]
    table = read_texts(path, columns)
    for column in columns:
        if column not in table.columns:
            raise SubmissionError(f"{path.name}: no column {column}", f"Its columns must be {','.join(columns)}.")
        empty = table[column].str.strip() == ""
        # No object in an image is an empty mask, or no box.
        may_be_empty = cells in ("any text", "mask", "boxes") and column != competition.id
        if empty.any() and not may_be_empty:
            raise SubmissionError(
                f"{path.name}: {int(empty.sum())} cells of {column} are empty", "Predict something for each."
            )
    return table


def rows_in_order(truth: "pd.DataFrame", given: "pd.DataFrame", competition: Competition, name: str) -> "pd.DataFrame":
    """Return the rows of a submission, in the solution's order."""
    wanted, ids = truth[competition.id], given[competition.id]
    if not ids.is_unique:
        raise SubmissionError(
            f"{name}: {competition.id} {ids[ids.duplicated()].iloc[0]} occurs twice", "Each must occur once."
        )
    if len(given) != len(truth):
        raise SubmissionError(
            f"{name}: {len(given)} rows, the test set has {len(truth)}",
            f"It must have one row for each {competition.id} of the test set.",
        )
    unknown = ids[~ids.isin(wanted)]
    if len(unknown):
        others = f", nor are {len(unknown) - 1} others" if len(unknown) > 1 else ""
        raise SubmissionError(
            f"{name}: {competition.id} {unknown.iloc[0]} is not in the test set{others}",
            f"Take each {competition.id} from the test set that the run sees.",
        )
    return given.set_index(competition.id).loc[wanted].reset_index()


def typed_cells(table: "pd.DataFrame", columns: list[str], cells: Cells, id_column: str, name: str) -> "pd.DataFrame":
    """Return the cells of columns as the metric wants them.

    Raises:
        SubmissionError: a cell does not fit; names the first.
    """
    import pandas as pd

    if cells in ("text", "any text", "mask", "boxes"):
        if cells in _READ:
            _check_readable(table, columns, cells, id_column, name)
        return pd.DataFrame({column: table[column].str.strip() for column in columns})
    numbers = pd.DataFrame({column: pd.to_numeric(table[column], errors="coerce") for column in columns}, dtype=float)
    fits = numbers.abs() < float("inf")
    if cells == "probability":
        fits &= (numbers >= 0) & (numbers <= 1)
    if cells == "number of 0 or more":
        fits &= numbers >= 0
    if cells == "whole number":
        fits &= numbers.round() == numbers
    for column in columns:
        wrong: Any = table.loc[~fits[column]]
        if len(wrong):
            wanted = f"{cells} from 0 to 1" if cells == "probability" else cells
            first = wrong.iloc[0]
            raise SubmissionError(
                f"{name}: {column} of {id_column} {first[id_column]} is {first[column]!r}, not a {wanted}",
                f"Predict a {cells} for each row.",
            )
    return numbers


# How cells of objects in images are read, their name, and the hint where that fails.
_READ: dict[Cells, tuple[Callable[[str], object], str, str]] = {
    "mask": (
        pixels,
        "a run-length encoded mask",
        "Write pairs of a start and a length, sorted, parted by blanks; nothing for an empty mask.",
    ),
    "boxes": (
        read_boxes,
        "a list of boxes",
        "Write five numbers for each, parted by blanks: confidence, left, top, width, height; nothing for no box.",
    ),
}


def _check_readable(table: "pd.DataFrame", columns: list[str], cells: Cells, id_column: str, name: str) -> None:
    """Check that the cells of columns are masks, or boxes.

    Raises:
        SubmissionError: a cell is not; names the first.
    """
    read, what, cure = _READ[cells]
    for column in columns:
        for row, cell in zip(table[id_column], table[column], strict=True):
            try:
                read(cell)
            except ValueError as error:
                raise SubmissionError(f"{name}: {column} of {id_column} {row} is not {what}: {error}", cure) from error
