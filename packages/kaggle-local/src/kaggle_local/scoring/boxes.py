"""The mean average precision of boxes: detections matched to objects by their overlap."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Box = tuple[float, float, float, float]

# Numbers of a box: its confidence, left, top, width and height.
_NUMBERS = 5
_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75)


def iou_map(truth: "pd.DataFrame", predicted: "pd.DataFrame") -> float:
    """Return the precision of boxes over thresholds of their overlap from 0.5 to 0.75, averaged, from 0 to 1.

    A cell is boxes of five numbers each: confidence (of the truth it does not count), left, top, width, height. At each
    threshold a row's precision is hits / (hits + misses + false alarms), where boxes choose their objects in the order
    of their confidence; a row without boxes and objects is right (the evaluation of Kaggle's Global Wheat Detection).
    """
    values = []
    for wanted, given in zip(truth.iloc[:, 0], predicted.iloc[:, 0], strict=True):
        objects = [box for _, box in read_boxes(wanted)]
        # The sort is stable: equally sure boxes keep their order.
        found = [box for _, box in sorted(read_boxes(given), key=lambda entry: -entry[0])]
        values.append(sum(_precision(objects, found, least) for least in _THRESHOLDS) / len(_THRESHOLDS))
    return sum(values) / len(values)


def read_boxes(cell: str) -> list[tuple[float, Box]]:
    """Return boxes with their confidence.

    Raises:
        ValueError: they are not groups of five numbers, or a side is not above 0.
    """
    numbers = [float(word) for word in cell.split()]
    if len(numbers) % _NUMBERS:
        raise ValueError("a box is five numbers: confidence, left, top, width, height")
    found = []
    for start in range(0, len(numbers), _NUMBERS):
        confidence, left, top, width, height = numbers[start : start + _NUMBERS]
        if not (0 < width < float("inf") and 0 < height < float("inf")):
            raise ValueError("a side of a box is not above 0")
        found.append((confidence, (left, top, width, height)))
    return found


def _precision(objects: Sequence[Box], found: Sequence[Box], least: float) -> float:
    left = list(objects)
    hits = 0
    for box in found:
        best = max(left, key=lambda each: _overlap(each, box), default=None)
        if best is not None and _overlap(best, box) >= least:
            left.remove(best)
            hits += 1
    count = len(objects) + len(found) - hits
    return hits / count if count else 1.0


def _overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes share, divided by the area of both together."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)
