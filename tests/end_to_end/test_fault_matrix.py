"""Whatever one call, one upload or one run comes to, push and submit end well or say why, and a re-run finishes."""

from pathlib import Path

import pytest
from kaggle_offline import errors

from tests.end_to_end.fault_matrix import Case, cases, run_case, watch_arguments

MATRIX = cases()

# Nothing depends on these: the command goes on without them.
COURTESIES = {"log", "kernels.KernelsApiService/GetAcceleratorQuotaStatistics"}

# Kinds of faults that the command outlives.
PASSING = {"429", "429 wait", "500", "503", "late, not done", "late, done", "reset before", "reset after"}

PLACES = {case.place for case in MATRIX}
CODES = {error.exit_code for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "exit_code")}


def by_day() -> set[int]:
    """Choose few cases, by `id`, that have every place and every kind."""
    chosen: list[Case] = []
    for place in sorted(PLACES):
        own = [case for case in MATRIX if case.place == place]
        new = [case for case in own if case.kind not in {other.kind for other in chosen}]
        chosen.append((new or own)[0])
    for case in MATRIX:
        if case.kind not in {other.kind for other in chosen}:
            chosen.append(case)
    return {id(case) for case in chosen}


BY_DAY = by_day()


def marks(case: Case) -> tuple[pytest.MarkDecorator, ...]:
    return () if id(case) in BY_DAY else (pytest.mark.nightly,)


@pytest.fixture(scope="session", autouse=True)
def _watched() -> None:
    watch_arguments()


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=str(case), marks=marks(case)) for case in MATRIX],
)
def test_a_fault_at_a_place(case: Case, prepared: Path, tmp_path: Path) -> None:
    outcome = run_case(prepared, tmp_path / "work", case)
    assert not outcome.wrong, outcome.wrong
    # A passing fault stops nothing; a lasting one is told.
    if case.kind in PASSING:
        assert outcome.code == 0
    if case.kind == "outage":
        assert (outcome.code == 0) == (case.place in COURTESIES)
    assert outcome.places <= PLACES, "every call is in the matrix"
    assert outcome.code in {0, *CODES} - {errors.OfflineError.exit_code}


def test_the_matrix_is_whole_and_its_daily_part_has_every_place_and_kind() -> None:
    assert len(MATRIX) >= 400
    daily = [case for case in MATRIX if not marks(case)]
    assert {case.place for case in daily} == PLACES
    assert {case.kind for case in daily} == {case.kind for case in MATRIX}
    assert len(daily) <= len(MATRIX) / 4
