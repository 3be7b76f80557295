"""What is repeated, how often, and until when; what becomes of an answer that is no success."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from kaggle_offline.answers import translated
from kaggle_offline.errors import (
    CredentialsError,
    DeadlineError,
    KaggleError,
    NotThereError,
    TakenError,
    TransientError,
)
from kaggle_offline.waiting import Patience, Waits

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


def answer(status: int, **headers: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return requests.HTTPError("it says why", response=response)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, KaggleError),
        (401, CredentialsError),
        (403, NotThereError),
        (404, NotThereError),
        (409, TakenError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
    ],
)
def test_each_status_has_its_error(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"thing: .*it says why") as found, translated("thing"):
        raise answer(status)
    assert type(found.value) is error
    assert not isinstance(found.value, TransientError) or found.value.may_be_done == (status != 429)


def test_kaggle_may_say_when_to_ask_again() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    earlier = format_datetime(datetime.now(UTC) - timedelta(seconds=90), usegmt=True)
    wanted = {"7": 7.0, " 7 ": 7.0, later: 90.0, earlier: 0.0, "soon": None, "": None, "-3": None}
    for text, seconds in wanted.items():
        with pytest.raises(TransientError) as found, translated("thing"):
            raise answer(429, Retry_After=text)
        assert found.value.retry_after == (seconds if seconds is None else pytest.approx(seconds, abs=3)), text


@pytest.mark.parametrize(
    "error", [requests.ReadTimeout("x"), requests.ConnectionError("x"), KeyError("x"), TypeError("x")]
)
def test_lost_and_senseless_answers_may_have_had_their_effect(error: Exception) -> None:
    with pytest.raises(TransientError) as found, translated("thing"):
        raise error
    assert found.value.may_be_done


def test_links_are_not_told() -> None:
    message = "HTTPConnectionPool(host='x', port=80): Max retries exceeded with url: /uploads/SECRET (Caused by Y)"
    for text in (message, "503 Server Error for url: http://x/SECRET", "see https://x/SECRET?token=SECRET."):
        with pytest.raises(TransientError) as found, translated("thing"):
            raise requests.ConnectionError(text)
        assert "SECRET" not in str(found.value)
