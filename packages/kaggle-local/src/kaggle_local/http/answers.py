"""Answers that several parts of the server give."""

from pathlib import Path

from starlette.responses import JSONResponse, Response

from kaggle_local.storage.database import no_space

# The names of HTTP statuses in Kaggle's error bodies, which are those of Google's APIs (google.rpc.Code).
_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    507: "RESOURCE_EXHAUSTED",
}


def error(code: int, message: str) -> Response:
    """Return an error in Kaggle's shape; without a message it has no body (reported live for both).

    The SDK looks for a top-level ``code`` and does not find it, so that the official client shows the HTTP status
    alone (kagglesdk 0.1.38, ``KaggleHttpClient._prepare_response``).
    """
    if not message:
        return Response(status_code=code)
    body = {"code": code, "message": message, "status": _NAMES.get(code, "UNKNOWN")}
    return JSONResponse({"error": body}, status_code=code)


def insufficient_storage(root: Path, needed: str = "") -> Response:
    """Return the answer to a request for which the storage's disk has no space; Kaggle never gives it.

    Args:
        root: the storage.
        needed: says for what, and how much, as far as it is known.
    """
    return error(507, ": ".join(filter(None, (no_space(root), needed))))
