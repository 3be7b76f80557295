"""Cores of this machine; of GPUs and what else torch knows `devices` tells."""

import os


def count_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
