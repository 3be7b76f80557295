"""One run of a kernel: its folders, its process, its limits, its log."""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from kaggle_local.errors import RunError
from kaggle_local.image import Image, layer_over
from kaggle_local.limits import RunLimits, Usage
from kaggle_local.log import RunLog
from kaggle_local.sandbox import INPUT, RUN, WORKING, Mount, sandboxed
from kaggle_local.seccomp import system_call_filter
from kaggle_local.storage import remove_tree

# Seconds between looks at whether a run has ended, and looks between those at what it uses.
_POLL = 0.02
_LOOKS = 12

# Levels of folders in a kernel's output.
_DEEPEST = 100

# Where an unisolated run finds its inputs: no path but Kaggle's own would do.
_KAGGLE = Path("/kaggle")

# So that it is the watch that ends a run whose file grows too large, and names the cause.
_FILE_SLACK = 64 * 2**20


class Stopped(Exception):  # noqa: N818 - not an error
    """The server is closing; the run is to be done again."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a run executes: a notebook or a script, with these inputs, under these limits.

    Attributes:
        source: the notebook's JSON, or the script.
        kind: ``notebook`` or ``script``.
        mounts: inputs, by where the kernel sees them.
        environment: variables that the kernel sees.
    """

    source: str
    kind: str
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    limits: RunLimits
    gpu: bool


@dataclass(frozen=True, kw_only=True)
class _Process:
    """How to start a run: command, whole environment, descriptors that it inherits."""

    command: list[str]
    environment: Mapping[str, str]
    inherited: Sequence[int]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the exit code of its last cell, and why it was stopped, if it was."""

    code: int
    stopped: str = ""

    @property
    def failed(self) -> bool:
        """Whether it did not run through."""
        return bool(self.stopped) or self.code != 0


def notice(*, isolation: bool) -> str:
    """What every result of a run must say, if anything."""
    return "" if isolation else "This run was not isolated: it could reach the network and this machine."


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
        prepared = (
            self._sandbox(program, arguments, folder) if self.isolation else self._host(program, arguments, folder)
        )
        with prepared as process:
            outcome = self._watch(process, program, folder, log)
        # From here on the host reads what the kernel has left.
        _defuse(folder / "output")
        _defuse(run)
        (folder / "log.json").write_text(log.to_json())
        if (run / "executed").is_file():
            (run / "executed").rename(folder / "notebook.ipynb")
        remove_tree(run)
        return outcome

    def _watch(self, process: _Process, program: Program, folder: Path, log: RunLog) -> Outcome:
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

    @contextmanager
    def _sandbox(self, program: Program, arguments: Sequence[str], folder: Path) -> Iterator[_Process]:
        """The process that runs a program in the sandbox.

        Raises:
            SandboxError: this machine cannot isolate kernels.
        """
        # A file without a name, which the sandbox inherits.
        with tempfile.TemporaryFile() as filter_file:
            filter_file.write(system_call_filter())
            filter_file.seek(0)
            command = sandboxed(
                self.image,
                arguments,
                mounts=program.mounts,
                writable=[Mount(folder / "output", WORKING), Mount(folder / "run", RUN)],
                environment=program.environment,
                seccomp=filter_file.fileno(),
                memory_bytes=program.limits.memory_bytes,
                gpu=program.gpu,
            )
            yield _Process(command=command, environment={}, inherited=[filter_file.fileno()])

    @contextmanager
    def _host(self, program: Program, arguments: Sequence[str], folder: Path) -> Iterator[_Process]:
        """The process that runs a program on the host, ``/kaggle`` leading to its inputs and its output.

        Raises:
            RunError: ``/kaggle`` cannot be made, or leads elsewhere.
        """
        self.link.mkdir(exist_ok=True)
        made = not os.path.lexists(_KAGGLE)
        try:
            if made:
                _KAGGLE.symlink_to(self.link.absolute())
            leads = _KAGGLE.readlink()
        except OSError as error:
            raise _no_link(self.link, str(error.strerror)) from error
        if leads != self.link.absolute():
            raise _no_link(self.link, f"it leads to {leads}")
        try:
            (self.link / Path(INPUT).name).mkdir(exist_ok=True)
            for mount in program.mounts:
                # Folders of their own, as where they are mounted: few programs look through a link to one.
                target = self.link / Path(mount.target).relative_to(Path(INPUT).parent)
                shutil.copytree(mount.source, target, copy_function=_link_or_copy)
            (self.link / Path(WORKING).name).symlink_to((folder / "output").absolute())
            # Of its own, so that what a kernel installs is gone with it.
            own = layer_over(self.image, folder / "run" / "environment")
            environment = {"PATH": f"{own.parent}:{os.defpath}", "HOME": str(folder / "run"), "LANG": "C.UTF-8"}
            yield _Process(
                command=[str(own), *arguments], environment={**environment, **program.environment}, inherited=[]
            )
        finally:
            remove_tree(self.link)
            if made:
                _KAGGLE.unlink()


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _no_link(link: Path, reason: str) -> RunError:
    return RunError(
        f"without isolation a kernel needs {_KAGGLE} to lead to its inputs: {reason}",
        f"Once: sudo ln -sfn {link.absolute()} {_KAGGLE}",
    )


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
