"""Calls to a tracker, as a program of its own: it may hang, ask for a password or end its process."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from kaggle_local.terminal import printable

from kaggle_offline.uv import without_passwords

# MLflow's retries of a server that does not answer would take most of an hour.
_DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
_SECONDS = 300
_SHOWN = 300


def is_installed(module: str) -> bool:
    """Tell whether a tracker is installed: a folder of its name, which it leaves where it runs, is not it."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def call(*arguments: str, folder: Path, text: str = "", **variables: str) -> tuple[bool, str]:
    """Run a module of a tracker, or one that calls it, with this Python.

    It sees the variables of this process, since a tracker may need any, but for Kaggle's.

    Args:
        arguments: the module's name, and its arguments.
        folder: where it runs.
        text: its standard input.
        variables: more of them.

    Returns:
        Whether it succeeded, and the last line that it printed: on standard error if it failed.
    """
    environment = {name: value for name, value in os.environ.items() if value and not name.startswith("KAGGLE_")}
    # Without -P, the folder's own modules would come first.
    command = [sys.executable, "-P", "-m", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**_DEFAULTS, **environment, **variables},
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer in {_SECONDS} s"
    succeeded = done.returncode == 0
    printed = done.stdout if succeeded else done.stderr
    lines = [f"exit code {done.returncode}", *printed.strip().splitlines()]
    return succeeded, printable(without_passwords(lines[-1]))[:_SHOWN]
