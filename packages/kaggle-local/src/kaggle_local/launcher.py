"""The first program of a run, inside the sandbox: ``launcher.py FILE_BYTES ARGUMENT...``.

Bounds what no outer process can bound in time, then becomes Python with the arguments.
"""

import ctypes
import os
import resource
import sys


def main(file_bytes: str, *arguments: str) -> None:
    """Set the limits of this process and all that follow from it, and go on as the kernel."""
    for kind, limit in ((resource.RLIMIT_FSIZE, int(file_bytes)), (resource.RLIMIT_CORE, 0)):
        _, highest = resource.getrlimit(kind)
        bound = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(kind, (bound, bound))
    if sys.platform == "linux":
        # Not to outlive the server, where no sandbox sees to it: PR_SET_PDEATHSIG, SIGKILL (prctl(2)).
        ctypes.CDLL(None).prctl(1, 9)
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main(*sys.argv[1:])
