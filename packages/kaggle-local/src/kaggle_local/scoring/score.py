"""The score of a submission: the competition's metric between its file and the solution."""

import importlib
import math
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from kaggle_local.errors import CompetitionError, SubmissionError
from kaggle_local.scoring.competition import Competition, load_competition
from kaggle_local.scoring.metrics import METRICS, PARAMETERS, Metric, find_metric
from kaggle_local.scoring.tables import read_table, rows_in_order, typed_cells

if TYPE_CHECKING:
    import pandas as pd

CustomMetric = Callable[["Sequence[tuple[pd.DataFrame, pd.DataFrame]]"], list[float]]
"""Runs the host's metric on parts of a solution and a submission, each with the same rows, ids included.

Raises a `SubmissionError` if the metric does.
"""

# The column of a solution that tells which rows count on which leaderboard (Kaggle's documentation of metrics).
USAGE = "Usage"

# Two threads that import numpy at once can see half of it (python/cpython issue 91238).
_LOADING = threading.Lock()


@dataclass(frozen=True)
class Scores:
    """The scores of a submission on the public and the private leaderboard.

    ``private`` is None where the solution does not part its rows.
    """

    public: float
    private: float | None = None


def score(competition: Competition, submission: Path, custom: CustomMetric | None = None) -> Scores:
    """Score a submission's file against the solution.

    Args:
        competition: whose.
        submission: the file.
        custom: runs the host's metric, where the competition has one.

    Raises:
        SubmissionError: the file is missing, its columns, rows or cells do not fit, or the host's metric refuses it.
        CompetitionError: the competition names a metric that is not known, or its solution does not
            suit the metric.
    """
    solution = _read_solution(competition)
    cells = solution.metric.cells
    given = read_table(competition, submission, cells)
    expected = [competition.id, *competition.target]
    # Their order is free (Kaggle's documentation of metrics: columns are taken by name).
    if sorted(given.columns) != sorted(expected):
        raise SubmissionError(
            f"{submission.name}: columns {', '.join(given.columns)}", f"They must be {', '.join(expected)}."
        )
    given = rows_in_order(solution.truth, given[expected], competition, submission.name)
    columns = list(competition.target)
    given[columns] = typed_cells(given, columns, cells, competition.id, submission.name)
    # Each leaderboard's score is computed by itself (Kaggle's documentation of metrics).
    values = _compute(solution, given, list(solution.parts), custom)
    if not all(map(math.isfinite, values)):
        raise SubmissionError(
            f"{submission.name}: its {competition.metric} is not a number",
            "Predict smaller numbers, and not the same for every row.",
        )
    scores = dict(zip(solution.parts, values, strict=True))
    return Scores(scores["Public"], scores.get("Private"))


def baseline_score(competition: Competition, custom: CustomMetric | None = None) -> float:
    """Return the baseline (most common label): the public score of the solution's most common row for every row.

    Raises:
        SubmissionError: the host's metric refuses such a submission.
        CompetitionError: the competition names a metric that is not known, or its solution does not
            suit the metric.
    """
    solution = _read_solution(competition)
    columns = list(competition.target)
    constant = solution.truth[[competition.id, *columns]].copy()
    # Rows that count on neither leaderboard may have any label.
    counted = list(chain.from_iterable(solution.parts.values()))
    most_common = constant.loc[counted, columns].value_counts(sort=True).index[0]
    for column, value in zip(columns, most_common, strict=True):
        constant[column] = value
    (result,) = _compute(solution, constant, ["Public"], custom)
    if math.isnan(result):
        if not solution.metric.greater_is_better:
            raise SubmissionError(
                f"{competition.metric}: not a number for the same prediction in every row", "It has none."
            )
        # The same for every row correlates with nothing.
        return 0.0
    return result


def load_libraries() -> None:
    """Import what scores are computed with: it takes longer than most scores, and can be done before."""
    with _LOADING:
        for name in ("pandas", "rapidfuzz.distance", "scipy.stats", "sklearn.metrics", "sklearn.preprocessing"):
            importlib.import_module(name)


def metric_of(competition: Competition) -> Metric:
    """Return the competition's metric.

    Raises:
        CompetitionError: it is not known, or does not take that many columns.
    """
    path = competition.folder / "competition.toml"
    if competition.custom_metric is not None:
        if not competition.custom_metric.is_file():
            raise CompetitionError(f"{competition.custom_metric}: not there", "Write the metric there.")
        return Metric(_has_to_be_run, "any text", greater_is_better=competition.greater_is_better, columns="any")
    metric = find_metric(competition.metric)
    if metric is None:
        known = ", ".join([*METRICS, *PARAMETERS])
        raise CompetitionError(f"{path}: no metric is called {competition.metric!r}", f"Known are: {known}.")
    if metric.columns == "one" and len(competition.target) > 1:
        raise CompetitionError(f"{path}: {competition.metric} is of one column", "Set target to one column.")
    return metric


def check_solution(folder: Path) -> Competition:
    """Return a competition whose solution suits its metric.

    Raises:
        CompetitionError: it does not, or the folder is not one of a competition.
    """
    competition = load_competition(folder)
    _read_solution(competition)
    return competition


def _has_to_be_run(_truth: "pd.DataFrame", _predicted: "pd.DataFrame") -> float:
    raise AssertionError("a host's metric runs in the sandbox")


@dataclass(frozen=True, kw_only=True)
class _Solution:
    """A solution that suits its metric; ``parts`` are the rows of each leaderboard."""

    competition: Competition
    metric: Metric
    truth: "pd.DataFrame"
    parts: "Mapping[str, pd.Index[int]]"


def _read_solution(competition: Competition) -> _Solution:
    load_libraries()
    metric, path = metric_of(competition), competition.solution
    columns = list(competition.target)
    try:
        truth = read_table(competition, path, metric.cells)
        truth[columns] = typed_cells(truth, columns, metric.cells, competition.id, path.name)
    except SubmissionError as error:
        raise CompetitionError(error.problem, f"{competition.solution} must suit {competition.metric}.") from error
    if not truth[competition.id].is_unique or truth.empty:
        raise CompetitionError(f"{path}: an {competition.id} occurs twice, or none at all", "Each must occur once.")
    parts = _parts(competition, truth)
    for rows in parts.values():
        flaw = metric.flaw(truth.loc[rows, columns])
        if flaw:
            problem, cure = flaw
            raise CompetitionError(f"{path}: {problem}", cure)
    return _Solution(competition=competition, metric=metric, truth=truth, parts=parts)


def _parts(competition: Competition, truth: "pd.DataFrame") -> "Mapping[str, pd.Index[int]]":
    """Return the rows of each leaderboard; all rows are public where the solution does not part them.

    Raises:
        CompetitionError: no row is public.
    """
    if USAGE not in truth.columns or USAGE in competition.target:
        return {"Public": truth.index}
    parts = {name: truth.index[truth[USAGE] == name] for name in ("Public", "Private")}
    if parts["Public"].empty:
        raise CompetitionError(f"{competition.solution}: no row's {USAGE} is Public", "Write Public for some rows.")
    return {name: rows for name, rows in parts.items() if not rows.empty}


def _compute(
    solution: _Solution, given: "pd.DataFrame", parts: Sequence[str], custom: CustomMetric | None
) -> list[float]:
    """Return the metric of each of those parts; the rows of ``given`` are in the solution's order."""
    competition, pairs = solution.competition, []
    for part in parts:
        rows = solution.parts[part]
        pairs.append((solution.truth.loc[rows].reset_index(drop=True), given.loc[rows].reset_index(drop=True)))
    if competition.custom_metric is not None:
        if custom is None:
            raise CompetitionError(f"{competition.custom_metric}: cannot be run here", "Push a kernel first.")
        return custom([(truth.drop(columns=USAGE, errors="ignore"), predicted) for truth, predicted in pairs])
    columns = list(competition.target)
    with warnings.catch_warnings():
        # A number that is too large makes a score that is not finite, which is told as such.
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        return [solution.metric.compute(truth[columns], predicted[columns]) for truth, predicted in pairs]
