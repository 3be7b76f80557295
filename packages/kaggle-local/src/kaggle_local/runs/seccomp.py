"""The system calls that a kernel is refused.

A network namespace cuts off network devices; a socket to the hypervisor (``AF_VSOCK``),
say, goes around it. So kernels get the families of local and of (unreachable) internet sockets,
and nothing that makes sockets by another way. The keys that the system keeps for a user and a
session know no namespace; a kernel gets none of those calls, nor those that observe the whole host.

The filter is a classic BPF program over ``struct seccomp_data`` (linux/seccomp.h, linux/filter.h).
"""

import errno
import platform
import socket
import struct
from dataclasses import dataclass

from kaggle_local.errors import SandboxError


@dataclass(frozen=True)
class _Machine:
    """Numbers of an architecture: audit's, socket(2), the first of a foreign table, and the refused calls."""

    audit: int
    socket: int
    foreign: int
    refused: tuple[int, ...]


# io_uring_setup; add_key, request_key, keyctl; bpf, perf_event_open, userfaultfd, open_by_handle_at;
# shmget, whose memory no process need hold.
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 41, 0x40000000, (425, 248, 249, 250, 321, 298, 323, 304, 29)),
    "aarch64": _Machine(0xC00000B7, 198, 0xFFFFFFFF, (425, 217, 218, 219, 280, 241, 282, 265, 194)),
}

_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

# Instruction codes: load a word, jump if equal, jump if greater or equal, return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

# Offsets in struct seccomp_data.
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16


def system_call_filter() -> bytes:
    """Return the filter for this machine, as ``bwrap --seccomp`` takes it.

    Raises:
        SandboxError: the machine's system calls are not known here.
    """
    name = platform.machine()
    if name not in _MACHINES:
        raise SandboxError(f"kernels cannot be isolated on {name}", f"Use one of {', '.join(_MACHINES)}.")
    machine = _MACHINES[name]
    absent = (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    refused: list[tuple[int, int, int, int]] = []
    for number in machine.refused:
        refused += [(_EQUAL, 0, 1, number), absent]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.audit),
        absent,
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, machine.foreign),
        absent,
        *refused,
        (_EQUAL, 1, 0, machine.socket),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _ARGUMENT),
        *((_EQUAL, len(_FAMILIES) - n, 0, family) for n, family in enumerate(_FAMILIES)),
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
