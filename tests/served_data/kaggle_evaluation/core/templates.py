"""The two sides of a served competition: what its gateway and its inference server have in common with others'."""

import json
import os
import shutil
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pandas as pd

from kaggle_evaluation.core import relay

IS_RERUN = bool(os.getenv("KAGGLE_IS_COMPETITION_RERUN"))
_SHARED = Path("/kaggle/shared")
_NAMES = {
    grpc.StatusCode.UNAVAILABLE: "SERVER_CONNECTION_FAILED",
    grpc.StatusCode.INTERNAL: "SERVER_RAISED_EXCEPTION",
    grpc.StatusCode.UNIMPLEMENTED: "SERVER_MISSING_ENDPOINT",
    grpc.StatusCode.DEADLINE_EXCEEDED: "GRPC_DEADLINE_EXCEEDED",
}


class GatewayError(Exception):
    """An error with a name that the host allows."""

    def __init__(self, name: str, details: str) -> None:
        super().__init__(details)
        self.name = name
        self.details = details


class Gateway:
    """Sends batches to a server, and writes what comes back; a competition overrides `batches`."""

    def __init__(self, start_seconds: float = 900, call_seconds: float = 60) -> None:
        host = "inference_server" if IS_RERUN else "localhost"
        self.client = relay.Client(host, start_seconds, call_seconds)

    def batches(self) -> Any:
        """Yield batches: tables with the column row_id."""
        raise NotImplementedError

    def share(self, path: Path) -> str:
        """Give the server a file; return where it sees it."""
        if not IS_RERUN:
            return str(path)
        target = _SHARED / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return str(target)

    def run(self) -> None:
        """Write ``submission.parquet``, and in a rerun ``result.json``."""
        result: dict[str, object] = {"Succeeded": True}
        try:
            answers = [self.predict(batch) for batch in self.batches()]
            pd.concat(answers).to_parquet("submission.parquet", index=False)
        except GatewayError as error:
            result = {"Succeeded": False, "ErrorName": error.name, "ErrorDetails": error.details[:8000]}
        except Exception:  # noqa: BLE001 - each failure has a name
            details = traceback.format_exc()[-8000:]
            result = {"Succeeded": False, "ErrorName": "GATEWAY_RAISED_EXCEPTION", "ErrorDetails": details}
        if not IS_RERUN and not result["Succeeded"]:
            raise RuntimeError(f"{result['ErrorName']}: {result['ErrorDetails']}")
        if IS_RERUN:
            Path("result.json").write_text(json.dumps(result))

    def predict(self, batch: pd.DataFrame) -> pd.DataFrame:
        """Return the server's answer to a batch.

        Raises:
            GatewayError: the server gives no answer, or one with other rows.
        """
        try:
            answer = pd.DataFrame(self.client.call("predict", batch.to_dict("records")))
        except TimeoutError as error:
            raise GatewayError("SERVER_NEVER_STARTED", str(error)) from error
        except grpc.RpcError as error:
            raise GatewayError(_NAMES.get(error.code(), "UNSPECIFIED"), str(error.details())) from error
        if "row_id" not in answer or list(answer["row_id"]) != list(batch["row_id"]):
            raise GatewayError("INVALID_SUBMISSION", f"{len(answer)} rows, for a batch of {len(batch)}")
        return answer


class InferenceServer:
    """Answers a gateway with a function of the kernel's; a competition overrides `gateway`."""

    def __init__(self, *functions: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self._functions = {function.__name__: _of_tables(function) for function in functions}

    def gateway(self, paths: Sequence[str]) -> Gateway:
        """Return the gateway for a run of one's own."""
        raise NotImplementedError

    def serve(self) -> None:
        """Answer for ever."""
        relay.serve(self._functions).wait_for_termination()

    def run_local_gateway(self, paths: Sequence[str]) -> None:
        """Run the gateway in this process, on the data that everybody sees."""
        server = relay.serve(self._functions)
        try:
            self.gateway(paths).run()
        finally:
            server.stop(0)


def _of_tables(function: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Any], Any]:
    return lambda records: function(pd.DataFrame(records)).to_dict("records")
