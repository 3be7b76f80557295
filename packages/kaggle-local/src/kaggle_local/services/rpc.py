"""How the SDK's calls reach a handler: ``POST /api/v1/<service>/<Method>`` with a JSON body."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, TypeVar
from urllib.parse import quote

from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.kaggle_object import KaggleObject

from kaggle_local.behaviour import Behaviour
from kaggle_local.storage import Storage
from kaggle_local.worker import Worker

DEFAULT_PAGE = 20
_LARGEST_PAGE = 200

# The form of a user's name.
USER = re.compile(r"[a-z0-9][a-z0-9-]*")


class ApiError(Exception):
    """An answer other than success, with its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Call:
    """The surroundings of a handler: who asks, and the server's parts.

    ``tokens`` has the users of tokens that do not name them; ``base_url`` is the address that the client reached the
    server by.
    """

    storage: Storage
    worker: Worker
    behaviour: Behaviour
    tokens: Mapping[str, str]
    user: str
    base_url: str

    def redirect(self, path: PurePath) -> HttpRedirect:
        """Redirect to the download of a file of the storage or of a competition; who knows the address may use it."""
        response = HttpRedirect()
        response.url = f"{self.base_url}/download/{self.storage.signature(path.as_posix())}/{quote(path.as_posix())}"
        return response

    def redirect_to_all(self, folder: Path, name: str, created: datetime, suffix: str = ".zip") -> HttpRedirect:
        """Redirect to an archive of all files of a folder, made if need be.

        It goes by time, too: a name that was deleted can be somebody else's later.
        """
        bundle = self.storage.bundles.make(folder, f"{name}-{created:%Y%m%d%H%M%S%f}{suffix}")
        return self.redirect(bundle.relative_to(self.storage.root))


def require_owner(call: Call, owner: str) -> None:
    """Refuse to change what belongs to somebody else, or to nobody who could be.

    Raises:
        ApiError: 400, 403.
    """
    if not USER.fullmatch(owner):
        raise ApiError(400, f"Invalid owner {owner!r}")
    if call.behaviour.permissions and owner != call.user:
        raise ApiError(403, f"Permission denied: {call.user} may not change what belongs to {owner}")


def require_visible(call: Call, owner: str, private: bool) -> None:
    """Refuse to show another user's private resource.

    Raises:
        ApiError: 403.
    """
    if not visible(call, owner, private):
        raise ApiError(403, f"Permission denied: this is private to {owner}")


def visible(call: Call, owner: str, private: bool) -> bool:
    """Tell whether whoever asks may see something."""
    return owner == call.user or not (private and call.behaviour.permissions)


@dataclass(frozen=True)
class Method:
    """A method of the API: the SDK's type of its request, and the function that answers it.

    The answer is one of the SDK's types, or plain data where the SDK writes a type wrongly.
    """

    request: type[KaggleObject]
    handle: Callable[[Call, Any], KaggleObject | dict[str, Any]]


T = TypeVar("T")

_TOKEN = re.compile(r"[0-9]{1,18}")


def page(items: Sequence[T], request: Any) -> tuple[Sequence[T], str]:
    """Return the items that a request asks for by ``page_size`` and ``page_token`` or ``page``, and the next token.

    Raises:
        ApiError: 400 for an invalid token.
    """
    size = min(request.page_size, _LARGEST_PAGE) if (request.page_size or 0) > 0 else DEFAULT_PAGE
    token = request.page_token or str((max(1, getattr(request, "page", 1) or 1) - 1) * size)
    if not _TOKEN.fullmatch(token):
        raise ApiError(400, f"Not a page token: {token!r}")
    start = int(token)
    more = str(start + size) if start + size < len(items) else ""
    return items[start : start + size], more
