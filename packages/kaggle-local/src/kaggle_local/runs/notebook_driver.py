"""Runs a notebook inside the sandbox, with the image's nbclient: ``driver.py SOURCE EXECUTED``.

Its output is the run's log as it comes about: a line of JSON an event, as Kaggle keeps it
(``stream_name``, ``time`` in seconds since the start, ``data``).
"""

import json
import os
import re
import sys
import time
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

# Characters of one event; its line must be one that the server reads whole.
LONGEST = 50_000

STARTED = time.monotonic()
# Whatever else writes to descriptor 1 must not come between the events.
EVENTS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def emit(stream: str, text: str) -> None:
    """Write one event of the log."""
    seconds = round(time.monotonic() - STARTED, 3)
    for start in range(0, len(text), LONGEST):
        event = {"stream_name": stream, "time": seconds, "data": text[start : start + LONGEST]}
        EVENTS.write(json.dumps(event) + "\n")


class LoggedClient(NotebookClient):
    """A notebook client that passes on the output of cells while they run."""

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Called for every output of a cell."""
        if msg["msg_type"] == "stream":
            emit(msg["content"]["name"], msg["content"]["text"])
        return super().output(outs, msg, display_id, cell_index)


def main(source: str, executed: str) -> int:
    """Execute, write the executed notebook whatever happens, and say whether every cell ran."""
    notebook = nbformat.read(source, as_version=4)
    name = notebook.metadata.get("kernelspec", {}).get("name")
    if not name:
        # As papermill, which runs notebooks on Kaggle (Kaggle/kaggle-cli issue 689).
        emit("stderr", "ValueError: No kernel name found in notebook and no override provided.\n")
        return 1
    # Over files rather than ports: a run has no network, not even to itself.
    config = Config({"KernelManager": {"transport": "ipc"}})
    # Kaggle's /etc/ipython/ipython_config.py sets the same option (Kaggle/docker-python, Dockerfile.tmpl): matplotlib,
    # numpy and their dependencies are imported before the first cell.
    inline = ["--IPKernelApp.matplotlib=inline"]
    client = LoggedClient(notebook, timeout=None, kernel_name=name, config=config, extra_arguments=inline)
    try:
        client.execute()
    except NoSuchKernel as error:
        emit("stderr", f"NoSuchKernel: {error}\n")
        return 1
    except CellExecutionError as error:
        # An exit without an error ends a notebook well (papermill 2.6, execute.raise_for_execution_errors).
        if error.ename == "SystemExit" and error.evalue in ("", "0"):
            return 0
        emit("stderr", re.sub(r"\x1b\[[0-9;]*m", "", str(error)) + "\n")
        return 1
    finally:
        nbformat.write(notebook, executed)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
