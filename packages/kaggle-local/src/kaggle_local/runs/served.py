"""The rerun of a served competition: the competition's gateway sends the kernel the hidden test set, call by call.

Two sandboxes share a network with nothing in it, and a folder that only the gateway can write to. The protocol is the
files' own: they come with the competition's data.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kaggle_local.errors import SubmissionError
from kaggle_local.runs.execution import Executor, Outcome
from kaggle_local.runs.image import Image
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.log import RunLog
from kaggle_local.runs.network import shared_network
from kaggle_local.runs.sandbox import Mount
from kaggle_local.storage import remove_tree

SHARED = "/kaggle/shared"

# The gateway finds the kernel by this name (kaggle_evaluation/core/base_gateway.py of public competitions' data).
_HOSTS = "127.0.0.1 localhost inference_server\n::1 localhost\n"

# Runs the gateway as a program, from its own place: modules are imported from its folder and from the one above.
GATEWAY = """\
import os, runpy, sys
path = {path!r}
folder = os.path.dirname(path)
sys.argv, sys.path[:1] = [path], [folder, os.path.dirname(folder)]
runpy.run_path(path, run_name="__main__")
"""

# Seconds that a gateway has to say why, once the kernel has ended.
_GRACE = 5.0
# Characters of the details of an error (kaggle_evaluation/core/base_gateway.py).
_DETAILS = 8000


@dataclass(frozen=True, kw_only=True)
class Served:
    """How a rerun ended: the gateway, and the kernel; ``kernel_failed`` is whether it ended before the gateway."""

    gateway: Outcome
    kernel: Outcome
    kernel_failed: bool


def run_served(
    image: Image,
    kernel: Program,
    gateway: Program,
    folder: Path,
    *,
    given_up: Callable[[], bool],
    cancelled: Callable[[], bool],
) -> Served:
    """Run the gateway to its end, with the kernel beside it; the kernel is stopped then.

    Leaves the gateway's ``output/``, the kernel's ``log.json`` and the gateway's ``gateway-log.json`` in ``folder``.

    Args:
        image: of both.
        kernel: sees the public data.
        gateway: sees the hidden data.
        folder: of the rerun, empty.
        given_up: tells whether the rerun is to end at once.
        cancelled: tells whether it is to end, keeping its files.

    Raises:
        SandboxError: this machine cannot isolate them, or give them a network.
        Stopped: it was given up.
    """
    for name in ("shared", "kernel", "gateway"):
        (folder / name).mkdir()
    (folder / "hosts").write_text(_HOSTS, encoding="utf-8")
    hosts, shared = Mount(folder / "hosts", "/etc/hosts"), Mount(folder / "shared", SHARED)
    ended = threading.Event()
    with shared_network() as network, ThreadPoolExecutor(1, thread_name_prefix="served") as threads:
        kernel = replace(kernel, network=network, mounts=[*kernel.mounts, shared])
        gateway = replace(
            gateway, network=network, mounts=[*gateway.mounts, hosts], writable=[*gateway.writable, shared]
        )
        answers = Executor(image=image, given_up=given_up, cancelled=lambda: ended.is_set() or cancelled())
        answering = threads.submit(answers.run, kernel, folder / "kernel", RunLog())
        asks = Executor(image=image, given_up=given_up, cancelled=_Ended(answering, cancelled))
        try:
            outcome = asks.run(gateway, folder / "gateway", RunLog())
            kernel_failed = answering.done()
        finally:
            ended.set()
        answered = answering.result()
    (folder / "gateway" / "output").rename(folder / "output")
    shutil.copyfile(folder / "gateway" / "log.json", folder / "gateway-log.json")
    shutil.copyfile(folder / "kernel" / "log.json", folder / "log.json")
    for name in ("shared", "kernel", "gateway"):
        remove_tree(folder / name)
    (folder / "hosts").unlink()
    return Served(gateway=outcome, kernel=answered, kernel_failed=kernel_failed)


class _Ended:
    """Tells whether a gateway has to end: its kernel ended some time ago, or the rerun is cancelled."""

    def __init__(self, answering: "Future[Outcome]", cancelled: Callable[[], bool]) -> None:
        self._answering = answering
        self._cancelled = cancelled
        self._since = 0.0

    def __call__(self) -> bool:
        if self._answering.done() and not self._since:
            self._since = time.monotonic()
        late = bool(self._since) and time.monotonic() - self._since > _GRACE
        return late or self._cancelled()


def check_result(output: Path, served: Served) -> None:
    """Check what the gateway says of the rerun, in ``result.json``.

    Raises:
        SubmissionError: it has failed; the class is the error's name, which Kaggle tells in a sentence of its own.
    """
    try:
        found: Any = json.loads((output / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        problem = served.gateway.stopped or f"it ended with {served.gateway.code}, and without result.json"
        found = {"ErrorName": "GATEWAY_RAISED_EXCEPTION", "ErrorDetails": problem}
    if found.get("Succeeded") is True:
        return
    name = str(found.get("ErrorName") or "UNSPECIFIED")
    details = str(found.get("ErrorDetails") or "")[:_DETAILS]
    raise SubmissionError(
        f"the gateway ended with {name}: {details}",
        "Its log is gateway-log.json beside that of the kernel.",
        kind=name.replace("_", " ").capitalize(),
    )
