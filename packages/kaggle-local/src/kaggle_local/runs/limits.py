"""The limits of a run, and its usage: time, memory, disk, processes.

Measured several times a second, beside the control group where there can be one: a run must be bounded without, too.
"""

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_GIB = 2**30

TOOK_LONGER = "the run took longer than its limit"
"""How the excess of time begins."""

# The cost of a file beside its content, so that a million empty ones are not free.
_ENTRY_BYTES = 512

# The memory that a file in memory takes beside its content: its inode and its name (about 0.9 KiB on x86-64).
_INODE_BYTES = 1024

_MOST_INOTIFY = 32

# Levels of folders in a kernel's output.
_DEEPEST = 100
_TOO_DEEP = f"the run made folders too deep, {_DEEPEST} levels are kept"

# How the system names memory that several processes share: without a name, and with one but no folder.
_SHARED = ("/dev/zero", "/SYSV")
_MEMFD = "/memfd:"

# How the system reports a socket that holds descriptors nobody has received; since Linux 5.6
# (net/unix/af_unix.c, unix_show_fdinfo).
_IN_FLIGHT = re.compile(r"^scm_fds:\s*[1-9]", re.MULTILINE)
# Honest programs pass descriptors on, too, and receive them at once.
_LOOKS_IN_FLIGHT = 3
# The largest send buffer of most systems: containers may not see their own (socket(7)).
_WMEM_MAX = 212_992


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """The limits of a run; threads count as processes."""

    seconds: float
    memory_bytes: int
    output_bytes: int
    processes: int


class Watch:
    """Watches the time of a run, and the folders that it can write to.

    Args:
        limits: of the run.
        folders: their content counts as disk.
    """

    def __init__(self, limits: RunLimits, folders: Sequence[Path]) -> None:
        self._limits = limits
        self._folders = folders
        self._started = time.monotonic()

    def excess(self) -> str:
        """Return the limit that the run exceeds, in words for its status; empty if it exceeds none."""
        return self._excess_of_time() or self.excess_of_disk()

    def _excess_of_time(self) -> str:
        if time.monotonic() - self._started > self._limits.seconds:
            return f"{TOOK_LONGER} of {self._limits.seconds:.0f} s"
        return ""

    def excess_of_disk(self, beside: int = 0) -> str:
        """Check the run's folders, and the bytes ``beside`` them on the same disk, as `excess` does."""
        left = self._limits.output_bytes - beside
        waiting = [(folder, 0) for folder in self._folders]
        while waiting:
            folder, depth = waiting.pop()
            if depth > _DEEPEST:
                return _TOO_DEEP
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        left -= _cost(entry)
                        if left < 0:
                            return self._too_much_on_disk()
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append((Path(entry.path), depth + 1))
            except PermissionError:
                return "the run closed a folder to its owner, which hides its content"
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    return _TOO_DEEP
                continue  # gone meanwhile
        return ""

    def _too_much_on_disk(self) -> str:
        return f"the run left more than its limit of {self._limits.output_bytes / 1e9:.2f} GB"

    def processes(self) -> list[psutil.Process]:
        """Return every process of the run that this process can see."""
        return []


class Usage(Watch):
    """Watches all that a run uses, by its processes.

    Args:
        pid: of the process that all others of the run descend from.
        limits: of the run.
        folders: the folders that the run can write to; their content counts as disk.
    """

    def __init__(self, pid: int, limits: RunLimits, folders: Sequence[Path]) -> None:
        super().__init__(limits, folders)
        self._process = psutil.Process(pid)
        self._disk = folders[0].stat().st_dev
        self._hosts = {device for device, _ in _memory_mounts("self")}
        self._available_before = _of_host("MemAvailable")
        self._socket_bytes = _socket_bytes()
        self._looks_in_flight = 0
        self._note_host()

    def _note_host(self) -> None:
        """Note the host's figures, for a comparison once descriptors are in flight: until then all can be seen."""
        self._free_before = shutil.disk_usage(self._folders[0]).free
        self._shared_before = _of_host("Shmem")

    def excess(self) -> str:
        """Return the limit that the run exceeds, in words for its status; empty if it exceeds none."""
        limits = self._limits
        late = self._excess_of_time()
        if late:
            return late
        processes = self.processes()
        if sum(map(_threads, processes)) > limits.processes:
            return f"the run had more than its limit of {limits.processes} processes"
        descriptors = _descriptors(processes)
        if _inotify_instances(descriptors) > _MOST_INOTIFY:
            return f"the run had more than {_MOST_INOTIFY} inotify instances"
        sockets, in_flight = _sockets(descriptors)
        if in_flight:
            self._looks_in_flight += 1
        else:
            self._looks_in_flight = 0
            self._note_host()
        return self._excess_of_messages(sockets) or self._excess_of_files(processes, descriptors)

    def _excess_of_messages(self, sockets: int) -> str:
        """Check what only messages have that nobody receives, as `excess` does.

        No process shows it. The host's own figures include it, and whatever else happens on the host: they count only
        where a run has so many sockets, or leaves descriptors in flight for so long, that it can be the cause.
        """
        limits = self._limits
        if sockets * self._socket_bytes > limits.memory_bytes:
            taken = self._available_before - _of_host("MemAvailable")
            if taken > limits.memory_bytes:
                return too_much_memory(limits)
        if self._looks_in_flight >= _LOOKS_IN_FLIGHT:
            if _of_host("Shmem") - self._shared_before > limits.memory_bytes:
                return too_much_memory(limits)
            if self._free_before - shutil.disk_usage(self._folders[0]).free > limits.output_bytes:
                return self._too_much_on_disk()
        return ""

    def _excess_of_files(self, processes: list[psutil.Process], descriptors: Sequence[tuple[Path, str]]) -> str:
        """Check the memory of processes, and files in memory and on disk, as `excess` does."""
        limits = self._limits
        on_disk, memfds = _without_name(processes, descriptors, self._disk)
        in_sandbox = (_in_sandbox(process.pid, self._hosts) for process in reversed(processes))
        in_memory = sum(memfds.values()) + next((size for size in in_sandbox if size is not None), 0)
        if _memory(processes, in_memory, memfds, limits.memory_bytes) > limits.memory_bytes:
            return too_much_memory(limits)
        return self.excess_of_disk(on_disk)

    def processes(self) -> list[psutil.Process]:
        """Return every process of the run."""
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def too_much_memory(limits: RunLimits) -> str:
    """Say that a run is over its limit of memory."""
    return f"the run used more memory than its limit of {limits.memory_bytes / _GIB:.2f} GiB"


def _cost(entry: "os.DirEntry[str]") -> int:
    """Return the bytes that a file takes; of one with holes those that it pretends to, as copies would."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # gone meanwhile
        return _ENTRY_BYTES
    if not stat.S_ISREG(status.st_mode):
        return _ENTRY_BYTES
    return _ENTRY_BYTES + max(status.st_size, status.st_blocks * 512)


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


def _descriptors(processes: list[psutil.Process]) -> list[tuple[Path, str]]:
    """Return the open descriptors of processes: each one's place in ``/proc``, and what the system calls its file."""
    found = []
    for process in processes:
        with suppress(OSError):
            for entry in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(OSError):
                    found.append((entry, str(entry.readlink())))
    return found


def _inotify_instances(descriptors: Sequence[tuple[Path, str]]) -> int:
    """Count inotify instances as the host does for its user, who has 128 of them by default (inotify(7))."""
    return sum(name == "anon_inode:inotify" for _, name in descriptors)


def _sockets(descriptors: Sequence[tuple[Path, str]]) -> tuple[int, bool]:
    """Count the sockets of a run, and tell whether one holds descriptors that nobody has received."""
    sockets = {name: entry for entry, name in descriptors if name.startswith("socket:")}
    for entry in sockets.values():
        with suppress(OSError):
            if _IN_FLIGHT.search(_text(entry.parents[1] / "fdinfo" / entry.name)):
                return len(sockets), True
    return len(sockets), False


def _socket_bytes() -> int:
    """Return the bytes of unread messages that a socket can have sent: twice the largest buffer (socket(7))."""
    try:
        return 2 * int(_text(Path("/proc/sys/net/core/wmem_max")))
    except (OSError, ValueError):
        return 2 * _WMEM_MAX


def _of_host(name: str) -> int:
    """Return the bytes of one kind of the host's memory, by its name in proc_meminfo(5); 0 where it is unknown."""
    match = re.search(rf"^{name}:\s*(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def _without_name(
    processes: list[psutil.Process], descriptors: Sequence[tuple[Path, str]], disk: int
) -> tuple[int, dict[int, int]]:
    """Open files that no folder has: their bytes on a disk, and the bytes of each in memory, by inode."""
    on_disk: dict[int, int] = {}
    memfds: dict[int, int] = {}
    for entry, name in descriptors:
        with suppress(OSError):
            status = entry.stat()
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                if name.startswith(_MEMFD):
                    memfds[status.st_ino] = status.st_blocks * 512
                elif status.st_dev == disk:
                    on_disk[status.st_ino] = status.st_blocks * 512
    for process in processes:
        for inode, size in _deleted_and_mapped(process.pid, disk):
            on_disk.setdefault(inode, size)
    return sum(on_disk.values()), memfds


def _deleted_and_mapped(pid: int, disk: int) -> Iterator[tuple[int, int]]:
    """Yield inode and bytes of the deleted files of a disk that a process has mapped (proc_pid_maps(5)).

    Root may ask for what such a file takes. Others see how far into it the mapping reaches.
    """
    with suppress(OSError):
        for line in _text(Path(f"/proc/{pid}/maps")).split("\n"):
            if not line.endswith(" (deleted)"):
                continue
            addresses, _, offset, device, inode = line.split(maxsplit=5)[:5]
            if os.makedev(*(int(number, 16) for number in device.split(":"))) != disk:
                continue
            try:
                size = Path(f"/proc/{pid}/map_files/{addresses}").stat().st_blocks * 512
            except OSError:
                start, end = (int(address, 16) for address in addresses.split("-"))
                size = int(offset, 16) + end - start
            yield int(inode), size


def _memory(processes: list[psutil.Process], files: int, memfds: Collection[int], limit: int) -> int:
    """Return the bytes of memory of processes and ``files``; the inodes of open ``memfds`` are among these.

    The cheap figure counts shared pages for each process, and what lies in files. Only where it is
    above the limit the exact one is asked for.
    """
    if sum(_resident(process.pid) for process in processes) + files <= limit:
        return files
    return files + sum(_share(process.pid, memfds) for process in processes)


def _text(path: Path) -> str:
    """Return a file of ``/proc``; names in it are whatever a kernel has called its files."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _of_threads(pid: int, name: str) -> Iterator[str]:
    """Yield a process's figures of one kind, as its threads have them: the first can have ended before the others."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield _text(thread / name)


def _resident(pid: int) -> int:
    """Return a process's pages in memory, in bytes."""
    pages = (int(text.split()[1]) for text in _of_threads(pid, "statm"))
    return next(filter(None, pages), 0) * os.sysconf("SC_PAGESIZE")


def _share(pid: int, open_memfds: Collection[int]) -> int:
    """Return a process's proportional share, in bytes, of memory that is neither a file's nor counted elsewhere."""
    text = next(filter(None, _of_threads(pid, "smaps")), "")
    total = share = 0
    own = False
    for line in text.split("\n"):
        name, *values = line.split() or [""]
        if not name.endswith(":"):
            # A mapping: addresses, mode, offset, device, inode, and the path where there is one.
            path = values[4] if len(values) > 4 else ""  # noqa: PLR2004
            closed_memfd = path.startswith(_MEMFD) and int(values[3]) not in open_memfds
            own = not path or path.startswith(("[", *_SHARED)) or closed_memfd
        elif name == "Pss:":
            share = int(values[0]) * 1024
            if own:
                total += share
        elif name == "Anonymous:" and not own:
            # Pages of a file's mapping that were written to are the process's own, or its parent's too.
            total += min(int(values[0]) * 1024, share)
    return total


def _in_sandbox(pid: int, hosts: set[str]) -> int | None:
    """Return the bytes of the files that a process's sandbox keeps in memory; None for one that is in no sandbox.

    Those of overlays lie in the sandbox's root. Files that the host keeps in memory are not the run's.
    """
    used: dict[str, int] = {}
    with suppress(OSError):
        for device, place in _memory_mounts(str(pid)):
            if device not in hosts:
                with suppress(OSError):
                    status = os.statvfs(f"/proc/{pid}/root{place}")
                    used[device] = (status.f_blocks - status.f_bfree) * status.f_frsize
                    used[device] += (status.f_files - status.f_ffree) * _INODE_BYTES
    return sum(used.values()) if used else None


def _memory_mounts(pid: str) -> Iterator[tuple[str, str]]:
    """Yield the device and place of the mounts in memory that a process sees (proc_pid_mountinfo(5))."""
    for line in _text(Path(f"/proc/{pid}/mountinfo")).split("\n"):
        fields = line.split(" ")
        if "-" in fields and fields[fields.index("-") + 1] == "tmpfs":
            yield fields[2], fields[4]
