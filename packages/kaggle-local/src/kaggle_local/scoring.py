"""What a submission is worth: the competition's metric between its file and the solution."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kaggle_local.competition import Competition
from kaggle_local.errors import CompetitionError, SubmissionError

if TYPE_CHECKING:
    import pandas as pd


def mean_f1(truth: "pd.Series[str]", predicted: "pd.Series[str]") -> float:
    """F1 of each row's set of labels (parted by blanks), averaged over the rows, from 0 to 1.

    scikit-learn's ``f1_score(average="samples")``, as Kaggle's "Mean F-Score".
    """
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    wanted, given = truth.str.split(), predicted.str.split()
    binarizer = MultiLabelBinarizer().fit([*wanted, *given])
    return float(f1_score(binarizer.transform(wanted), binarizer.transform(given), average="samples", zero_division=0))


METRICS: dict[str, Callable[["pd.Series[str]", "pd.Series[str]"], float]] = {"mean-f1": mean_f1}


def score(competition: Competition, submission: Path) -> float:
    """Score a submission's file against the solution.

    Raises:
        SubmissionError: the file is missing or its columns, rows or cells do not fit.
        CompetitionError: the competition names a metric that is not known.
    """
    metric = _metric(competition)
    truth = _read(competition, competition.solution)
    given = _read(competition, submission)
    if list(given.columns) != list(truth.columns):
        raise SubmissionError(
            f"{submission.name}: columns {', '.join(given.columns)}", f"They must be {', '.join(truth.columns)}."
        )
    if not given[competition.id].is_unique:
        raise SubmissionError(f"{submission.name}: an {competition.id} occurs twice", "Each must occur once.")
    if len(given) != len(truth) or set(given[competition.id]) != set(truth[competition.id]):
        raise SubmissionError(
            f"{submission.name}: its {len(given)} rows are not those of the test set",
            f"It must have {len(truth)} rows, one for each {competition.id} of the test set.",
        )
    given = given.set_index(competition.id).loc[truth[competition.id]]
    return metric(truth[competition.target].reset_index(drop=True), given[competition.target].reset_index(drop=True))


def score_of_commonest(competition: Competition) -> float:
    """What predicting the solution's commonest value for every row would score: a floor for any model.

    Raises:
        SubmissionError: the solution is malformed.
        CompetitionError: the competition names a metric that is not known.
    """
    truth = _read(competition, competition.solution)[competition.target]
    constant = truth.copy()
    constant[:] = truth.mode()[0]
    return _metric(competition)(truth, constant)


def _metric(competition: Competition) -> Callable[["pd.Series[str]", "pd.Series[str]"], float]:
    try:
        return METRICS[competition.metric]
    except KeyError:
        raise CompetitionError(
            f"{competition.folder / 'competition.toml'}: no metric is called {competition.metric!r}",
            f"Known are: {', '.join(METRICS)}.",
        ) from None


def _read(competition: Competition, path: Path) -> "pd.DataFrame":
    import pandas as pd

    if not path.is_file():
        raise SubmissionError(f"{path.name}: the kernel did not write it", "Write it to /kaggle/working.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{path.name}: not a CSV file: {error}", "Write it with pandas or csv.") from error
    for column in (competition.id, competition.target):
        if column not in table.columns:
            raise SubmissionError(
                f"{path.name}: no column {column}", f"Its columns must be {competition.id},{competition.target}."
            )
    empty = table[competition.target].str.strip() == ""
    if empty.any():
        raise SubmissionError(
            f"{path.name}: {int(empty.sum())} cells of {competition.target} are empty", "Predict something for each."
        )
    return table
