"""`kaggle competitions`, each subcommand as a subprocess: the effect is checked, not the exit code alone."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.local_kaggle import USERNAME, LocalKaggle

from tests.kaggle_local.conftest import Kaggle
from tests.kaggle_local.kernels import (
    ask,
    finished,
    refusal,
    run_script,
    scored,
    write_competition_of_files,
    write_kernel,
)

REF = f"{USERNAME}/my-kernel"

PREDICT = """
import csv, os
from pathlib import Path
images = sorted(p.name for p in Path('/kaggle/input/competitions/leaves/test_images').iterdir())
with open('/kaggle/working/submission.csv', 'w') as file:
    csv.writer(file).writerows([('image', 'labels'), *((name, 'scab') for name in images)])
print('predicted', images, 'rerun', os.environ.get('KAGGLE_IS_COMPETITION_RERUN'))
"""


def test_list_files_and_download(local: LocalKaggle, kaggle: Kaggle, competition: Path, tmp_path: Path) -> None:
    local.host(competition)
    assert "leaves" in kaggle("competitions", "list", "--csv").stdout
    assert "leaves" not in kaggle("competitions", "list", "-s", "houses", "--csv").stdout
    listing = kaggle("competitions", "files", "leaves", "--csv").stdout
    assert "test_images/a,6," in listing
    assert "test_images/x" not in listing, "the hidden test set stays hidden"
    kaggle("competitions", "download", "leaves", "-f", "sample_submission.csv", "-p", str(tmp_path / "file"))
    expected = (competition / "public" / "sample_submission.csv").read_text()
    assert (tmp_path / "file" / "sample_submission.csv").read_text() == expected
    kaggle("competitions", "download", "leaves", "-p", str(tmp_path / "all"))
    with zipfile.ZipFile(tmp_path / "all" / "leaves.zip") as archive:
        assert sorted(archive.namelist()) == ["sample_submission.csv", "test_images/a", "test_images/b"]
    for name in ("../solution.csv", "test_images/x", "nowhere"):
        kaggle("competitions", "download", "leaves", "-f", name, "-p", str(tmp_path / "no"), code=1)


def test_a_kernel_version_is_submitted_rerun_and_scored(
    local: LocalKaggle, kaggle: Kaggle, competition: Path, tmp_path: Path
) -> None:
    local.host(competition)
    folder = write_kernel(tmp_path / "kernel", PREDICT, competition_sources=["leaves"])
    kaggle("kernels", "push", "-p", str(folder))
    assert finished(local).status == "complete"
    kaggle("kernels", "output", REF, "-p", str(tmp_path / "output"))
    assert (tmp_path / "output" / "submission.csv").read_text().split() == ["image,labels", "a,scab", "b,scab"]
    assert "predicted ['a', 'b'] rerun None" in (tmp_path / "output" / "my-kernel.log").read_text()

    said = kaggle("competitions", "submit", "leaves", "-k", REF, "-v", "1", "-f", "submission.csv", "-m", "first")
    assert "Successfully submitted to Leaves" in said.stdout
    assert "4 submissions remaining today" in said.stdout
    submission = scored(local, 1)
    # One row is right, one has one of two labels, one is wrong: (1 + 2/3 + 0) / 3.
    assert submission.score == pytest.approx(5 / 9)
    assert "rerun 1" in (submission.folder / "log.json").read_text()
    listing = kaggle("competitions", "submissions", "leaves", "--csv").stdout
    assert "submission.csv" in listing
    assert "0.55556" in listing
    limits = kaggle("competitions", "submission-limits", "leaves").stdout
    assert "Submissions today: 1" in limits
    assert "Remaining today: 4" in limits


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"competitions": []}, "has not run through on this competition's data"),
        ({"enable_internet": True}, "set enable_internet to false"),
        ({"output": "other.csv"}, "did not write submission.csv"),
    ],
)
def test_what_cannot_be_handed_in(
    settings: dict[str, Any], reason: str, local: LocalKaggle, kaggle: Kaggle, competition: Path
) -> None:
    local.host(competition)
    output = {"output": "submission.csv", **settings}.pop("output")
    run_script(local, f"open('{output}', 'w').write('x')", **{"competitions": ["leaves"], **settings})
    kaggle("competitions", "submit", "leaves", "-k", REF, "-v", "1", "-f", "submission.csv", "-m", "", code=1)
    body: dict[str, Any] = {
        "competitionName": "leaves",
        "kernelOwner": USERNAME,
        "kernelSlug": "my-kernel",
        "kernelVersion": 1,
    }
    answer = ask(local, "competitions.CompetitionApiService/CreateCodeSubmission", **body, fileName="submission.csv")
    assert reason in refusal(answer)
    assert local.storage.submissions.of_user("leaves", USERNAME) == []


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A competition of files: four numbers to guess, by accuracy, three submissions a day."""
    limits = "[limits]\nsubmissions_per_day = 3\n"
    return write_competition_of_files(tmp_path / "digits", "digits", {1: 7, 2: 8, 3: 9, 4: 0}, limits=limits)


def test_files_are_submitted_and_the_leaderboard_has_each_ones_best(
    local: LocalKaggle, kaggle: Kaggle, digits: Path, tmp_path: Path
) -> None:
    local.host(digits)
    file = tmp_path / "guess.csv"

    def submit(guesses: str, user: str = "", code: int = 0) -> str:
        file.write_text("id,digit\n" + "".join(f"{n},{g}\n" for n, g in enumerate(guesses, 1)))
        said = kaggle("competitions", "submit", "digits", "-f", str(file), "-m", guesses, user=user, code=code)
        return said.stdout + said.stderr

    for guesses in ("7000", "7890", "789"):
        submit(guesses)
    submit("7891", user="somebody")
    assert [scored(local, ref).score for ref in (1, 2, 4)] == [0.5, 1.0, 0.75]
    failed = scored(local, 3)
    assert failed.status == "error"
    assert "3 rows, the test set has 4" in failed.reason
    assert (failed.folder / "guess.csv").read_text().endswith("3,9\n"), "what was handed in is kept"

    listing = kaggle("competitions", "submissions", "digits", "--csv").stdout
    assert "ERROR" in listing
    assert "rows" not in listing, "Kaggle does not tell why"
    assert "400 Client Error" in submit("7890", code=1), "those of today are used up"
    shown = kaggle("competitions", "leaderboard", "digits", "--show", "--csv").stdout
    assert [line.split(",")[1] for line in shown.split("\n")[1:3]] == [USERNAME, "somebody"]
    kaggle("competitions", "leaderboard", "digits", "--download", "-p", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "digits.zip") as archive:
        assert f"{USERNAME}," in archive.read("digits-publicleaderboard.csv").decode()


def test_a_competition_of_kernels_takes_no_files_and_one_of_files_takes_a_kernels_output(
    local: LocalKaggle, kaggle: Kaggle, competition: Path, digits: Path, tmp_path: Path
) -> None:
    local.host(competition)
    local.host(digits)
    (tmp_path / "submission.csv").write_text("image,labels\n")
    said = kaggle("competitions", "submit", "leaves", "-f", str(tmp_path / "submission.csv"), "-m", "", code=1)
    assert "400 Client Error" in said.stdout + said.stderr
    source = "open('submission.csv', 'w').write('id,digit\\n1,7\\n2,8\\n3,9\\n4,1\\n')"
    run_script(local, source, competitions=["digits"])
    kaggle("competitions", "submit", "digits", "-k", REF, "-v", "1", "-f", "submission.csv", "-m", "")
    assert scored(local, 1).score == 0.75


class TestReasons:
    @pytest.fixture
    def kaggle_behaviour(self) -> Behaviour:
        return Behaviour(tell_reasons=True)

    def test_can_be_told(self, local: LocalKaggle, kaggle_api: Any, digits: Path, tmp_path: Path) -> None:
        local.host(digits)
        (tmp_path / "guess.csv").write_text("id,digit\n1,7\n")
        kaggle_api.competition_submit(str(tmp_path / "guess.csv"), "", "digits", quiet=True)
        scored(local, 1)
        (told,) = kaggle_api.competition_submissions("digits")
        assert "1 rows, the test set has 4" in told.error_description
