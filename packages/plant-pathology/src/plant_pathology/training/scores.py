"""How good predictions are, and the thresholds that make the best of them."""

import numpy as np
import numpy.typing as npt

from plant_pathology.labels import DEFAULT_THRESHOLDS, LABELS, Probabilities, choose

Labels = npt.NDArray[np.bool_]

# The candidates for a threshold, and how often each label's is tuned again after the others have moved.
_GRID = np.round(np.arange(0.05, 0.951, 0.05), 2)
_ROUNDS = 3


def f1_of_each(predicted: Labels, target: Labels) -> npt.NDArray[np.float64]:
    """F1 of each image's labels: two arrays of shape ``(n, 6)`` to one of shape ``(n,)``, from 0 to 1.

    F1 = 2 TP / (2 TP + FP + FN); the competition's metric is its mean, scikit-learn's
    ``f1_score(average="samples")``.
    """
    hits = (predicted & target).sum(axis=1)
    total = predicted.sum(axis=1) + target.sum(axis=1)
    return np.asarray(2 * hits / np.maximum(total, 1), dtype=np.float64)


def mean_f1(predicted: Labels, target: Labels) -> float:
    """Return the competition's metric, from 0 to 1, of two arrays of shape ``(n, 6)``."""
    return float(f1_of_each(predicted, target).mean())


def tune_thresholds(probabilities: Probabilities, target: Labels) -> tuple[float, ...]:
    """Return the thresholds that give the best mean F1: first one for all, then each label's, one after the other.

    Among thresholds that do equally well, the nearest to one half is taken. Cost: 361 times `choose` over all
    images.

    Args:
        probabilities: shape ``(n, 6)``, of images that nothing was trained on.
        target: shape ``(n, 6)``.
    """
    thresholds = np.array(DEFAULT_THRESHOLDS)
    nearest_first = sorted(_GRID, key=lambda value: abs(value - 0.5))
    for which in [slice(None), *_ROUNDS * list(range(len(LABELS)))]:
        scores = []
        for value in nearest_first:
            thresholds[which] = value
            scores.append(mean_f1(choose(probabilities, thresholds), target))
        thresholds[which] = nearest_first[int(np.argmax(scores))]
    return tuple(float(value) for value in thresholds)
