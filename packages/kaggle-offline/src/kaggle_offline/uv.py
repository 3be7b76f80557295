"""Calls to uv."""

import os
import subprocess
import sys

from uv import find_uv_bin


def run_uv(*arguments: str, umask: int = -1, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run uv with further environment variables; the caller looks at ``returncode`` and ``stderr``."""
    environment = {**os.environ, "NO_COLOR": "1", **variables}
    command = [find_uv_bin(), "--no-progress", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, umask=umask, check=False)


def has_python(version: str) -> bool:
    """Whether this machine has that Python; nothing is downloaded."""
    return run_uv("python", "find", "--no-python-downloads", "--no-project", version).returncode == 0


def rehearsal_python(wanted: str) -> str:
    """The Python to rehearse with on this machine: the one wanted, or else this process's own.

    A newer Python than the image's has no wheels of what the image pins: there uv is asked to
    fetch the image's.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if own == wanted or has_python(wanted):
        return wanted
    newer = tuple(map(int, own.split("."))) > tuple(map(int, wanted.split(".")))
    return wanted if newer and run_uv("python", "install", wanted).returncode == 0 else own
