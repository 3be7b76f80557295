"""A kernel version and its run: pushed unless it is there, followed, explained when it fails, its output fetched."""

import json
import threading
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from kaggle_offline.errors import OfflineError, OutputError, RunError, TransientError
from kaggle_offline.files import new_folder
from kaggle_offline.kaggle_client import KernelState, RunState
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.log import RunLog, cause_of, read_log
from kaggle_offline.notebook import RUN_RECORD, RenderedKernel, digest_of_source
from kaggle_offline.output import check_output
from kaggle_offline.report import PICTURES
from kaggle_offline.target import Target

# For what is left of a log when its run has ended.
_REST_SECONDS = 2.0


def run_kernel(
    kernel: KernelFolder, target: Target, rendered: RenderedKernel, known: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """See the rendered kernel run through on the target; return its version, and what its run came to.

    A version of the same digest is waited for, not pushed again, unless its run failed.

    Args:
        kernel: the competition.
        target: where to.
        rendered: what to push.
        known: the result so far: an output that was fetched and checked is not fetched again.

    Raises:
        RunError: the run failed.
        OutputError: it left nothing, or nothing that can be handed in.
        KaggleError: Kaggle refused something.
    """
    client, output = target.client, kernel.build / "output"
    state = client.kernel(kernel.slug)
    if state is not None and not _is_same(state, rendered):
        # Before a version is made that may be there: an answer can be older than what it tells of.
        target.waits.sleep(target.waits.patience.first_pause, f"kernel {kernel.slug}")
        state = client.kernel(kernel.slug)
    same = state is not None and _is_same(state, rendered)
    if state is not None and same:
        version = state.version
        entry = {"ref": f"{client.owner}/{kernel.slug}", "version": version, "digest": rendered.digest}
        if known.get("kernel") == entry and "run" in known and (output / kernel.output).is_file():
            print(f"  {kernel.slug}: version {version}, unchanged, already run", flush=True)
            run: dict[str, Any] = known["run"]
            return version, run
        same = client.run(kernel.slug, version).status != "error"
    if not same:
        version = client.push_kernel(rendered.folder, after=state.version if state else 0)
    how = "unchanged, its run is there" if same else "pushed, running without a network"
    print(f"  {kernel.slug}: version {version}, {how}", flush=True)
    ended = wait_for_run(target, kernel.slug, version)
    with new_folder(output) as draft:
        wanted = partial(_is_wanted, kernel.output)
        log = read_log(client.fetch_output(kernel.slug, version, draft, wanted))
    if ended.status != "complete":
        raise run_error(f"{client.owner}/{kernel.slug} version {version}", ended, log)
    seen = _check(kernel, target, output / kernel.output)
    print(f"  {kernel.slug}: ran through in {log.seconds:.0f} s, wrote {output / kernel.output}: {seen}", flush=True)
    record = {"status": ended.status, "seconds": log.seconds, "peak_memory_bytes": _peak_memory(output)}
    if ended.failure:
        # Of a run that went through: the local Kaggle's word that it was not isolated.
        print(f"  {ended.failure}", flush=True)
        record["notice"] = ended.failure
    return version, record


def _is_same(state: KernelState, rendered: RenderedKernel) -> bool:
    """Whether a version was made of the same, and sees what it should."""
    sees = {source.casefold() for source in rendered.sources} <= state.sources
    return sees and digest_of_source(state.source) == rendered.digest


def wait_for_run(target: Target, slug: str, version: int) -> RunState:
    """Follow the log of a kernel version's run until it has ended.

    Raises:
        RunError: it takes longer than any kernel may.
    """
    follower: _Follower | None = None

    def look() -> RunState | None:
        nonlocal follower
        run = target.client.run(slug, version)
        # Before it runs, the log is that of the version before.
        if run.status == "running" and follower is None:
            follower = _Follower(target, slug)
            follower.start()
        return run if run.status in ("complete", "error") else None

    seconds = target.waits.patience.run
    try:
        run = target.waits.until("running", look, seconds=seconds)
    finally:
        if follower is not None:
            follower.finish()
    if run is None:
        raise RunError(
            f"{slug} version {version}: its run has not ended after {seconds / 3600:.1f} hours", "Stop it on Kaggle."
        )
    return run


class _Follower(threading.Thread):
    """Prints what a run prints, as long as Kaggle tells; it is for whoever watches, and may miss something.

    Each time that Kaggle is asked, the log is told from its beginning.
    """

    def __init__(self, target: Target, slug: str) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._slug = slug
        self._run_ended = threading.Event()
        self._over = threading.Event()

    def run(self) -> None:
        """Follow the log until the run has ended, also where the log is cut off before."""
        printed = 0
        while True:
            try:
                for number, text in enumerate(self._target.client.follow_log(self._slug), start=1):
                    if self._over.is_set():
                        return
                    if number > printed and text.strip():
                        tqdm.write("\n".join(f"  | {line}" for line in text.rstrip().splitlines()))
                    printed = max(printed, number)
            except TransientError:
                pass
            except (OfflineError, BrokenPipeError):
                return
            if self._run_ended.wait(self._target.waits.patience.poll):
                return

    def finish(self) -> None:
        """The run has ended: let what is left be printed, which takes a moment, and no more."""
        self._run_ended.set()
        self.join(_REST_SECONDS)
        self._over.set()


def _is_wanted(output: str, name: str) -> bool:
    """Whether a file is handed in, tells of the run, or is a picture for the report."""
    return name in (output, RUN_RECORD) or PurePosixPath(name).suffix in PICTURES


def _check(kernel: KernelFolder, target: Target, path: Path) -> str:
    """See that what was written can be handed in.

    Raises:
        OutputError: it cannot.
        KaggleError: the sample submission cannot be had.
    """
    if not path.is_file():
        raise OutputError(
            f"{kernel.slug} ran through but did not write {kernel.output}",
            f"Let it write /kaggle/working/{kernel.output}, then run freeze and push again.",
        )
    sample = kernel.build / kernel.sample
    there = bool(kernel.sample) and target.client.fetch_data_file(kernel.competition, kernel.sample, sample)
    return check_output(path, sample if there else None)


def _peak_memory(output: Path) -> int:
    try:
        return int(json.loads((output / RUN_RECORD).read_text())["peak_memory_bytes"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 0


def run_error(what: str, run: RunState, log: RunLog) -> RunError:
    """Say why the run of ``what`` failed, as far as its log and Kaggle tell."""
    cause = cause_of(run.failure, log)
    details = [text for text in (log.exception, run.failure) if text and text != cause.text]
    return RunError("\n".join([f"{what} failed: {cause.text}", *details, log.end]), cause.cure)
