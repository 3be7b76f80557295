"""The benchmarks run; at night with their real sizes (nightly.yml), here with small ones."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
# Those that need torch run in the environment of their competition: tests/plant_pathology/test_benchmark.py.
OTHERS = {"predict"}


# They freeze a competition, which takes half a minute.
SLOW = {"freeze", "pipeline"}


@pytest.mark.parametrize(
    "name",
    [
        *(sorted({path.stem for path in BENCHMARKS.glob("*.py")} - OTHERS - SLOW)),
        *(pytest.param(name, marks=pytest.mark.nightly) for name in sorted(SLOW)),
    ],
)
def test_it_runs(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (BENCHMARKS.parent / "build" / "bench" / "quick" / f"{name}.json").is_file()
