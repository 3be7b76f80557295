"""How a run is kept apart from the host: its program, and the process that runs it in the sandbox."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kaggle_local.runs.control_group import ControlGroup, control_group
from kaggle_local.runs.image import Image
from kaggle_local.runs.limits import RunLimits
from kaggle_local.runs.sandbox import RUN, WORKING, Mount, device_nodes, sandboxed
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
    """

    source: str
    kind: str
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    limits: RunLimits
    gpu: bool
    utility_scripts: Mapping[str, str] = field(default_factory=dict)
    writable: Sequence[Mount] = ()


@dataclass(frozen=True, kw_only=True)
class Process:
    """How to start a run: the command, and the descriptors that it inherits.

    Attributes:
        report: where bubblewrap writes the program's exit code.
        group: the control group that bounds it, if there is one.
    """

    command: list[str]
    inherited: Sequence[int]
    report: IO[bytes]
    group: ControlGroup | None

    def first(self) -> int | None:
        """Return the host's number of the sandbox's first process; None before bubblewrap has made one."""
        self.report.seek(0)
        found = re.search(rb'"child-pid": (\d+)', self.report.read())
        return None if found is None else int(found[1])

    def was_started(self) -> bool:
        """Tell whether the sandbox started the program before it ended (bwrap(1), ``--json-status-fd``)."""
        self.report.seek(0)
        return b'"exit-code"' in self.report.read()


@contextmanager
def in_sandbox(image: Image, program: Program, arguments: Sequence[str], folder: Path) -> Iterator[Process]:
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
            writable=[Mount(folder / "output", WORKING), Mount(folder / "run", RUN), *program.writable],
            environment=program.environment,
            seccomp=filter_file.fileno(),
            status=report.fileno(),
            memory_bytes=program.limits.memory_bytes,
            devices=device_nodes(Path(nodes), gpu=program.gpu),
        )
        if group is not None:
            command = group.joined(command)
        inherited = [filter_file.fileno(), report.fileno()]
        yield Process(command=command, inherited=inherited, report=report, group=group)
