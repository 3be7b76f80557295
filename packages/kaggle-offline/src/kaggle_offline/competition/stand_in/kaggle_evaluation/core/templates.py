"""The two sides of a served competition, as its kernels and its rerun know them.

These files stand in for the host's where the competition's data are absent. ``stand_in.json``, in the folder above, has
the test set and the columns of the competition.
"""

import json
import os
import shutil
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pandas as pd

from kaggle_evaluation.core import relay

IS_RERUN = bool(os.getenv("KAGGLE_IS_COMPETITION_RERUN"))
_FOLDER = Path(__file__).parents[2]
_SHARED = Path("/kaggle/shared")
# The hosts' files have the same numbers; 60 minutes is their default.
_START_SECONDS, _CALL_SECONDS = 15 * 60, 60 * 60
# Codes of gRPC, and the names and numbers of errors that Kaggle knows.
_NAMES = {
    grpc.StatusCode.UNAVAILABLE: "SERVER_CONNECTION_FAILED",
    grpc.StatusCode.INTERNAL: "SERVER_RAISED_EXCEPTION",
    grpc.StatusCode.UNIMPLEMENTED: "SERVER_MISSING_ENDPOINT",
    grpc.StatusCode.DEADLINE_EXCEEDED: "GRPC_DEADLINE_EXCEEDED",
}
_NUMBERS = {
    "UNSPECIFIED": 0,
    "SERVER_NEVER_STARTED": 1,
    "SERVER_CONNECTION_FAILED": 2,
    "SERVER_RAISED_EXCEPTION": 3,
    "SERVER_MISSING_ENDPOINT": 4,
    "GATEWAY_RAISED_EXCEPTION": 5,
    "INVALID_SUBMISSION": 6,
    "GRPC_DEADLINE_EXCEEDED": 7,
}
_DETAILS = 8000


class GatewayError(Exception):
    """An error with a name that Kaggle knows."""

    def __init__(self, name: str, details: str) -> None:
        super().__init__(details)
        self.name = name


class Gateway:
    """Sends batches of the test set to a server, and writes its answers to ``submission.parquet``.

    Args:
        paths: of the test set, or of its folder; by default it is where these files are.
        start_seconds: that the server has to start.
        call_seconds: that it has for each call but the first.
    """

    def __init__(
        self, paths: Sequence[str] = (), start_seconds: float = _START_SECONDS, call_seconds: float = _CALL_SECONDS
    ) -> None:
        self.settings: dict[str, Any] = json.loads((_FOLDER / "kaggle_evaluation" / "stand_in.json").read_text())
        self.table = _table_of(self.settings["test"], paths)
        host = "inference_server" if IS_RERUN else "localhost"
        self.client = relay.Client(host, start_seconds, call_seconds)

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield the rows with the same value of the batch's column, or single rows, in no order within a batch."""
        if self.table.suffix == ".parquet":
            test = pd.read_parquet(self.table)
        else:
            test = pd.read_csv(self.table)
        batches = [test[number : number + 1] for number in range(len(test))]
        if self.settings["batch"]:
            batches = [batch for _, batch in test.groupby(self.settings["batch"])]
        for batch in batches:
            yield batch.sample(frac=1, random_state=0, ignore_index=True)

    def share(self, path: Path) -> str:
        """Give the server a file; return where it sees it."""
        if not IS_RERUN:
            return str(path)
        target = _SHARED / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return str(target)

    def run(self) -> None:
        """Write ``submission.parquet``, and in a rerun ``result.json``.

        Raises:
            GatewayError: outside of a rerun, the server has failed.
        """
        result: dict[str, object] = {"Succeeded": True}
        try:
            answers = [self.predict(batch) for batch in self.batches()]
            pd.concat(answers).to_parquet("submission.parquet", index=False)
        except Exception as error:
            if not IS_RERUN:
                raise
            name, details = "GATEWAY_RAISED_EXCEPTION", traceback.format_exc()
            if isinstance(error, GatewayError):
                name, details = error.name, str(error)
            result = {"Succeeded": False, "ErrorType": _NUMBERS[name], "ErrorName": name}
            result["ErrorDetails"] = details[:_DETAILS]
        self.client.close()
        if IS_RERUN:
            Path("result.json").write_text(json.dumps(result))

    def predict(self, batch: pd.DataFrame) -> pd.DataFrame:
        """Return the server's answer to a batch, with the batch's ids: answers are in the order of its rows.

        Raises:
            GatewayError: the server gives no answer, or one with more or fewer rows or columns.
        """
        try:
            answer: pd.DataFrame = self.client.send("predict", batch)
        except TimeoutError as error:
            raise GatewayError("SERVER_NEVER_STARTED", str(error)) from error
        except grpc.RpcError as error:
            raise GatewayError(_NAMES.get(error.code(), "UNSPECIFIED"), str(error.details())) from error
        if len(answer) != len(batch):
            raise GatewayError("INVALID_SUBMISSION", f"{len(answer)} rows, for a batch of {len(batch)}")
        id_column, columns = self.settings["id"], self.settings["columns"]
        answer = answer.drop(columns=id_column, errors="ignore")
        if len(answer.columns) != len(columns):
            raise GatewayError("INVALID_SUBMISSION", f"{len(answer.columns)} columns, where {len(columns)} are asked")
        if set(answer.columns) != set(columns):
            answer.columns = pd.Index(columns)
        answer.insert(0, id_column, batch[id_column].tolist())
        return answer


class InferenceServer:
    """Answers a gateway with functions of the kernel's, by their names."""

    def __init__(self, *functions: relay.Function) -> None:
        self._functions = {function.__name__: function for function in functions}

    def serve(self) -> None:
        """Answer for ever."""
        relay.serve(self._functions).wait_for_termination()

    def run_local_gateway(self, data_paths: Sequence[str] = ()) -> None:
        """Run the gateway in this process, on the data that everybody sees."""
        server = relay.serve(self._functions)
        try:
            self.gateway(data_paths).run()
        finally:
            server.stop(0)

    def gateway(self, paths: Sequence[str]) -> Gateway:
        """Return the gateway for a run of one's own."""
        return Gateway(paths)


def _table_of(name: str, paths: Sequence[str]) -> Path:
    """Return the path of the test set."""
    for path in map(Path, paths):
        if path.name == Path(name).name:
            return path
        if (path / name).is_file():
            return path / name
    return _FOLDER / name
