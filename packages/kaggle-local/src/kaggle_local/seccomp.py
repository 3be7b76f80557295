"""The system calls that a kernel is refused: sockets of families that a network namespace does not hold.

A network namespace shuts off what has network devices; a socket to the hypervisor (``AF_VSOCK``),
say, goes around it. So kernels get the families of local and of (unreachable) internet sockets,
and nothing that makes sockets by another way.

The filter is a classic BPF program over ``struct seccomp_data`` (linux/seccomp.h, linux/filter.h).
"""

import errno
import platform
import socket
import struct

from kaggle_local.errors import SandboxError

# Audit's number of the architecture, the number of socket(2), the first number of a foreign table.
_MACHINES = {"x86_64": (0xC000003E, 41, 0x40000000), "aarch64": (0xC00000B7, 198, 0xFFFFFFFF)}
_IO_URING_SETUP = 425

_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

# Instruction codes: load a word, jump if equal, jump if greater or equal, return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

# Offsets in struct seccomp_data.
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16


def socket_filter() -> bytes:
    """The filter for this machine, as ``bwrap --seccomp`` takes it.

    Raises:
        SandboxError: the machine's system calls are not known here.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        raise SandboxError(f"kernels cannot be isolated on {machine}", f"Use one of {', '.join(_MACHINES)}.")
    architecture, socket_call, foreign = _MACHINES[machine]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, foreign),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_EQUAL, 0, 1, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_EQUAL, 1, 0, socket_call),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _ARGUMENT),
        *((_EQUAL, len(_FAMILIES) - n, 0, family) for n, family in enumerate(_FAMILIES)),
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
