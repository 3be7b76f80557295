"""The competition's labels, and the way between a probability per label and the text of a cell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LABELS = ("complex", "frog_eye_leaf_spot", "healthy", "powdery_mildew", "rust", "scab")

# How often each cell of train.csv occurs in the competition (18,632 images).
FREQUENCIES = {
    "scab": 4826,
    "healthy": 4624,
    "frog_eye_leaf_spot": 3181,
    "rust": 1860,
    "complex": 1602,
    "powdery_mildew": 1184,
    "frog_eye_leaf_spot scab": 686,
    "complex frog_eye_leaf_spot scab": 200,
    "complex frog_eye_leaf_spot": 165,
    "frog_eye_leaf_spot rust": 120,
    "complex rust": 97,
    "complex powdery_mildew": 87,
}

# The threshold of each label where nothing was tuned.
DEFAULT_THRESHOLDS = (0.5,) * len(LABELS)

Probabilities = npt.NDArray[np.floating[Any]]

_HEALTHY = LABELS.index("healthy")


def encode(text: str) -> npt.NDArray[np.float32]:
    """Turn a cell such as ``"rust scab"`` into a multi-hot vector, shape ``(6,)``, float32.

    Raises:
        ValueError: the cell is empty or names a label that the competition does not have.
    """
    names = text.split()
    unknown = sorted(set(names) - set(LABELS))
    if unknown or not names:
        problem = f"unknown {', '.join(unknown)}" if unknown else "empty"
        raise ValueError(f"labels {text!r}: {problem}")
    return np.array([label in names for label in LABELS], dtype=np.float32)


def choose(
    probabilities: Probabilities, thresholds: Sequence[float] | Probabilities = DEFAULT_THRESHOLDS
) -> npt.NDArray[np.bool_]:
    """Say which labels an image gets, by a probability for each: float to bool, both of shape ``(n, 6)``.

    Labels above their thresholds are kept; without any, the label nearest to its threshold is. The
    competition never combines ``healthy`` with a disease, so of the two sides the one further above wins.
    """
    margins = probabilities - np.asarray(thresholds)
    chosen: npt.NDArray[np.bool_] = margins > 0
    best = margins.argmax(axis=1)
    chosen[np.arange(len(best)), best] = True
    chosen[best == _HEALTHY] = False
    chosen[:, _HEALTHY] = best == _HEALTHY
    return chosen


def decode(chosen: npt.NDArray[np.bool_]) -> list[str]:
    """Turn what `choose` gives, shape ``(n, 6)``, into the texts of cells."""
    labels = np.array(LABELS)
    return [" ".join(labels[row]) for row in chosen]


def prior() -> npt.NDArray[np.float32]:
    """Return the share of each label in the competition, shape ``(6,)``: the prediction for an unreadable image."""
    rows = np.stack([encode(cell) for cell in FREQUENCIES])
    shares: npt.NDArray[np.float64] = np.average(rows, axis=0, weights=list(FREQUENCIES.values()))
    return shares.astype(np.float32)
