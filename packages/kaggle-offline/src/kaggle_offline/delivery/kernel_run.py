"""A kernel version and its run: pushed unless it is there, followed, explained when it fails, its output fetched."""

import threading
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from kaggle_local.errors import NO_SPACE_LEFT
from tqdm import tqdm

from kaggle_offline.artifacts.render import RUN_RECORD, RenderedKernel, digest_of_source
from kaggle_offline.delivery.output_check import check_output
from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.run_log import LINES, RunLog, cause_of, plain, read_log
from kaggle_offline.delivery.target import Target
from kaggle_offline.errors import (
    KaggleError,
    NoSpaceError,
    OfflineError,
    OutputError,
    RepeatedError,
    RunError,
    SessionLimitError,
)
from kaggle_offline.files import new_folder, read_json
from kaggle_offline.kaggle.calls import MOST_VERSIONS
from kaggle_offline.kaggle.kernels import KernelState, RunState
from kaggle_offline.reports.result import PICTURES
from kaggle_offline.repository.kernel_folder import KernelFolder

# For what is left of a log when its run has ended.
_REST_SECONDS = 2.0

# How often a run is repeated whose datasets were not mounted yet.
_MOST_REPEATS = 3


def run_kernel(
    kernel: KernelFolder, target: Target, rendered: RenderedKernel, preflight: Preflight, known: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """See the rendered kernel run through on the target; return its version, and what its run came to.

    A version of the same digest is waited for, not pushed again, unless its run failed. A run that found a dataset
    not mounted yet is repeated after a while, at most `_MOST_REPEATS` times.

    Args:
        kernel: the competition.
        target: where to.
        rendered: what to push.
        preflight: is asked before it is pushed.
        known: the result so far: an output that was fetched and checked is not fetched again.

    Raises:
        RunError: the run failed.
        OutputError: it left nothing, or nothing that can be handed in.
        KaggleError: Kaggle refused something.
    """
    client, output = target.client, kernel.build / "output"
    state = client.kernels.state(kernel.slug)
    if state is not None and _is_same(state, rendered):
        entry = {"ref": f"{client.owner}/{kernel.slug}", "version": state.version, "digest": rendered.digest}
        if known.get("kernel") == entry and "run" in known and (output / kernel.output).is_file():
            print(f"  {kernel.slug}: version {state.version}, unchanged, already run", flush=True)
            run: dict[str, Any] = known["run"]
            return state.version, run
    after, same = _latest(target, kernel.slug, rendered, state)
    if not same:
        preflight.before_sending()
    for repeats in range(_MOST_REPEATS + 1):
        most = MOST_VERSIONS + repeats
        version = after if same else _push(target, kernel.slug, rendered, after=after, most=most)
        how = "unchanged, its run is there" if same else "pushed, running without a network"
        print(f"  {kernel.slug}: version {version}, {how}", flush=True)
        ended, shown = wait_for_run(target, kernel.slug, version)
        with new_folder(output) as draft:
            wanted = partial(_is_wanted, kernel.output)
            # A run that failed has left nothing that would be looked for on later pages.
            needed = (kernel.output, RUN_RECORD) if ended.status == "complete" else ()
            log = read_log(client.kernels.fetch_output(kernel.slug, version, draft, wanted, needed=needed))
        if ended.status == "complete":
            break
        if repeats == _MOST_REPEATS or not log.misses(rendered.shipped):
            raise run_error(f"{client.owner}/{kernel.slug} version {version}", ended, log, shown=shown)
        seconds = target.waits.patience.mount
        print(f"  {log.exception}: Kaggle mounts new versions late; pushing again in {seconds:.0f} s", flush=True)
        target.waits.sleep(seconds, "mounting the new version")
        after, same = version, False
    seen = _check(kernel, target, output / kernel.output)
    print(f"  {kernel.slug}: ran through in {log.seconds:.0f} s, wrote {output / kernel.output}: {seen}", flush=True)
    record = {"status": ended.status, "seconds": log.seconds, "peak_memory_bytes": _peak_memory(output)}
    return version, record


def _latest(target: Target, slug: str, rendered: RenderedKernel, state: KernelState | None) -> tuple[int, bool]:
    """Return the number of the kernel's latest version, and whether that is the rendered kernel and has not failed.

    An answer can be older than what it tells of, and a kernel may show its last complete version while a later one
    runs or has failed: before anything is pushed the next numbers are asked for, too.

    Args:
        target: where to.
        slug: of the kernel.
        rendered: what would be pushed.
        state: the version that Kaggle shows; None for an unknown kernel, whose latest version is 0.
    """
    client = target.client
    if state is None:
        return 0, False
    if not _is_same(state, rendered):
        target.waits.sleep(target.waits.patience.first_pause, f"kernel {slug}")
        state = client.kernels.state(slug) or state
    number = state.version
    for each in client.kernels.versions_from(slug, state):
        number = each.version
        if _is_same(each, rendered) and client.kernels.run(slug, number).status != "error":
            return number, True
    return number, False


def _push(target: Target, slug: str, rendered: RenderedKernel, *, after: int, most: int) -> int:
    """Push the kernel as soon as the account may run one more; return the version.

    Raises:
        SessionLimitError: it may not, to the end.
        RepeatedError: Kaggle refused it, and has made a version of it all the same.
        KaggleError: Kaggle refuses it.
    """
    refusals: list[SessionLimitError] = []

    def attempt() -> int | None:
        made = target.client.kernels.state(slug, after + 1) if refusals else None
        if made is not None and _is_same(made, rendered):
            return made.version
        if made is not None:
            raise RepeatedError(
                f"{slug}: Kaggle refused a push and shows version {after + 1}, which is not what was pushed",
                "Run the same command again.",
            )
        try:
            return target.client.kernels.push(rendered.folder, after=after, most=most)
        except SessionLimitError as error:
            if not refusals:
                print(f"  {error.problem} Waiting for one of them to end.", flush=True)
            refusals.append(error)
            return None

    version = target.waits.until("a free session", attempt, seconds=target.waits.patience.run)
    if version is None:
        raise refusals[-1]
    return version


def _is_same(state: KernelState, rendered: RenderedKernel) -> bool:
    """Tell whether a version was made of the same, and sees what it should."""
    sees = {source.casefold() for source in rendered.sources} <= state.sources
    return sees and digest_of_source(state.source) == rendered.digest


def wait_for_run(target: Target, slug: str, version: int) -> tuple[RunState, Sequence[str]]:
    """Follow the log of a kernel version's run until it has ended.

    Returns:
        How it ended, and the last lines of its log that were shown meanwhile.

    Raises:
        RunError: it takes longer than any kernel may.
    """
    follower: _Follower | None = None

    def look() -> RunState | None:
        nonlocal follower
        run = target.client.kernels.run(slug, version)
        if follower is None and run.status == "running":
            follower = _Follower(target, slug, version)
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
    return run, tuple(follower.shown) if follower else ()


class _Follower(threading.Thread):
    """Prints what a run prints, as long as Kaggle tells; it is for whoever watches, and may miss something.

    Each time that Kaggle is asked, the log is told from its beginning.
    """

    def __init__(self, target: Target, slug: str, version: int) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._slug = slug
        self._version = version
        self._run_ended = threading.Event()
        self._over = threading.Event()
        self.shown: deque[str] = deque(maxlen=LINES)

    def run(self) -> None:
        """Follow the log until the run has ended, also where the log is cut off before."""
        printed = 0
        while True:
            try:
                events = self._target.client.kernels.follow_log(self._slug, self._version)
                for number, text in enumerate(events, start=1):
                    if self._over.is_set():
                        return
                    if number > printed and text.strip():
                        lines = [plain(line) for line in text.rstrip().splitlines()]
                        tqdm.write("\n".join(f"  | {line}" for line in lines))
                        self.shown.extend(lines)
                    printed = max(printed, number)
            except KaggleError:
                pass  # a new version answers 404 or 403 for a moment
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
    """Tell whether a file is handed in, tells of the run, or is a picture for the report.

    A picture is not worth failing for a name that not every server and file system takes.
    """
    return name in (output, RUN_RECORD) or (PurePosixPath(name).suffix in PICTURES and name.isprintable())


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
    there = bool(kernel.sample) and target.client.competitions.fetch_data_file(
        kernel.competition, kernel.sample, sample
    )
    return check_output(path, sample if there else None)


# The kernel writes the record, and may write anything.
_MOST_MEMORY = 2**50


def _peak_memory(output: Path) -> int:
    try:
        peak = int(read_json(output / RUN_RECORD)["peak_memory_bytes"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 0
    return peak if 0 <= peak < _MOST_MEMORY else 0


def run_error(what: str, run: RunState, log: RunLog, *, shown: Sequence[str] = ()) -> RunError | NoSpaceError:
    """Say why the run of ``what`` failed, as far as its log and Kaggle tell.

    The end of the log is left out where it is what was ``shown`` last.
    """
    if run.failure.startswith(NO_SPACE_LEFT):
        return NoSpaceError(f"{what}: {run.failure}")
    cause = cause_of(run.failure, log)
    details = [text for text in (log.exception, run.failure) if text and text not in cause.text]
    last = [line for line in log.lines if line.strip()][-LINES:]
    seen = [line for line in shown if line.strip()]
    end = [] if seen and last[-len(seen) :] == seen else [log.end]
    return RunError("\n".join([f"{what} failed: {cause.text}", *details, *end]), cause.cure)
