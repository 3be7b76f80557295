"""Ways out of the sandbox that a kernel can try, each the body of a function; braces name facts of the host."""

from pathlib import Path

# The exceptions of a contained attempt; any other, such as that of a mistake in an attempt, is a failure.
CONTAINED = (
    "AssertionError",
    "ConnectionRefusedError",
    "FileNotFoundError",
    "IndexError",
    "OSError",
    "PermissionError",
    "ProcessLookupError",
    "URLError",
    "gaierror",
)

# For the attempts that follow a pattern.
HELPERS = """
def call(number, *arguments):
    # An argument that makes no sense is an answer, too: the call itself was let through.
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *(ctypes.c_long(argument) for argument in arguments))
    # ENOSPC is how the system says that there may be no further namespace (clone(2)).
    refused = result < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EACCES, errno.ENOSPC)
    assert not refused, 'refused'
    return 'answered ' + os.strerror(ctypes.get_errno())

def listed(folder):
    return os.listdir(folder)[0]

def opened(path, flags):
    return os.open(path, flags)
"""

ATTEMPT = """
def attempt():
    {body}
try:
    result = repr(attempt())
except BaseException as error:
    outcomes[{name!r}] = type(error).__name__
else:
    outcomes[{name!r}] = 'escaped: ' + result
"""


def attempts() -> dict[str, str]:
    home = str(Path.home())
    return {
        "TCP to the outside": "return socket.create_connection(('1.1.1.1', 443), timeout=3)",
        "TCP to the host's loopback": "return socket.create_connection(('127.0.0.1', {port}), timeout=3)",
        "UDP": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); return s.sendto(b'x', ('1.1.1.1', 53))",
        "DNS": "return socket.getaddrinfo('example.org', 80)",
        "HTTP": "return urllib.request.urlopen('http://example.org', timeout=3)",
        "IPv6": "return socket.create_connection(('2606:4700:4700::1111', 443), timeout=3)",
        "an abstract socket of the host": (
            "s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + '{abstract}'); return 'connected'"
        ),
        "the hypervisor": "return socket.socket(socket.AF_VSOCK)",
        "raw packets": "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "the kernel's cryptography": "return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
        "sockets by another way": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.syscall(425, 8, ctypes.create_string_buffer(120)) >= 0, os.strerror(ctypes.get_errno())"
        ),
        "writing to the input": "return Path('/kaggle/input/competitions/leaves/new').write_text('x')",
        "changing the input": "return Path('/kaggle/input/competitions/leaves/test_images/a').write_text('x')",
        "a file beside the input": "return Path('/kaggle/input/new').write_text('x')",
        # By its number: a kernel has a home of its own, which can have the same name.
        "the host's home folder": f"assert os.stat({home!r})[1:3] == {tuple(Path(home).stat()[1:3])}; return 'seen'",
        "the hidden test set": "return [p for p in Path('/').rglob('solution.csv')][0]",
        "this repository": f"return os.listdir({str(Path.cwd())!r})",
        "the host's temporary folder": "return Path('{marker}').read_text()",
        "the host's passwords": "return Path('/etc/shadow').read_text()",
        "netlink to the host's interfaces": (
            "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); names = [n for _, n in socket.if_nameindex()]; "
            "return [n for n in names if n != 'lo'][0]"
        ),
        "a datagram to an abstract socket": (
            "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(chr(0) + '{abstract}-datagram'); "
            "return 'connected'"
        ),
        "writing through a link in the output": (
            "os.symlink('{marker}', '/kaggle/working/through'); return open('/kaggle/working/through', 'r+').write('x')"
        ),
        "writing through a link to the input": (
            "os.symlink('/kaggle/input/competitions/leaves/test_images/a', '/kaggle/working/to'); "
            "return open('/kaggle/working/to', 'w')"
        ),
        "a hard link to the input": (
            "return os.link('/kaggle/input/competitions/leaves/test_images/a', '/kaggle/working/hard')"
        ),
        "the root of another process": (
            "return [p for p in os.listdir('/proc') if p.isdigit() and os.path.exists(f'/proc/{{p}}/root{marker}')][0]"
        ),
        "the host's memory": "return open('/dev/mem', 'rb').read(1)",
        "the kernel's log": "return open('/dev/kmsg', 'rb').read(1)",
        "the host's disks": "return [d for d in os.listdir('/dev') if d[:2] in ('sd', 'vd', 'nv', 'xv')][0]",
        "ptrace": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.ptrace(16, {pid}, 0, 0) == 0, os.strerror(ctypes.get_errno())"
        ),
        "another's memory": (
            "libc = ctypes.CDLL(None, use_errno=True); b = ctypes.create_string_buffer(8); "
            "vec = (ctypes.c_size_t * 2)(ctypes.addressof(b), 8); "
            "assert libc.process_vm_readv({pid}, vec, 1, vec, 1, 0) >= 0, os.strerror(ctypes.get_errno())"
        ),
        "keys that the host keeps": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.syscall(250, 0, -3, 1) >= 0, os.strerror(ctypes.get_errno())"
        ),
        "a new user namespace": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.unshare(0x10000000) == 0, os.strerror(ctypes.get_errno())"
        ),
        "a new root": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.chroot(b'/tmp') == 0, os.strerror(ctypes.get_errno())"
        ),
        "becoming somebody else": "return os.setuid(1000)",
        "the host's clock": "import time; return time.clock_settime(time.CLOCK_REALTIME, time.time())",
        "the host's name": "return socket.sethostname('mine')",
        "a descriptor that was inherited": (
            "mine = [os.readlink(f'/proc/self/fd/{{n}}') for n in os.listdir('/proc/self/fd') "
            "if os.path.lexists(f'/proc/self/fd/{{n}}')]; "
            "return [f for f in mine if f.startswith('/') and not f.startswith(('/proc', '/dev', '/opt', '/tmp'))][0]"
        ),
        "the database": "return [p for p in Path('/').rglob('kaggle.db')][0]",
        "the host's own settings": "return Path('/etc/hostname').read_text()",
        "another process": (
            "mine = [int(p) for p in os.listdir('/proc') if p.isdigit()]; "
            "return [p for p in mine if p > 200 or '{secret}' in Path(f'/proc/{{p}}/environ').read_text()][0]"
        ),
        "a signal to the server": "return os.kill({pid}, 0)",
        "the server's environment": "return [v for v in os.environ.values() if v == '{secret}'][0]",
        "mount": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.mount(b'none', b'/kaggle/working', b'tmpfs', 0, None) == 0, os.strerror(ctypes.get_errno())"
        ),
        "a device": "return os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))",
        "the host's settings": "return os.open('/proc/sys/vm/vfs_cache_pressure', os.O_WRONLY)",
        "restarting the host": "return os.open('/proc/sysrq-trigger', os.O_WRONLY)",
        "what else is installed beside the host's Python": (
            "import sysconfig; return os.listdir(f'/opt/kaggle/python/lib/python{{sysconfig.get_python_version()}}"
            "/site-packages')[0]"
        ),
        **{
            f"{what} of {place}": f"return {call}"
            for place in ("/proc/1/exe", "/proc/self/exe")
            for what, call in {
                "the mode": f"os.chmod({place!r}, 0o755)",
                "the times": f"os.utime({place!r}, (1, 1))",
                "the attributes": f"os.setxattr({place!r}, 'user.kaggle', b'x')",
                "the owner": f"os.chown({place!r}, 0, 0)",
            }.items()
        },
        **{
            f"the mode of descriptor {number}": (
                f"assert os.fstat({number}).st_mode & 0o170000 != 0o010000, 'a pipe of its own'; "
                f"return os.fchmod({number}, 0o666)"
            )
            for number in range(3)
        },
        "what the first process was told": (
            "words = Path('/proc/1/cmdline').read_text().split(chr(0)); "
            "return [word for word in words if word.startswith('/') and not word.startswith('/opt/kaggle/')][0]"
        ),
        "the system's libraries": "return Path('/usr/lib/new').write_text('x')",
        **_system_calls(),
        **_files(),
        **_rights(),
    }


# System calls of x86-64 and their arguments, by number (arch/x86/entry/syscalls/syscall_64.tbl).
_CALLS = {
    "loading a module": (175, 0, 0, 0),
    "loading a module from a file": (313, 0, 0, 0),
    "removing a module": (176, 0, 0),
    "another kernel": (246, 0, 0, 0, 0),
    "another kernel from a file": (320, 0, 0, 0, 0, 0),
    "a restart": (169, 0xFEE1DEAD, 672274793, 0x1234567),
    "swap space": (167, 0, 0),
    "no swap space": (168, 0),
    "the kernel's ring buffer": (103, 3, 0, 0),
    "process accounting": (163, 0),
    "the time of day": (164, 0, 0),
    "a hang-up": (153,),
    "ports": (172, 3),
    "some ports": (173, 0, 1, 1),
    "another root": (155, 0, 0),
    "a tree of mounts": (428, -100, 0, 1),
    "moving a mount": (429, 0, 0, 0, 0, 0),
    "a file system": (430, 0, 0),
    "a file system to change": (433, -100, 0, 0),
    "a file by its handle": (304, -100, 0, 0),
    "a program in the kernel": (321, 0, 0, 0),
    "counters of the processor": (298, 0, 0, -1, -1, 0),
    "page faults": (323, 0),
    "a ring of requests": (425, 1, 0),
    "a new key": (248, 0, 0, 0, 0, -3),
    "somebody's key": (249, 0, 0, 0, -3),
    "memory that nobody holds": (29, 0, 4096, 0o1600),
    "watching whole file systems": (300, 4, 0),
    "a namespace of mounts": (272, 0x00020000),
    "a namespace of names": (272, 0x04000000),
    "a namespace of messages": (272, 0x08000000),
    "a namespace of processes": (272, 0x20000000),
    "a namespace of networks": (272, 0x40000000),
    "a namespace of control groups": (272, 0x02000000),
    "a namespace of clocks": (272, 0x00000080),
    "a child in a namespace of users": (56, 0x10000000 | 17, 0, 0, 0, 0),
}


def _system_calls() -> dict[str, str]:
    """Return the calls that only an administrator may make, and sockets of other kinds."""
    families = {"Bluetooth": 31, "CAN": 29, "TIPC": 30, "XDP": 44, "RDS": 21, "NFC": 39, "X.25": 9, "IPX": 4, "KCM": 41}
    families |= {"LLC": 26, "802.15.4": 36, "CAIF": 37, "QIPCRTR": 42, "SMC": 43, "PPP": 24, "AppleTalk": 5}
    return {
        **{f"the system call for {name}": f"return call{arguments}" for name, arguments in _CALLS.items()},
        **{
            f"a socket of {name}": f"return [socket.socket({family}, kind) for kind in (1, 2, 3, 5)]"
            for name, family in families.items()
        },
    }


def _files() -> dict[str, str]:
    """Return files of the host to read, and files that kernels see and must not change."""
    settings = "kernel/core_pattern kernel/modprobe kernel/panic kernel/sysrq kernel/randomize_va_space vm/drop_caches"
    settings += " vm/overcommit_memory vm/swappiness fs/file-max fs/suid_dumpable kernel/pid_max kernel/threads-max"
    devices = "mem kmem port sda vda nvme0n1 fuse net/tun kvm loop-control loop0 console tty0 uinput hpet nvram"
    folders = "/home /root/.ssh /boot /mnt /media /srv /run /var/log /var/lib /sys/kernel /sys/fs /sys/class"
    folders += " /sys/block /etc/ssh /etc/ssl /etc/cron.d /usr/local /usr/sbin /usr/share/doc /lost+found"
    secrets = "/etc/gshadow /etc/sudoers /etc/machine-id /etc/fstab /etc/resolv.conf /proc/kcore /proc/kmsg /proc/1/mem"
    places = "/usr/bin /usr/lib /usr/include /usr /etc /opt /opt/kaggle /dev /proc /sys / /kaggle /kaggle/input /var"
    seen = "/usr/bin/env /etc/passwd /opt/kaggle/image/pyvenv.cfg /kaggle/input/competitions/leaves/test_images/a"
    changes = {
        "the mode": "os.chmod({path!r}, 0o777)",
        "the times": "os.utime({path!r}, (1, 1))",
        "the owner": "os.chown({path!r}, 0, 0)",
        "an attribute": "os.setxattr({path!r}, 'user.kaggle', b'x')",
        "the size": "os.truncate({path!r}, 0)",
        "the name": "os.rename({path!r}, {path!r} + 'x')",
        "the file": "os.unlink({path!r})",
    }
    return {
        **{f"the setting {n}": f"return opened('/proc/sys/{n}', os.O_WRONLY)" for n in settings.split()},
        **{f"the device {name}": f"return opened('/dev/{name}', os.O_RDONLY)" for name in devices.split()},
        **{f"the host's {folder}": f"return listed({folder!r})" for folder in folders.split()},
        **{f"the host's {file}": f"return open({file!r}, 'rb').read(1)" for file in secrets.split()},
        **{f"a file in {place}": f"return Path({place!r}, 'new').write_text('x')" for place in places.split()},
        **{
            f"{what} of {path}": f"return {change.format(path=path)}"
            for path in seen.split()
            for what, change in changes.items()
        },
    }


def _rights() -> dict[str, str]:
    """Return rights that a kernel does not have."""
    return {
        "typing for the reader": "import fcntl; return fcntl.ioctl(0, 0x5412, b'x')",
        "the reader's terminal": "return os.open('/dev/tty', os.O_RDWR)",
        "going first": "return os.nice(-5)",
        "real time": "return os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
        "other groups": "return os.setgroups([0, 27])",
        "another group": "return os.setgid(27)",
        "another user for a while": "return os.seteuid(1000)",
        "the folders above all": (
            "os.chdir('/kaggle/working'); [os.chdir('..') for _ in range(50)]; return os.stat('.{marker}')"
        ),
        "the host through the first process": "return os.stat('/proc/1/root{marker}')",
        "the host through its working folder": "return os.stat('/proc/1/cwd/../../..{marker}')",
        "a handle on the server": "return os.pidfd_open({pid})",
        "the server's group": "return os.killpg({pid}, 0)",
        "the server's limits": "import resource; return resource.prlimit({pid}, resource.RLIMIT_CPU)",
        "the server's cores": "return os.sched_getaffinity({pid})",
        "the server's files": "return os.listdir('/proc/{pid}/fd')",
        "a disk's node": "return os.mknod('/kaggle/working/disk', 0o60600, os.makedev(8, 0))",
        "the memory's node": "return os.mknod('/kaggle/working/mem', 0o20600, os.makedev(1, 1))",
        "a new mount over the input": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.mount(b'/tmp', b'/kaggle/input', None, 4096, None) == 0, os.strerror(ctypes.get_errno())"
        ),
        "no input": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.umount2(b'/kaggle/input/competitions/leaves', 2) == 0, os.strerror(ctypes.get_errno())"
        ),
        "the input made writable": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.mount(None, b'/kaggle/input', None, 32 | 4096, None) == 0, os.strerror(ctypes.get_errno())"
        ),
    }


# Attempts that succeed where nothing contains them, for any user on any machine: they are real ones.
REAL = (
    "TCP to the host's loopback",
    "an abstract socket of the host",
    "a datagram to an abstract socket",
    "the host's home folder",
    "this repository",
    "the host's temporary folder",
    "the root of another process",
    "a signal to the server",
    "the server's environment",
    "a handle on the server",
    "the server's cores",
    "the server's files",
    "the server's limits",
    "the host's /var/lib",
)
