"""A host's metric runs in the sandbox, by Kaggle's contract, and its failures are told as Kaggle tells them."""

import re
import time
from pathlib import Path

import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import CompetitionError
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.scoring.competition import load_competition
from kaggle_local.server import serve
from kaggle_local.storage import FileSource, Submission

from tests.kaggle_local.kernels import scored, uploaded

SOLUTION = "id,y,weight,Usage\n1,1,2,Public\n2,2,1,Public\n3,3,1,Private\n"

METRIC = '''
import numpy as np
import pandas as pd

class ParticipantVisibleError(Exception):
    pass

def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, power: float = 1) -> float:
    """The weighted mean error."""
    print("printed", list(solution.columns), list(submission.columns), row_id_column_name)
    assert list(solution[row_id_column_name]) == list(submission[row_id_column_name])
    if (submission["y"] < 0).any():
        raise ParticipantVisibleError("y must not be negative. " + "x" * 400)
    error = (solution["y"] - submission["y"]).abs() ** power
    return np.average(error, weights=solution["weight"])
'''


def host(local: LocalKaggle, folder: Path, metric: str, settings: str = "") -> None:
    (folder / "public").mkdir(parents=True)
    (folder / "public" / "test.csv").write_text("id\n1\n2\n3\n")
    (folder / "solution.csv").write_text(SOLUTION)
    (folder / "metric.py").write_text(metric)
    (folder / "competition.toml").write_text(
        'slug = "own"\ntitle = "Own"\nmetric = "metric.py"\nid = "id"\ntarget = "y"\nsubmissions = "file"\n'
        f"greater_is_better = false\n{settings}"
    )
    local.host(folder)


def submit(local: LocalKaggle, text: str) -> Submission:
    source = FileSource(token=uploaded(local, "submission.csv", text.encode()))
    ref = local.storage.submissions.add("own", source, "submission.csv", "", USERNAME)
    local.worker.score(ref)
    return scored(local, ref)


def test_it_is_called_for_each_leaderboard_with_rows_in_order(local: LocalKaggle, tmp_path: Path) -> None:
    host(local, tmp_path / "own", METRIC, "[metric_settings]\npower = 2\n")
    submission = submit(local, "y,id\n5,3\n3,2\n2,1\n")
    assert submission.status == "complete", submission.reason
    assert submission.score == pytest.approx((2 * 1**2 + 1 * 1**2) / 3)
    assert submission.private_score == pytest.approx(4)
    assert local.baseline(load_competition(tmp_path / "own")) == pytest.approx((2 * 0 + 1) / 3)


def test_an_error_for_participants_is_shown_and_no_other(local: LocalKaggle, tmp_path: Path) -> None:
    host(local, tmp_path / "own", METRIC)
    visible = submit(local, "id,y\n1,-1\n2,2\n3,3\n")
    assert visible.kind.startswith("y must not be negative. xxx")
    assert len(visible.kind) == 280
    hidden = submit(local, "id,y\n1,one\n2,2\n3,3\n")
    assert (hidden.status, hidden.kind) == ("error", "Submission Scoring Error")
    assert "metric.py: TypeError: " in hidden.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return float('nan')", "its metric.py is not a number"),
        pytest.param("return None", "TypeError", marks=pytest.mark.nightly),
        pytest.param("raise SystemExit(0)", "it ended without a score", marks=pytest.mark.nightly),
        ("import urllib.request as u; u.urlopen('http://example.com')", "urlopen error.*\n.*without a network"),
        ("open('/kaggle/input/metric/solution-0.csv', 'w')", "Read-only file system"),
        (
            "import kaggle_metric_utilities as k; k.verify_valid_probabilities(submission[['y']], 'submission')",
            "no greater than one",
        ),
    ],
)
def test_whatever_it_does_the_submission_ends(body: str, reason: str, local: LocalKaggle, tmp_path: Path) -> None:
    host(local, tmp_path / "own", f"def score(solution, submission, row_id_column_name):\n    {body}\n")
    submission = submit(local, "id,y\n1,2\n2,2\n3,3\n")
    assert submission.status == "error"
    assert re.search(reason, submission.reason), submission.reason


def test_it_may_take_as_long_as_both_leaderboards_together(storage: Path, tmp_path: Path) -> None:
    with serve(storage, behaviour=Behaviour(metric_seconds=2)) as local:
        host(local, tmp_path / "own", "import time\ndef score(*_):\n    time.sleep(1.5)\n    return 1\n")
        started = time.monotonic()
        submission = submit(local, "id,y\n1,1\n2,2\n3,3\n")
    assert time.monotonic() - started < 60
    assert "the run took longer than its limit of 2 s" in submission.reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ('metric = "other.py"', "other.py: not there"),
        ('metric = "../metric.py"', "Put the file beside competition.toml"),
        ('metric = "rmse"', "greater_is_better is of a host's metric"),
    ],
)
def test_a_competition_that_names_another_file_is_not_hosted(
    settings: str, reason: str, local: LocalKaggle, tmp_path: Path
) -> None:
    host(local, tmp_path / "own", METRIC)
    path = tmp_path / "own" / "competition.toml"
    path.write_text(path.read_text().replace('metric = "metric.py"', settings))
    with pytest.raises(CompetitionError, match=reason):
        local.host(tmp_path / "own")
