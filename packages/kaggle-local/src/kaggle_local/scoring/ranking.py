"""Metrics of ordered labels, texts and masks: of each row by itself, then averaged."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def map_at(truth: "pd.DataFrame", predicted: "pd.DataFrame", *, k: int) -> float:
    """Return the mean average precision of the first ``k`` labels, parted by blanks, the likeliest first; from 0 to 1.

    A label counts once, and those after the k-th do not count (the evaluation of Kaggle's MAP@K competitions).
    """
    return _mean(truth, predicted, lambda wanted, given: _average_precision(wanted.split(), given.split(), k))


def _average_precision(wanted: Sequence[str], given: Sequence[str], k: int) -> float:
    found, total = 0, 0.0
    first = list(dict.fromkeys(given[:k]))
    for place, label in enumerate(given[:k], start=1):
        if label in wanted and label in first:
            first.remove(label)
            found += 1
            total += found / place
    return total / min(len(set(wanted)), k)


def ndcg_at(truth: "pd.DataFrame", predicted: "pd.DataFrame", *, k: int) -> float:
    """Return the normalized discounted cumulative gain of the first ``k`` labels, parted by blanks; from 0 to 1.

    The labels of the truth are worth 1 each, others nothing.
    """
    return _mean(truth, predicted, lambda wanted, given: _gain(wanted.split(), given.split(), k))


def _gain(wanted: Sequence[str], given: Sequence[str], k: int) -> float:
    first = list(dict.fromkeys(given[:k]))
    gain = sum(1 / math.log2(given.index(label) + 2) for label in first if label in wanted)
    best = sum(1 / math.log2(place + 2) for place in range(min(len(set(wanted)), k)))
    return gain / best


def levenshtein(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the mean number of characters to insert, delete or replace; 0 is best."""
    from rapidfuzz.distance import Levenshtein

    return _mean(truth, predicted, Levenshtein.distance)


def wer(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the word error rate: the words to insert, delete or replace, divided by those of the truth; 0 is best."""
    from rapidfuzz.distance import Levenshtein

    words = sum(len(wanted.split()) for wanted in truth.iloc[:, 0])
    pairs = zip(truth.iloc[:, 0], predicted.iloc[:, 0], strict=True)
    return sum(Levenshtein.distance(wanted.split(), given.split()) for wanted, given in pairs) / words


def dice(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the Dice coefficient of run-length encoded masks, averaged over the rows; from 0 to 1.

    A mask is pairs of a start and a length, parted by blanks; two empty masks are equal (the evaluation of Kaggle's
    segmentation competitions).
    """
    return _mean(truth, predicted, _dice)


def _dice(wanted: str, given: str) -> float:
    a, b = pixels(wanted), pixels(given)
    size = sum(stop - start for start, stop in a) + sum(stop - start for start, stop in b)
    return 2 * _overlap(a, b) / size if size else 1.0


def pixels(mask: str) -> list[tuple[int, int]]:
    """Return the runs of a mask as pairs of start and end, sorted.

    Raises:
        ValueError: it is not pairs of a start and a length above 0, or runs overlap.
    """
    numbers = [int(word) for word in mask.split()]
    if len(numbers) % 2:
        raise ValueError("a start without a length")
    runs = sorted((start, start + length) for start, length in zip(numbers[::2], numbers[1::2], strict=True))
    if any(start < 0 or stop <= start for start, stop in runs):
        raise ValueError("a start below 0, or a length below 1")
    if any(after[0] < before[1] for before, after in pairwise(runs)):
        raise ValueError("runs overlap")
    return runs


def _overlap(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> int:
    """Return the number of pixels that two sorted lists of runs share, in one pass over both."""
    shared = i = j = 0
    while i < len(a) and j < len(b):
        shared += max(0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return shared


def _mean(truth: "pd.DataFrame", predicted: "pd.DataFrame", of: Callable[[str, str], float]) -> float:
    values = [of(wanted, given) for wanted, given in zip(truth.iloc[:, 0], predicted.iloc[:, 0], strict=True)]
    return float(sum(values) / len(values))


def flaw_of_words(truth: "pd.DataFrame") -> tuple[str, str] | None:
    """Return the problem of a solution without a label or word in a row, and a hint."""
    return ("a row has no label", "Each needs one.") if (truth.iloc[:, 0].str.strip() == "").any() else None
