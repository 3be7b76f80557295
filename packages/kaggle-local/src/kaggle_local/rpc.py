"""How the SDK's calls reach a handler: ``POST /api/v1/<service>/<Method>`` with a JSON body."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kagglesdk.kaggle_object import KaggleObject

from kaggle_local.storage import Storage
from kaggle_local.worker import Worker

DEFAULT_PAGE = 20


class ApiError(Exception):
    """An answer other than success, with its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a handler works with: who asks, and what there is.

    ``base_url`` is the address that the client reached the server by.
    """

    storage: Storage
    worker: Worker
    user: str
    base_url: str

    def require_owner(self, owner: str) -> None:
        """Refuse whoever is not ``owner``.

        Raises:
            ApiError: 403.
        """
        if owner != self.user:
            raise ApiError(403, f"Permission denied: {self.user} may not change what belongs to {owner}")


@dataclass(frozen=True)
class Method:
    """A method of the API: the SDK's type of its request, and what answers it."""

    request: type[KaggleObject]
    handle: Callable[[Call, Any], KaggleObject]


T = TypeVar("T")


def page(items: Sequence[T], request: Any) -> tuple[Sequence[T], str]:
    """The items that a request asks for by its ``page_size`` and ``page_token``, and the next token.

    Raises:
        ApiError: 400 for a token that is none.
    """
    token = request.page_token or "0"
    if not token.isdecimal():
        raise ApiError(400, f"Not a page token: {token!r}")
    start, size = int(token), request.page_size if request.page_size > 0 else DEFAULT_PAGE
    more = str(start + size) if start + size < len(items) else ""
    return items[start : start + size], more
