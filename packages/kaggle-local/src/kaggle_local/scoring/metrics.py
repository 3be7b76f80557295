"""The metrics by name, each with what it needs of a solution and a submission.

``METRICS`` has those of one name; ``map@3`` and others of `PARAMETERS` have a number after the name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from kaggle_local.scoring import boxes, classification, ranking, regression

if TYPE_CHECKING:
    import pandas as pd

Cells = Literal["text", "any text", "mask", "boxes", "number", "number of 0 or more", "probability", "whole number"]


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


def _error(compute: Callable[["pd.DataFrame", "pd.DataFrame"], float], cells: Cells = "number") -> Metric:
    """Return a metric of numbers in any number of columns, of which less is better."""
    return Metric(compute, cells, greater_is_better=False, columns="any")


_F1_MACRO, _F1_WEIGHTED = partial(classification.f1, average="macro"), partial(classification.f1, average="weighted")

METRICS: dict[str, Metric] = {
    # Classes.
    "accuracy": Metric(classification.accuracy, "text"),
    "balanced-accuracy": Metric(classification.balanced_accuracy, "text"),
    "mean-f1": Metric(classification.mean_f1, "text"),
    "f1": Metric(classification.f1, "text", flaw=classification.flaw_of_binary),
    "f1-macro": Metric(_F1_MACRO, "text"),
    "f1-weighted": Metric(_F1_WEIGHTED, "text"),
    "mcc": Metric(classification.matthews, "text", flaw=classification.flaw_of_one_class),
    "quadratic-kappa": Metric(classification.quadratic_kappa, "whole number"),
    # Probabilities.
    "log-loss": Metric(
        classification.log_loss,
        "probability",
        greater_is_better=False,
        columns="any",
        flaw=classification.flaw_of_classes,
    ),
    "log-loss-multilabel": Metric(
        classification.multilabel_log_loss,
        "probability",
        greater_is_better=False,
        columns="any",
        flaw=classification.flaw_of_bits,
    ),
    "auc": Metric(classification.auc, "number", columns="any", flaw=classification.flaw_of_both),
    "pr-auc": Metric(classification.pr_auc, "number", columns="any", flaw=classification.flaw_of_both),
    "gini": Metric(classification.gini, "number", flaw=classification.flaw_of_order),
    # Numbers.
    "rmse": _error(regression.rmse),
    "rmsle": _error(regression.rmsle, "number of 0 or more"),
    "mae": _error(regression.mae),
    "mape": Metric(regression.mape, "number", greater_is_better=False, columns="any", flaw=regression.flaw_of_zeros),
    "smape": _error(regression.smape),
    "r2": Metric(regression.r2, "number", columns="any", flaw=regression.flaw_of_constants),
    "pearson": Metric(regression.pearson, "number", columns="any", flaw=regression.flaw_of_constants),
    "spearman": Metric(regression.spearman, "number", columns="any", flaw=regression.flaw_of_constants),
    "concordance": Metric(regression.concordance, "number", flaw=regression.flaw_of_constants),
    # Texts, masks and boxes.
    "levenshtein": Metric(ranking.levenshtein, "any text", greater_is_better=False),
    "wer": Metric(ranking.wer, "any text", greater_is_better=False, flaw=ranking.flaw_of_words),
    "dice": Metric(ranking.dice, "mask"),
    "iou-map": Metric(boxes.iou_map, "boxes"),
}

PARAMETERS = {"map@K": "map@3", "ndcg@K": "ndcg@10", "f-beta@B": "f-beta@0.5", "pinball@Q": "pinball@0.9"}
"""The names with a number, and an example of each."""


def find_metric(name: str) -> Metric | None:
    """Return a metric by its name, such as ``rmse`` or ``map@3``; None if it is not known."""
    base, at, text = name.partition("@")
    if not at:
        return METRICS.get(name)
    try:
        number = float(text)
    except ValueError:
        return None
    if base in ("map", "ndcg") and number >= 1 and number == int(number):
        compute = ranking.map_at if base == "map" else ranking.ndcg_at
        return Metric(partial(compute, k=int(number)), "text")
    if base == "f-beta" and 0 < number < float("inf"):
        return Metric(partial(classification.f1, beta=number), "text", flaw=classification.flaw_of_binary)
    if base == "pinball" and 0 < number < 1:
        return _error(partial(regression.pinball, quantile=number))
    return None
