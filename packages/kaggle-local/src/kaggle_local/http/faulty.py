"""Faults on demand, for any request: see `kaggle_local.faults`."""

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaggle_local.faults import Fault, Faults
from kaggle_local.http.answers import error


class Faulty:
    """Has faults come about."""

    def __init__(self, application: ASGIApp, faults: Faults) -> None:
        self._application = application
        self._faults = faults
        self._answers: dict[tuple[Fault, bytes], list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or carry out a fault instead."""
        place = _place(scope["path"]) if scope["type"] == "http" else ""
        size = dict(scope["headers"]).get(b"content-length") if place else None
        fault = self._faults.take(place, float(size or "inf")) if place else None
        if fault is None:
            await self._application(scope, receive, send)
            return
        if fault.delay and "/" in place:
            # The request is carried out, even if the client has gone by then.
            receive = _again(await _read(receive), receive)
        await asyncio.sleep(fault.delay)
        if fault.reset == "before":
            await _reset(receive)
        elif fault.status is not None:
            await _drain(receive)
            await _refusal(fault, place)(scope, receive, send)
        elif fault.body is not None:
            await _drain(receive)
            await Response(fault.body, media_type="application/json")(scope, receive, send)
        elif fault.stale:
            await self._answer_as_before(fault, scope, receive, send)
        elif fault.reset == "after":
            await self._application(scope, receive, _nowhere)
            await _reset(receive)
        elif fault.keep_bytes is not None:
            await self._application(scope, _cut_off(receive, fault.keep_bytes), _nowhere)
        else:
            await self._application(scope, receive, send)

    async def _answer_as_before(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as it was answered the first time under a fault; the first time, do it."""
        body = await _read(receive)
        answer = self._answers.get((fault, body))
        if answer is None:
            answer = self._answers[fault, body] = []
            await self._application(scope, _again(body, receive), _into(answer))
        for message in answer:
            await send(message)


def _place(path: str) -> str:
    """Return the method or the place that a path belongs to, as faults name it."""
    match path.split("/"):
        case ["", "api", "v1", service, method]:
            return f"{service}/{method}"
        case ["", "api", "v1", "kernels", "logs", *_]:
            return "log"
        case ["", "uploads", *_]:
            return "upload"
        case ["", "download", *_]:
            return "download"
    return ""


def _refusal(fault: Fault, place: str) -> Response:
    assert fault.status is not None
    response = error(fault.status, f"{place}: {_phrase(fault.status)}, on demand")
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)


async def _drain(receive: Receive) -> None:
    """Read a request to its end: a client that is still sending would not see the answer."""
    while (await receive()).get("more_body", False):
        pass


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a request whose body has been read, for a second reading; later messages are passed on."""
    read = False

    async def replayed() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _into(messages: list[Message]) -> Send:
    async def send(message: Message) -> None:
        messages.append(message)

    return send


async def _nowhere(_: Message) -> None:
    """Send no answer."""


async def _reset(receive: Receive) -> None:
    """Reset a request's connection, as a router that fails would.

    ASGI has no way to do this; uvicorn's ``receive`` is a method of what holds the connection.
    """
    transport: asyncio.Transport = cast("Any", receive).__self__.transport
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Closed without lingering, a connection is reset (socket(7)).
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # Whoever holds it learns of it in the loop's next turn.
    await asyncio.sleep(0)


def _cut_off(receive: Receive, keep: int) -> Receive:
    """Return the first bytes of a request, and then the connection is reset."""
    left = keep

    async def limited() -> Message:
        nonlocal left
        if left <= 0:
            await _reset(receive)
            return {"type": "http.disconnect"}
        message = await receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")[:left]
            left -= len(body)
            return {**message, "body": body, "more_body": True}
        return message

    return limited
