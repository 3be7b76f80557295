"""Answers that several parts of the server give."""

from starlette.responses import JSONResponse


def error(code: int, message: str) -> JSONResponse:
    """An error as the official client reads it."""
    return JSONResponse({"code": code, "message": message}, status_code=code)
