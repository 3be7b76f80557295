"""Inputs are found wherever Kaggle mounts them."""

from pathlib import Path

import pytest
from competition_kit.inputs import find_input


@pytest.mark.parametrize(
    "place",
    ["leaves", "datasets/somebody/leaves", "competitions/leaves", "notebooks/somebody/leaves", "models/google/leaves"],
)
def test_an_input_is_found_under_either_layout(place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / "leaves.csv").touch()
    assert find_input("leaves", tmp_path) == tmp_path / place


@pytest.mark.parametrize("place", ["leaves-models", "models/me/leaves-models"])
def test_of_published_checkpoints_it_is_the_folder_of_the_version(place: str, tmp_path: Path) -> None:
    version = tmp_path / place / "other" / "checkpoints" / "3"
    version.mkdir(parents=True)
    assert find_input("leaves-models", tmp_path) == version


def test_capitals_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "competitions" / "Mixed-Case").mkdir(parents=True)
    assert find_input("mixed-case", tmp_path).name == "Mixed-Case"


def test_what_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    for place in ("datasets/somebody/models", "competitions/digits"):
        (tmp_path / place).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"^leaves is not among .* inputs: .*digits, models"):
        find_input("leaves", tmp_path)
    with pytest.raises(FileNotFoundError, match="inputs: none"):
        find_input("leaves", tmp_path / "nowhere")
