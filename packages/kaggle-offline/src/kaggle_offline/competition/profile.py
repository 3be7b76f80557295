"""A competition's profile: Kaggle's name for its metric, its files, and the tables that show how they hang together."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kaggle_local.scoring.metrics import find_metric

from kaggle_offline.competition.data import fetch_data
from kaggle_offline.competition.inference import Profile, infer
from kaggle_offline.competition.served import FOLDER, gateway_among, read_gateway
from kaggle_offline.competition.tables import SUFFIXES
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.competitions import CompetitionState, DataFile
from kaggle_offline.repository.submission_toml import SAMPLES

# Kaggle's names for the metrics that are known here, in small letters and digits alone. GetCompetition gives the long
# name (seen live: "Categorization Accuracy", "Roc Auc Score", "Mean Squared Error"); the others are those of Meta
# Kaggle's Competitions.csv, EvaluationAlgorithmName and EvaluationAlgorithmAbbreviation. House Prices' is assumed.
_METRICS: Mapping[str, str] = {
    "categorizationaccuracy": "accuracy",
    "accuracyscore": "accuracy",
    "balancedaccuracyscore": "balanced-accuracy",
    "meanfscore": "mean-f1",
    "fscoremicro": "mean-f1",
    "fscoremacro": "f1-macro",
    "macrofscore": "f1-macro",
    "f1score": "f1",
    "matthewscorrelationcoefficient": "mcc",
    "quadraticweightedkappa": "quadratic-kappa",
    "logloss": "log-loss",
    "multiclassloss": "log-loss",
    "meancolumnwiselogloss": "log-loss-multilabel",
    "auc": "auc",
    "areaunderreceiveroperatingcharacteristiccurve": "auc",
    "mcauc": "auc",
    "meancolumnwiseareaunderreceiveroperatingcharacteristiccurve": "auc",
    "rocaucscore": "auc",
    "sklearnrocaucscore": "auc",
    "sklearnaverageprecisionscore": "pr-auc",
    "normalizedgini": "gini",
    "normalizedginiindex": "gini",
    "rmse": "rmse",
    "rootmeansquarederror": "rmse",
    "mcrmse": "rmse",
    "rmsle": "rmsle",
    "rootmeansquaredlogarithmicerror": "rmsle",
    "rootmeansquaredlogerror": "rmsle",
    "mcrmsle": "rmsle",
    "meancolumnwisermsle": "rmsle",
    "mae": "mae",
    "meanabsoluteerror": "mae",
    "mape": "mape",
    "meanabsolutepercentageerror": "mape",
    "smape": "smape",
    "rsquared": "r2",
    "r2score": "r2",
    "spearmanr": "spearman",
    "levenshteinmean": "levenshtein",
    "dice": "dice",
}
# Names with a number, which may be missing: MAP@{K}.
_MAP = re.compile(r"map@\{?(\d+(?![.\d])|k)\}?|mean average precision (?:at|@) ?(\d+|k)", re.IGNORECASE)
# A number that Kaggle leaves out of MAP@{K}.
_USUAL_MAP = "map@3"
# Bytes of a table that is looked into.
_LARGEST = 200 * 10**6


def read_profile(client: KaggleClient, state: CompetitionState, folder: Path, metric: str = "") -> Profile:
    """Ask Kaggle for a competition's files, look into its tables, and say what they are.

    Args:
        client: asks.
        state: of the competition.
        folder: where its tables are downloaded to.
        metric: the name of a known metric or of a file; by default what Kaggle says.

    Raises:
        ConfigurationError: the tables do not fit each other, or the metric does not fit them.
        KaggleError: Kaggle refuses, or does not answer.
    """
    files = client.competitions.data_files(state.slug)
    names = frozenset(file.name for file in files)
    sample = _sample_of(names)
    profile = Profile(
        slug=state.slug,
        title=state.title or state.slug,
        sample=sample,
        output=_output_like(sample),
    )
    gateway = gateway_among(names)
    if gateway:
        theirs = [name for name in names if name.startswith(f"{FOLDER}/") and name.endswith(".py")]
        fetch_data(client, state.slug, folder, only=theirs)
        profile = replace(profile, gateway=read_gateway(folder, gateway), output="submission.parquet")
        profile = profile.with_left(
            "it is served: compare what predict takes and returns with the host's demo (docs/served-competitions.md)"
        )
    if not sample and not gateway:
        return profile.with_left("it has no sample submission: set output and rehearsal in submission.toml")
    if sample and not sample.endswith(SUFFIXES):
        return profile.with_left(f"{sample} is not a table: write the rehearsal and the prediction")
    tables = _tables_of(files)
    fetch_data(client, state.slug, folder, only=[*filter(None, [sample]), *tables])
    known, assumed = _known_metric(metric or state.metric)
    profile = infer(profile, folder, names, tables, known)
    if assumed:
        profile = profile.with_left(
            f"Kaggle calls the metric {state.metric}, and does not say how many: {known} is assumed"
        )
    large = [file.name for file in files if file.name.endswith(SUFFIXES) and file.size > _LARGEST]
    for name in sorted(name for name in large if "/" not in name):
        profile = profile.with_left(f"{name} is larger than {_LARGEST / 1e6:.0f} MB, and was not looked into")
    if known.endswith(".py"):
        profile = profile.with_left("greater_is_better: no code tells whether more is better; correct it if less is")
    if not known and profile.rehearsal:
        used = profile.rehearsal.metric
        return profile.with_left(
            f"Kaggle calls the metric {state.metric!r}, which is not known here: the rehearsal has {used}; set "
            "rehearsal.metric, or begin anew with --metric FILE if the host shows the metric's code"
        )
    return profile


def _known_metric(name: str) -> tuple[str, bool]:
    """Return the name here of a metric of Kaggle's, empty if it is not known, and whether its number is assumed."""
    if name.endswith(".py") or find_metric(name):
        return name, False
    found = _MAP.search(name)
    if found is None:
        return _METRICS.get(re.sub(r"[^a-z0-9]", "", name.lower()), ""), False
    number = found[1] or found[2]
    if not number.isdigit():
        return _USUAL_MAP, True
    # MAP@0.5 is of overlaps, not of ranks.
    known = f"map@{number}"
    if find_metric(known) is None:
        return "", False
    return known, False


def _sample_of(names: frozenset[str]) -> str:
    """Return the name of the sample submission, or an empty text."""
    known = next((name for name in SAMPLES if name in names), "")
    likely = (name for name in sorted(names) if "/" not in name and re.search("sample.*submission", name.lower()))
    return known or next(likely, "")


def _output_like(sample: str) -> str:
    """Return the name of a submission in the format of the sample; a zip need not be one."""
    suffix = PurePosixPath(sample.removesuffix(".zip")).suffix
    return f"submission{suffix}" if suffix in (".parquet", ".json") else "submission.csv"


def _tables_of(files: Iterable[DataFile]) -> list[str]:
    """Return the tables that are worth a look: train, its labels, and test, at the top."""
    found = []
    for file in files:
        path = PurePosixPath(file.name)
        is_table = len(path.parts) == 1 and file.name.endswith(SUFFIXES) and file.size <= _LARGEST
        if is_table and re.search("train|test|label", file.name.lower()):
            found.append(file.name)
    return sorted(found, key=len)
