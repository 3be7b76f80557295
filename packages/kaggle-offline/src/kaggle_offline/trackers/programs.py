"""Trackers as programs of their own: one may hang, ask for a password, or end its process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kaggle_local.terminal import printable

from kaggle_offline.uv import without_passwords

# Names the trackers to use, with spaces between them; by default all that are installed.
_NAMES = "KAGGLE_OFFLINE_TRACKERS"

# MLflow's retries of a server that does not answer would take most of an hour.
_DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
_SECONDS = 300
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a program ended, and the last lines that it printed on standard output and standard error."""

    succeeded: bool
    printed: str = ""
    said: str = ""


def is_used(module: str) -> bool:
    """Tell whether a tracker, by its module's name, is installed and not left out by `KAGGLE_OFFLINE_TRACKERS`."""
    if module not in os.environ.get(_NAMES, module).split():
        return False
    spec = find_spec(module)
    # A folder of its name, which W&B leaves where it runs, has no origin.
    return spec is not None and spec.origin is not None


def call(*arguments: str, folder: Path, text: str = "", **variables: str) -> Outcome:
    """Run a module with this Python; it sees this process's variables but Kaggle's, as a tracker may need any.

    Args:
        arguments: the module's name, and its arguments.
        folder: where it runs.
        text: its standard input.
        variables: more of them.
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
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(succeeded=False, said=f"it has not ended after {_SECONDS} s")
    except OSError as error:
        return Outcome(succeeded=False, said=str(error))
    last = _last_line(done.stderr) or f"exit code {done.returncode}"
    return Outcome(succeeded=done.returncode == 0, printed=_last_line(done.stdout), said=last)


def _last_line(text: str) -> str:
    lines = ["", *text.strip().splitlines()]
    return printable(without_passwords(lines[-1]))[:_SHOWN]


def run_program(log: Callable[[dict[str, Any]], str]) -> None:
    """Be such a program: log the submission on standard input, print where it is, and end with any error's first line.

    Args:
        log: returns where it is.
    """
    try:
        print(log(json.load(sys.stdin)))
    except Exception as error:  # trackers raise what their libraries do
        first = str(error).partition("\n")[0]
        raise SystemExit(f"{type(error).__name__}: {first}") from error
