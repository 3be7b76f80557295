"""Environment variables: those that code of others sees (build backends, commands of a competition's folder), and ours.

The list names the variables that pass, not those that are held back, as a token can have any name. Variables that lead
uv, pip and Git to packages may hold a password of the user's package index or proxy, and builds see it.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

# Where programs and certificates are, who runs them, in which language, and how files are reached.
_NAMES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "CI"),
        *("TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "NETRC", "SSH_AUTH_SOCK"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_TERMINAL_PROMPT", "GIT_CONFIG_GLOBAL"),
        *("GIT_CONFIG_NOSYSTEM", "CC", "CXX", "CPP", "AR", "LD", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"),
        *("PKG_CONFIG_PATH", "CUDA_HOME", "CUDA_PATH", "MAX_JOBS", "SOURCE_DATE_EPOCH"),
        *("PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
        *("PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"),
        *("INCLUDE", "LIB", "LIBPATH", "CPATH", "LIBRARY_PATH", "CARGO_HOME", "RUSTUP_HOME", "CONDA_PREFIX"),
        *(
            "SDKROOT",
            "DEVELOPER_DIR",
            "MACOSX_DEPLOYMENT_TARGET",
            "ARCHFLAGS",
            "CUDA_VISIBLE_DEVICES",
            "GIT_SSL_CAINFO",
        ),
    )
)
BY_NOX = "KAGGLE_OFFLINE_BY_NOX"
"""The variable that the sessions of this repository's noxfile set."""

BY_OPTION = "KAGGLE_OFFLINE_TARGET_OPTION"
"""The variable that has the target of ``--target``, which hints repeat."""

_PREFIXES = ("LC_", "XDG_", "OMP_", "MKL_", "CMAKE_")


def command(verbs: str, arguments: str = "") -> str:
    """Return a command of this tool as its user runs it, for hints: by nox or uvx where those have run this process.

    Args:
        verbs: one subcommand, or several that follow each other, such as ``freeze push``.
        arguments: for all of them.
    """
    by_nox = BY_NOX in os.environ
    # uvx makes its environments among uv's cached files (docs.astral.sh/uv, "Storage").
    by_uvx = Path(sys.prefix).parent.name.startswith("archive-v")
    program, separator = "kaggle-offline", " "
    if by_uvx:
        program = "uvx kaggle-offline"
    if by_nox:
        program, separator = "nox -s", " -- "
    if BY_OPTION in os.environ:
        arguments = f"{arguments} --target {os.environ[BY_OPTION]}".strip()
    rest = f"{separator}{arguments}" if arguments else ""
    return f"{program} {verbs}{rest}"


def environment_for_others(*settings: str) -> dict[str, str]:
    """Return those of this process's variables that code of others may see, and those that begin with ``settings``."""
    prefixes = (*_PREFIXES, *settings)
    return {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(prefixes)}


@contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process until the block ends."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def temporary_files_of(owner: Path) -> Iterator[None]:
    """Keep the temporary files of this process, and of those that it starts, in a folder of their own.

    A killed command leaves its files there, and the next one of the same owner deletes them. The folder is outside of
    the repository: build backends look for ``.gitignore`` and ``.git`` in the folders above a source.

    Args:
        owner: a folder that no other process works in meanwhile.
    """
    key = sha256(str(owner.resolve()).encode()).hexdigest()[:16]
    place = user_cache_path("kaggle-offline") / "tmp" / key
    shutil.rmtree(place, ignore_errors=True)
    # Programs that a killed command has started may still write there: no name is used twice.
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = tempfile.mkdtemp(dir=place)
    before = tempfile.tempdir
    tempfile.tempdir = folder
    try:
        with variables_set(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder)):
            yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(place, ignore_errors=True)
