"""One run of a kernel: its folders, its process, its limits, its log."""

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from kaggle_local.errors import SandboxError
from kaggle_local.runs.container import Container
from kaggle_local.runs.image import Image, ImageSpec, build_image
from kaggle_local.runs.isolation import Process, Program, isolated
from kaggle_local.runs.limits import TOOK_LONGER, RunLimits, Watch, too_much_memory
from kaggle_local.runs.log import RunLog
from kaggle_local.runs.sandbox import LIBRARIES, RUN, SCRIPT, UTILITY_SCRIPTS, Mount
from kaggle_local.storage import remove_tree

# Bytes of a name that is made for a file, with room for a number.
_LONGEST_NAME = 240

# Seconds between two checks whether a run has ended, and the number of them for each check of its limits.
_POLL = 0.02
_LOOKS = 12

_CANCELLED = "the run was cancelled"

# So that it is the watch that ends a run whose file grows too large, and names the cause.
_FILE_SLACK = 64 * 2**20


# Imports modules, and with those that import few of their own, such as sklearn, the public modules in them.
_IMPORT = """\
import importlib, pkgutil, sys
from contextlib import suppress

for name in {modules!r}:
    with suppress(BaseException):
        module = importlib.import_module(name)
        if sum(other.startswith(f"{{name}}.") for other in sys.modules) > 50:
            continue
        for part in pkgutil.iter_modules(getattr(module, "__path__", ())):
            if not part.name.startswith(("_", "test", "conftest")):
                with suppress(BaseException):
                    importlib.import_module(f"{{name}}.{{part.name}}")
"""
# The parts of the runner that a notebook's run imports.
_RUNNER_MODULES = ("ipykernel.kernelapp", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "wrapt")
_IMPORT_LIMITS = RunLimits(seconds=600, memory_bytes=8 * 2**30, output_bytes=2**30, processes=1000)


class Stopped(Exception):  # noqa: N818 - not an error
    """The run was given up; if it is still wanted, it is done again."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the exit code of its last cell, and why it was stopped, if it was.

    A session that is cancelled or takes too long ends as cancelled, and its files are kept (reported live).
    """

    code: int
    stopped: str = ""
    cancelled: bool = False

    @property
    def failed(self) -> bool:
        """Tell whether it did not run through."""
        return bool(self.stopped) or self.code != 0


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Runs programs, one at a time.

    Attributes:
        image: the image of the sandbox; None where there is a container.
        given_up: whether the run is to end at once: the server is closing, or its kernel was deleted.
        cancelled: tells whether the run has to end at once, keeping its files.
        container: the engine, and the image in it, that programs run in; None for the sandbox.
    """

    image: Image | None
    given_up: Callable[[], bool]
    cancelled: Callable[[], bool]
    container: Container | None = None

    def run(self, program: Program, folder: Path, log: RunLog) -> Outcome:
        """Run a program; leave ``output/``, ``log.json`` and a notebook as it was executed in ``folder``.

        ``limits.json`` has its limits, and which of them the system keeps; of the others the use is measured.

        Raises:
            SandboxError: this machine cannot isolate kernels.
            Stopped: it was given up.
        """
        (folder / "output").mkdir()
        run = folder / "run"
        run.mkdir()
        notebook = program.kind == "notebook"
        (run / "source").write_text(program.source, encoding="utf-8")
        mounts = list(program.mounts)
        if not notebook:
            mounts.append(Mount(run / "source", SCRIPT))
        for name, source in program.utility_scripts.items():
            path = run / "scripts" / name / f"{name.rpartition('/')[2].replace('-', '_')}.py"
            path.parent.mkdir(parents=True)
            path.write_text(source, encoding="utf-8")
            mounts.append(Mount(path.parent, f"{UTILITY_SCRIPTS}/{name}"))
        program = replace(program, mounts=mounts)
        for name in ("launcher.py", "notebook_driver.py"):
            shutil.copyfile(Path(__file__).with_name(name), run / name)
        # The largest size of any file, in memory too; the watch bounds files on disk further.
        largest = max(program.limits.output_bytes, program.limits.memory_bytes) + _FILE_SLACK
        # Twice the limit: the watch names it, and no burst of processes outruns the watch.
        # The launcher needs the standard library alone, not what the image imports whenever Python starts.
        lifeline = "lifeline" if self.container is not None else "none"
        arguments = ["-I", "-S", f"{RUN}/launcher.py", str(largest), str(2 * program.limits.processes), lifeline]
        if notebook:
            arguments += [f"{RUN}/notebook_driver.py", f"{RUN}/source", f"{RUN}/executed"]
        else:
            arguments += ["-u", SCRIPT]
        with isolated(self.image, self.container, program, arguments, folder) as process:
            outcome = self._watch(process, program, folder, log)
            started = process.was_started()
        limits = {**asdict(program.limits), "kept_by_the_system": process.kept_by_system}
        (folder / "limits.json").write_text(json.dumps(limits, indent=2) + "\n")
        (folder / "log.json").write_text(log.to_json())
        if outcome.code > 0 and not outcome.stopped and not started:
            said = "".join(event["data"] for event in log.since(0)[0]).strip()
            where = "sandbox" if self.container is None else "container"
            raise SandboxError(f"the {where} did not start: {said}", "Mend what the message names, then run again.")
        # From here on the host reads files of the kernel.
        for left in (folder / "output", run):
            _defuse(left)
        if (run / "executed").is_file():
            (run / "executed").rename(folder / "notebook.ipynb")
        remove_tree(run)
        return outcome

    def _watch(self, process: Process, program: Program, folder: Path, log: RunLog) -> Outcome:
        """Run the process to its end, or to a limit.

        Raises:
            Stopped: it was given up.
        """
        with subprocess.Popen(
            process.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(process.environment),
            cwd=folder / "output",
            pass_fds=process.inherited,
            start_new_session=True,
        ) as running:
            # A pipe that nobody writes to: a descriptor of the host's /dev/null would let its mode be changed.
            assert running.stdin is not None
            if not process.has_lifeline:
                running.stdin.close()
            log.read(running, events=program.kind == "notebook")
            usage = process.watch(running.pid, program.limits, [folder / "output", folder / "run"])
            stopped, looks = "", 0
            try:
                while running.poll() is None and not self.given_up() and not stopped:
                    time.sleep(_POLL)
                    looks += 1
                    if self.cancelled():
                        stopped = _CANCELLED
                    elif looks % _LOOKS == 0:
                        stopped = usage.excess()
            finally:
                # Whatever happens here: unwatched, it would run for ever.
                _end(running, usage, process)
            if self.given_up():
                raise Stopped
            # Within the block: at its end the pipes are closed, read or not.
            log.finish()
        if not stopped and process.ran_out_of_memory(running.returncode):
            stopped = too_much_memory(program.limits)
        disk = usage.excess_of_disk()
        if disk:
            # The log is bounded, and a file with holes reads as more than it takes.
            for left in (folder / "output", folder / "run"):
                remove_tree(left)
                left.mkdir()
        cancelled = not disk and stopped.startswith((_CANCELLED, TOOK_LONGER))
        return Outcome(running.returncode, stopped or disk, cancelled=cancelled)


def _end(running: subprocess.Popen[str], usage: Watch, process: Process) -> None:
    """Check that nothing of a run is left."""
    if running.poll() is None:
        left = usage.processes()
        # The whole group at once: what bubblewrap makes while it sets the sandbox up does not yet die with it.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    running.wait()
    process.end()


def _defuse(folder: Path) -> None:
    """Leave plain files and folders, readable, by names that are text, and nothing that leads elsewhere."""
    # It is the host's own, so no link, but its mode may be the kernel's.
    folder.chmod(0o755)
    for path, folders, files in os.walk(folder, onerror=_raise):
        entries = [Path(path, name) for name in [*folders, *files]]
        # Walked below are those that are left, as they are called then.
        folders.clear()
        for entry in entries:
            mode = entry.lstat().st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                entry.unlink()
                continue
            permissions = 0o755 if stat.S_ISDIR(mode) else 0o644
            entry.chmod(permissions)
            kept = _with_text_name(entry)
            if stat.S_ISDIR(mode):
                folders.append(kept.name)


def _with_text_name(entry: Path) -> Path:
    """Return the same file or folder by a name that is text and no other's."""
    text = os.fsencode(entry.name).decode(errors="replace")
    if text == entry.name:
        return entry
    name = text.encode()[:_LONGEST_NAME].decode(errors="ignore")
    number = 0
    while os.path.lexists(kept := entry.with_name(f"{name}{number or ''}")):
        number += 1
    return entry.rename(kept)


def _raise(error: OSError) -> None:
    raise error


def ready_image(spec: ImageSpec, store: Path) -> Image:
    """Build the environment for ``spec`` below ``store``, or find it there, with the bytecode of likely imports.

    Kernels cannot write to the image: without bytecode, every run would compile its imports. Compiling all files would
    take a minute and more where torch is installed; so the image's own imports, in the sandbox, choose the files.

    Raises:
        ImageError: the Python is not found, or uv cannot resolve or install the distributions.
        SandboxError: this machine cannot isolate kernels.
    """
    image = build_image(spec, store)
    compiled = image.folder / "compiled"
    if not compiled.exists():
        program = Program(
            source=_IMPORT.format(modules=[*_RUNNER_MODULES, *image.modules_of(spec.distributions)]),
            kind="script",
            mounts=(),
            environment={},
            limits=_IMPORT_LIMITS,
            gpu=False,
            writable=[Mount(image.folder / "lib", LIBRARIES)],
        )
        with tempfile.TemporaryDirectory() as folder:
            Executor(image=image, given_up=_never, cancelled=_never).run(program, Path(folder), RunLog())
        compiled.touch()
    return image


def _never() -> bool:
    return False
