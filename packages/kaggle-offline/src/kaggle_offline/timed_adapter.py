"""Requests that end: the official client sets no time, and that of requests is for each read alone."""

import threading
from concurrent.futures import Future
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class TimedAdapter(HTTPAdapter):
    """Has every request end within its time, however slowly the answer drips.

    That is until the whole answer is there, or where it is read as a stream, until its headers are.

    Args:
        seconds: for requests that do not say how long they may take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(self, request: Any, stream: bool = False, timeout: Any = None, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request.

        Raises:
            requests.ReadTimeout: the answer was not whole in time.
        """
        timeout = timeout or self._seconds
        answer: Future[requests.Response] = Future()

        def ask() -> None:
            try:
                response = super(TimedAdapter, self).send(request, stream=True, timeout=timeout, **options)
                if not stream:
                    _ = response.content  # kept by the response
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                answer.set_exception(error)
            else:
                answer.set_result(response)

        # A thread, as nothing else can leave a read that goes on; it ends with the process.
        threading.Thread(target=ask, name="request", daemon=True).start()
        whole = timeout if isinstance(timeout, int | float) else self._seconds
        try:
            return answer.result(whole)
        except TimeoutError as error:
            if answer.done():
                return answer.result()
            raise requests.ReadTimeout(f"no whole answer in {whole:.0f} s", request=request) from error
