"""Networks that sandboxes join: one that two of them share, with nothing in it but a loopback, and this machine's."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kaggle_local.errors import SandboxError

# Brings the loopback up (netdevice(7), SIOCGIFFLAGS and SIOCSIFFLAGS), says so, and keeps the network until its
# standard input is closed.
_KEEPER = """\
import fcntl, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    request = struct.pack("16sh14x", b"lo", 0)
    flags, = struct.unpack("16xh14x", fcntl.ioctl(control, 0x8913, request))
    fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))
print("up", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Network:
    """A network; ``command`` is put before a program's command, which joins the network so.

    ``keeper`` is the number of a process in it; 0 for this machine's.
    """

    command: Sequence[str]
    keeper: int

    def has_server(self) -> bool:
        """Tell whether a program listens for connections (proc_pid_net(5): state 0A, TCP_LISTEN)."""
        for name in ("tcp", "tcp6"):
            with suppress(FileNotFoundError):
                lines = Path(f"/proc/{self.keeper}/net/{name}").read_text(encoding="ascii").splitlines()
                if any(line.split()[3] == "0A" for line in lines[1:]):
                    return True
        return False


HOST = Network((), 0)
"""This machine's own."""


@contextmanager
def shared_network() -> Iterator[Network]:
    """Yield a new network, gone with its last process.

    Raises:
        SandboxError: this machine cannot make one.
    """
    # Root needs no user namespace to make a network; others become root in one.
    own = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    keeper = subprocess.Popen(
        ["unshare", *own, "--net", sys.executable, "-I", "-S", "-c", _KEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        try:
            if keeper.stdout.readline() != "up\n":
                raise SandboxError(
                    f"no network can be made for two sandboxes: {keeper.stderr.read().strip()}",
                    "Install util-linux, and allow unprivileged user namespaces.",
                )
            join = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
            yield Network(["nsenter", "--target", str(keeper.pid), *join, "--net", "--"], keeper.pid)
        finally:
            keeper.stdin.close()
