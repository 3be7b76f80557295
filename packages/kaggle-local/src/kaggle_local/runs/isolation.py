"""How a run is kept apart from the host: its program, and the process that runs it, in the sandbox or a container."""

import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from kaggle_local.runs.container import Container, ContainerProcess
from kaggle_local.runs.control_group import ControlGroup, control_group
from kaggle_local.runs.image import Image
from kaggle_local.runs.limits import RunLimits, Usage, Watch
from kaggle_local.runs.network import Network
from kaggle_local.runs.sandbox import INPUT, RUN, WORKING, Mount, device_nodes, sandboxed
from kaggle_local.runs.seccomp import system_call_filter


@dataclass(frozen=True, kw_only=True)
class Program:
    """A notebook or a script to run, with its inputs and its limits.

    Attributes:
        source: the notebook's JSON, or the script.
        kind: ``notebook`` or ``script``.
        mounts: inputs, by where the kernel sees them.
        environment: variables that the kernel sees.
        utility_scripts: sources of other kernels that this one can import, by ``owner/slug``.
        writable: further folders that it can write to.
        network: that it shares; by default it has one of its own, an empty loopback.
    """

    source: str
    kind: str
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    limits: RunLimits
    gpu: bool
    utility_scripts: Mapping[str, str] = field(default_factory=dict)
    writable: Sequence[Mount] = ()
    network: Network | None = None


class Process(Protocol):
    """How to start a run, and how to end it."""

    @property
    def command(self) -> list[str]:
        """The command."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of the command, not of the program that runs."""

    @property
    def inherited(self) -> Sequence[int]:
        """The descriptors that the command inherits."""

    @property
    def kept_by_system(self) -> Sequence[str]:
        """The limits that the system keeps, beside the watch."""

    @property
    def has_lifeline(self) -> bool:
        """Tell whether the run ends once its standard input is closed; otherwise it dies with the command."""

    def watch(self, pid: int, limits: RunLimits, folders: Sequence[Path]) -> Watch:
        """Return a watch of the run; ``pid`` is the command's."""

    def end(self) -> None:
        """End what is left of the run once its command has been ended."""

    def was_started(self) -> bool:
        """Tell whether the program was started before the command ended."""

    def ran_out_of_memory(self, code: int) -> bool:
        """Tell whether the system ended a process of the run, which ended with ``code``, as it had no more memory."""


@dataclass(frozen=True, kw_only=True)
class SandboxProcess:
    """A process in the sandbox; see `Process`.

    Attributes:
        report: where bubblewrap writes the program's exit code.
        group: the control group that bounds it, if there is one.
    """

    command: list[str]
    inherited: Sequence[int]
    report: IO[bytes]
    group: ControlGroup | None
    environment: Mapping[str, str] = field(default_factory=dict)
    has_lifeline: bool = False

    @property
    def kept_by_system(self) -> Sequence[str]:
        """See `Process`."""
        return () if self.group is None else ("memory_bytes", "processes")

    def watch(self, pid: int, limits: RunLimits, folders: Sequence[Path]) -> Watch:
        """See `Process`."""
        return Usage(pid, limits, folders)

    def end(self) -> None:
        """See `Process`."""
        # With the sandbox's first process, the system ends every other in it.
        self.report.seek(0)
        found = re.search(rb'"child-pid": (\d+)', self.report.read())
        if found is not None:
            first = int(found[1])
            with suppress(OSError):
                # Not one of the host's that has its number by now.
                if Path(f"/proc/{first}/ns/pid").stat().st_ino != Path("/proc/self/ns/pid").stat().st_ino:
                    os.kill(first, signal.SIGKILL)

    def was_started(self) -> bool:
        """See `Process`; bwrap(1), ``--json-status-fd``."""
        self.report.seek(0)
        return b'"exit-code"' in self.report.read()

    def ran_out_of_memory(self, code: int) -> bool:
        """See `Process`."""
        del code
        return self.group is not None and self.group.ran_out_of_memory()


@contextmanager
def isolated(
    image: Image | None, container: Container | None, program: Program, arguments: Sequence[str], folder: Path
) -> Iterator[Process]:
    """Yield the process that runs a program in a container, or without one in the sandbox.

    Args:
        image: of the sandbox; it may be missing where there is a container.
        container: the engine, and the image in it.
        program: to run.
        arguments: for Python.
        folder: of the run.

    Raises:
        SandboxError: this machine cannot isolate kernels.
    """
    mounts = [Mount(folder / "output", WORKING), Mount(folder / "run", RUN), *program.writable]
    if container is None:
        assert image is not None
        with in_sandbox(image, program, arguments, folder, mounts) as process:
            yield process
    else:
        name = f"kaggle-local-{secrets.token_hex(8)}"
        # As in the sandbox and on Kaggle, nothing can be written beside the inputs.
        inputs = folder / "inputs"
        inputs.mkdir()
        for mount in program.mounts:
            if mount.target.startswith(f"{INPUT}/"):
                (inputs / mount.target.removeprefix(f"{INPUT}/")).mkdir(parents=True, exist_ok=True)
        command = container.create(
            name,
            arguments,
            mounts=[Mount(inputs, INPUT), *program.mounts],
            writable=mounts,
            environment=program.environment,
            memory_bytes=program.limits.memory_bytes,
            processes=program.limits.processes,
            gpu=program.gpu,
            network=program.network is not None,
        )
        try:
            yield ContainerProcess(container=container, name=name, command=command)
        finally:
            container.remove(name)
            shutil.rmtree(inputs)


@contextmanager
def in_sandbox(
    image: Image, program: Program, arguments: Sequence[str], folder: Path, writable: Sequence[Mount]
) -> Iterator[Process]:
    """Yield the process that runs a program in the sandbox.

    Raises:
        SandboxError: this machine cannot isolate kernels.
    """
    # Files without a name, which the sandbox inherits.
    with (
        tempfile.TemporaryFile() as filter_file,
        tempfile.TemporaryFile() as report,
        tempfile.TemporaryDirectory(dir=folder) as nodes,
        control_group(program.limits) as group,
    ):
        filter_file.write(system_call_filter())
        filter_file.seek(0)
        command = sandboxed(
            image,
            arguments,
            mounts=program.mounts,
            writable=writable,
            environment=program.environment,
            seccomp=filter_file.fileno(),
            status=report.fileno(),
            memory_bytes=program.limits.memory_bytes,
            devices=device_nodes(Path(nodes), gpu=program.gpu),
            network=program.network,
        )
        if group is not None:
            command = group.joined(command)
        inherited = [filter_file.fileno(), report.fileno()]
        yield SandboxProcess(command=command, inherited=inherited, report=report, group=group)
