"""The benchmarks run, with small sizes; at night with their real ones, too (nightly.yml)."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
# Those that need torch run in the environment of their competition: tests/plant_pathology/test_benchmark.py.
OTHERS = {"predict"}


# They freeze a competition, which takes half a minute.
SLOW = {"freeze", "local", "pipeline"}


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


def test_the_stages_of_the_pipeline_are_functions_that_exist() -> None:
    spec = importlib.util.spec_from_file_location("pipeline", BENCHMARKS / "pipeline.py")
    assert spec is not None
    assert spec.loader is not None
    pipeline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pipeline)
    for owner, function, _ in pipeline.STAGES:
        assert callable(getattr(owner, function))
