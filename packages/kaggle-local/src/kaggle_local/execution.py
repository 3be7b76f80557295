"""One run of a kernel: its folders, its process, its limits, its log."""

import os
import shutil
import signal
import stat
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from kaggle_local.errors import RunError
from kaggle_local.image import Image
from kaggle_local.isolation import Process, Program, in_sandbox, on_host
from kaggle_local.limits import Usage
from kaggle_local.log import RunLog
from kaggle_local.sandbox import RUN
from kaggle_local.storage import remove_tree

# Seconds between looks at whether a run has ended, and looks between those at what it uses.
_POLL = 0.02
_LOOKS = 12

# Levels of folders in a kernel's output.
_DEEPEST = 100

# So that it is the watch that ends a run whose file grows too large, and names the cause.
_FILE_SLACK = 64 * 2**20


class Stopped(Exception):  # noqa: N818 - not an error
    """The server is closing; the run is to be done again."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the exit code of its last cell, and why it was stopped, if it was."""

    code: int
    stopped: str = ""

    @property
    def failed(self) -> bool:
        """Whether it did not run through."""
        return bool(self.stopped) or self.code != 0


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Runs programs, one at a time.

    Attributes:
        image: what they run in.
        isolation: in a sandbox, or on the host.
        closing: set when runs are to be given up.
        link: where unisolated runs keep what ``/kaggle`` leads to.
    """

    image: Image
    isolation: bool
    closing: threading.Event
    link: Path

    def run(self, program: Program, folder: Path, log: RunLog) -> Outcome:
        """Run a program; leave ``output/``, ``log.json`` and a notebook as it was executed in ``folder``.

        Raises:
            SandboxError: this machine cannot isolate kernels.
            RunError: what the run left cannot be kept, or it cannot be run without isolation.
            Stopped: the server is closing.
        """
        (folder / "output").mkdir()
        run = folder / "run"
        run.mkdir()
        notebook = program.kind == "notebook"
        (run / "source").write_text(program.source, encoding="utf-8")
        for name in ("launcher.py", "notebook_driver.py"):
            shutil.copyfile(Path(__file__).with_name(name), run / name)
        place = RUN if self.isolation else str(run.absolute())
        arguments = [f"{place}/launcher.py", str(program.limits.output_bytes + _FILE_SLACK)]
        if notebook:
            arguments += [f"{place}/notebook_driver.py", f"{place}/source", f"{place}/executed"]
        else:
            arguments += ["-u", f"{place}/source"]
        apart = (
            in_sandbox(self.image, program, arguments, folder)
            if self.isolation
            else on_host(self.image, program, arguments, folder, self.link)
        )
        with apart as process:
            outcome = self._watch(process, program, folder, log)
        # From here on the host reads what the kernel has left.
        _defuse(folder / "output")
        _defuse(run)
        (folder / "log.json").write_text(log.to_json())
        if (run / "executed").is_file():
            (run / "executed").rename(folder / "notebook.ipynb")
        remove_tree(run)
        return outcome

    def _watch(self, process: Process, program: Program, folder: Path, log: RunLog) -> Outcome:
        """Run the process to its end, or to a limit.

        Raises:
            Stopped: the server is closing.
        """
        with subprocess.Popen(
            process.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=process.environment,
            cwd=folder / "output",
            pass_fds=process.inherited,
            start_new_session=True,
        ) as running:
            log.read(running, events=program.kind == "notebook")
            usage = Usage(running.pid, program.limits, folder / "output")
            stopped, looks = "", 0
            while running.poll() is None and not self.closing.is_set() and not stopped:
                self.closing.wait(_POLL)
                looks += 1
                stopped = usage.excess() if looks % _LOOKS == 0 else ""
            _end(running, usage, isolation=self.isolation)
            if self.closing.is_set():
                raise Stopped
            # Within the block: at its end the pipes are closed, read or not.
            log.finish()
        disk = usage.excess_of_disk()
        if disk:
            # Nobody reads what is too much, and a file with holes is more than it seems.
            remove_tree(folder / "output")
            (folder / "output").mkdir()
        return Outcome(running.returncode, stopped or disk)


def _end(process: subprocess.Popen[str], usage: Usage, *, isolation: bool) -> None:
    """See that nothing of a run is left."""
    # With the sandbox's first process, the system ends every other in it.
    for each in usage.processes() if process.poll() is None else []:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    if not isolation:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _defuse(folder: Path) -> None:
    """Leave plain files and folders that their owner can read, and nothing that leads elsewhere.

    Raises:
        RunError: folders lie so deep that no program could walk them.
    """
    for path, folders, files in os.walk(folder):
        here = Path(path)
        if len(here.relative_to(folder).parts) > _DEEPEST:
            remove_tree(folder)
            raise RunError("the kernel's output has folders too deep", f"{_DEEPEST} levels are kept.")
        for name in [*folders, *files]:
            entry = here / name
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                entry.chmod(0o755)
            elif stat.S_ISREG(mode):
                entry.chmod(0o644)
            else:
                entry.unlink()
