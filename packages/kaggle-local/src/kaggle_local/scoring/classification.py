"""Metrics of classes and probabilities; a comment marks each difference of Kaggle's from scikit-learn."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# The least probability, so that its logarithm is a number.
_LEAST = 1e-15


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
    wanted, given = _labels(truth, predicted)
    return float((wanted == given).mean())


def balanced_accuracy(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the recall of each class of the truth, averaged, from 0 to 1; scikit-learn's function of that name."""
    wanted, given = _labels(truth, predicted)
    return float((wanted == given).groupby(wanted).mean().mean())


def f1(truth: "pd.DataFrame", predicted: "pd.DataFrame", *, average: str = "binary", beta: float = 1.0) -> float:
    """Return scikit-learn's ``fbeta_score``, from 0 to 1.

    Args:
        truth: the labels; 0 and 1 where the average is ``binary``, and 1 is the class that counts.
        predicted: the same.
        average: ``binary``, or ``macro`` or ``weighted`` over all labels.
        beta: the weight of the recall.
    """
    from sklearn.metrics import fbeta_score

    wanted, given = _labels(truth, predicted)
    if average == "binary":
        # A prediction other than 1 is one of 0.
        wanted, given = wanted == 1, given == 1
    return float(fbeta_score(wanted, given, beta=beta, average=average, zero_division=0))


def matthews(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the Matthews correlation coefficient, from -1 to 1; scikit-learn's ``matthews_corrcoef``."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(*_labels(truth, predicted)))


def _labels(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> tuple[Any, Any]:
    """Return two columns as labels of one kind: numbers where the truth is numbers, else texts."""
    import pandas as pd

    wanted, given = truth.iloc[:, 0], predicted.iloc[:, 0]
    numbers = pd.to_numeric(wanted, errors="coerce")
    if not numbers.notna().all():
        return wanted, given
    # A text among numbers is a label that no row has.
    return numbers, pd.to_numeric(given, errors="coerce").fillna(float("-inf"))


def log_loss(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the mean negative logarithm of the true class's probability; 0 is best.

    One column is the probability of 1. Several are those of classes, of which the truth has one a
    row; as on Kaggle each row is divided by its sum, so they need not add up to 1, and none counts as
    less likely than 1e-15.
    """
    from sklearn.metrics import log_loss as of

    if truth.shape[1] == 1:
        return _binary_log_loss(truth.iloc[:, 0], predicted.iloc[:, 0])
    sums = predicted.sum(axis=1)
    shares = predicted.div(sums.where(sums > 0, 1.0), axis=0).where(sums > 0, 1.0 / predicted.shape[1], axis=0)
    shares = shares.clip(_LEAST, 1 - _LEAST)
    shares = shares.div(shares.sum(axis=1), axis=0)
    classes = list(range(truth.shape[1]))
    return float(of(truth.to_numpy().argmax(axis=1), shares.to_numpy(), labels=classes))


def multilabel_log_loss(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the log-loss of each column by itself, averaged over the columns; 0 is best."""
    losses = [_binary_log_loss(truth[column], predicted[column]) for column in truth]
    return sum(losses) / len(losses)


def _binary_log_loss(truth: "pd.Series[Any]", predicted: "pd.Series[Any]") -> float:
    from sklearn.metrics import log_loss as of

    return float(of(truth.astype(int), predicted.clip(_LEAST, 1 - _LEAST), labels=[0, 1]))


def auc(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the area under the receiver operating characteristic, averaged over the columns, from 0 to 1."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth.astype(int), predicted))


def pr_auc(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return scikit-learn's ``average_precision_score``, averaged over the columns, from 0 to 1."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth.astype(int), predicted))


def gini(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the normalized Gini coefficient, up to 1.

    Rows are sorted by the prediction, the largest first, equal ones in their order; the area between the cumulated
    truth and the diagonal is divided by that of a perfect order (the evaluation of Kaggle's Porto Seguro and Liberty
    Mutual competitions).
    """
    wanted, given = truth.iloc[:, 0].to_numpy(), predicted.iloc[:, 0].to_numpy()
    return _gini(wanted, given) / _gini(wanted, wanted)


def _gini(wanted: Any, given: Any) -> float:
    order = (-given).argsort(kind="stable")
    shares = wanted[order].cumsum() / wanted.sum()
    rows = len(wanted)
    return float((shares.sum() - (rows + 1) / 2) / rows)


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


def flaw_of_bits(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution with other cells than 0 and 1, and a hint."""
    if not truth.isin([0, 1]).all(axis=None):
        return "has other cells than 0 and 1", "The metric needs those."
    return None


def flaw_of_classes(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution whose rows are not each of one class, and a hint."""
    if truth.shape[1] > 1 and truth.isin([0, 1]).all(axis=None) and (truth.sum(axis=1) != 1).any():
        return "a row has not just one 1", "Each row is of one class; log-loss-multilabel takes several."
    return flaw_of_bits(truth)


def flaw_of_both(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution that lacks one of 0 and 1 in a column, and a hint."""
    flaw = flaw_of_bits(truth)
    if flaw is None and (truth.min() == truth.max()).any():
        flaw = "a column has nothing but one of 0 and 1", "The metric needs both."
    return flaw


def flaw_of_order(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution whose rows cannot be put into an order by their truth, and a hint."""
    if (truth < 0).any(axis=None) or (truth.min() == truth.max()).any():
        return "has a cell below 0, or the same in every row", "The metric needs different cells of 0 or more."
    return None


def flaw_of_one_class(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution with one class only, and a hint."""
    labels = truth.iloc[:, 0]
    if (labels == labels.iloc[0]).all():
        return "every row has the same label", "The metric needs two."
    return None


def flaw_of_binary(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution whose labels are not 0 and 1, and a hint."""
    import pandas as pd

    return flaw_of_bits(pd.to_numeric(truth.iloc[:, 0], errors="coerce").to_frame())
