"""The ASGI application: what answers which address."""

import hmac
import json
import logging
from pathlib import Path

from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.kaggle_object import KaggleObject
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kaggle_local.errors import LocalKaggleError
from kaggle_local.faults import read_faults
from kaggle_local.http.answers import error, insufficient_storage
from kaggle_local.http.faulty import Faulty
from kaggle_local.http.log import log_response
from kaggle_local.http.uploads import UploadEndpoint
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.services import METHODS
from kaggle_local.services.kernels import find_version
from kaggle_local.services.rpc import ApiError, Call, Method
from kaggle_local.services.security import user_of
from kaggle_local.storage.database import lacks_space

logger = logging.getLogger(__name__)

_LARGEST_NUMBER = 2**63

# Prefixes of the methods that need no credentials for public resources.
_READING = ("Get", "List", "Download")

# Folders of the storage that downloads come from.
_DOWNLOADS = ("datasets", "models", "kernels", "bundles", "submissions")


def application(kaggle: LocalKaggle) -> ASGIApp:
    """Return the ASGI application of a local Kaggle."""

    async def call(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)  # nobody gets it
        return await run_in_threadpool(_answer, kaggle, request, body)

    def download(request: Request) -> Response:
        signed = request.path_params["path"]
        given = request.path_params["signature"].encode(errors="replace")
        if not hmac.compare_digest(given, kaggle.storage.signature(signed).encode()):
            return error(403, "The link is not one that the API has given")
        kind, _, path = signed.partition("/")
        if kind == "competitions":
            slug, _, path = path.partition("/")
            folder = kaggle.storage.submissions.competition_folder(slug)
            root = folder / "public" if folder else None
        else:
            root = kaggle.storage.root / kind if kind in _DOWNLOADS else None
        return _file(root, path)

    def log(request: Request) -> Response:
        owner, slug = request.path_params["owner"], request.path_params["slug"]
        call = _call(kaggle, request, _user(kaggle, request) or "")
        try:
            version = find_version(call, owner, slug, request.query_params.get("versionLabel", ""))
        except ApiError as refusal:
            return error(refusal.code, refusal.message)
        return log_response(version, kaggle.storage, kaggle.worker)

    def hello(request: Request) -> Response:
        # The SDK has no binding for it; kagglehub asks so whose a token is (kagglehub 1.0.3, auth.whoami).
        user = _user(kaggle, request)
        return JSONResponse({"userName": user}) if user else error(401, "Unauthenticated")

    async def faults(request: Request) -> Response:
        return _set_faults(kaggle, await request.body())

    routes = [
        Route("/api/v1/kernels/logs/stream/{owner}/{slug}", log, methods=["GET"]),
        Route("/api/v1/api.v1.DiagnosticsService/Hello", hello, methods=["POST"]),
        Route("/api/v1/{service}/{method}", call, methods=["POST"]),
        Route("/uploads/{token}", UploadEndpoint(kaggle.storage).put, methods=["PUT"]),
        Route("/download/{signature}/{path:path}", download, methods=["GET"]),
        Route("/local/faults", faults, methods=["PUT", "DELETE"]),
    ]
    return _FromProxy(Faulty(Starlette(routes=routes), kaggle.faults))


class _FromProxy:
    """Understands what clients send to a proxy: the whole address in place of the path."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "://" in scope["path"]:
            path = "/" + scope["path"].split("://", 1)[1].partition("/")[2]
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._application(scope, receive, send)


def _set_faults(kaggle: LocalKaggle, body: bytes) -> Response:
    """Have the faults of a request come about, in place of all others; without any, nothing more."""
    try:
        faults = read_faults(json.loads(body or b"[]"))
    except (LocalKaggleError, ValueError) as problem:
        return error(400, str(problem))
    kaggle.faults.clear()
    kaggle.faults.add(*faults)
    return JSONResponse({})


def _user(kaggle: LocalKaggle, request: Request) -> str | None:
    """Return the caller's user name."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return user_of(scheme.lower(), credentials, kaggle.tokens)


def _call(kaggle: LocalKaggle, request: Request, user: str) -> Call:
    return Call(
        storage=kaggle.storage,
        worker=kaggle.worker,
        behaviour=kaggle.behaviour,
        tokens=kaggle.tokens,
        user=user,
        base_url=f"http://{request.headers.get('host', 'localhost')}",
    )


def _answer(kaggle: LocalKaggle, request: Request, body: bytes) -> Response:
    name = f"{request.path_params['service']}/{request.path_params['method']}"
    method = METHODS.get(name)
    if method is None:
        return error(501, f"The local Kaggle does not have {name}")
    user = _user(kaggle, request)
    # Without credentials (wrong ones are refused), public resources can be read.
    anonymous = "authorization" not in request.headers and request.path_params["method"].startswith(_READING)
    if user is None and not anonymous and name != "security.OAuthService/IntrospectToken":
        return error(401, "Unauthenticated: the token of the local Kaggle is local-<username>")
    try:
        typed = method.request.from_dict(json.loads(body or b"{}"))
        _check_numbers(typed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        return error(400, f"The request is not a {method.request.__name__}: {problem}")
    return _handle(method, _call(kaggle, request, user or ""), typed)


def _check_numbers(request: KaggleObject) -> None:
    """Check that whole numbers are some, and such as records can hold; the SDK takes anything.

    Raises:
        ValueError: one is not.
    """
    fields = request._fields
    numbers = {field.field_name: getattr(request, field.field_name) for field in fields if field.field_type is int}
    for name, value in numbers.items():
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER
        if not whole and value is not None:
            raise ValueError(f"{name} is {value!r}")


def _handle(method: Method, call: Call, request: KaggleObject) -> Response:
    try:
        response = method.handle(call, request)
    except ApiError as refusal:
        return error(refusal.code, refusal.message)
    except LocalKaggleError as problem:
        return error(500, str(problem))
    except Exception as problem:
        logger.exception("%s failed", method.request.__name__)
        return _failure(method, call, problem)
    if isinstance(response, HttpRedirect):
        return RedirectResponse(response.url, status_code=302)
    if isinstance(response, dict):
        return JSONResponse(response)
    return Response(response.to_json(), media_type="application/json")


def _failure(method: Method, call: Call, problem: Exception) -> Response:
    """Return the answer to a request that failed through no fault of the client's."""
    if lacks_space(problem):
        return insufficient_storage(call.storage.root)
    return error(500, f"{method.request.__name__} failed; the server's own output has the reason")


def _file(root: Path | None, path: str) -> Response:
    """Return a file below ``root``, with ranges; nothing that a path or a link leads to elsewhere."""
    if root is not None:
        file = (root / path).resolve()
        if file.is_relative_to(root.resolve()) and file.is_file():
            return FileResponse(file, media_type="application/octet-stream")
    return error(404, "No such file")
