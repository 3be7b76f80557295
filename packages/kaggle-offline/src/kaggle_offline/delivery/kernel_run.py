"""Push a kernel version unless it exists, follow its run, explain a failure, and download its output."""

import re
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
from kaggle_offline.reports.result import PICTURES, KernelVersion, Result, Run
from kaggle_offline.repository.image_manifest import DOCKER_IMAGE
from kaggle_offline.repository.kernel_folder import KernelFolder

# Seconds that the rest of a log has to arrive after its run has ended.
_REST_SECONDS = 2.0

# The number of times that a run is repeated because its datasets were not mounted yet.
_MOST_REPEATS = 3


def run_kernel(
    kernel: KernelFolder,
    target: Target,
    rendered: RenderedKernel,
    preflight: Preflight,
    known: Result,
    *,
    detach: bool = False,
) -> tuple[KernelVersion, Run] | None:
    """Run the rendered kernel on the target until its run is complete; return its version and the run.

    If the latest version has the same source and has not failed, its run is awaited instead of pushing again. A run
    that did not find its newest dataset versions is repeated after a pause, at most `_MOST_REPEATS` times.

    Args:
        kernel: the competition.
        target: kaggle.com or the local Kaggle.
        rendered: the kernel.
        preflight: checks before the push.
        known: the result so far: an output that was downloaded and checked is not downloaded again.
        detach: whether to return while the run goes on.

    Returns:
        The version and its run; None if the run goes on.

    Raises:
        RunError: the run failed.
        OutputError: the run wrote no submission file, or a malformed one.
        KaggleError: Kaggle refused a call.
    """
    client = target.client
    output = kernel.build / "output"
    ref = f"{client.owner}/{kernel.slug}"
    state = client.kernels.state(kernel.slug)
    if state is not None and _is_same(state, rendered):
        latest = KernelVersion(ref=ref, version=state.version, digest=rendered.digest)
        if known.kernel == latest and known.run is not None and (output / kernel.settings.output).is_file():
            print(f"  {kernel.slug}: version {state.version}, unchanged, already run", flush=True)
            return latest, known.run
    after, same = _latest(target, kernel.slug, rendered, state)
    if not same:
        preflight.before_sending()
    for repeats in range(_MOST_REPEATS + 1):
        if same:
            version = after
            print(f"  {kernel.slug}: version {version}, unchanged, already pushed", flush=True)
        else:
            version = _push(target, kernel.slug, rendered, after=after, most=MOST_VERSIONS + repeats)
            print(f"  {kernel.slug}: version {version}, pushed, running without a network", flush=True)
        if target.page_of(kernel):
            print(f"  {target.page_of(kernel)}", flush=True)
        if detach and client.kernels.run(kernel.slug, version).status in ("queued", "running"):
            return None
        ended, shown = wait_for_run(target, kernel.slug, version)
        log = _download(kernel, target, version, ended, output)
        if ended.status == "complete":
            break
        if repeats == _MOST_REPEATS or not log.misses(rendered.shipped):
            raise run_error(f"{ref} version {version}", ended, log, shown=shown, notes=_overrides(kernel))
        seconds = target.waits.patience.mount
        print(f"  {log.exception}: Kaggle mounts new versions late; pushing again in {seconds:.0f} s", flush=True)
        target.waits.sleep(seconds, "mounting the new version")
        after = version
        same = False
    seen = _check(kernel, target, output / kernel.settings.output)
    print(
        f"  {kernel.slug}: complete in {log.seconds:.0f} s, wrote {output / kernel.settings.output}: {seen}", flush=True
    )
    peak, image = _read_record(output)
    run = Run(
        status=ended.status,
        seconds=log.seconds,
        peak_memory_bytes=peak,
        image=kernel.settings.image,
        docker_image=image,
    )
    return KernelVersion(ref=ref, version=version, digest=rendered.digest), run


def _latest(target: Target, slug: str, rendered: RenderedKernel, state: KernelState | None) -> tuple[int, bool]:
    """Return the number of the kernel's latest version, and whether it is the rendered kernel and has not failed.

    Kaggle's answers can be out of date, and a kernel can show its last complete version while a later one runs or
    has failed. So the versions after the shown one are asked for before a push.

    Args:
        target: kaggle.com or the local Kaggle.
        slug: of the kernel.
        rendered: the kernel that would be pushed.
        state: the version that Kaggle shows; None for a new kernel, whose latest version is 0.
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
    """Push the kernel, waiting for a free session of the account if need be; return the version.

    Raises:
        SessionLimitError: no session became free in time.
        RepeatedError: Kaggle refused the push, and shows another new version.
        KaggleError: Kaggle refused the push.
    """
    refusals: list[SessionLimitError] = []

    def attempt() -> int | None:
        made = target.client.kernels.state(slug, after + 1) if refusals else None
        if made is not None:
            if _is_same(made, rendered):
                return made.version
            raise RepeatedError(
                f"{slug}: Kaggle refused a push, and shows version {after + 1} with another source",
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
    """Tell whether a version has the rendered kernel's source and all of its inputs."""
    sees = {source.casefold() for source in rendered.sources} <= state.sources
    return sees and digest_of_source(state.source) == rendered.digest


def wait_for_run(target: Target, slug: str, version: int) -> tuple[RunState, Sequence[str]]:
    """Follow the log of a kernel version's run until it has ended.

    Returns:
        The run, and the last lines of its log that were printed.

    Raises:
        RunError: the run takes longer than any kernel may.
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
    if follower is None:
        return run, ()
    return run, tuple(follower.shown)


class _Follower(threading.Thread):
    """Prints the log of a run for whoever watches; it may miss lines.

    Every call for the log replays it from the beginning.
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
        """Follow the log until the run has ended; a log that breaks off is asked for again."""
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
        """Stop following; the rest of the log has `_REST_SECONDS` to arrive."""
        self._run_ended.set()
        self.join(_REST_SECONDS)
        self._over.set()


def _download(kernel: KernelFolder, target: Target, version: int, ended: RunState, output: Path) -> RunLog:
    """Download what a run has left into the folder ``output``, in place of what is there; return the run's log."""
    fetch_output = partial(target.client.kernels.fetch_output, kernel.slug, version)
    with new_folder(output) as draft:
        # A failed run need not have written them: the search for them would ask for every page of the listing.
        needed = (kernel.settings.output, RUN_RECORD) if ended.status == "complete" else ()
        log = read_log(fetch_output(draft, partial(_is_wanted, kernel.settings.output), needed=needed))
    runs = _wandb_files(output)
    if runs:
        try:
            fetch_output(output, runs.__contains__, needed=runs)
        except (KaggleError, OSError) as error:
            # The submission is there without them.
            reason = str(error).partition("\n")[0]
            print(f"  W&B: the kernel's runs were not downloaded: {reason}", flush=True)
    return log


def _is_wanted(output: str, name: str) -> bool:
    """Tell whether an output file is the submission, the run record, or a picture for the report.

    Left out are pictures in folders, of which a kernel can leave thousands, and those with control characters in their
    names, which not every file system accepts.
    """
    path = PurePosixPath(name)
    is_picture = path.suffix in PICTURES and path.name == name and name.isprintable()
    return is_picture or name in (output, RUN_RECORD)


def _check(kernel: KernelFolder, target: Target, path: Path) -> str:
    """Check the submission file against the sample submission; return a summary.

    Raises:
        OutputError: it is missing or malformed.
        KaggleError: the sample submission cannot be downloaded.
    """
    if not path.is_file():
        raise OutputError(
            f"{kernel.slug}: complete, but it did not write {kernel.settings.output}",
            f"Write /kaggle/working/{kernel.settings.output} in the kernel, then run freeze and push again.",
        )
    if not kernel.settings.submit:
        return "for other kernels"
    for name in kernel.settings.samples:
        sample = kernel.build / name
        if target.client.competitions.fetch_data_file(kernel.on_kaggle, name, sample):
            return check_output(path, sample)
    return check_output(path, None)


_WANDB_FILE = re.compile(r"wandb/offline-run-[^/]+/.")
# The kernel writes the record, and can write anything into it.
_MOST_MEMORY = 2**50


def _record(output: Path) -> dict[str, Any]:
    """Return the run record; empty if the kernel has left none, or something else in its place."""
    try:
        record = read_json(output / RUN_RECORD)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _read_record(output: Path) -> tuple[int, str]:
    """Return the peak of the run's memory in bytes, 0 if it is unknown, and its image, empty if it is unknown."""
    record = _record(output)
    try:
        peak, image = int(record["peak_memory_bytes"]), str(record["docker_image"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return 0, ""
    if not 0 <= peak < _MOST_MEMORY:
        peak = 0
    if not DOCKER_IMAGE.fullmatch(image):
        image = ""
    return peak, image


def _wandb_files(output: Path) -> frozenset[str]:
    """Return the names of the files of W&B's runs that the record tells of."""
    names = _record(output).get("wandb")
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str) and _WANDB_FILE.match(name) and name.isprintable())


def _overrides(kernel: KernelFolder) -> list[str]:
    """Return a note on the requirements that the settings override, which may be why a kernel fails."""
    overriding = kernel.settings.freeze.overriding
    return [f"submission.toml overrides: {', '.join(overriding)}"] if overriding else []


def run_error(
    what: str, run: RunState, log: RunLog, *, shown: Sequence[str] = (), notes: Sequence[str] = ()
) -> RunError | NoSpaceError:
    """Return the error for a failed run of ``what``, with the cause that its log and Kaggle give.

    The end of the log is left out if it was just printed: the lines of ``shown``. The notes stand before it.
    """
    if run.failure.startswith(NO_SPACE_LEFT):
        return NoSpaceError(f"{what}: {run.failure}")
    cause = cause_of(run.failure, log)
    details = [text for text in (log.exception, run.failure) if text and text not in cause.text]
    details += notes
    last = [line for line in log.lines if line.strip()][-LINES:]
    seen = [line for line in shown if line.strip()]
    if not seen or last[-len(seen) :] != seen:
        details.append(log.end)
    return RunError("\n".join([f"{what} failed: {cause.text}", *details]), cause.cure)
