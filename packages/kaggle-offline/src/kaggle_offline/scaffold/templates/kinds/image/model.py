"""The model: a baseline to begin with."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC


def fit(pixels: npt.NDArray[np.float32], target: Sequence[str]) -> SVC:
    """A support vector machine on the pixels, float32 ``(n, 576)``, fitted."""
    return SVC(C=10, gamma="scale").fit(pixels, target)
