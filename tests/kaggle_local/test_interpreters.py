"""kaggle_local finds the interpreter of an image; where this machine has none, it fetches one or takes its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_local.interpreters import OWN_VERSION, available_python, find_python

OTHER = "3.97"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without pyenv, without other interpreters and without a network; the folder that is its PATH."""
    available_python.cache_clear()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def write_interpreter(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_this_process_has_the_interpreter_of_its_environment() -> None:
    found = find_python(OWN_VERSION)
    assert found is not None
    ask = "import sys; print(sys.prefix == sys.base_prefix, sys.base_prefix)"
    command = [str(found), "-c", ask]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert answer == f"True {sys.base_prefix}", "it belongs to no virtual environment"


def test_pyenv_has_the_newest_of_a_version(tmp_path: Path) -> None:
    for patch in ("9", "10", "2-dev"):
        write_interpreter(tmp_path / "pyenv" / "versions" / f"{OTHER}.{patch}" / "bin" / f"python{OTHER}")
    found = find_python(OTHER)
    assert found == tmp_path / "pyenv" / "versions" / f"{OTHER}.10" / "bin" / f"python{OTHER}"


def test_a_shim_that_runs_nothing_hides_nothing(tmp_path: Path, nowhere: Path) -> None:
    """As pyenv's are, where the user has chosen another version."""
    shim = write_interpreter(nowhere / f"python{OTHER}")
    shim.write_text("#!/bin/sh\nexit 127\n")
    assert find_python(OTHER) is None
    real = write_interpreter(tmp_path / "pyenv" / "versions" / f"{OTHER}.0" / "bin" / f"python{OTHER}")
    assert find_python(OTHER) == real


def test_where_it_is_missing_it_is_fetched_once_and_then_the_own_one_does(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert available_python(OTHER) == OWN_VERSION
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"Python {OTHER} not found on this machine: fetching it"
    assert second.startswith("it cannot be fetched: ")


def test_the_module_prints_the_interpreter_for_the_noxfile() -> None:
    command = [sys.executable, "-m", "kaggle_local.interpreters"]
    for version in (OWN_VERSION, OTHER):
        found = subprocess.run([*command, version], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == str(find_python(OWN_VERSION))
