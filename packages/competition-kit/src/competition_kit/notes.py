"""Notes of time and memory, for the log of a run."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# ru_maxrss is in KiB, but on macOS in bytes (getrusage(2)).
_UNIT = 1 if sys.platform == "darwin" else 1024


def peak_memory() -> int:
    """Return the most memory that this process, or one that it waited for, had at once so far, in bytes."""
    return _UNIT * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Print the time of the block, and the peak memory of the process, if the block succeeds."""
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s, {peak_memory() / 2**20:.0f} MiB at the peak", flush=True)
