"""Signs of life of what takes long."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

# Less than the half minute after which people wonder.
_SECONDS = 10


@contextmanager
def reporting(what: str) -> Iterator[Callable[[str], None]]:
    """Print every ten seconds what goes on, and for how long, until the block ends.

    Args:
        what: goes on at the beginning.

    Yields:
        a function that takes what goes on now.
    """
    done = threading.Event()
    begin = monotonic()
    current = what

    def change(now: str) -> None:
        nonlocal current
        current = now

    def report() -> None:
        while not done.wait(_SECONDS):
            print(f"  {monotonic() - begin:.0f} s: {current}", flush=True)

    reporter = threading.Thread(target=report, name="progress", daemon=True)
    reporter.start()
    try:
        yield change
    finally:
        done.set()
        reporter.join()
