"""How predictions are distributed, next to the labels that were trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The shares of labels, the most frequent first.

    Attributes:
        column: of the submission.
        predicted: the share of each label among the predictions.
        trained: the same among the labels that were trained on; None where they are not known.
    """

    column: str
    predicted: Mapping[str, float]
    trained: Mapping[str, float] | None


@dataclass(frozen=True, kw_only=True)
class Bins:
    """The shares of numbers between edges.

    Attributes:
        column: of the submission, or a name for what is counted.
        edges: one more than there are bins.
        predicted: the share of each bin among the predictions.
        trained: the same among the labels that were trained on; None where they are not known.
    """

    column: str
    edges: Sequence[float]
    predicted: Sequence[float]
    trained: Sequence[float] | None


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The content of a submission.

    Attributes:
        rows: their number.
        targets: the distribution of each of the first columns.
        confidence: the highest probability of each row, from 0 to 1; None without probabilities.
    """

    rows: int
    targets: Sequence[Shares | Bins]
    confidence: Bins | None
