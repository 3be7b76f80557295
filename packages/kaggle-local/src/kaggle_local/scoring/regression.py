"""Metrics of numbers."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def rmse(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the root of the mean squared error, averaged over the columns; 0 is best."""
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(truth, predicted))


def rmsle(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the root of the mean squared error of ``log(1 + x)``, averaged over the columns; 0 is best."""
    from sklearn.metrics import root_mean_squared_log_error

    return float(root_mean_squared_log_error(truth, predicted))


def mae(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the mean absolute error; 0 is best."""
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(truth, predicted))


def mape(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the mean absolute error as a part of the truth; 0 is best, 1 is an error of 100 percent."""
    from sklearn.metrics import mean_absolute_percentage_error

    return float(mean_absolute_percentage_error(truth, predicted))


def smape(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the symmetric mean absolute percentage error, from 0, the best, to 200.

    The error is divided by the mean of truth and prediction; two zeros count as right (the evaluation of Kaggle's Web
    Traffic Time Series Forecasting).
    """
    sizes = truth.abs() + predicted.abs()
    parts = 2 * (truth - predicted).abs() / sizes.where(sizes > 0, 1.0)
    return float(100 * parts.to_numpy().mean())


def r2(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the coefficient of determination, averaged over the columns; 1 is best."""
    from sklearn.metrics import r2_score

    return float(r2_score(truth, predicted))


def pinball(truth: "pd.DataFrame", predicted: "pd.DataFrame", *, quantile: float) -> float:
    """Return the pinball loss of a quantile between 0 and 1, averaged over the columns; 0 is best."""
    from sklearn.metrics import mean_pinball_loss

    return float(mean_pinball_loss(truth, predicted, alpha=quantile))


def pearson(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the linear correlation, averaged over the columns, from -1 to 1; NaN for a constant prediction."""
    from scipy.stats import pearsonr

    return _mean_correlation(pearsonr, truth, predicted)


def spearman(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the correlation of the ranks, averaged over the columns, from -1 to 1; NaN for a constant prediction."""
    from scipy.stats import spearmanr

    return _mean_correlation(spearmanr, truth, predicted)


def concordance(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the part of the pairs with different truths that are predicted in their order, from 0 to 1.

    A tie of predictions counts as half. The index of Harrell without censored rows: (1 + D) / 2 of Somers' D, which
    follows from Kendall's tau-b and the numbers of ties.
    """
    from scipy.stats import kendalltau

    wanted, given = truth.iloc[:, 0], predicted.iloc[:, 0]
    if (given == given.iloc[0]).all():
        return 0.5
    tau = float(kendalltau(wanted, given).statistic)
    return (1 + tau * math.sqrt(_untied(given) / _untied(wanted))) / 2


def _untied(values: "pd.Series[Any]") -> float:
    """Return the number of pairs of values that differ."""
    counts = values.value_counts().to_numpy().astype(float)
    rows = float(len(values))
    return rows * (rows - 1) / 2 - float((counts * (counts - 1) / 2).sum())


def _mean_correlation(of: Callable[..., Any], truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    if (predicted.min() == predicted.max()).any():
        return float("nan")
    values = [float(of(truth[column], predicted[column]).statistic) for column in truth]
    return sum(values) / len(values)


def flaw_of_zeros(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution with a 0, by which nothing can be divided, and a hint."""
    return ("has a cell of 0", "The metric divides by the truth.") if (truth == 0).any(axis=None) else None


def flaw_of_constants(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution with a column of one value, and a hint."""
    same = bool((truth.min() == truth.max()).any())
    return ("a column has the same in every row", "The metric needs different cells.") if same else None
