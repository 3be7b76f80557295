"""Waits: what may pass is repeated, and every wait ends."""

import time

import pytest
from kaggle_offline.errors import CredentialsError, DeadlineError, KaggleError, TransientError
from kaggle_offline.kaggle.retries import Patience, Waits

QUICK = Patience(repeat=0.3, first_pause=0.01, longest_pause=0.02, poll=0.01)


class Failing:
    """Fails so often, then returns the number of calls."""

    def __init__(self, times: int, error: Exception) -> None:
        self.calls = 0
        self._times, self._error = times, error

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return self.calls


def test_what_may_pass_is_repeated_and_nothing_else() -> None:
    waits = Waits(QUICK)
    assert waits.repeat(Failing(2, TransientError("busy")), "call") == 3
    for error in (KaggleError("no", "cure"), CredentialsError("no", "cure")):
        call = Failing(1, error)
        with pytest.raises(type(error)):
            waits.repeat(call, "call")
        assert call.calls == 1


def test_repeating_ends() -> None:
    call = Failing(10**6, TransientError("busy"))
    with pytest.raises(TransientError, match="busy"):
        Waits(QUICK).repeat(call, "call")
    assert call.calls > 2
    long = Failing(10**6, TransientError("busy", retry_after=3600.0))
    with pytest.raises(TransientError):
        Waits(QUICK).repeat(long, "call")
    assert long.calls == 1, "nobody waits for an hour"


def test_what_failed_late_is_repeated_too() -> None:
    calls = []

    def cut_off_late() -> int:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(2 * QUICK.repeat)
            raise TransientError("cut off")
        return len(calls)

    assert Waits(QUICK).repeat(cut_off_late, "an upload") == 2


def test_the_deadline_of_the_command_ends_every_wait() -> None:
    waits = Waits(Patience(total=0.05, poll=0.01, first_pause=0.02))
    with pytest.raises(DeadlineError, match="a look: not done"):
        waits.until("a look", lambda: None, seconds=60)
    with pytest.raises(DeadlineError, match="a call: not done"):
        waits.repeat(Failing(10**6, TransientError("busy")), "a call")


def test_a_wait_of_its_own_ends_without_an_error() -> None:
    waits = Waits(QUICK)
    assert waits.until("nothing", lambda: None, seconds=0.03) is None
    assert waits.until("something", lambda: 7, seconds=0) == 7


def test_a_long_wait_without_a_terminal_says_how_long_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    waits = Waits(Patience(longest_pause=0.01, poll=0.01, tell=0.02))
    assert waits.until("scoring", lambda: None, seconds=0.2) is None
    printed = capsys.readouterr().out
    assert printed.startswith("  scoring: 0 min\n")
    assert 1 <= printed.count("\n") <= 10
    assert waits.until("scoring", lambda: 1, seconds=0.2) == 1
    assert capsys.readouterr().out == ""
