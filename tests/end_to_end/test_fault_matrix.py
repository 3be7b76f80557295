"""Whatever one call, one upload or one run comes to, push and submit end well or say why, and a re-run finishes."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from kaggle_offline import errors

from tests.end_to_end.fault_matrix import Case, Outcome, cases, prepare, run_case, table, watch_arguments

pytestmark = pytest.mark.slow

# Much of a case is waiting.
WORKERS = 2 * (os.cpu_count() or 1)


# Nothing depends on these: the command goes on without them.
COURTESIES = {"log", "kernels.KernelsApiService/GetAcceleratorQuotaStatistics"}

# Kinds of faults that the command outlives.
PASSING = {"429", "429 wait", "500", "503", "late, not done", "late, done", "reset before", "reset after"}


def in_this_process(folder: Path, case: Case) -> Outcome:
    """Run a case in the folder of this process."""
    return run_case(folder, folder / f"worker-{os.getpid()}", case)


def test_every_fault_at_every_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tmp_path)
    matrix = cases()
    assert len(matrix) >= 150
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=processes, initializer=watch_arguments) as pool:
        outcomes = dict(zip(matrix, pool.map(partial(in_this_process, tmp_path), matrix), strict=True))
    with capsys.disabled():
        legend = f"{len(outcomes)} cases: ok, or the exit code that the first try ended with; ! is wrong"
        # What pytest-xdist's workers print elsewhere is lost.
        print(f"\n{legend}\n\n{table(outcomes)}", file=sys.stderr)
    wrong = {case: outcome.wrong for case, outcome in outcomes.items() if outcome.wrong}
    assert not wrong, "\n".join(f"{case}: {text}" for case, text in wrong.items())
    # What passes stops nothing; what lasts is told.
    stopped = {case: outcome.code for case, outcome in outcomes.items() if case.kind in PASSING and outcome.code}
    assert not stopped
    outages = {case: outcome for case, outcome in outcomes.items() if case.kind == "outage"}
    assert {case.place for case, outcome in outages.items() if not outcome.code} == COURTESIES
    places = frozenset[str]().union(*(outcome.places for outcome in outcomes.values()))
    assert places <= {case.place for case in matrix}, "every call is in the matrix"
    documented = {0, *(e.exit_code for e in vars(errors).values() if isinstance(e, type) and hasattr(e, "exit_code"))}
    assert {outcome.code for outcome in outcomes.values()} <= documented - {errors.OfflineError.exit_code}
