"""Competition folders and scores: what fits is taken, what does not is named."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.errors import CompetitionError
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.scoring.competition import load_competition


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
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget=[]', "target must be"),
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget=["a", 1]', "target must be"),
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget="t"\nsubmissions="pigeon"', "pigeon"),
        ('slug="../s"\ntitle="t"\nmetric="m"\nid="i"\ntarget="t"', r"\.\./s"),
        ('slug="s"\ntitle="t"\nmetric="m"\nid="i"\ntarget="i"', "a column is there twice"),
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


def test_links_are_named(competition: Path) -> None:
    (competition / "public" / "link.csv").symlink_to(competition / "solution.csv")
    with pytest.raises(CompetitionError, match=r"link\.csv: a link"):
        load_competition(competition)


def test_one_that_breaks_later_does_not_hide_the_others(local: LocalKaggle, competition: Path, kaggle_api: Any) -> None:
    text = (competition / "competition.toml").read_text()
    (competition / "competition.toml").write_text(text.replace("mean-f1", "luck"))
    with pytest.raises(CompetitionError, match="luck"):
        local.host(competition)
    (competition / "competition.toml").write_text(text)
    local.host(competition)
    assert [c.ref for c in kaggle_api.competitions_list().competitions] == ["leaves"]
    (competition / "competition.toml").write_text("slug = ")
    assert not kaggle_api.competitions_list().competitions


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
