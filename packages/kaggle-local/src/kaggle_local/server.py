"""The server: the API over HTTP on loopback, and everything behind it, for as long as it is open."""

import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from kagglesdk.kaggle_object import KaggleObject
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kaggle_local.competition import Competition, load_competition
from kaggle_local.errors import LocalKaggleError, ServerError
from kaggle_local.image import Image, ImageSpec, build_image, image_folder
from kaggle_local.rpc import ApiError, Call, Method
from kaggle_local.sandbox import find_bwrap
from kaggle_local.services import METHODS
from kaggle_local.services.security import token_of, user_of
from kaggle_local.storage import Storage, Upload
from kaggle_local.worker import Worker

logger = logging.getLogger(__name__)

USERNAME = "kaggler"

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class LocalKaggle:
    """A Kaggle that is open: where it is, and what its host may do beyond the API.

    Attributes:
        url: its address, such as ``http://127.0.0.1:41234``.
        token: a token that the official client can use.
    """

    def __init__(self, root: Path, *, old_layout: bool = False) -> None:
        self.storage = Storage(root)
        self.token = token_of(USERNAME)
        self.url = ""
        self.worker = Worker(self.storage, self.image, old_layout=old_layout)

    def host(self, folder: Path) -> Competition:
        """Host a competition folder under its slug.

        Raises:
            CompetitionError: the folder is not one.
        """
        competition = load_competition(folder)
        self.storage.host_competition(competition.slug, competition.folder)
        return competition

    def has_image(self, spec: ImageSpec) -> bool:
        """Whether the image has been built."""
        return image_folder(spec, self.storage.root / "images").exists()

    def set_image(self, spec: ImageSpec) -> Image:
        """Build the image that kernels run in from now on, also after a restart.

        Raises:
            ImageError: it cannot be built.
            SandboxError: this machine cannot isolate kernels.
        """
        find_bwrap()
        image = build_image(spec, self.storage.root / "images")
        draft = self._spec_file.with_suffix(".draft")
        draft.write_text(json.dumps(spec.to_json()))
        draft.replace(self._spec_file)
        return image

    @property
    def image_is_set(self) -> bool:
        """Whether an image was ever set."""
        return self._spec_file.exists()

    def image(self) -> Image:
        """The image that kernels run in; one with nothing but what runs notebooks, if none was set."""
        spec = ImageSpec(python=f"{sys.version_info.major}.{sys.version_info.minor}", pins={}, distributions=())
        if self._spec_file.exists():
            document = json.loads(self._spec_file.read_text())
            spec = ImageSpec(**{**document, "distributions": tuple(document["distributions"])})
        return build_image(spec, self.storage.root / "images")

    @property
    def _spec_file(self) -> Path:
        return self.storage.root / "image.json"

    def close(self) -> None:
        """Stop all work and release the storage."""
        self.worker.close()
        self.storage.close()


@contextmanager
def serve(root: Path, *, port: int = 0, old_layout: bool = False) -> Iterator[LocalKaggle]:
    """Open the local Kaggle whose storage is ``root``, until the block ends.

    Args:
        root: the storage, created if need be.
        port: on 127.0.0.1; 0 takes a free one.
        old_layout: mount inputs as ``/kaggle/input/<slug>``.

    Raises:
        StorageError: another process uses the storage.
        ServerError: the port is not to be had.
    """
    kaggle = LocalKaggle(root, old_layout=old_layout)
    try:
        with _listen(port) as listener:
            kaggle.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            config = uvicorn.Config(
                _application(kaggle),
                log_level="error",
                lifespan="off",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],), name="kaggle-local", daemon=True)
            thread.start()
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            try:
                yield kaggle
            finally:
                server.should_exit = True
                thread.join()
    finally:
        kaggle.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise ServerError(f"port {port}: {error}", "Choose another.") from error


def _application(kaggle: LocalKaggle) -> ASGIApp:
    async def call(request: Request) -> Response:
        return await run_in_threadpool(_answer, kaggle, request, await request.body())

    uploads = _Uploads(kaggle.storage)

    def output(request: Request) -> Response:
        owner, slug, number, name = (request.path_params[key] for key in ("owner", "slug", "number", "name"))
        version = kaggle.storage.kernel_version(owner, slug, number)
        path = dict(version.output()).get(name) if version else None
        return FileResponse(path) if path else _error(404, "No such output file")

    routes = [
        Route("/api/v1/{service}/{method}", call, methods=["POST"]),
        Route("/uploads/{token}", uploads.put, methods=["PUT"]),
        Route("/output/{owner}/{slug}/{number:int}/{name:path}", output, methods=["GET"]),
    ]
    return _FromProxy(Starlette(routes=routes))


class _FromProxy:
    """Understands what clients send to a proxy: the whole address in place of the path."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "://" in scope["path"]:
            path = "/" + scope["path"].split("://", 1)[1].partition("/")[2]
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._application(scope, receive, send)


def _error(code: int, message: str) -> JSONResponse:
    """An error as the official client reads it."""
    return JSONResponse({"code": code, "message": message}, status_code=code)


def _answer(kaggle: LocalKaggle, request: Request, body: bytes) -> Response:
    name = f"{request.path_params['service']}/{request.path_params['method']}"
    method = METHODS.get(name)
    if method is None:
        return _error(501, f"The local Kaggle does not have {name}")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    user = user_of(credentials) if scheme.lower() == "bearer" else None
    if user is None and name != "security.OAuthService/IntrospectToken":
        return _error(401, "Unauthenticated: the token of the local Kaggle is local-<username>")
    try:
        typed = method.request.from_dict(json.loads(body or b"{}"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _error(400, f"The request is not a {method.request.__name__}: {error}")
    base_url = f"http://{request.headers.get('host', 'localhost')}"
    call = Call(storage=kaggle.storage, worker=kaggle.worker, user=user or "", base_url=base_url)
    return _handle(method, call, typed)


def _handle(method: Method, call: Call, request: KaggleObject) -> Response:
    try:
        response = method.handle(call, request)
    except ApiError as error:
        return _error(error.code, error.message)
    except LocalKaggleError as error:
        return _error(500, str(error))
    except Exception:
        logger.exception("%s failed", method.request.__name__)
        return _error(500, f"{method.request.__name__} failed; the server's own output has the reason")
    return Response(response.to_json(), media_type="application/json")


class _Uploads:
    """Takes the bytes of uploads, or says how many are there (Google's resumable uploads)."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._busy: set[str] = set()

    async def put(self, request: Request) -> Response:
        """Answer a PUT to an upload's address."""
        upload = self._storage.upload(request.path_params["token"])
        if upload is None:
            return _error(404, "No such upload")
        start = 0
        header = request.headers.get("content-range")
        if header is not None:
            match = _RANGE.fullmatch(header)
            if match is None or int(match.group(2)) != upload.size:
                return _error(400, f"Content-Range {header!r} does not fit an upload of {upload.size} bytes")
            if match.group(1) is None:
                return _received(upload)
            start = int(match.group(1))
        # A complete upload is never written to again: a dataset version may hold it already.
        if upload.complete or start > upload.received:
            return _received(upload)
        if upload.token in self._busy:
            return _error(409, f"{upload.name} is being uploaded by another request")
        self._busy.add(upload.token)
        try:
            return await self._write(upload, start, request)
        finally:
            self._busy.discard(upload.token)

    async def _write(self, upload: Upload, start: int, request: Request) -> Response:
        with upload.path.open("r+b" if upload.path.exists() else "wb") as file:
            file.truncate(start)
            file.seek(start)
            async for chunk in request.stream():
                if file.tell() + len(chunk) > upload.size:
                    return _error(400, f"More than the announced {upload.size} bytes")
                file.write(chunk)
        return _received(upload)


def _received(upload: Upload) -> Response:
    """What of an upload has arrived: all of it, or the bytes up to a number."""
    if upload.complete:
        return JSONResponse({})
    headers = {"Range": f"bytes=0-{upload.received - 1}"} if upload.received else {}
    return Response(status_code=308, headers=headers)
