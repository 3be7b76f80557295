"""Finds Python interpreters on this machine, and has uv fetch the one that is missing."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from uv import find_uv_bin

# Look uv up while this module is imported: the lookup initializes sysconfig, which two threads of Python 3.11 must
# not do at once (python/cpython issue 92452).
UV = find_uv_bin()

OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The version of this process's Python, such as ``3.12``."""

# A machine without a network answers within seconds. uv's links in ~/.local/bin are for people who ask for them.
_FETCH_SETTINGS = {"UV_HTTP_CONNECT_TIMEOUT": "5", "UV_HTTP_RETRIES": "0", "UV_PYTHON_INSTALL_BIN": "0"}


def find_python(version: str) -> Path | None:
    """Find an interpreter that belongs to no virtual environment; download nothing.

    Args:
        version: the wanted minor version, such as ``3.12``.

    Returns:
        The interpreter: the one below this process's environment, one of pyenv's, one on PATH, or one of uv's. None
        where this machine has none of them.
    """
    if version == OWN_VERSION:
        # In a virtual environment this is the interpreter that the environment was made with.
        return Path(getattr(sys, "_base_executable", sys.executable))
    return _pyenv_python(version) or _uv_python(version)


@cache  # one process tries to fetch a version once
def available_python(version: str) -> str:
    """Choose the version to run kernels with on this machine, and fetch its interpreter where it is missing.

    Args:
        version: the image's minor version, such as ``3.12``.

    Returns:
        ``version`` where its interpreter was found or fetched, else `OWN_VERSION`.
    """
    if find_python(version) is not None:
        return version
    print(f"Python {version} not found on this machine: fetching it", file=sys.stderr)
    command = [UV, "python", "install", "--quiet", version]
    fetched = subprocess.run(
        command, env={**os.environ, **_FETCH_SETTINGS}, capture_output=True, text=True, check=False
    )
    if fetched.returncode == 0 and find_python(version) is not None:
        return version
    reason = (fetched.stderr.strip() or "uv does not say why").splitlines()[-1].strip()
    print(f"it cannot be fetched: {reason}", file=sys.stderr)
    return OWN_VERSION


def _pyenv_python(version: str) -> Path | None:
    """Find the newest interpreter of pyenv: its shims on PATH run only the version that the user has chosen."""
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    found = {}
    for path in root.glob(f"versions/{version}.*/bin/python{version}"):
        patch = re.fullmatch(r"\d+\.\d+\.(\d+)", path.parts[-3])
        if patch:
            found[int(patch[1])] = path
    return found[max(found)] if found else None


def _uv_python(version: str) -> Path | None:
    """Find an interpreter on PATH or one of uv's."""
    command = [UV, "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


if __name__ == "__main__":
    # The noxfile asks for an image's Python, such as 3.12, and gets the path of the interpreter to use.
    print(find_python(available_python(sys.argv[1])))
