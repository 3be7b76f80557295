"""Calls to uv."""

import os
import subprocess
from pathlib import Path

from uv import find_uv_bin


def run_uv(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run uv; the caller looks at ``returncode`` and ``stderr``."""
    environment = {**os.environ, "NO_COLOR": "1"}
    command = [find_uv_bin(), "--no-progress", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def has_python(version: str) -> bool:
    """Whether this machine has that Python; nothing is downloaded."""
    return run_uv("python", "find", "--no-python-downloads", "--no-project", version).returncode == 0
