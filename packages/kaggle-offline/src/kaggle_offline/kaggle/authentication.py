"""The official client, authenticated, each of whose calls ends in its time; and the token that it finds."""

import contextlib
import io
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from kaggle_offline.errors import CredentialsError


class TimedAdapter(HTTPAdapter):
    """Has every request end within its time, however slowly the answer drips.

    The official client sets no time, and that of requests is for each read alone.
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


def authenticate(seconds: float, local: bool) -> Any:
    """Return the official client, authenticated, each of whose requests takes at the most so many seconds.

    Raises:
        CredentialsError: Kaggle does not accept the credentials.
    """
    with _offline_import():
        from kaggle.api.kaggle_api_extended import KaggleApi

    # The client is not typed.
    class TimedApi(KaggleApi):  # type: ignore[misc]
        def _authenticate_with_legacy_apikey(self) -> bool:
            # The client goes on to other credentials when a token is refused: they may be another account's.
            return not find_token() and super()._authenticate_with_legacy_apikey()

        def _authenticate_with_oauth_creds(self) -> bool:
            return not find_token() and super()._authenticate_with_oauth_creds()

        def build_kaggle_client(self) -> Any:
            client = super().build_kaggle_client()
            http = client.http_client()
            http._init_session()  # noqa: SLF001 - there is no other way
            for scheme in ("http://", "https://"):
                http._session.mount(scheme, TimedAdapter(seconds))  # noqa: SLF001
            return client

    api = TimedApi()
    # The client's own choice depends on the environment that it was imported in.
    api.args = ["--local"] if local else []
    refused = CredentialsError(
        "Kaggle: no credentials that it accepts",
        "Set KAGGLE_API_TOKEN to a token from the API section of your Kaggle settings, and nothing beside it.",
    )
    # The client explains missing credentials at length; the error here says it once. Its other errors about a malformed
    # token (a line break in it, for instance) hold the token.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            api.authenticate()
        except requests.exceptions.InvalidHeader:
            raise refused from None
        except (json.JSONDecodeError, requests.RequestException):
            raise
        except (SystemExit, OSError, ValueError, TypeError):
            raise refused from None
    return api


def find_token() -> str:
    """Return the access token that the official client finds, in a variable or a file; an empty text for none."""
    from kagglesdk.kaggle_env import get_access_token_from_env

    try:
        token, _ = get_access_token_from_env()
    except (OSError, ValueError):  # the value may not be a valid file name
        return os.environ.get("KAGGLE_API_TOKEN", "")
    return token or ""


def has_credentials() -> bool:
    """Tell whether there are credentials where the official client looks (kaggle 2.2.5, KaggleApi.authenticate)."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    folders = [Path.home() / ".kaggle", Path(config, "kaggle")]
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        folders.append(Path(os.environ["KAGGLE_CONFIG_DIR"]))
    files = []
    for folder in folders:
        files += [folder / "kaggle.json", folder / "credentials.json"]
    return bool(find_token() or os.environ.get("KAGGLE_KEY")) or any(path.is_file() for path in files)


@contextlib.contextmanager
def _offline_import() -> Iterator[None]:
    """Keep the client from authenticating as it is imported: it would wait for an answer for ever."""
    from kagglesdk.kaggle_http_client import KaggleHttpClient

    def refuse(*_: Any) -> None:
        raise ConnectionError("not before the first call")

    call = KaggleHttpClient.call
    KaggleHttpClient.call = refuse
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        KaggleHttpClient.call = call
