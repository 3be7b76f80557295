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

# By day one case in so many; as this divides no row of the matrix, every place and every kind has its turn.
DAILY = 11


@pytest.fixture(scope="session", autouse=True)
def _watched() -> None:
    watch_arguments()


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[] if number % DAILY == 0 else pytest.mark.nightly)
        for number, case in enumerate(MATRIX)
    ],
)
def test_a_fault_at_a_place(case: Case, prepared: Path, tmp_path: Path) -> None:
    outcome = run_case(prepared, tmp_path / "work", case)
    assert not outcome.wrong, outcome.wrong
    # What passes stops nothing; what lasts is told.
    if case.kind in PASSING:
        assert outcome.code == 0
    if case.kind == "outage":
        assert (outcome.code == 0) == (case.place in COURTESIES)
    assert outcome.places <= PLACES, "every call is in the matrix"
    assert outcome.code in {0, *CODES} - {errors.OfflineError.exit_code}
