"""The distribution of a submission's predictions, and of the labels that were trained on."""

from typing import TYPE_CHECKING, Any

from kaggle_offline.competition.tables import read_table
from kaggle_offline.errors import ConfigurationError, OfflineError
from kaggle_offline.files import read_json
from kaggle_offline.reports.distribution import Bins, Predictions, Shares
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.submission_toml import SAMPLES

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

_COLUMNS = 3
_LABELS = 12
_BINS = 20
_TABLES = (".csv", ".parquet")


def read_predictions(kernel: KernelFolder) -> Predictions | None:
    """Return the distribution of the downloaded submission; None if it is not a table that can be read."""
    path = kernel.build / "output" / kernel.settings.output
    if path.suffix not in _TABLES or not path.is_file():
        return None
    try:
        table = read_table(path)
    except (OfflineError, ValueError, OSError):
        # The output check has reported it.
        return None
    columns = list(table.columns[1:])
    if not columns or table.empty:
        return None
    labels = _labels(kernel, columns)
    targets = []
    for column in columns[:_COLUMNS]:
        targets.append(_distribution(table[column], labels.get(str(column).lower())))
    return Predictions(rows=len(table), targets=targets, confidence=_confidence(table[columns]))


def _labels(kernel: KernelFolder, columns: list[str]) -> "dict[str, pd.Series[float]]":
    """Return those columns of the table that was trained on which the submission has, too, by their small letters.

    Kaggle's tables spell the same column ``label`` and ``Label``.
    """
    wanted = {str(column).lower() for column in columns}
    rehearsal = kernel.settings.rehearsal
    folders = (kernel.build / "competition" / "public", kernel.data)
    paths = [path for path in sorted(folders[0].glob("*")) if path.name not in SAMPLES]
    if not isinstance(rehearsal, str):
        paths = [folder / rehearsal.train for folder in folders]
    for path in paths:
        if path.suffix in _TABLES and path.is_file():
            try:
                table = read_table(path)
            except (OfflineError, ValueError, OSError):
                continue
            known = {str(column).lower(): table[column] for column in table.columns}
            if wanted & known.keys():
                return {name: known[name] for name in wanted & known.keys()}
    return {}


def _distribution(predicted: "pd.Series[float]", trained: "pd.Series[float] | None") -> Shares | Bins:
    import pandas as pd

    numbers = pd.to_numeric(predicted, errors="coerce")
    if numbers.isna().any() or numbers.nunique() <= _LABELS:
        shares = _as_labels(predicted).value_counts(normalize=True)
        known = None if trained is None else _as_labels(trained).value_counts(normalize=True)
        names = [*shares.index] if known is None else [*shares.index, *known.index]
        order = list(dict.fromkeys(names))[:_LABELS]
        of_trained = None if known is None else {label: float(known.get(label, 0.0)) for label in order}
        return Shares(
            column=str(predicted.name),
            predicted={label: float(shares.get(label, 0.0)) for label in order},
            trained=of_trained,
        )
    labels = None if trained is None else pd.to_numeric(trained, errors="coerce").dropna()
    return _bins(str(predicted.name), numbers, labels)


def _as_labels(values: "pd.Series[float]") -> "pd.Series[str]":
    """Return labels as texts; numbers in one spelling, since a prediction may be 1.0 where the label was 1."""
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    return values.astype(str) if numbers.isna().any() else numbers.map("{:g}".format)


def _bins(name: str, numbers: "pd.Series[float]", labels: "pd.Series[float] | None") -> Bins:
    import numpy as np

    numbers = numbers[np.isfinite(numbers)]
    if labels is not None:
        labels = labels[np.isfinite(labels)]
    has_labels = labels is not None and len(labels) > 0
    everything = np.concatenate([numbers, labels]) if has_labels else numbers.to_numpy()
    edges = np.histogram_bin_edges(everything, bins=_BINS).tolist()
    trained = _shares(labels.to_numpy(), edges) if labels is not None and has_labels else None
    return Bins(column=name, edges=edges, predicted=_shares(numbers.to_numpy(), edges), trained=trained)


def _shares(values: "npt.NDArray[Any]", edges: list[float]) -> list[float]:
    """Return the share of the values between each two edges."""
    import numpy as np

    counts, _ = np.histogram(values, bins=edges)
    return [float(share) for share in counts / len(values)]


def _confidence(table: "pd.DataFrame") -> Bins | None:
    """Return the highest probability of each row, where the predictions are probabilities."""
    import numpy as np
    import pandas as pd

    numbers = table.apply(pd.to_numeric, errors="coerce")
    values = numbers.to_numpy(dtype=float)
    is_probability = np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1
    if not is_probability or set(np.unique(values)) <= {0.0, 1.0}:
        return None
    highest = values.max(axis=1)
    if values.shape[1] == 1:
        highest = np.maximum(highest, 1 - highest)
    edges = np.linspace(0, 1, _BINS + 1).tolist()
    return Bins(column="confidence", edges=edges, predicted=_shares(highest, edges), trained=None)


def cross_validation(kernel: KernelFolder) -> list[float]:
    """Return the scores of the folds in ``cross_validation.json`` beside the kernel; empty without the file.

    Raises:
        ConfigurationError: it is malformed.
    """
    path = kernel.folder / "cross_validation.json"
    if not path.is_file():
        return []
    try:
        return [float(score) for score in read_json(path)["scores"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: {error}", 'Write it as in: {"scores": [0.91, 0.93]}') from error
