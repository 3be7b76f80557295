"""Calls to uv."""

import os
import re
import subprocess

from kaggle_local.interpreters import UV

# Where packages come from, how they are reached, and how new they may be. What else can be set would change what is
# resolved and built.
_UV = (
    *("CACHE", "CONCURRENT", "DEFAULT_INDEX", "EXCLUDE_NEWER", "EXTRA_INDEX", "FIND_LINKS", "HTTP", "INDEX"),
    *("INSECURE", "KEYRING", "NATIVE_TLS", "NO_CACHE", "OFFLINE", "PYTHON_DOWNLOADS", "PYTHON_INSTALL", "REQUEST"),
    "SYSTEM_CERTS",
)

# How uv says that it is not the requirements' fault.
_NETWORK = ("Failed to fetch", "error sending request", "network was disabled", "Network connectivity is disabled")


def settings_of(prefix: str, kept: tuple[str, ...]) -> dict[str, str]:
    """This process's environment, of the variables with ``prefix`` those that go on with one of ``kept`` alone."""
    names = tuple(prefix + word for word in kept)
    return {name: v for name, v in os.environ.items() if not name.startswith(prefix) or name.startswith(names)}


def run_uv(*arguments: str, umask: int = -1, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run uv with further environment variables; the caller looks at ``returncode`` and ``stderr``.

    What it builds is code of others: Kaggle's credentials, and the files of a workflow run, are not for them.
    """
    kept = {n: value for n, value in settings_of("UV_", _UV).items() if not n.startswith(("KAGGLE_", "GITHUB_"))}
    environment = {**kept, "NO_COLOR": "1", **variables}
    command = [UV, "--no-progress", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, umask=umask, check=False)


def is_network(reason: str) -> bool:
    """Whether it is the network's fault, by what uv says; that something is not there is not."""
    return any(sign in reason for sign in _NETWORK) and not re.search(r"HTTP status client error \(4\d\d", reason)
