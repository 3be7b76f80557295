"""Uploads, in pieces if need be: Google's resumable protocol, which the official clients speak."""

import re

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from kaggle_local.http.answers import error, insufficient_storage
from kaggle_local.storage import Storage, Upload
from kaggle_local.storage.database import lacks_space

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


class UploadEndpoint:
    """Takes the bytes of uploads, or says how many are there (Google's resumable uploads)."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._busy: set[str] = set()

    async def put(self, request: Request) -> Response:
        """Answer a PUT to an upload's address."""
        upload = self._storage.uploads.get(request.path_params["token"])
        if upload is None:
            return error(404, "No such upload")
        header = request.headers.get("content-range", f"bytes 0-{max(0, upload.size - 1)}/{upload.size}")
        match = _RANGE.fullmatch(header)
        if match is None or int(match.group(3)) != upload.size or not _fits(request, match):
            return error(400, f"Content-Range {header!r} does not fit an upload of {upload.size} bytes")
        # None if a client asks how many bytes have arrived.
        start = None if match.group(1) is None else int(match.group(1))
        # A complete upload is never written to again: a version may hold it already.
        if start is None or upload.complete or start > upload.received:
            return _received(upload)
        if upload.token in self._busy:
            return error(409, f"{upload.name} is being uploaded by another request")
        self._busy.add(upload.token)
        try:
            return await self._write(upload, start, request)
        finally:
            self._busy.discard(upload.token)

    async def _write(self, upload: Upload, start: int, request: Request) -> Response:
        try:
            upload.path.touch()
            with upload.path.open("r+b") as file:
                file.truncate(start)
                file.seek(start)
                async for chunk in request.stream():
                    if file.tell() + len(chunk) > upload.size:
                        return error(400, f"More than the announced {upload.size} bytes")
                    file.write(chunk)
        except ClientDisconnect:
            return _received(upload)
        except OSError as problem:
            if not lacks_space(problem):
                raise
            missing = f"{upload.name} needs {(upload.size - upload.received) / 1e6:,.1f} MB more"
            return insufficient_storage(self._storage.root, missing)
        return _received(upload)


def _fits(request: Request, content_range: re.Match[str]) -> bool:
    """Tell whether a range is as long as its body, if both lengths are given."""
    length = request.headers.get("content-length")
    start, end, _ = content_range.groups()
    if length is None or start is None or "content-range" not in request.headers:
        return True
    return int(end) - int(start) + 1 == int(length)


def _received(upload: Upload) -> Response:
    """Say how much of an upload has arrived: all of it, or the bytes up to a number."""
    if upload.complete:
        return JSONResponse({})
    headers = {"Range": f"bytes=0-{upload.received - 1}"} if upload.received else {}
    return Response(status_code=308, headers=headers)
