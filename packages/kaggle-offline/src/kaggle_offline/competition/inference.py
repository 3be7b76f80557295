"""How the files of a competition hang together: which rows are held out, what a prediction is, and of what kind."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from kaggle_local.scoring.metrics import find_metric

from kaggle_offline.competition.data_folder import IMAGES, SOUNDS
from kaggle_offline.competition.patterns import is_pattern, patterns_of
from kaggle_offline.competition.served import Gateway
from kaggle_offline.competition.tables import read_table, texts
from kaggle_offline.repository.submission_toml import HoldOut

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["tabular", "text", "image", "image-folders", "audio", "other"]
Prediction = Literal["labels", "numbers", "log-numbers", "probability", "probabilities", "ranked"]

# The predictions that metrics ask for; all others, and those that are not known, depend on the target.
_OF_METRICS: dict[str, Prediction] = {
    "rmsle": "log-numbers",
    "log-loss-multilabel": "probability",
    "auc": "probability",
    "log-loss": "probability",
    "pr-auc": "probability",
    "gini": "probability",
    "map": "ranked",
    "ndcg": "ranked",
    **dict.fromkeys(("rmse", "mae", "mape", "smape", "r2", "pearson", "spearman", "concordance", "pinball"), "numbers"),
}
# Their predictions are no labels and no numbers.
_WITHOUT_BASELINE = ("dice", "iou-map", "levenshtein", "wer")
# Where the metric is not known.
_USUAL_METRICS: dict[Prediction, str] = {
    "labels": "accuracy",
    "numbers": "rmse",
    "log-numbers": "rmsle",
    "probability": "auc",
    "probabilities": "log-loss",
    "ranked": "map@3",
}
# The median of the words of a column of texts; names have fewer.
_LEAST_WORDS = 6
# A target of numbers with more values is one of quantities, and one with as many of each is held out evenly.
_MOST_LABELS = 20
_LEAST_OF_EACH = 5
# Rows whose files are looked for, and the share of them that must have one.
_LOOKED_AT = 200
_MOST_HAVE = 0.9
# Characters that a pattern of file names gives another meaning.
_NO_FIELD = re.compile(r"[{}.:!\[\]]")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A competition, as far as a new kernel needs it.

    Attributes:
        slug: of the competition.
        title: for people.
        kind: of the data.
        prediction: the form of a prediction.
        id: the first column of the submission.
        columns: the others.
        sample: the name of the sample submission, or an empty text.
        output: the name of the submission.
        gateway: of a served competition.
        rehearsal: how the data are held out; None where that cannot be told.
        sketch: the text of ``data.json``, where Kaggle was not asked and its rehearsal draws data.
        left: what has to be done by hand, a line each.
    """

    slug: str
    title: str
    kind: Kind = "other"
    prediction: Prediction = "labels"
    id: str = "id"
    columns: tuple[str, ...] = ("target",)
    sample: str = ""
    output: str = "submission.csv"
    gateway: Gateway | None = None
    rehearsal: HoldOut | None = None
    sketch: str = ""
    left: tuple[str, ...] = ()

    def with_left(self, line: str) -> "Profile":
        """Return the same with one more line that is left to the user."""
        return replace(self, left=(*self.left, line))


def infer(basis: Profile, folder: Path, names: frozenset[str], tables: Sequence[str], metric: str) -> Profile:
    """Return a profile with all that the tables show.

    Args:
        basis: what is known already.
        folder: the competition's data, with the sample and the tables.
        names: of all files.
        tables: those at the top that may be train and test.
        metric: as it is called here; empty if it is not known.

    Raises:
        ConfigurationError: a table cannot be read.
    """
    read = {name: read_table(folder / name) for name in tables}
    sample = read_table(folder / basis.sample) if basis.sample else _likely_sample(read)
    if len(sample.columns) < 2:  # noqa: PLR2004 - an id, and a column to predict
        where = basis.sample or "no table"
        return basis.with_left(f"{where} has no column to predict: write the rehearsal and the prediction")
    id_column, *columns = map(str, sample.columns)
    profile = replace(basis, id=id_column, columns=tuple(columns))
    train_name, train = _train_of(read, id_column, columns, names)
    if train is None:
        return profile.with_left("it has no table train, nor a folder for each label: write the rehearsal by hand")
    test = _test_of(read, sample, has_id=id_column in train.columns)
    seen = sample.iloc[:, :1]
    if test:
        seen = read[test]
    target = _target(train, seen, id_column, columns)
    if not target:
        asked = ", ".join(columns[:5])
        line = f"{basis.sample} asks for {asked}, and {train_name} has no such column: write a command as the rehearsal"
        return replace(profile, rehearsal=_hold_out(train_name, test, columns, metric or "accuracy")).with_left(line)
    files: dict[str, str] = {}
    if not is_pattern(train_name):
        files = _files(train, sample, id_column, names)
    prediction = _prediction(metric, train, target, columns, sample)
    rehearsal = replace(
        _hold_out(train_name, test, target, metric or _USUAL_METRICS[prediction]),
        stratify=_is_even(train, target, prediction),
        files=files,
    )
    if not basis.sample:
        rehearsal = replace(rehearsal, id=id_column)
    kind = _kind(train_name, train, seen, names, files)
    if metric in _WITHOUT_BASELINE or _is_free(train, target, prediction):
        kind = "other"
    profile = replace(profile, kind=kind, prediction=prediction, rehearsal=rehearsal)
    for line in _doubts(profile, read, train, sample, names):
        profile = profile.with_left(line)
    return profile


def _doubts(
    profile: Profile,
    tables: "dict[str, pd.DataFrame]",
    train: "pd.DataFrame",
    sample: "pd.DataFrame",
    names: frozenset[str],
) -> Iterator[str]:
    """Yield what a person has to look at, a line each."""
    rehearsal = profile.rehearsal
    assert rehearsal is not None
    if not profile.sample:
        asked = ", ".join(rehearsal.target)
        yield f"it has no sample submission: {profile.id} is taken for the id, and {asked} for the target; correct them"
    if profile.kind == "other":
        instead = "answers 0" if profile.gateway else "hands in the sample submission"
        yield f"there is no baseline for such data: the kernel {instead}"
    others = [name for name in tables if "test" in name.lower()]
    if others and not rehearsal.test:
        rows = f"{others[0]} has {len(tables[others[0]])} rows, and {profile.sample} {len(sample)}"
        yield f"{rows}, or they have no id in common: write a command as the rehearsal"
    elif not rehearsal.test and not rehearsal.files and not is_pattern(rehearsal.train):
        yield "the test set is neither a table nor files that are named by its ids: write a command as the rehearsal"
    pictures = sum(name.lower().endswith((*IMAGES, *SOUNDS)) for name in names)
    if pictures > len(names) / 2 and not patterns_of(rehearsal):
        yield "most files are images or sounds, and their names do not follow from the ids: set rehearsal.files"
    labels = texts(train[rehearsal.target[0]])
    if profile.prediction == "probability" and not set(labels) <= {"0", "1", "0.0", "1.0"}:
        yield f"{rehearsal.metric} is of 0 and 1, and {rehearsal.target[0]} has {', '.join(sorted(set(labels))[:3])}"
    if rehearsal.metric == "mean-f1" and labels.str.contains(" ").any():
        yield f"{rehearsal.target[0]} has blanks, which part labels for mean-f1: if each is one label, take accuracy"
    known = find_metric(rehearsal.metric)
    if known and known.columns == "one" and len(profile.columns) > 1:
        yield f"{rehearsal.metric} is of one column, not of {len(profile.columns)}: set rehearsal.metric"


def _hold_out(train: str, test: str, target: Iterable[str], metric: str) -> HoldOut:
    return HoldOut(train=train, test=test, target=tuple(target), metric=metric)


def _likely_sample(tables: "dict[str, pd.DataFrame]") -> "pd.DataFrame":
    """Return a table like a sample submission: the test set's first column, and the last of train that it lacks."""
    import pandas as pd

    test = next((tables[name] for name in tables if "test" in name.lower()), None)
    train = next((tables[name] for name in tables if "train" in name.lower()), None)
    if test is None or train is None or test.columns[0] not in train.columns:
        return pd.DataFrame()
    others = [column for column in train.columns if column not in test.columns]
    return test.iloc[:, :1].assign(**dict.fromkeys(others[-1:], ""))


def _test_of(tables: "dict[str, pd.DataFrame]", sample: "pd.DataFrame", *, has_id: bool) -> str:
    """Return the table of the test set, which has a row for each of the sample; or an empty text.

    Args:
        tables: by name.
        sample: the sample submission.
        has_id: train has the id; otherwise the rows have no id but their place.
    """
    id_column = str(sample.columns[0])
    for name, table in tables.items():
        if "test" in name.lower() and len(table) == len(sample) and (id_column in table.columns or not has_id):
            return name
    return ""


def _train_of(
    tables: "dict[str, pd.DataFrame]", id_column: str, columns: Sequence[str], names: frozenset[str]
) -> "tuple[str, pd.DataFrame | None]":
    """Return train: the table with most of the submission's columns, or the files in folders of their labels."""
    found = {name: table for name, table in tables.items() if re.search("train|label", name.lower())}
    wanted = {id_column, *columns}
    ranked = sorted(found, key=lambda name: (-len(wanted & set(map(str, found[name].columns))), len(name)))
    if ranked:
        return ranked[0], found[ranked[0]]
    label = "label"
    if len(columns) == 1:
        label = columns[0]
    return _train_of_folders(id_column, label, names)


def _train_of_folders(id_column: str, label: str, names: frozenset[str]) -> "tuple[str, pd.DataFrame | None]":
    import pandas as pd

    parts = [PurePosixPath(name).parts for name in sorted(names)]
    rows = [part[1:] for part in parts if len(part) == 3 and part[0] == "train"]  # noqa: PLR2004 - train/label/file
    if not rows or _NO_FIELD.search(f"{id_column}{label}"):
        return "", None
    return f"train/{{{label}}}/{{{id_column}}}", pd.DataFrame(rows, columns=[label, id_column], dtype=str)


def _target(train: "pd.DataFrame", test: "pd.DataFrame", id_column: str, columns: Sequence[str]) -> list[str]:
    """Return the columns of train that are to be predicted; none if that cannot be told."""
    there = list(map(str, train.columns))
    if set(columns) <= set(there):
        return list(columns)
    others = [name for name in there if name not in set(map(str, test.columns)) and name != id_column]
    if len(columns) > 1:
        return next(([name] for name in others if texts(train[name]).isin(columns).all()), [])
    return others if len(others) == 1 else []


def _files(train: "pd.DataFrame", sample: "pd.DataFrame", id_column: str, names: frozenset[str]) -> dict[str, str]:
    """Return where the files of train's rows are, and those of the test set's, as patterns."""
    if id_column not in train.columns or train.empty or sample.empty or _NO_FIELD.search(id_column):
        return {}
    source = _pattern(texts(train[id_column]).head(_LOOKED_AT).tolist(), id_column, "train", names)
    target = _pattern(texts(sample[id_column]).head(_LOOKED_AT).tolist(), id_column, "test", names)
    return {source: target} if source and target else {}


def _pattern(ids: Sequence[str], id_column: str, side: str, names: frozenset[str]) -> str:
    """Return the pattern of the files of ids, preferably in a folder of that side; empty if most ids have none."""
    found = []
    for name in sorted(name for name in names if ids[0] in name):
        path = PurePosixPath(name)
        parts = [re.sub(f"^{re.escape(ids[0])}$", lambda _: f"{{{id_column}}}", part) for part in path.parts]
        if path.stem == ids[0] != path.name:
            parts[-1] = f"{{{id_column}}}{path.suffix}"
        pattern = "/".join(parts)
        there = sum(pattern.replace(f"{{{id_column}}}", row) in names for row in ids)
        if pattern != name and there >= _MOST_HAVE * len(ids):
            found.append(pattern)
    preferred = [pattern for pattern in found if side in pattern.lower()]
    return next(iter(preferred or found), "")


def _prediction(
    metric: str, train: "pd.DataFrame", target: Sequence[str], columns: Sequence[str], sample: "pd.DataFrame"
) -> Prediction:
    is_one_of_columns = len(target) == 1 and len(columns) > 1
    known = _OF_METRICS.get(metric.partition("@")[0])
    if known and not (known == "probability" and is_one_of_columns):
        return known
    if is_one_of_columns:
        return "probabilities"
    import pandas as pd

    values = texts(train[target[0]])
    numbers = pd.to_numeric(values, errors="coerce")
    if not metric or metric.endswith(".py"):
        shown = pd.to_numeric(texts(sample[columns[0]]), errors="coerce")
        if set(numbers.dropna()) == {0.0, 1.0} and (shown.between(0, 1, inclusive="neither")).all():
            return "probability"
        if numbers.notna().all() and (numbers.nunique() > _MOST_LABELS or (numbers % 1 != 0).any()):
            return "numbers"
    return "labels"


def _is_free(train: "pd.DataFrame", target: Sequence[str], prediction: Prediction) -> bool:
    """Tell whether the target has nearly as many values as rows: masks, boxes and texts are no labels."""
    if prediction in ("numbers", "log-numbers", "probability"):
        return False
    return bool(texts(train[target[0]]).nunique() > max(_MOST_LABELS, len(train) // 2))


def _is_even(train: "pd.DataFrame", target: Sequence[str], prediction: Prediction) -> bool:
    """Tell whether each label of the target can be held out to the same share."""
    if prediction in ("numbers", "log-numbers") or len(target) > 1:
        return False
    return bool(texts(train[target[0]]).value_counts().min() >= _LEAST_OF_EACH)


def _kind(
    train_name: str, train: "pd.DataFrame", test: "pd.DataFrame", names: frozenset[str], files: dict[str, str]
) -> Kind:
    if is_pattern(train_name):
        inside = next(name for name in sorted(names) if name.startswith("train/"))
        return "image-folders" if PurePosixPath(inside).suffix.lower() in IMAGES else "other"
    if files:
        of_ids = PurePosixPath(next(iter(files))).suffix or PurePosixPath(str(train.iloc[0, 0])).suffix
        if of_ids.lower() in IMAGES:
            return "image"
        return "audio" if of_ids.lower() in SOUNDS else "other"
    features = [name for name in map(str, test.columns[1:]) if name in train.columns]
    if not features:
        return "other"
    words = [texts(train[name]).head(1000).map(lambda cell: len(cell.split())).median() for name in features]
    return "text" if max(words) >= _LEAST_WORDS else "tabular"
