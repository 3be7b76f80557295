"""My competition: what its kernel is rehearsed on."""

import csv
from pathlib import Path

import pytest
from my_competition.rehearsal import write_competition


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competition")
    write_competition(folder)
    return folder


def ids(path: Path) -> set[str]:
    """Return the cells of the first column, the header's name included."""
    with path.open(newline="") as file:
        return {row[0] for row in csv.reader(file)}


def test_the_solution_has_what_the_hidden_sample_asks_for(competition: Path) -> None:
    assert ids(competition / "solution.csv") == ids(competition / "hidden" / "sample_submission.csv")
    assert ids(competition / "solution.csv") != ids(competition / "public" / "sample_submission.csv")


def test_the_same_seed_gives_the_same_bytes(competition: Path, tmp_path: Path) -> None:
    write_competition(tmp_path)
    for path in filter(Path.is_file, competition.rglob("*")):
        assert (tmp_path / path.relative_to(competition)).read_bytes() == path.read_bytes()
