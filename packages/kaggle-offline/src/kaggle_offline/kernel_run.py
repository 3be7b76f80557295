"""A kernel version and its run: pushed unless it is there, followed, explained when it fails, its output fetched."""

import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kaggle_offline.errors import KaggleError, OutputError, RunError
from kaggle_offline.files import new_folder
from kaggle_offline.kaggle_client import RunState
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.log import RunLog, cause_of, read_log
from kaggle_offline.notebook import RUN_RECORD, RenderedKernel, digest_of_source
from kaggle_offline.output import check_output
from kaggle_offline.target import Target


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
    same = state is not None and digest_of_source(state.source) == rendered.digest
    same = same and state is not None and state.sources == rendered.sources
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
    print(f"  {kernel.slug}: version {version}, running without a network", flush=True)
    ended = wait_for_run(target, kernel.slug, version)
    with new_folder(output) as draft:
        log = read_log(client.fetch_output(kernel.slug, version, draft))
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


def wait_for_run(target: Target, slug: str, version: int) -> RunState:
    """Follow the log of a kernel version's run until it has ended.

    Raises:
        RunError: it takes longer than any kernel may.
    """
    printed = 0

    def look() -> RunState | None:
        nonlocal printed
        printed = _follow(target, slug, printed)
        run = target.client.run(slug, version)
        return run if run.status != "running" else None

    seconds = target.waits.patience.run
    run = target.waits.until("running", look, seconds=seconds)
    if run is None:
        raise RunError(
            f"{slug} version {version}: still running after {seconds / 3600:.1f} hours", "Stop it on Kaggle."
        )
    return run


def _follow(target: Target, slug: str, printed: int) -> int:
    """Print what the run prints, as long as Kaggle tells; return how many events have been printed in all.

    Each time the log is told from its beginning. It is for whoever watches; the run's state is told elsewhere.
    """
    number = 0
    try:
        for number, text in enumerate(target.client.follow_log(slug), start=1):
            target.waits.check("running")
            if number > printed and text.strip():
                tqdm.write("\n".join(f"  | {line}" for line in text.rstrip().splitlines()))
    except KaggleError:
        pass
    return max(number, printed)


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
    there = target.client.fetch_data_file(kernel.competition, kernel.sample, sample)
    return check_output(path, sample if there else None)


def _peak_memory(output: Path) -> int:
    try:
        return int(json.loads((output / RUN_RECORD).read_text())["peak_memory_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def run_error(what: str, run: RunState, log: RunLog) -> RunError:
    """Say why the run of ``what`` failed, as far as its log and Kaggle tell."""
    cause = cause_of(run.failure, log)
    details = [text for text in (log.exception, run.failure) if text and text != cause.text]
    return RunError("\n".join([f"{what} failed: {cause.text}", *details, log.end]), cause.cure)
