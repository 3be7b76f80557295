"""My competition: from its folder to a submission, as the kernel does it."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from my_competition.predict import predict
from my_competition.rehearsal import write_competition


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competition")
    write_competition(folder)
    return folder


def rows(path: Path) -> dict[str, str]:
    """A submission, by id; the header is a row."""
    with path.open(newline="") as file:
        return dict(csv.reader(file))


def test_the_hidden_set_is_predicted_better_than_by_the_commonest_answer(competition: Path, tmp_path: Path) -> None:
    predict(competition / "hidden", tmp_path / "submission.csv")
    said, known = rows(tmp_path / "submission.csv"), rows(competition / "solution.csv")
    assert set(said) == set(known)
    right = sum(said[key] == known[key] for key in known)
    ((_, commonest),) = Counter(known.values()).most_common(1)
    assert right > commonest + 1, "the header is right, too"


def test_the_same_seed_gives_the_same_bytes(competition: Path, tmp_path: Path) -> None:
    write_competition(tmp_path)
    for path in filter(Path.is_file, competition.rglob("*")):
        assert (tmp_path / path.relative_to(competition)).read_bytes() == path.read_bytes()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        predict(tmp_path, tmp_path / "submission.csv")
