"""Cores of this machine; `devices` counts GPUs and the other devices of torch."""

import os


def count_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
