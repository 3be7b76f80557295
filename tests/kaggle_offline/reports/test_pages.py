"""The pages, in a browser: light and dark, on a phone and on a desktop, without an error in the console."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from kaggle_local.runs.calls import Calls
from kaggle_offline.dependencies.lock_table import Row
from kaggle_offline.reports.distribution import Bins, Predictions, Shares
from kaggle_offline.reports.history import Entry, read_history, write_history
from kaggle_offline.reports.report import write_report
from kaggle_offline.reports.result import Base, KernelVersion, Published, Result, Run, Shipped, Submission
from kaggle_offline.repository.provenance import Chain, Source
from kaggle_offline.repository.submission_toml import CompetitionLimits

from tests.browser import measure
from tests.kaggle_offline.conftest import git

DIGEST = f"sha256:{64 * '0'}"
HOSTILE = "<script>console.error('run')</script>"
LONG = "a-distribution-with-a-name-that-is-longer-than-most-and-has-no-place-to-break"
SUBMISSION = Submission(
    ref="3", status="complete", score=0.943, private_score=0.93, last_score=0.93, baseline=0.5, greater_is_better=True
)
RESULT = Result(
    target="kaggle",
    source=Source(tag="submit-v3", commit="0123456789ab+"),
    shipped=Shipped(
        files={f"{LONG}.whl": 2**20},
        distributions=(Row(name=LONG, image="1.0", shipped="2.0", role="replaced", why=HOSTILE),),
    ),
    packages=Published(ref="someone/apples-packages", version=1, digest=DIGEST, uploaded_bytes=2**20),
    kernel=KernelVersion(ref="someone/apples", version=3, digest=DIGEST),
    run=Run(status="complete", seconds=4000, peak_memory_bytes=5 * 2**30),
    submission=replace(
        SUBMISSION, calls=Calls(number=90, rows=180, start=1.5, first=0.9, median=0.01, slowest=2.0, total=9.0)
    ),
    base=Base(commit=40 * "a", score=0.93, tolerance=0.01),
    seconds={"freeze": 3.0, "push": 70.0, "push: kernel": 66.0, "submit": 400.0},
)
PREDICTIONS = Predictions(
    rows=180,
    targets=[
        Shares(column="labels", predicted={"scab": 0.7, HOSTILE: 0.3}, trained={"scab": 0.6, HOSTILE: 0.4}),
        Shares(column="other", predicted={LONG: 1.0}, trained=None),
        Bins(column="price", edges=[0.0, 50.0, 100.0], predicted=[0.4, 0.6], trained=[0.5, 0.5]),
    ],
    confidence=Bins(column="confidence", edges=[0.0, 0.5, 1.0], predicted=[0.1, 0.9], trained=None),
)


def entries(*commits: str) -> list[Entry]:
    """Submissions of the commits and one by hand, the newest first."""
    found = [
        Entry(ref="9", date="2026-11-30T10:00:00+00:00", status="error", score=None, private_score=None, origin=None)
    ]
    for number, commit in enumerate(commits, start=1):
        source = Source(tag=f"submit-v{number}", commit=commit)
        chain = Chain(source=source, packages=number, models=None, kernel=number, digest=DIGEST)
        date = f"2026-11-{number:02}T10:00:00+00:00"
        found.insert(
            0,
            Entry(
                ref=str(number), date=date, status="complete", score=0.9 + number / 100, private_score=0.9, origin=chain
            ),
        )
    return found


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """The folder of a competition with both pages."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "--quiet")
    commits = []
    for name in ("one", "two"):
        (repository / f"{name}.py").touch()
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", f"Write {name} {HOSTILE}")
        commits.append(git(repository, "rev-parse", "--short=12", "HEAD"))
    build = tmp_path / "build"
    (build / "output").mkdir(parents=True)
    write_history(build, "apples", entries(*commits), greater_is_better=True, repository=repository)
    limits = CompetitionLimits(rows=5000, hours=9)
    write_report(build, "apples", RESULT, limits, predictions=PREDICTIONS, folds=[0.93, 0.95])
    return build


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", ["report.html", "history.html"])
def test_it_can_be_read_everywhere(page: str, dark: bool, width: int, build: Path, tmp_path: Path) -> None:
    found = measure(build / page, tmp_path, width=width, dark=dark)
    assert found.errors == []
    assert found.faint == []
    assert found.unnamed == 0
    assert (found.dark, found.width) == (dark, width)
    assert found.widest <= width
    # On a phone, tables may scroll by themselves.
    assert width < 1000 or found.scrolled == 0
    assert found.smallest >= 11


def test_the_report_compares_the_score_with_all_that_is_known(build: Path) -> None:
    text = (build / "report.html").read_text()
    for words in (
        '<p class="score">0.94300</p>',
        "better by 0.44300 than the baseline, the most common label for every row: 0.50000",
        f"better by 0.01300 than the base, {12 * 'a'}: 0.93000",
        "cross-validation, mean of 2",
        "folds: 0.93000, 0.95000",
        "private score",
        "time, in proportion to 5,000 rows",
        "30.9 h of 9 h",
        '<p class="bad">5,000 rows would take 30.9 h, and 9 h are allowed</p>',
        "5.0 of 30 GiB",
        "90 calls for 180 rows",
        '<a href="history.html">Every submission</a>',
        "https://www.kaggle.com/code/someone/apples",
    ):
        assert words in text
    assert HOSTILE not in text
    assert "http://" not in text
    assert "<script" not in text


def test_a_loss_that_falls_is_better(build: Path) -> None:
    result = replace(RESULT, submission=replace(SUBMISSION, score=0.3, last_score=0.4, greater_is_better=False))
    write_report(build, "apples", result, None)
    assert "better by 0.10000 than the previous submission: 0.40000" in (build / "report.html").read_text()
    result = replace(RESULT, submission=replace(SUBMISSION, score=0.3, last_score=0.4, greater_is_better=None))
    write_report(build, "apples", result, None)
    assert "0.10000 below the previous submission: 0.40000" in (build / "report.html").read_text()


def test_without_a_submission_there_is_no_table(tmp_path: Path) -> None:
    page = write_history(tmp_path, "apples", [], greater_is_better=None, repository=tmp_path)
    assert "<table>" not in page.read_text()


def test_a_commit_of_somebody_is_no_option_of_git(build: Path, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    found = [*entries(f"--output={harm}", f"--output={harm}2")]
    write_history(build, "apples", found, greater_is_better=True, repository=tmp_path / "repository")
    assert not list(tmp_path.glob("harm*"))
    assert f"--output={harm}" in (build / "history.html").read_text()


def test_the_history_shows_every_submission_and_what_changed(build: Path) -> None:
    text = (build / "history.html").read_text()
    for words in ("0.92000", "the best of 3, submission 2", "two.py", "submit-v1", "kernel 2, packages 2", "error"):
        assert words in text
    assert HOSTILE not in text
    assert [entry.ref for entry in read_history(build)] == ["2", "1", "9"]
    (build / "history.json").write_text(json.dumps([{"ref": 3}]))
    assert read_history(build) == []
