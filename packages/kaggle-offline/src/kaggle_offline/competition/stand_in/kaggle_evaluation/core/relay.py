"""Calls from a gateway to a kernel's server: a table each way, as Arrow over gRPC, without generated code."""

import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pandas as pd
import pyarrow as pa

# The first that is free is the server's.
PORTS = (50051, *range(60053, 60063))
_SERVICE = "stand_in.Relay"
_RETRY_SECONDS = 0.2
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))

Function = Callable[[pd.DataFrame], Any]
"""Answers a table, with a table of pandas or polars, a series, or a single value."""


class _Endpoints(grpc.GenericRpcHandler):  # type: ignore[misc] # gRPC has no types
    """The functions that a gateway can call, by name."""

    def __init__(self, functions: dict[str, Function]) -> None:
        self._functions = functions

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a call; None for a function that is not there, which gRPC answers itself."""
        function = self._functions.get(handler_call_details.method.rpartition("/")[2])
        if function is None:
            return None

        def answer(request: bytes, context: Any) -> bytes:
            try:
                return _to_bytes(function(_to_table(request)))
            except Exception:
                context.abort(grpc.StatusCode.INTERNAL, traceback.format_exc())
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


def serve(functions: dict[str, Function]) -> Any:
    """Start a server on the first port that is free; return it."""
    server = grpc.server(ThreadPoolExecutor(1), options=_OPTIONS)
    server.add_generic_rpc_handlers([_Endpoints(functions)])
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
    """Calls a server, which may start later.

    Args:
        host: where the server is.
        start_seconds: until it has to be there.
        call_seconds: for each call but the first, in which the kernel loads its model.
    """

    def __init__(self, host: str, start_seconds: float, call_seconds: float) -> None:
        self._host = host
        self._start_seconds = start_seconds
        self._call_seconds = call_seconds
        self._channel: Any = None

    def send(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Return the answer of a function; a single value is a table of one cell.

        Raises:
            TimeoutError: no server has started.
            grpc.RpcError: the call failed.
        """
        seconds = None
        if self._channel is None:
            self._channel = self._connect()
        else:
            seconds = self._call_seconds
        function = self._channel.unary_unary(f"/{_SERVICE}/{name}")
        return _to_table(function(_to_bytes(table), timeout=seconds))

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._channel is not None:
            self._channel.close()

    def _connect(self) -> Any:
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            for port in PORTS:
                channel = grpc.insecure_channel(f"{self._host}:{port}", options=_OPTIONS)
                try:
                    grpc.channel_ready_future(channel).result(timeout=_RETRY_SECONDS)
                except grpc.FutureTimeoutError:
                    channel.close()
                else:
                    return channel
        raise TimeoutError(f"no server within {self._start_seconds:g} s")


def _to_bytes(answer: Any) -> bytes:
    if hasattr(answer, "to_pandas"):
        answer = answer.to_pandas()
    if isinstance(answer, pd.Series):
        answer = answer.to_frame()
    elif not isinstance(answer, pd.DataFrame):
        answer = pd.DataFrame([answer])
    table = pa.Table.from_pandas(answer.rename(columns=str), preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _to_table(content: bytes) -> pd.DataFrame:
    with pa.ipc.open_stream(content) as stream:
        table: pd.DataFrame = stream.read_pandas()
    return table
