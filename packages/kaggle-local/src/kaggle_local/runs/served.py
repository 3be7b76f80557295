"""The rerun of a served competition: the competition's gateway sends the kernel the hidden test set, call by call.

Two sandboxes share a network with nothing in it, and a folder that only the gateway can write to. The protocol is the
files' own: they come with the competition's data.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kaggle_local.errors import SubmissionError
from kaggle_local.runs.calls import write_calls
from kaggle_local.runs.execution import Executor, Outcome
from kaggle_local.runs.gateway_driver import CALLS
from kaggle_local.runs.image import Image
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.log import RunLog
from kaggle_local.runs.network import Network, shared_network
from kaggle_local.runs.sandbox import INPUT, Mount
from kaggle_local.scoring.competition import Competition
from kaggle_local.storage import remove_tree

SHARED = "/kaggle/shared"

# The gateway finds the kernel by this name as long as it runs: it looks the name up to tell whether it still does
# (kaggle_evaluation/core/relay.py).
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
_WITH_KERNEL = f"127.0.0.1 inference_server\n{_HOSTS}"

_DRIVER = Path(__file__).with_name("gateway_driver.py")

# Folders that a gateway names: its defaults may be neither of the two mount layouts'.
_FOLDER = re.compile(rf"{INPUT}/(?!competitions\b)([\w.-]+)")

# Seconds that a gateway has to say why, once the kernel has ended: it tries five times, up to a second apart.
_GRACE = 10.0
# Characters of the details of an error (kaggle_evaluation/core/base_gateway.py).
_DETAILS = 8000
# The error of a gateway that fails by itself.
_OF_GATEWAY = "GATEWAY_RAISED_EXCEPTION"

# The classes that Kaggle shows ("Code Competitions - Errors & Debugging Tips"), by the error's name. The first is sure;
# the page describes the second by endpoints, crashes and timeouts; the others are assumed.
_SERVER, _KAGGLE = "Notebook Inference Server Error", "Kaggle Error"
_KINDS: Mapping[str, str] = {
    "SERVER_NEVER_STARTED": "Notebook Inference Server Never Started",
    "SERVER_CONNECTION_FAILED": _SERVER,
    "SERVER_RAISED_EXCEPTION": _SERVER,
    "SERVER_MISSING_ENDPOINT": _SERVER,
    "GRPC_DEADLINE_EXCEEDED": _SERVER,
    "INVALID_SUBMISSION": SubmissionError.kind,
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """How a rerun ended.

    Attributes:
        gateway: its end.
        kernel: its end.
        kernel_listened: whether the kernel has started a server.
        kernel_ended: whether the kernel ended before the gateway.
    """

    gateway: Outcome
    kernel: Outcome
    kernel_listened: bool
    kernel_ended: bool


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

    Leaves the gateway's ``output/``, the kernel's ``log.json``, the gateway's ``gateway-log.json``, and ``calls.json``
    with its calls in ``folder``.

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
    (folder / "hosts").write_text(_WITH_KERNEL, encoding="ascii")
    hosts, shared = Mount(folder / "hosts", "/etc/hosts"), Mount(folder / "shared", SHARED)
    ended = threading.Event()
    with shared_network() as network, ThreadPoolExecutor(1, thread_name_prefix="served") as threads:
        kernel = replace(kernel, network=network, mounts=[*kernel.mounts, shared])
        gateway = replace(
            gateway, network=network, mounts=[*gateway.mounts, hosts], writable=[*gateway.writable, shared]
        )
        answers = Executor(image=image, given_up=given_up, cancelled=lambda: ended.is_set() or cancelled())
        began = time.time()
        answering = threads.submit(answers.run, kernel, folder / "kernel", RunLog())
        kernel_watch = _KernelWatch(answering, network, hosts.source)
        asks = Executor(image=image, given_up=given_up, cancelled=lambda: kernel_watch.is_over() or cancelled())
        try:
            outcome = asks.run(gateway, folder / "gateway", RunLog())
            kernel_ended = answering.done()
        finally:
            ended.set()
        answered = answering.result()
    (folder / "gateway" / "output").rename(folder / "output")
    listened = bool(kernel_watch.listening)
    noted = folder / "output" / CALLS.name
    if noted.is_file():
        if listened:
            write_calls(folder, noted.read_text(encoding="ascii"), began, kernel_watch.listening)
        noted.unlink()
    shutil.copyfile(folder / "gateway" / "log.json", folder / "gateway-log.json")
    shutil.copyfile(folder / "kernel" / "log.json", folder / "log.json")
    for name in ("shared", "kernel", "gateway"):
        remove_tree(folder / name)
    (folder / "hosts").unlink()
    return Served(gateway=outcome, kernel=answered, kernel_listened=listened, kernel_ended=kernel_ended)


class _KernelWatch:
    """Watches the kernel of a rerun: when it listens, and whether it has ended.

    Args:
        answering: the kernel's run.
        network: its network.
        hosts: the file by which the gateway finds it.
    """

    def __init__(self, answering: "Future[Outcome]", network: Network, hosts: Path) -> None:
        self._answering = answering
        self._network = network
        self._hosts = hosts
        self._ended = 0.0
        self.listening = 0.0

    def is_over(self) -> bool:
        """Look; tell whether the kernel ended so long ago that the gateway has to end, too."""
        if not self.listening and self._network.has_server():
            self.listening = time.time()
        if self._answering.done() and not self._ended:
            self._ended = time.monotonic()
            # In place: the sandbox has this very file.
            self._hosts.write_text(_HOSTS, encoding="ascii")
        return bool(self._ended) and time.monotonic() - self._ended > _GRACE


def gateway_program(kernel: Program, competition: Competition) -> Program:
    """Return the program that runs a competition's gateway on the hidden data, within the kernel's limits.

    The data lie where both mount layouts have them, and where the gateway's own defaults look: older ones know the old
    layout alone, and some have a name that is not the slug.
    """
    file = competition.hidden / competition.gateway
    named = _FOLDER.findall(file.read_text(encoding="utf-8", errors="replace"))
    folders = sorted({f"competitions/{competition.slug}", competition.slug, *named})
    root = f"{INPUT}/competitions/{competition.slug}"
    return replace(
        kernel,
        source=_DRIVER.read_text(encoding="utf-8"),
        kind="script",
        mounts=[Mount(competition.hidden, f"{INPUT}/{folder}") for folder in folders],
        environment={**kernel.environment, "KAGGLE_LOCAL_GATEWAY": f"{root}\n{competition.gateway}"},
        gpu=False,
        utility_scripts={},
    )


def check_result(output: Path, served: Served) -> None:
    """Check what the gateway says of the rerun, in ``result.json``.

    Raises:
        SubmissionError: it has failed; the class is Kaggle's for the error's name.
    """
    try:
        found: Any = json.loads((output / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        problem = served.gateway.stopped or f"it ended with {served.gateway.code}, and without result.json"
        found = {"ErrorName": _OF_GATEWAY, "ErrorDetails": problem}
    if found.get("Succeeded") is True:
        return
    name = str(found.get("ErrorName") or "UNSPECIFIED")
    problem = f"the gateway ended with {name}: {str(found.get('ErrorDetails') or '')[:_DETAILS]}"
    if served.kernel_ended and name == _OF_GATEWAY:
        # The gateway was only surprised by it.
        name = "SERVER_CONNECTION_FAILED" if served.kernel_listened else "SERVER_NEVER_STARTED"
        problem = f"the kernel ended before the gateway: {served.kernel.stopped or served.kernel.code}"
    raise SubmissionError(
        problem, "The gateway's log is gateway-log.json beside that of the kernel.", kind=_KINDS.get(name, _KAGGLE)
    )
