"""Waiting for what Kaggle does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float, poll: float) -> T | None:
    """Call ``look`` until it returns something, or None after ``seconds``; shows the time where a person watches.

    Args:
        what: is being waited for, in a word or two.
        look: returns None as long as there is nothing yet.
        seconds: to wait at the most.
        poll: seconds between two looks.
    """
    deadline = time.monotonic() + seconds
    with tqdm(desc=f"  {what}", bar_format="{desc} {elapsed}", leave=False, disable=None) as clock:
        while (found := look()) is None and time.monotonic() < deadline:
            time.sleep(poll)
            clock.update()
    return found
