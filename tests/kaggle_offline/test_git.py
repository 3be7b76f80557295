"""Git is asked about many commits at once, whichever of them it knows."""

from pathlib import Path

import pytest
from kaggle_offline.git import changed_files, subjects

from tests.kaggle_offline.conftest import git

UNKNOWN = "0123456789ab"


@pytest.fixture
def commits(tmp_path: Path) -> list[str]:
    """Three commits, of which the last changes nothing."""
    git(tmp_path, "init", "--quiet")
    found = []
    for name in ("one", "twö", ""):
        if name:
            (tmp_path / name).touch()
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", f"Write {name}: it")
        found.append(git(tmp_path, "rev-parse", "HEAD"))
    return found


def test_commits_are_known_by_their_first_digits(commits: list[str], tmp_path: Path) -> None:
    first, second = commits[0][:12], commits[1]
    known = {first: (commits[0], "Write one: it"), second: (commits[1], "Write twö: it")}
    assert subjects(tmp_path, [first, UNKNOWN, second]) == known
    assert subjects(tmp_path, [UNKNOWN]) == {}
    assert subjects(tmp_path, []) == {}


def test_pairs_are_told_apart_those_without_a_difference_too(commits: list[str], tmp_path: Path) -> None:
    first, second, third = commits
    pairs = [(first, second), (second, second), (second, third), (second, first), (first, third)]
    assert changed_files(tmp_path, pairs) == [["twö"], [], [], ["twö"], ["twö"]]
    assert changed_files(tmp_path, []) == []


def test_a_file_that_was_renamed_is_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    found = []
    for name in ("before", "after"):
        for path in tmp_path.glob("before"):
            path.unlink()
        (tmp_path / name).write_text("the same\n" * 10)
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--message", name)
        found.append(git(tmp_path, "rev-parse", "HEAD"))
    assert changed_files(tmp_path, [(found[0], found[1])]) == [["after"]]


def test_outside_of_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert subjects(tmp_path, [UNKNOWN]) == {}
    assert changed_files(tmp_path, [(40 * "1", 40 * "2")]) == []
