"""On macOS and Windows all works but a rehearsal. The modules that they lack are taken away here; the rest is Linux."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import RehearsalError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

# Python has these modules on Linux and macOS, or on Linux alone.
WITHOUT = """\
import sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
from kaggle_offline.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("command", "code"),
    [("freeze", 0), pytest.param("lock", 0, marks=pytest.mark.nightly), ("push", 14), ("submit", 14), ("history", 14)],
)
def test_no_command_for_kaggle_com_imports_what_windows_lacks(command: str, code: int, repository: Path) -> None:
    """Without credentials those that ask Kaggle say so, after all of their imports."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAGGLE_")}
    environment |= {"KAGGLE_TARGET": "kaggle", "HOME": str(repository / "home")}
    program = [sys.executable, "-c", WITHOUT, command]
    done = subprocess.run(program, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_a_rehearsal_elsewhere_is_refused_in_one_line(
    system: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaggle_offline.delivery.target.sys.platform", system)
    with pytest.raises(RehearsalError) as refused, open_target("local", repository):
        pass
    assert refused.value.problem.startswith(f"a rehearsal needs Linux, and this is {system}")
    assert "devcontainer" in refused.value.cure
    assert "\n" not in refused.value.problem + refused.value.cure


def test_elsewhere_only_what_is_pushed_is_frozen(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(repository / "none"))
    monkeypatch.setattr("kaggle_offline.commands.freeze.available_python", lambda _: "3.10")
    monkeypatch.setattr("kaggle_offline.commands.freeze.sys.platform", "darwin")
    frozen = freeze(read_kernel_folder(repository, "small"))
    assert frozen.rehearsal is frozen.packages
    assert json.loads((frozen.packages.folder / "freeze.json").read_text())["python"] == "3.12"
