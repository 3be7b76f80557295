"""Kaggle's answers other than success, as the project's errors; no message holds a credential or a private link."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from kaggle_offline.errors import CredentialsError, KaggleError, NoSpaceError, NotThereError, TakenError, TransientError

# Statuses that may pass by themselves.
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

# Links to uploads and downloads, and values of headers, work for anybody who has them.
_PRIVATE = re.compile(r"\b(?:with url|for url): \S+|https?://\S+|(?:Bearer|Basic)\b.*", re.DOTALL)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what goes wrong with a call into the project's errors.

    Args:
        what: the call is about.

    Raises:
        CredentialsError: 401.
        NotThereError: 403, 404 and 410.
        TakenError: 409.
        NoSpaceError: 507, which only a local Kaggle answers: its disk is full.
        TransientError: what may pass: no answer, one that makes no sense, and those that say so.
        KaggleError: any other refusal.
    """
    try:
        yield
    except requests.HTTPError as error:
        raise _refusal(what, error) from error
    except requests.JSONDecodeError as error:
        raise senseless(what, f" ({type(error).__name__})") from error
    except requests.ConnectTimeout as error:
        raise TransientError(f"Kaggle: {what}: {_reason(error)}", may_be_done=False) from error
    except requests.RequestException as error:
        raise TransientError(f"Kaggle: {what}: {_reason(error)}") from error
    except (json.JSONDecodeError, AttributeError, LookupError, TypeError, RecursionError, OverflowError) as error:
        # The client takes answers apart without looking at them.
        raise senseless(what, f" ({type(error).__name__})") from error
    except ValueError as error:
        raise KaggleError(f"Kaggle's client: {what}: {_reason(error)}", "Correct the setting that it names.") from error


def senseless(what: str, details: str = "") -> TransientError:
    """Return the error for an answer of success that cannot be read: the call may have had its effect."""
    return TransientError(f"Kaggle: {what}: an answer that makes no sense{details}", status=HTTPStatus.OK)


def _refusal(what: str, error: requests.HTTPError) -> KaggleError | CredentialsError | NoSpaceError:
    """Return the project's error for an answer with an HTTP error."""
    response = error.response
    status = response.status_code
    if status < HTTPStatus.BAD_REQUEST:
        # The client raises it for the text of the body.
        status = int(response.json()["code"])
    message = _message(response)
    problem = f"Kaggle: {what}: {status} {message or _reason(error)}"
    if status == HTTPStatus.UNAUTHORIZED:
        return CredentialsError(problem, "Check the token in KAGGLE_API_TOKEN.")
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return NotThereError(problem, forbidden=status == HTTPStatus.FORBIDDEN, message=message)
    if status == HTTPStatus.CONFLICT:
        return TakenError(problem, "Choose another title: kernels and datasets of an account share one set of names.")
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        return NoSpaceError(problem)
    if status in _PASSING:
        retry_after = _seconds(response.headers.get("Retry-After", ""))
        asks = f", ask again in {retry_after:.0f} s" if retry_after is not None else ""
        may_be_done = status != HTTPStatus.TOO_MANY_REQUESTS
        return TransientError(f"{problem}{asks}", may_be_done=may_be_done, status=status, retry_after=retry_after)
    return KaggleError(problem, "Correct the setting that it names, then run the same command again.")


def _message(response: requests.Response) -> str:
    """Kaggle's own words in an error body: ``{"error": {"code", "message", "status"}}`` or ``{"code", "message"}``.

    The official client knows the second form alone, so that of the first it shows the HTTP status and no more
    (kagglesdk 0.1.38, ``KaggleHttpClient._prepare_response``).
    """
    try:
        body = response.json()
        body = body.get("error", body)
        message = body.get("message", "") if isinstance(body, dict) else body
    except (ValueError, AttributeError, RecursionError, requests.RequestException):
        return ""
    return _PRIVATE.sub("(not shown)", message).strip() if isinstance(message, str) else ""


def _reason(error: Exception) -> str:
    """Return the reason of a failure: for a connection, the system's words, not those of the layers above it."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    # Kaggle's answers have words of their own.
    cause: BaseException | None = None if isinstance(error, requests.HTTPError) else error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return _PRIVATE.sub("(not shown)", str(error)).strip() or type(error).__name__


def _seconds(text: str) -> float | None:
    """Return the seconds of a ``Retry-After``, which holds a number of them or a date (RFC 9110, 10.2.3)."""
    try:
        return float(Retry().parse_retry_after(text))
    except (InvalidHeader, ValueError, OverflowError):
        return None
