"""The score of a submission: the competition's metric between its file and the solution."""

import importlib
import math
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from kaggle_local.errors import CompetitionError, SubmissionError
from kaggle_local.scoring.competition import Competition
from kaggle_local.scoring.metrics import METRICS, PARAMETERS, Metric, find_metric
from kaggle_local.scoring.tables import read_table, rows_in_order, typed_cells

if TYPE_CHECKING:
    import pandas as pd

# Two threads that import numpy at once can see half of it (python/cpython issue 91238).
_LOADING = threading.Lock()


def score(competition: Competition, submission: Path) -> float:
    """Score a submission's file against the solution.

    Raises:
        SubmissionError: the file is missing or its columns, rows or cells do not fit.
        CompetitionError: the competition names a metric that is not known, or its solution does not
            suit the metric.
    """
    metric = metric_of(competition)
    truth = _solution(competition)
    given = read_table(competition, submission, metric.cells)
    expected = [competition.id, *competition.target]
    # Their order is free (Kaggle's documentation of metrics: columns are taken by name).
    if sorted(given.columns) != sorted(expected):
        raise SubmissionError(
            f"{submission.name}: columns {', '.join(given.columns)}", f"They must be {', '.join(expected)}."
        )
    given = rows_in_order(truth, given[expected], competition, submission.name)
    columns = list(competition.target)
    values = typed_cells(given, columns, metric.cells, competition.id, submission.name)
    result = _compute(metric, truth[columns], values)
    if not math.isfinite(result):
        raise SubmissionError(
            f"{submission.name}: its {competition.metric} is not a number",
            "Predict smaller numbers, and not the same for every row.",
        )
    return result


def baseline_score(competition: Competition) -> float:
    """Return the baseline (most common label): the score of the solution's most common row for every row.

    Raises:
        CompetitionError: the competition names a metric that is not known, or its solution does not
            suit the metric.
    """
    truth = _solution(competition)[list(competition.target)]
    most_common = truth.value_counts(sort=True).index[0]
    constant = truth.copy()
    for column, value in zip(constant.columns, most_common, strict=True):
        constant[column] = value
    result = _compute(metric_of(competition), truth, constant)
    # The same for every row correlates with nothing.
    return 0.0 if math.isnan(result) else result


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
    metric = find_metric(competition.metric)
    if metric is None:
        known = ", ".join([*METRICS, *PARAMETERS])
        raise CompetitionError(f"{path}: no metric is called {competition.metric!r}", f"Known are: {known}.")
    if metric.columns == "one" and len(competition.target) > 1:
        raise CompetitionError(f"{path}: {competition.metric} is of one column", "Set target to one column.")
    return metric


def _solution(competition: Competition) -> "pd.DataFrame":
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
    flaw = metric.flaw(truth[columns])
    if flaw:
        problem, cure = flaw
        raise CompetitionError(f"{path}: {problem}", cure)
    return truth


def _compute(metric: Metric, truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    with warnings.catch_warnings():
        # A number that is too large makes a score that is not finite, which is told as such.
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        return metric.compute(truth.reset_index(drop=True), predicted.reset_index(drop=True))
