"""Calls to uv."""

import logging
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from kaggle_local.interpreters import UV

from kaggle_offline.environment import environment_for_others, variables_set

_LOGGER = logging.getLogger(__name__)
# Up to the last @ before a slash: passwords may hold one.
_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")

# Where packages come from, how they are reached, and how new they may be. Other settings would change the resolution
# and the builds.
_UV = (
    *("CACHE", "CONCURRENT", "DEFAULT_INDEX", "EXCLUDE_NEWER", "EXTRA_INDEX", "FIND_LINKS", "HTTP", "INDEX"),
    *("INSECURE", "KEYRING", "NATIVE_TLS", "NO_CACHE", "OFFLINE", "PYTHON_DOWNLOADS", "PYTHON_INSTALL", "REQUEST"),
    "SYSTEM_CERTS",
)

# How uv says that it is not the requirements' fault.
_NETWORK = (
    *("Could not resolve host", "Failed to connect to", "Failed to fetch", "error sending request"),
    *("network was disabled", "Network connectivity is disabled"),
)


@contextmanager
def further_indexes(indexes: Mapping[str, str]) -> Iterator[None]:
    """Add package indexes, by their names, to those that uv and pip ask, until the block ends.

    Credentials come from ``UV_INDEX_<NAME>_USERNAME`` and ``…_PASSWORD``, which uv reads; pip is given them in its
    environment, which no list of processes shows.
    """
    if not indexes:
        yield
        return
    pip = [_with_credentials(name, url) for name, url in indexes.items()]
    uv = [f"{name}={url}" for name, url in indexes.items()]
    added = {"UV_INDEX": uv, "PIP_EXTRA_INDEX_URL": pip}
    with variables_set({name: " ".join([*urls, os.environ.get(name, "")]).strip() for name, urls in added.items()}):
        yield


def _with_credentials(name: str, url: str) -> str:
    variable = f"UV_INDEX_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"
    user, password = os.environ.get(f"{variable}_USERNAME", ""), os.environ.get(f"{variable}_PASSWORD", "")
    if not user and not password:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def run_uv(*arguments: str, umask: int = -1, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run uv with further environment variables; the caller looks at ``returncode`` and ``stderr``.

    uv builds code of others, which sees the variables that uv sees.
    """
    return _run([UV, "--no-progress", *arguments], umask=umask, **variables)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with the variables that uv sees, and uv among its programs: it, too, runs code of others."""
    path = os.pathsep.join([str(Path(UV).parent), os.environ.get("PATH", os.defpath)])
    return _run([sys.executable, *arguments], umask=-1, PATH=path)


def _run(command: list[str], *, umask: int, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**environment_for_others(*(f"UV_{word}" for word in _UV)), "NO_COLOR": "1", **variables}
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, umask=umask, check=False)
    line = without_passwords(shlex.join(command))
    _LOGGER.debug("%s: exit code %d, %.1f s", line, done.returncode, time.monotonic() - started)
    return done


def without_passwords(text: str) -> str:
    """Return a text without the user names and passwords of the addresses in it."""
    return _PASSWORD.sub("…@", text)


def is_network(reason: str) -> bool:
    """Tell whether uv's message is about the network; a missing package is not."""
    return any(sign in reason for sign in _NETWORK) and not re.search(r"HTTP status client error \(4\d\d", reason)
