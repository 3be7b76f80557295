"""Kaggle's answers as errors: each status has its own, and no link is told."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from kaggle_offline.errors import CredentialsError, KaggleError, NotThereError, TakenError, TransientError
from kaggle_offline.kaggle.http_errors import translated


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
