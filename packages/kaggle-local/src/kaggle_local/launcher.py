"""The first program of a run, inside the sandbox: ``launcher.py FILE_BYTES ARGUMENT...``.

Bounds what no outer process can bound in time, then becomes Python with the arguments.
"""

import os
import resource
import sys


def main(file_bytes: str, *arguments: str) -> None:
    """Set the limits of this process and all that follow from it, and go on as the kernel."""
    for kind, limit in ((resource.RLIMIT_FSIZE, int(file_bytes)), (resource.RLIMIT_CORE, 0)):
        _, highest = resource.getrlimit(kind)
        bound = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(kind, (bound, bound))
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main(*sys.argv[1:])
