"""Compare a kernel's submission with the competition's sample submission before it counts."""

from collections.abc import Iterable
from pathlib import Path

from kaggle_offline.delivery.submission_file import CORRECT_IT, Table, read_submission
from kaggle_offline.errors import KaggleError, OutputError

# How many rows are named of those that have one problem.
_NAMED = 3
# An id and a prediction.
_LEAST_COLUMNS = 2


def check_output(path: Path, sample: Path | None) -> str:
    """Check that a submission has the sample's columns and ids, each id as often, and a value in each cell.

    The first column of the sample is the id. A column in which the sample has cells without a value
    may have some; the order of columns and of rows is free. The keys of a JSON object are the ids, and each value
    has the form of the sample's.

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
        submission = read_submission(path)
        _require_values(path, submission, allowed=frozenset())
        return f"{submission.ids.total()} rows, no sample to compare with (sample, in submission.toml)"
    wanted = _read_sample(sample)
    submission = read_submission(path, wanted.columns[:1])
    _require_shape(path, submission, wanted)
    _require_forms(path, submission, wanted)
    _require_values(path, submission, allowed=frozenset(column for _, column in wanted.empty))
    return f"{submission.ids.total()} rows, as in the sample"


def _require_shape(path: Path, submission: Table, wanted: Table) -> None:
    """Check a submission's columns and ids against the sample's.

    Raises:
        OutputError: they differ.
    """
    if sorted(submission.columns) != sorted(wanted.columns):
        columns = ", ".join(submission.columns) or "none"
        raise OutputError(f"{path}: its columns are {columns}, not {', '.join(wanted.columns)}", CORRECT_IT)
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
        raise OutputError(f"{path}: {', '.join(problems)}", CORRECT_IT)


def _require_forms(path: Path, submission: Table, wanted: Table) -> None:
    """Check that each value of a JSON object has the form of the sample's.

    Raises:
        OutputError: one has not.
    """
    others = [key for key, form in wanted.forms.items() if submission.forms.get(key) != form]
    if submission.forms and others:
        raise OutputError(
            f"{path}: {len(others)} values have other keys, or other lengths, than in the sample ({_some(others)})",
            CORRECT_IT,
        )


def _require_values(path: Path, submission: Table, *, allowed: frozenset[str]) -> None:
    """Check that a submission has rows, and no empty cell outside of the ``allowed`` columns.

    Raises:
        OutputError: it does not.
    """
    if not submission.ids:
        raise OutputError(f"{path}: no rows", CORRECT_IT)
    empty = [f"{row}: {column}" for row, column in submission.empty if column not in allowed]
    if empty:
        raise OutputError(f"{path}: {len(empty)} cells are empty or not a number ({_some(empty)})", CORRECT_IT)


def _read_sample(path: Path) -> Table:
    cure = 'Run the same command again; if it is not a sample, name another in submission.toml: sample = "…", or "".'
    try:
        table = read_submission(path)
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
