"""What a run may use, and how much of it a run uses: time, memory, disk, processes.

Measured several times a second rather than by a control group: those need a host that delegates
them, and a run must be bounded where there is none.
"""

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_GIB = 2**30

# What a file costs beside its content, so that a million empty ones are not free.
_ENTRY_BYTES = 512

# Where a sandbox keeps files in memory (see sandbox.py).
_IN_MEMORY = ("tmp", "dev/shm", "opt/kaggle/image/lib")


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """What a run may use."""

    seconds: float
    memory_bytes: int
    output_bytes: int
    processes: int


class Usage:
    """Watches a run.

    Args:
        pid: of the process that all others of the run descend from.
        output: the folder that counts as disk.
    """

    def __init__(self, pid: int, limits: RunLimits, output: Path) -> None:
        self._process = psutil.Process(pid)
        self._limits = limits
        self._output = output
        self._started = time.monotonic()

    def excess(self) -> str:
        """Which limit the run is over, in words for its status; empty while it keeps to all."""
        limits = self._limits
        if time.monotonic() - self._started > limits.seconds:
            return f"the run took longer than its limit of {limits.seconds:.0f} s"
        processes = self.processes()
        if len(processes) > limits.processes:
            return f"the run had more than its limit of {limits.processes} processes"
        if _memory(processes, limits.memory_bytes) > limits.memory_bytes:
            return f"the run used more memory than its limit of {limits.memory_bytes / _GIB:.2f} GiB"
        return self.excess_of_disk()

    def excess_of_disk(self) -> str:
        """As `excess`, for what the run has left in its folder."""
        left = self._limits.output_bytes
        waiting = [self._output]
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        left -= _cost(entry)
                        if left < 0:
                            return f"the run left more than its limit of {self._limits.output_bytes / 1e9:.2f} GB"
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(Path(entry.path))
            except OSError:  # gone meanwhile, or closed to its owner: then it grows no more
                continue
        return ""

    def processes(self) -> list[psutil.Process]:
        """Every process of the run."""
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _cost(entry: "os.DirEntry[str]") -> int:
    """Bytes that a file takes; of one with holes those that it pretends to, as copies would."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return _ENTRY_BYTES
    return _ENTRY_BYTES + (max(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0)


def _memory(processes: list[psutil.Process], limit: int) -> int:
    """Bytes of memory that processes and their files in memory take.

    Forked processes share pages, which the cheap figure counts for each; only where that is above
    the limit the exact one is asked for.
    """
    files = _files_in_memory(processes[-1].pid) if processes else 0
    if sum(map(_private, processes)) + files <= limit:
        return files
    shares = [_share(process) for process in processes]
    # What is mapped of the files in memory is counted with them.
    return sum(private for private, _ in shares) + max(files, sum(mapped for _, mapped in shares))


def _private(process: psutil.Process) -> int:
    """A process's memory, in bytes, that is no file's, as if it shared none with others."""
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))


def _share(process: psutil.Process) -> tuple[int, int]:
    """A process's proportional share of anonymous and of shared memory, in bytes."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines()[1:]}
    return fields.get("Pss_Anon", 0), fields.get("Pss_Shmem", 0)


def _files_in_memory(pid: int) -> int:
    """Bytes of the files that the sandbox of a process keeps in memory; 0 for one without a sandbox."""
    root = Path(f"/proc/{pid}/root")
    used: dict[int, int] = {}
    try:
        if root.samefile("/"):
            return 0
        for folder in _IN_MEMORY:
            status = os.statvfs(root / folder)
            used[status.f_fsid] = (status.f_blocks - status.f_bfree) * status.f_frsize
    except OSError:  # it has ended, or not begun
        return 0
    return sum(used.values())
