"""How a run is kept apart: in the sandbox, or, where that is waived, on the host with Kaggle's paths."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kaggle_local.errors import RunError
from kaggle_local.image import Image, layer_over
from kaggle_local.limits import RunLimits
from kaggle_local.sandbox import INPUT, RUN, SCRIPT, WORKING, Mount, sandboxed
from kaggle_local.seccomp import system_call_filter
from kaggle_local.storage import remove_tree

# Where an unisolated run finds its inputs: no path but Kaggle's own would do.
_KAGGLE = Path("/kaggle")


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a run executes: a notebook or a script, with these inputs, under these limits.

    Attributes:
        source: the notebook's JSON, or the script.
        kind: ``notebook`` or ``script``.
        mounts: inputs, by where the kernel sees them.
        environment: variables that the kernel sees.
        utility_scripts: sources of other kernels that this one can import, by ``owner/slug``.
    """

    source: str
    kind: str
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    limits: RunLimits
    gpu: bool
    utility_scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Process:
    """How to start a run: command, whole environment, descriptors that it inherits.

    ``mark`` is a variable that all its processes have, where nothing else holds them together.
    """

    command: list[str]
    environment: Mapping[str, str]
    inherited: Sequence[int] = ()
    mark: str = ""


def place_of_script(*, isolation: bool) -> str:
    """Where a script lies for its run."""
    return SCRIPT if isolation else str(_KAGGLE / Path(SCRIPT).relative_to(Path(INPUT).parent))


def notice(*, isolation: bool) -> str:
    """What every result of a run must say, if anything."""
    return "" if isolation else "This run was not isolated: it could reach the network and this machine."


@contextmanager
def in_sandbox(image: Image, program: Program, arguments: Sequence[str], folder: Path) -> Iterator[Process]:
    """The process that runs a program in the sandbox.

    Raises:
        SandboxError: this machine cannot isolate kernels.
    """
    # A file without a name, which the sandbox inherits.
    with tempfile.TemporaryFile() as filter_file:
        filter_file.write(system_call_filter())
        filter_file.seek(0)
        command = sandboxed(
            image,
            arguments,
            mounts=program.mounts,
            writable=[Mount(folder / "output", WORKING), Mount(folder / "run", RUN)],
            environment=program.environment,
            seccomp=filter_file.fileno(),
            memory_bytes=program.limits.memory_bytes,
            gpu=program.gpu,
        )
        yield Process(command=command, environment={}, inherited=[filter_file.fileno()])


@contextmanager
def on_host(image: Image, program: Program, arguments: Sequence[str], folder: Path, link: Path) -> Iterator[Process]:
    """The process that runs a program on the host, ``/kaggle`` leading to its inputs and its output.

    Raises:
        RunError: ``/kaggle`` cannot be made, or leads elsewhere.
    """
    # What a server that died has left.
    remove_tree(link)
    link.mkdir()
    made = not os.path.lexists(_KAGGLE)
    try:
        if made:
            _KAGGLE.symlink_to(link.absolute())
        leads = _KAGGLE.readlink()
    except OSError as error:
        raise _no_link(link, str(error.strerror)) from error
    if leads != link.absolute():
        raise _no_link(link, f"it leads to {leads}")
    try:
        (link / Path(INPUT).name).mkdir(exist_ok=True)
        for mount in program.mounts:
            # Copies: a kernel could write to them, and few programs look through a link to a folder.
            target = link / Path(mount.target).relative_to(Path(INPUT).parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            if mount.source.is_dir():
                shutil.copytree(mount.source, target, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(mount.source, target)
        (link / Path(WORKING).name).symlink_to((folder / "output").absolute())
        # Of its own, so that what a kernel installs is gone with it.
        own = layer_over(image, folder / "run" / "environment")
        environment = {"PATH": f"{own.parent}:{os.defpath}", "HOME": str(folder / "run"), "LANG": "C.UTF-8"}
        mark = f"KAGGLE_LOCAL_RUN_{os.urandom(8).hex().upper()}"
        variables = {**environment, **program.environment, mark: "1"}
        yield Process(command=[str(own), *arguments], environment=variables, mark=mark)
    finally:
        remove_tree(link)
        if made:
            _KAGGLE.unlink()


def _no_link(link: Path, reason: str) -> RunError:
    return RunError(
        f"without isolation a kernel needs {_KAGGLE} to lead to its inputs: {reason}",
        f"Once: sudo ln -sfn {link.absolute()} {_KAGGLE}",
    )
