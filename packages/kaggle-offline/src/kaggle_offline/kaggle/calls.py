"""Calls of the official client: repeated where that is safe, made once where it is not, read page by page."""

import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import requests

from kaggle_offline.errors import KaggleError, NotThereError, RepeatedError, TransientError
from kaggle_offline.kaggle.http_errors import translated
from kaggle_offline.kaggle.retries import Waits
from kaggle_offline.kaggle.transfers import save

T = TypeVar("T")

_LOGGER = logging.getLogger(__name__)

# A digest, or a part of one that is still unique: Kaggle may shorten texts.
_DIGEST = re.compile(r"sha256:[0-9a-f]{16,64}")
_PAGE = 200

MOST_VERSIONS = 2
"""How many versions of one dataset, and of one kernel, a command makes at the most."""

# How often something may be made, lost answers included.
_MOST_LOST = 2
# An unavailable server has not handled the request (RFC 9110, 15.6.4).
_NOT_TAKEN = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


def shows(text: str, digest: str) -> bool:
    """Tell whether a text holds a digest, or a beginning of it that is long enough."""
    return any(digest.startswith(found) for found in _DIGEST.findall(text))


def repeat(waits: Waits, what: str, call: Callable[[], T]) -> T:
    """Make a call that may be made any number of times, until it is answered or the time for it is over."""

    def attempt() -> T:
        started = time.monotonic()
        try:
            with translated(what):
                return call()
        finally:
            _LOGGER.debug("%s: %.2f s", what, time.monotonic() - started)

    return waits.repeat(attempt, what)


class Calls:
    """Makes calls of an authenticated client, in the life of one command.

    Args:
        api: the official client.
        waits: how long to wait for answers.

    Attributes:
        owner: the name of whoever is authenticated.
    """

    def __init__(self, api: Any, waits: Waits) -> None:
        self.api = api
        self.waits = waits
        self.owner = str(api.config_values["username"])
        # The number of times that Kaggle has accepted each thing that this command makes.
        self._made: Counter[str] = Counter()
        # How often the answer was lost.
        self._lost: Counter[str] = Counter()

    def open(self) -> Any:
        """Open the official client's connection, for a ``with`` block."""
        return self.api.build_kaggle_client()

    def fetch(self, what: str, link: str, path: Path) -> None:
        """Write the file behind a link that Kaggle gave; who has the link needs no credentials."""
        with requests.get(link, stream=True, timeout=self.waits.patience.answer) as answer:
            save(answer, path, partial(self.waits.check, what))

    def answer_to(self, call: Callable[[Any], Any]) -> str:
        """Return the HTTP status and the body of Kaggle's answer to a call of the SDK, which may be a refusal.

        Raises:
            KaggleError: Kaggle does not answer.
        """

        def ask() -> str:
            try:
                with self.open() as client:
                    answer = call(client)
            except requests.HTTPError as error:
                return f"{error.response.status_code} {error.response.text}".strip()
            return f"200 {getattr(answer, 'error', '') or ''}".strip()

        return self.repeat("an answer", ask)

    def repeat(self, what: str, call: Callable[[], T]) -> T:
        """Make a call that may be made any number of times."""
        return repeat(self.waits, what, call)

    def lookup(self, what: str, call: Callable[[], T]) -> T | None:
        """Make such a call; None where there is nothing, which is believed when Kaggle says so twice."""
        for pause in (0, self.waits.patience.first_pause):
            self.waits.sleep(pause, what)
            with contextlib.suppress(NotThereError):
                return self.repeat(what, call)
        return None

    def delete(self, name: str, call: Callable[[Any], str]) -> None:
        """Make a call that deletes something, which may be gone already; the call returns Kaggle's refusal, if any."""
        what = f"deletion of the {name}"

        def delete() -> None:
            with self.open() as client:
                refusal = call(client)
            if refusal:
                raise KaggleError(f"Kaggle refuses the {what}: {refusal}", "Delete it on Kaggle.")

        try:
            self.repeat(what, delete)
        except NotThereError as error:
            if error.forbidden:
                raise

    def fresh(self, what: str, call: Callable[[], T]) -> T:
        """Make a call about something that was made a moment ago: 403 and 404 are waited out.

        Kaggle answers them for seconds up to minutes (reported live; kaggle 2.2.5, ``KaggleApi._poll_submission``).

        Raises:
            NotThereError: it did to the end.
        """
        refusals: list[NotThereError] = []

        def look() -> tuple[T] | None:
            try:
                return (self.repeat(what, call),)
            except NotThereError as error:
                refusals.append(error)
                return None

        found = self.waits.until(what, look, seconds=self.waits.patience.settle)
        if found is None:
            raise refusals[-1]
        return found[0]

    def once(self, what: str, act: Callable[[], T], effect: Callable[[], T | None], *, most: int, expected: str) -> T:
        """Make a call that must have its effect once, whatever becomes of its answer.

        An answer that is lost (none in time, or an error of the server's) may hide an effect: the call is made once
        more if Kaggle shows none, and no more than once.

        Args:
            what: the call makes.
            act: the call.
            effect: looks for the call's effect; returns the call's result, or None.
            most: how often Kaggle may take it in the life of this client, which is one command.
            expected: what ``effect`` looks for, in words.

        Raises:
            RepeatedError: Kaggle may have taken it so often, and does not show it.
        """
        unknown = False
        failure: TransientError | None = None

        def attempt() -> T:
            nonlocal unknown, failure
            # An effect that did not show before the pause may show now.
            found = effect() if unknown else None
            if found is not None:
                return found
            made, lost = self._made[what], self._lost[what]
            if made >= most or made + lost >= max(most, _MOST_LOST):
                raise RepeatedError(
                    f"{what}: Kaggle took it {made} times in this command, and {lost} answers were lost; "
                    f"expected {expected}, saw none",
                    "Look at it on Kaggle; if it is there, please report this with the output of: kaggle-offline probe",
                ) from failure
            try:
                with translated(what):
                    done = act()
            except TransientError as error:
                failure = error
                self._made[what] += error.status == HTTPStatus.OK
                self._lost[what] += error.may_be_done and error.status not in (HTTPStatus.OK, *_NOT_TAKEN)
                if error.may_be_done:
                    unknown = True
                    found = self.waits.until(what, effect, seconds=self.waits.patience.settle)
                    if found is not None:
                        return found
                raise
            self._made[what] += 1
            return done

        return self.waits.repeat(attempt, what)

    def pages(self, what: str, request: Any, look: Callable[[Any], Any], read: Callable[[Any], T]) -> Iterator[T]:
        """Yield all pages of a listing, as ``read`` understands them."""
        request.page_size = _PAGE

        def fetch() -> tuple[T, str]:
            with self.open() as client:
                page = look(client)
            return read(page), page.next_page_token or ""

        while True:
            found, token = self.repeat(what, fetch)
            yield found
            if not token or token == request.page_token:
                return
            request.page_token = token
