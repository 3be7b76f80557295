"""A run's limits of memory and processes as the system itself keeps them, where this process may ask for that.

A control group also counts what no process shows: files in memory whose descriptors are on their way through a socket,
the buffers of sockets, the entries of folders in memory. Root may make one, unless a container forbids it.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from kaggle_local.runs.limits import RunLimits

_MOUNT = Path("/sys/fs/cgroup")

# For bubblewrap and the launcher, and so that it is mostly the watch that ends a run, and names the cause.
_SLACK = 64 * 2**20
_PROCESS_FACTOR = 2

# Seconds in which the group of a run that has ended becomes empty.
_PATIENCE = 2.0


@dataclass(frozen=True)
class ControlGroup:
    """The folders that make up a group: one of cgroup v2, or one for each kind of limit of v1."""

    folders: tuple[Path, ...]

    def joined(self, command: Sequence[str]) -> list[str]:
        """Return the command that joins the group and goes on as ``command``."""
        join = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'
        files = [str(folder / "cgroup.procs") for folder in self.folders]
        return ["/bin/sh", "-c", join, "sh", *files, "--", *command]

    def ran_out_of_memory(self) -> bool:
        """Tell whether the system ended a process of the group as it had no more memory."""
        for folder, name in product(self.folders, ("memory.events", "memory.oom_control")):
            with suppress(OSError):
                counts = dict(line.split() for line in (folder / name).read_text(encoding="utf-8").splitlines())
                if int(counts.get("oom_kill", 0)) > 0:
                    return True
        return False


@contextmanager
def control_group(limits: RunLimits) -> Iterator[ControlGroup | None]:
    """Make a group with a run's limits until the block ends; None where this process may not."""
    name = f"kaggle-local-{secrets.token_hex(4)}"
    memory, processes = str(limits.memory_bytes + _SLACK), str(_PROCESS_FACTOR * limits.processes)
    if (_MOUNT / "cgroup.controllers").exists():
        wanted = {_MOUNT / name: {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes}}
    else:
        # The limit with swap must not be below the one without.
        of_memory = {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
        wanted = {_MOUNT / "memory" / name: of_memory, _MOUNT / "pids" / name: {"pids.max": processes}}
    try:
        try:
            for folder, settings in wanted.items():
                folder.mkdir()
                for setting, value in settings.items():
                    # Not every system accounts for swap.
                    if "sw" not in setting or (folder / setting).exists():
                        (folder / setting).write_text(value)
        except OSError:
            yield None
        else:
            yield ControlGroup(tuple(wanted))
    finally:
        for folder in wanted:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a group; killed processes leave it a moment later."""
    until = time.monotonic() + _PATIENCE
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > until:
                return
            time.sleep(0.01)
