"""Real sets of requirements, each with its outcome on an image of October 2026."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from kaggle_offline.errors import LockError

from tests.kaggle_offline.conftest import REPOSITORY
from tests.kaggle_offline.dependencies.locked import lock

SETS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("requirement_sets.toml").read_text())


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SETS)
def test_a_set_locks_or_stops_with_its_hint(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2026-11-24T00:00:00Z")
    one = SETS[name]
    image = REPOSITORY / "requirements" / "images" / f"kaggle-{one['accelerator']}-2026-10.txt"
    outcome, hint = "locks", ""
    try:
        lock(repository, *one["requirements"], image=image.read_text())
    except LockError as error:
        outcome, hint = type(error).__name__, error.cure
    assert (outcome, hint[: len(one.get("hint", ""))]) == (one["outcome"], one.get("hint", ""))
    # A search that takes long says where it stands.
    assert "resolving the requirements of small" in capsys.readouterr().out


def test_the_sets_are_many_and_of_both_kinds() -> None:
    outcomes = [one["outcome"] for one in SETS.values()]
    assert len(outcomes) >= 60
    assert outcomes.count("locks") >= 40
    assert outcomes.count("locks") < len(outcomes)
