"""Waiting for Kaggle's answers and for its asynchronous work, never past a deadline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_combine, wait_exponential, wait_random
from tqdm import tqdm

from kaggle_offline.errors import DeadlineError, TransientError

T = TypeVar("T")

_MINUTE = 60
_HOUR = 60 * _MINUTE


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait, all in seconds.

    Attributes:
        answer: for a connection, and for each part of an answer.
        repeat: a call that fails is made again for so long.
        first_pause: before the second call; later ones are longer.
        longest_pause: between two calls, unless Kaggle asks for more.
        poll: between two looks at something that takes its time.
        tell: between two lines about a wait, where no terminal shows the time.
        settle: the longest time until a call's effect shows everywhere.
        mount: until a dataset version that is ready is what kernels see, usually.
        processing: of a dataset version.
        run: of a kernel.
        scoring: of a submission, its rerun included.
        total: of the whole command.
    """

    answer: float = 60
    repeat: float = 15 * _MINUTE
    first_pause: float = 1
    longest_pause: float = 60
    poll: float = 5
    tell: float = 3 * _MINUTE
    settle: float = 2 * _MINUTE
    mount: float = 2 * _MINUTE
    processing: float = 30 * _MINUTE
    run: float = 13 * _HOUR
    scoring: float = 24 * _HOUR
    total: float = 48 * _HOUR


class Waits:
    """The waiting of one command, by a patience; its deadline counts from here."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._end = time.monotonic() + patience.total

    def repeat(self, call: Callable[[], T], what: str) -> T:
        """Make a call, and make it again as long as it raises `TransientError`.

        The pauses grow, differ by chance, and are as long as Kaggle asks for where it does.

        Raises:
            TransientError: it did to the end.
            DeadlineError: the command's time is up.
        """
        self.check(what)
        patience = self.patience
        growing = wait_combine(
            wait_exponential(multiplier=patience.first_pause, max=patience.longest_pause),
            wait_random(0, patience.first_pause),
        )

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, TransientError) and error.retry_after is not None:
                return error.retry_after
            return growing(state)

        failing_since: float | None = None

        def spent(state: RetryCallState) -> bool:
            # Not from the first call on: an upload may take an hour before it is cut off.
            nonlocal failing_since
            failing_since = failing_since or time.monotonic()
            return time.monotonic() - failing_since + state.upcoming_sleep >= patience.repeat

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            seconds = state.next_action.sleep if state.next_action else 0
            if isinstance(error, TransientError):
                again = "" if error.retry_after else f"; again in {seconds:.0f} s"
                tqdm.write(f"  {error.problem}{again}")

        return Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=pause,
            stop=spent,
            sleep=lambda seconds: self.sleep(seconds, what),
            before_sleep=tell,
            reraise=True,
        )(call)

    def until(self, what: str, look: Callable[[], T | None], *, seconds: float) -> T | None:
        """Call ``look`` until it returns something, and return that; None after ``seconds``.

        A terminal shows the time meanwhile; elsewhere a line every few minutes does.

        Args:
            what: the name of the wait, in a word or two.
            look: returns None to go on waiting.
            seconds: the longest wait.

        Raises:
            DeadlineError: the command's time is up.
        """
        started = told = time.monotonic()
        longest = max(self.patience.longest_pause, self.patience.poll)
        with tqdm(desc=f"  {what}", bar_format="{desc} {elapsed}", leave=False, disable=None, delay=1) as clock:
            while (found := look()) is None and (waited := time.monotonic() - started) < seconds:
                # The longer the wait, the longer the pauses: work that takes hours ends at no particular second.
                self.sleep(min(self.patience.poll + waited / _MINUTE, longest), what)
                clock.update()
                if clock.disable and time.monotonic() - told >= self.patience.tell:
                    told = time.monotonic()
                    print(f"  {what}: {(told - started) / _MINUTE:.0f} min", flush=True)
        return found

    def sleep(self, seconds: float, what: str) -> None:
        """Sleep.

        Raises:
            DeadlineError: the command's time would be up before.
        """
        self.check(what, seconds)
        time.sleep(seconds)

    def extend(self, seconds: float) -> None:
        """Give the command at least so many seconds from now: cleaning up may not be cut short."""
        self._end = max(self._end, time.monotonic() + seconds)

    def check(self, what: str, seconds: float = 0) -> None:
        """Check that the command has so much time left.

        Raises:
            DeadlineError: it has not.
        """
        if time.monotonic() + seconds > self._end:
            raise DeadlineError(
                f"{what}: not done within the {self.patience.total / _MINUTE:.0f} minutes of this command",
                "Run the same command again, it goes on from here; --minutes gives it longer.",
            )
