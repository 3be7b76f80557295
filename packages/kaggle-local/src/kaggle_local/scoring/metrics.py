"""The metrics, which are scikit-learn's; a comment marks each difference of Kaggle's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd


# The least probability, so that its logarithm is a number.
_LEAST = 1e-15

Cells = Literal["text", "number", "probability", "whole number"]


@dataclass(frozen=True)
class Metric:
    """A metric: of truth and prediction, with the same columns and rows.

    Attributes:
        compute: the score; texts come as ``object``, all else as ``float64``.
        cells: what both must hold.
        greater_is_better: which way the leaderboard goes.
        columns: how many there may be.
        flaw: returns the problem with a solution and a hint; None if the solution suits the metric.
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
    """Return the part of the rows that are right, from 0 to 1; where the truth is numbers, 1.0 is 1."""
    import pandas as pd
    from sklearn.metrics import accuracy_score

    wanted, given = truth.iloc[:, 0], predicted.iloc[:, 0]
    numbers = pd.to_numeric(wanted, errors="coerce")
    if numbers.notna().all():
        return float((numbers == pd.to_numeric(given, errors="coerce")).mean())
    return float(accuracy_score(wanted, given))


def log_loss(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the mean negative logarithm of the true class's probability; 0 is best.

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
    """Return the root of the mean squared error, averaged over the columns; 0 is best."""
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(truth, predicted))


def auc(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the area under the receiver operating characteristic, averaged over the columns, from 0 to 1."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth.astype(int), predicted))


def quadratic_kappa(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Agreement of ratings beyond chance, disagreement weighed by its square (Cohen's kappa), up to 1.

    The squared differences of the pairs, divided by those of every truth with every prediction. That is
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
    if (truth.min() == truth.max()).any():
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
