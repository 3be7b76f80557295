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

_HEALTHY = LABELS.index("healthy")


def encode(text: str) -> npt.NDArray[np.float32]:
    """Turn a cell such as ``"rust scab"`` into a multi-hot vector, shape ``(6,)``, float32.

    Raises:
        ValueError: the cell is empty or names a label that the competition does not have.
    """
    names = text.split()
    unknown = sorted(set(names) - set(LABELS))
    if unknown or not names:
        raise ValueError(f"labels {text!r}: {'unknown ' + ', '.join(unknown) if unknown else 'empty'}")
    return np.array([label in names for label in LABELS], dtype=np.float32)


def decode(probabilities: Sequence[float] | npt.NDArray[np.floating[Any]], threshold: float = 0.5) -> str:
    """Turn a probability per label, shape ``(6,)``, into the text of a cell, which is never empty.

    Labels above ``threshold`` are kept; where there is none, the most probable one is. The
    competition never combines ``healthy`` with a disease, so of the two sides the likelier wins.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    chosen = values > threshold
    best = int(values.argmax())
    chosen[best] = True
    if best == _HEALTHY:
        chosen[:] = False
        chosen[_HEALTHY] = True
    elif chosen.sum() > 1:
        chosen[_HEALTHY] = False
    return " ".join(label for label, keep in zip(LABELS, chosen, strict=True) if keep)


def prior() -> npt.NDArray[np.float32]:
    """How often each label occurs in the competition, shape ``(6,)``: what is known of an image that cannot be read."""
    rows = np.stack([encode(cell) for cell in FREQUENCIES])
    shares: npt.NDArray[np.float64] = np.average(rows, axis=0, weights=list(FREQUENCIES.values()))
    return shares.astype(np.float32)
