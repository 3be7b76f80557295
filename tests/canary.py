"""Credentials that the tests give to the tools, and the search for them in everything that a test run leaves.

A pytest plugin (``python -m pytest -p tests.canary``): after the run it looks into what the tests
printed, the files that they left and the arguments of the processes that were started, and fails the
run where a credential shows.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# Somebody's token, which no other text holds by chance; in two parts, as tests clone this very file.
CANARY = "KGAT_canary_" + "5d41402abc4b2a76b971"
# The user of that token.
USER = "canary"
# Variables that a user may have set for kaggle.com while working with the local Kaggle.
UNUSED = "KGAT-canary-" + "7d793037a0760186574b0282f2f435e7"
SECRETS = (CANARY, UNUSED)

# Environments hold what others have written, and take minutes to read.
_SKIPPED = frozenset({".nox", "images", "site-packages", ".git"})
_LARGEST = 50 * 2**20

# Seconds between two looks at the processes.
_LOOK = 0.1


def leaks_in_files(folder: Path, secrets: tuple[str, ...] = SECRETS) -> list[str]:
    """The files below a folder that hold a secret, in their name or their content."""
    found = []
    for path in _files(folder):
        try:
            content = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
        except OSError:
            continue  # gone, or no file
        if any(secret.encode() in content or secret in path.name for secret in secrets):
            found.append(str(path))
    return found


def _files(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        yield from (Path(at, name) for name in names if not Path(at, name).is_symlink())


class ProcessWatch:
    """Looks at the arguments of every process below this one, from its start until ``stop``."""

    def __init__(self, secrets: tuple[str, ...] = SECRETS) -> None:
        self.found: set[str] = set()
        self._secrets = secrets
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        seen: set[tuple[int, float]] = set()
        this = psutil.Process()
        while not self._over.wait(_LOOK):
            for process in this.children(recursive=True):
                try:
                    identity = (process.pid, process.create_time())
                    if identity not in seen:
                        seen.add(identity)
                        arguments = " ".join(process.cmdline())
                        self.found |= {arguments} if any(s in arguments for s in self._secrets) else set()
                except psutil.Error:
                    continue

    def stop(self) -> set[str]:
        """End the watch; return the command lines that hold a secret."""
        self._over.set()
        self._thread.join()
        return self.found


class CanaryPlugin:
    """Fails a test run that leaks a credential."""

    def __init__(self) -> None:
        self._watch = ProcessWatch()
        self._leaks: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look into what a test printed and how it failed."""
        text = "\n".join([report.longreprtext, *(content for _, content in report.sections)])
        if any(secret in text for secret in SECRETS):
            self._leaks.append(f"output of {report.nodeid}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look into the files and at the processes, and say what was found."""
        self._leaks += [f"arguments of: {arguments}" for arguments in sorted(self._watch.stop())]
        # Below it each test has its folder, also those of other workers.
        folder: Path = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self._leaks += [f"file {path}" for path in leaks_in_files(folder)]
        if self._leaks:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the leaks."""
        if self._leaks:
            terminalreporter.section("credentials that leaked", red=True)
            for leak in self._leaks:
                terminalreporter.line(leak)


def pytest_configure(config: pytest.Config) -> None:
    """Begin, in the process that sees the whole run."""
    os.environ["KAGGLE_API_TOKEN"] = UNUSED
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(CanaryPlugin())
