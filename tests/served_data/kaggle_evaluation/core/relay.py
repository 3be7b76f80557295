"""Calls from a gateway to a kernel's server, and back: JSON over gRPC, without generated code."""

import json
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

# The first that is free is the server's.
PORTS = (50051, *range(60053, 60063))
_SERVICE = "drawn.Relay"


class Endpoints(grpc.GenericRpcHandler):
    """Functions that a gateway can call, by name."""

    def __init__(self, functions: dict[str, Callable[..., Any]]) -> None:
        self._functions = functions

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a call; None for a function that is not there, which gRPC answers itself."""
        function = self._functions.get(handler_call_details.method.rpartition("/")[2])
        if function is None:
            return None

        def answer(request: bytes, context: Any) -> bytes:
            try:
                return json.dumps(function(*json.loads(request))).encode()
            except Exception:
                context.abort(grpc.StatusCode.INTERNAL, traceback.format_exc())
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


def serve(functions: dict[str, Callable[..., Any]]) -> Any:
    """Start a server on the first port that is free; return it."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([Endpoints(functions)])
    for port in PORTS:
        try:
            bound = server.add_insecure_port(f"0.0.0.0:{port}")
        except RuntimeError:
            continue
        if bound:
            break
    server.start()
    return server


class Client:
    """Calls a server, which may start later."""

    def __init__(self, host: str, start_seconds: float, call_seconds: float) -> None:
        self._host = host
        self._start_seconds = start_seconds
        self._call_seconds = call_seconds
        self._channel: Any = None

    def call(self, name: str, *arguments: object) -> Any:
        """Return the answer of a function.

        Raises:
            TimeoutError: no server has started.
            grpc.RpcError: the call failed.
        """
        first = self._channel is None
        if first:
            self._channel = self._connect()
        function = self._channel.unary_unary(f"/{_SERVICE}/{name}")
        # The first call loads the model, and may take as long as it likes.
        seconds = None if first else self._call_seconds
        return json.loads(function(json.dumps(arguments).encode(), timeout=seconds))

    def _connect(self) -> Any:
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            for port in PORTS:
                channel = grpc.insecure_channel(f"{self._host}:{port}")
                try:
                    grpc.channel_ready_future(channel).result(timeout=0.2)
                except grpc.FutureTimeoutError:
                    channel.close()
                else:
                    return channel
        raise TimeoutError(f"no server within {self._start_seconds:g} s")
