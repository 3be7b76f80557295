"""What Kaggle answers that is no success, as the project's errors; no message holds a credential or a private link."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from kaggle_offline.errors import CredentialsError, KaggleError, NotThereError, TransientError

# What may pass by itself.
_PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

# Links to uploads and downloads work for whoever has them.
_LINK = re.compile(r"\b(?:with url|for url): \S+|https?://\S+")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what goes wrong with a call into the project's errors.

    Args:
        what: the call is about.

    Raises:
        CredentialsError: 401.
        NotThereError: 403 and 404.
        TransientError: what may pass: no answer, one that makes no sense, and those that say so.
        KaggleError: any other refusal.
    """
    try:
        yield
    except requests.HTTPError as error:
        raise _refusal(what, error) from error
    except requests.ConnectTimeout as error:
        raise TransientError(f"Kaggle: {what}: {_reason(error)}", may_be_done=False) from error
    except requests.RequestException as error:
        raise TransientError(f"Kaggle: {what}: {_reason(error)}") from error
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError, IndexError) as error:
        # The client takes answers apart without looking at them.
        raise TransientError(f"Kaggle: {what}: an answer that makes no sense ({type(error).__name__})") from error
    except ValueError as error:
        raise KaggleError(f"Kaggle's client: {what}: {_reason(error)}", "Correct what it names.") from error


def _refusal(what: str, error: requests.HTTPError) -> KaggleError | CredentialsError:
    response = error.response
    status = response.status_code if response is not None else 0
    problem = f"Kaggle: {what}: {status} {_reason(error)}"
    if status == HTTPStatus.UNAUTHORIZED:
        return CredentialsError(problem, "Check the token in KAGGLE_API_TOKEN.")
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        return NotThereError(problem, forbidden=status == HTTPStatus.FORBIDDEN)
    if status in _PASSING:
        return TransientError(
            problem,
            may_be_done=status != HTTPStatus.TOO_MANY_REQUESTS,
            retry_after=_seconds(response.headers.get("Retry-After", "")),
        )
    return KaggleError(problem, "Look at the message, then run the same command again.")


def _reason(error: Exception) -> str:
    return _LINK.sub("(a link)", str(error)).strip() or type(error).__name__


def _seconds(text: str) -> float | None:
    """Seconds that a ``Retry-After`` asks for: it holds a number of them, or a date (RFC 9110, 10.2.3)."""
    if text.strip().isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
