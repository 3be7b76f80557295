"""As much of W&B's server as `wandb` asks for when it logs or syncs a run: it keeps what it is told.

W&B's own tests have such a server, too (wandb/wandb, tests/system_tests).
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# W&B checks no more of a key than its length.
API_KEY = "0123456789" * 4


@dataclass
class WandbServer:
    """A running server.

    Attributes:
        url: its address.
        refuses: whether it answers 403 to everything.
        runs: what was told of each run, by its id: ``project``, ``commit``, ``config``, ``summary`` and more.
        resumed: the ids of those that were told of again.
    """

    url: str
    refuses: bool = False
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Answer a call of its GraphQL interface; one that is not known here has no data."""
        if "upsertBucket" in query:
            run = self.runs.setdefault(variables["name"], {})
            run |= {key: value for key, value in variables.items() if value is not None}
            project = {"id": "p", "name": variables["project"], "entity": {"id": "e", "name": "somebody"}}
            bucket = {"id": "b", "name": variables["name"], "project": project, "historyLineCount": 0}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}
        if "RunResumeStatus" in query:
            return {"model": self._resumed(variables["name"])}
        return {}

    def _resumed(self, run: str) -> dict[str, Any] | None:
        if run not in self.runs:
            return None
        self.resumed.append(run)
        known = self.runs[run]
        bucket = {"id": "b", "name": run, "config": known["config"], "tags": [], "wandbConfig": "{}"}
        bucket |= {"summaryMetrics": json.dumps(known.get("summary", {})), "historyTail": "[]", "eventsTail": "[]"}
        bucket |= {"logLineCount": 0, "historyLineCount": 0, "eventsLineCount": 0}
        return {"id": "p", "name": known["project"], "entity": {"id": "e", "name": "somebody"}, "bucket": bucket}

    def stream(self, run: str, told: dict[str, Any]) -> None:
        """Take part of a run's stream of files."""
        for name, part in told.get("files", {}).items():
            if name == "wandb-summary.json":
                self.runs[run]["summary"] = json.loads(part["content"][-1])


@contextmanager
def serve_wandb() -> Iterator[WandbServer]:
    """Run a server on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answer: dict[str, Any] = {}
            if self.path == "/graphql":
                call = json.loads(body)
                answer = {"data": server.answer(call["query"], call.get("variables") or {})}
            elif self.path.endswith("/file_stream"):
                server.stream(self.path.split("/")[-2], json.loads(body))
            text = json.dumps(answer).encode()
            self.send_response(403 if server.refuses else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = WandbServer(url=f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
