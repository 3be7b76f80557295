"""The first program of a run, inside the sandbox: ``launcher.py FILE_BYTES ARGUMENT...``.

Bounds what no outer process can bound in time, and starts Python with the arguments as a process of
its own. It is process 1, which the system protects from signals and hands every orphan: a kernel
could not abort itself if it were the first.
"""

import os
import resource
import sys


def main(file_bytes: str, *arguments: str) -> int:
    """Run the kernel with these limits for all that follows from it; return its exit code as a shell does."""
    kernel = os.fork()
    if kernel == 0:
        for kind, limit in ((resource.RLIMIT_FSIZE, int(file_bytes)), (resource.RLIMIT_CORE, 0)):
            _, highest = resource.getrlimit(kind)
            bound = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
            resource.setrlimit(kind, (bound, bound))
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - a list, no shell
    while True:
        ended, status = os.wait()
        if ended == kernel:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
