"""Competition folders and scores: what fits is taken, what does not is named."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.competition import load_competition
from kaggle_local.errors import CompetitionError, SubmissionError
from kaggle_local.scoring import score, score_of_commonest


def test_a_whole_folder_is_read(competition: Path) -> None:
    loaded = load_competition(competition)
    assert (loaded.slug, loaded.metric, loaded.limits.submissions_per_day) == ("leaves", "mean-f1", 5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("slug = ", "competition.toml"),
        ('slug = "x"', "title must be a text"),
        ('slug = 1\ntitle = "x"', "slug must be a text"),
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget="t"\nsurprise=1', "unknown key surprise"),
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget="t"\n[limits]\nseconds=0', "limits.seconds"),
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget="t"\n[limits]\nminutes=1', "limits"),
    ],
)
def test_a_malformed_file_is_named(text: str, named: str, competition: Path) -> None:
    (competition / "competition.toml").write_text(text)
    with pytest.raises(CompetitionError, match=named):
        load_competition(competition)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(competition: Path, content: bytes) -> None:
    (competition / "competition.toml").write_bytes(content)
    with pytest.raises(CompetitionError):
        load_competition(competition)


def test_missing_and_empty_parts_are_named(competition: Path) -> None:
    for image in (competition / "hidden" / "test_images").iterdir():
        image.unlink()
    with pytest.raises(CompetitionError, match=r"hidden/test_images: the folder is empty"):
        load_competition(competition)
    (competition / "solution.csv").unlink()
    with pytest.raises(CompetitionError, match=r"solution\.csv"):
        load_competition(competition)
    with pytest.raises(CompetitionError, match="nowhere"):
        load_competition(competition / "nowhere")


def test_mean_f1_is_that_of_the_definition(competition: Path, tmp_path: Path) -> None:
    submission = tmp_path / "submission.csv"
    submission.write_text("image,labels\nz,rust\ny,scab\nx,scab rust\n")
    # x: 2·1/(1+2), y: 2·1/(2+1), z: 0.
    assert score(load_competition(competition), submission) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "did not write it"),
        ("", "not a CSV file"),
        ("image\nx\n", "no column labels"),
        ("image,labels,more\nx,scab,1\n", "columns image, labels, more"),
        ("image,labels\nx,scab\ny,scab\n", "2 rows"),
        ("image,labels\nx,scab\ny,scab\nw,scab\n", "3 rows"),
        ("image,labels\nx,scab\nx,scab\ny,rust\n", "occurs twice"),
        ("image,labels\nx,scab\ny,\nz,rust\n", "1 cells of labels are empty"),
    ],
)
def test_a_submission_that_does_not_fit_is_refused(
    text: str | None, reason: str, competition: Path, tmp_path: Path
) -> None:
    submission = tmp_path / "submission.csv"
    if text is not None:
        submission.write_text(text)
    with pytest.raises(SubmissionError, match=reason):
        score(load_competition(competition), submission)


def test_the_commonest_value_is_a_floor(competition: Path) -> None:
    (competition / "solution.csv").write_text("image,labels\nx,scab\ny,scab\nz,scab rust\n")
    assert score_of_commonest(load_competition(competition)) == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_an_unknown_metric_is_named(competition: Path) -> None:
    path = competition / "competition.toml"
    path.write_text(path.read_text().replace("mean-f1", "luck"))
    with pytest.raises(CompetitionError, match="luck"):
        score(load_competition(competition), competition / "solution.csv")
