"""The first program of a run, inside the sandbox: ``launcher.py FILE_BYTES PROCESSES LIFELINE ARGUMENT...``.

Bounds what no outer process can bound in time, and starts Python with the arguments as a process of
its own. It is process 1, which the system protects from signals and hands every orphan: a kernel
could not abort itself if it were the first.

LIFELINE is ``none``, or ``lifeline``: then the run ends once the standard input is closed, as a container
does not die with the process that has started it.
"""

import os
import resource
import sys
import threading

# Since this Linux, each user namespace counts a user's processes by itself (kernel/ucount.c); before, the host's
# processes of the same user would count.
_COUNTS_BY_NAMESPACE = (5, 14)


def main(file_bytes: str, processes: str, lifeline: str, *arguments: str) -> int:
    """Run the kernel with these limits for all its processes; return its exit code as a shell does."""
    limits = {resource.RLIMIT_FSIZE: int(file_bytes), resource.RLIMIT_CORE: 0}
    if _linux() >= _COUNTS_BY_NAMESPACE:
        limits[resource.RLIMIT_NPROC] = int(processes)
    kernel = os.fork()
    if kernel == 0:
        if lifeline == "lifeline":
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for kind, limit in limits.items():
            _, highest = resource.getrlimit(kind)
            bound = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
            resource.setrlimit(kind, (bound, bound))
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - a list, no shell
    if lifeline == "lifeline":
        threading.Thread(target=_end_with_input, daemon=True).start()
    while True:
        ended, status = os.wait()
        if ended == kernel:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_with_input() -> None:
    """End this process, and all of the run with it, once the standard input is closed."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _linux() -> tuple[int, ...]:
    numbers = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
