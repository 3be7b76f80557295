"""The benchmark of the prediction runs; at night, with a small size and with its real one."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "predict.py"


@pytest.mark.nightly
def test_it_runs() -> None:
    done = subprocess.run([sys.executable, BENCHMARK, "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "times the published loop" in done.stdout
