"""What a submission is worth: the competition's metric between its file and the solution.

The metrics are scikit-learn's; what Kaggle does beside them is said where it is done.
"""

import importlib
import math
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kaggle_local.competition import Competition
from kaggle_local.errors import CompetitionError, SubmissionError

if TYPE_CHECKING:
    import pandas as pd

# What a probability is at least, so that its logarithm is a number.
_LEAST = 1e-15

# Bytes of a submission: more is no table that anybody scores.
_LARGEST = 2**30

# Two threads that import numpy at once can see half of it (python/cpython issue 91238).
_LOADING = threading.Lock()

Cells = Literal["text", "number", "probability", "whole number"]


@dataclass(frozen=True)
class Metric:
    """A metric: of truth and prediction, with the same columns and rows.

    Attributes:
        compute: the score; texts come as ``object``, all else as ``float64``.
        cells: what both must hold.
        greater_is_better: which way the leaderboard goes.
        columns: how many there may be.
        flaw: what of a solution does not suit it, if anything, and what would.
    """

    compute: Callable[["pd.DataFrame", "pd.DataFrame"], float]
    cells: Cells
    greater_is_better: bool = True
    columns: Literal["one", "any"] = "one"
    flaw: Callable[["pd.DataFrame"], tuple[str, str] | None] = lambda truth: None  # noqa: ARG005 - none has any


def mean_f1(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """F1 of each row's set of labels (parted by blanks), averaged over the rows, from 0 to 1.

    scikit-learn's ``f1_score(average="samples")``, as Kaggle's "Mean F-Score".
    """
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    wanted, given = truth.iloc[:, 0].str.split(), predicted.iloc[:, 0].str.split()
    # Sparse: a label for each row must not make a table of rows by rows.
    binarizer = MultiLabelBinarizer(sparse_output=True).fit([*wanted, *given])
    return float(f1_score(binarizer.transform(wanted), binarizer.transform(given), average="samples", zero_division=0))


def accuracy(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """The part of the rows that are right, from 0 to 1; where the truth is numbers, 1.0 is 1."""
    import pandas as pd
    from sklearn.metrics import accuracy_score

    wanted, given = truth.iloc[:, 0], predicted.iloc[:, 0]
    numbers = pd.to_numeric(wanted, errors="coerce")
    if numbers.notna().all():
        return float((numbers == pd.to_numeric(given, errors="coerce")).mean())
    return float(accuracy_score(wanted, given))


def log_loss(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Negative logarithm of the probability given to what is true, averaged over the rows; 0 is best.

    One column is the probability of 1. Several are those of classes, of which the truth has one a
    row; as on Kaggle each row is divided by its sum, so they need not add up to 1, and none counts as
    less likely than 1e-15.
    """
    from sklearn.metrics import log_loss as of

    if truth.shape[1] == 1:
        return float(of(truth.iloc[:, 0].astype(int), predicted.iloc[:, 0].clip(_LEAST, 1 - _LEAST), labels=[0, 1]))
    sums = predicted.sum(axis=1)
    shares = predicted.div(sums.where(sums > 0, 1.0), axis=0).where(sums > 0, 1.0 / predicted.shape[1], axis=0)
    shares = shares.clip(_LEAST, 1 - _LEAST)
    shares = shares.div(shares.sum(axis=1), axis=0)
    classes = list(range(truth.shape[1]))
    return float(of(truth.to_numpy().argmax(axis=1), shares.to_numpy(), labels=classes))


def rmse(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Root of the mean squared error, averaged over the columns; 0 is best."""
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(truth, predicted))


def auc(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Area under the receiver operating characteristic, averaged over the columns, from 0 to 1."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth.astype(int), predicted))


def quadratic_kappa(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Agreement of ratings beyond chance, disagreement weighed by its square (Cohen's kappa), up to 1.

    The squares of what the pairs differ by, over those of every truth with every prediction. That is
    scikit-learn's ``cohen_kappa_score(weights="quadratic")`` over all ratings from the lowest to the
    highest, whose table of ratings by ratings one wild prediction would make larger than any memory.
    """
    a, b = truth.iloc[:, 0], predicted.iloc[:, 0]
    observed = ((a - b) ** 2).mean()
    by_chance = a.var(ddof=0) + b.var(ddof=0) + (a.mean() - b.mean()) ** 2
    return 1.0 if by_chance == 0 else float(1 - observed / by_chance)


def _flaw_of_classes(truth: "pd.DataFrame") -> tuple[str, str] | None:
    if not truth.isin([0, 1]).all(axis=None):
        return "has other cells than 0 and 1", "log-loss needs those."
    if truth.shape[1] > 1 and (truth.sum(axis=1) != 1).any():
        return "a row has not just one 1", "Each row is of one class."
    return None


def _flaw_of_both(truth: "pd.DataFrame") -> tuple[str, str] | None:
    if not truth.isin([0, 1]).all(axis=None):
        return "has other cells than 0 and 1", "auc needs those."
    if (truth.nunique() == 1).any():
        return "a column has nothing but one of 0 and 1", "auc needs both."
    return None


METRICS: dict[str, Metric] = {
    "mean-f1": Metric(mean_f1, "text"),
    "accuracy": Metric(accuracy, "text"),
    "log-loss": Metric(log_loss, "probability", greater_is_better=False, columns="any", flaw=_flaw_of_classes),
    "rmse": Metric(rmse, "number", greater_is_better=False, columns="any"),
    "auc": Metric(auc, "number", columns="any", flaw=_flaw_of_both),
    "quadratic-kappa": Metric(quadratic_kappa, "whole number"),
}


def score(competition: Competition, submission: Path) -> float:
    """Score a submission's file against the solution.

    Raises:
        SubmissionError: the file is missing or its columns, rows or cells do not fit.
        CompetitionError: the competition names a metric that is not known, or its solution does not
            suit the metric.
    """
    metric = metric_of(competition)
    truth = _solution(competition)
    given = _read(competition, submission)
    expected = [competition.id, *competition.target]
    # Their order is free (Kaggle's documentation of metrics: columns are taken by name).
    if sorted(given.columns) != sorted(expected):
        raise SubmissionError(
            f"{submission.name}: columns {', '.join(given.columns)}", f"They must be {', '.join(expected)}."
        )
    given = _rows_of(truth, given[expected], competition, submission.name)
    columns = list(competition.target)
    values = _cells(given, columns, metric.cells, competition.id, submission.name)
    result = _compute(metric, truth[columns], values)
    if not math.isfinite(result):
        raise SubmissionError(f"{submission.name}: its {competition.metric} is no number", "Predict smaller numbers.")
    return result


def score_of_commonest(competition: Competition) -> float:
    """What predicting the solution's commonest row for every row would score: a floor for any model.

    Raises:
        CompetitionError: the competition names a metric that is not known, or its solution does not
            suit the metric.
    """
    truth = _solution(competition)[list(competition.target)]
    commonest = truth.value_counts(sort=True).index[0]
    constant = truth.copy()
    for column, value in zip(constant.columns, commonest, strict=True):
        constant[column] = value
    return _compute(metric_of(competition), truth, constant)


def load_libraries() -> None:
    """Import what scores are computed with: it takes longer than most scores, and can be done before."""
    with _LOADING:
        for name in ("pandas", "sklearn.metrics", "sklearn.preprocessing"):
            importlib.import_module(name)


def metric_of(competition: Competition) -> Metric:
    """The competition's metric.

    Raises:
        CompetitionError: it is not known, or does not take that many columns.
    """
    path = competition.folder / "competition.toml"
    metric = METRICS.get(competition.metric)
    if metric is None:
        raise CompetitionError(
            f"{path}: no metric is called {competition.metric!r}", f"Known are: {', '.join(METRICS)}."
        )
    if metric.columns == "one" and len(competition.target) > 1:
        raise CompetitionError(f"{path}: {competition.metric} is of one column", "Set target to one column.")
    return metric


def _solution(competition: Competition) -> "pd.DataFrame":
    load_libraries()
    metric, path = metric_of(competition), competition.solution
    columns = list(competition.target)
    try:
        truth = _read(competition, path)
        truth[columns] = _cells(truth, columns, metric.cells, competition.id, path.name)
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


def _read(competition: Competition, path: Path) -> "pd.DataFrame":
    """A table of texts with the competition's columns and no empty cell."""
    import pandas as pd

    if path.is_symlink() or not path.is_file():
        raise SubmissionError(f"{path.name}: the kernel did not write it", "Write it to /kaggle/working.")
    if path.stat().st_size > _LARGEST:
        raise SubmissionError(f"{path.name}: {path.stat().st_size:,} bytes", f"At most {_LARGEST:,} are read.")
    try:
        with warnings.catch_warnings():
            # Rows with more cells than there are columns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{path.name}: not a CSV file: {error}", "Write it with pandas or csv.") from error
    columns = [competition.id, *competition.target]
    for column in columns:
        if column not in table.columns:
            raise SubmissionError(f"{path.name}: no column {column}", f"Its columns must be {','.join(columns)}.")
        empty = table[column].str.strip() == ""
        if empty.any():
            raise SubmissionError(
                f"{path.name}: {int(empty.sum())} cells of {column} are empty", "Predict something for each."
            )
    return table


def _rows_of(truth: "pd.DataFrame", given: "pd.DataFrame", competition: Competition, name: str) -> "pd.DataFrame":
    """The rows of a submission, in the solution's order."""
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
        raise SubmissionError(
            f"{name}: {competition.id} {unknown.iloc[0]} is not in the test set"
            f"{f', nor are {len(unknown) - 1} others' if len(unknown) > 1 else ''}",
            f"Take each {competition.id} from the test set that the run sees.",
        )
    return given.set_index(competition.id).loc[wanted].reset_index()


def _cells(table: "pd.DataFrame", columns: list[str], cells: Cells, id_column: str, name: str) -> "pd.DataFrame":
    """The cells of columns as the metric wants them.

    Raises:
        SubmissionError: a cell does not fit; names the first.
    """
    import pandas as pd

    if cells == "text":
        return pd.DataFrame({column: table[column].str.strip() for column in columns})
    numbers = pd.DataFrame({column: pd.to_numeric(table[column], errors="coerce") for column in columns}, dtype=float)
    fits = numbers.abs() < float("inf")
    if cells == "probability":
        fits &= (numbers >= 0) & (numbers <= 1)
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
