"""``push``: publish what changed, see that it arrived, push the kernel, wait for its run."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaggle_offline.errors import KaggleError, PublishError, RunError
from kaggle_offline.files import new_folder
from kaggle_offline.freeze import read_frozen
from kaggle_offline.kaggle_client import DatasetState, KaggleClient, RunState
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.notebook import RUN_RECORD, digest_of_source, render_kernel
from kaggle_offline.pack import MANIFEST, Dataset
from kaggle_offline.result import forget, read_result, update_result
from kaggle_offline.target import Target

_PROCESSING_SECONDS = 30 * 60
_RUN_SECONDS = 13 * 3600
_LOG_LINES = 25


@dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset version that Kaggle lists as it should."""

    ref: str
    version: int
    uploaded_bytes: int


def push(kernel: KernelFolder, target: Target) -> None:
    """Push the frozen competition to the target and see its kernel run through.

    Raises:
        NotFrozenError: there was no freeze.
        OfflineError: something was refused or failed; the last good version stays in use.
    """
    started = time.monotonic()
    frozen = read_frozen(kernel)
    known = read_result(kernel.build)
    # Should this push fail, there is nothing that submit could hand in by mistake.
    forget(kernel.build, "kernel", "run", "submission")
    print(f"{kernel.competition} → {target.name}", flush=True)
    if target.rehearsal:
        target.rehearsal.prepare(kernel, frozen)
    packages = frozen.rehearsal if target.rehearsal else frozen.packages
    published = {
        "packages": publish(target, packages),
        "models": publish(target, frozen.models),
    }
    folder = kernel.build / "kernel"
    digest = render_kernel(kernel, packages, frozen.models, target.client.owner, folder)
    version, run = _run_kernel(kernel, target, folder, digest, known)
    result: dict[str, Any] = {
        "target": target.name,
        **{name: vars(dataset) for name, dataset in published.items()},
        "kernel": {"ref": f"{target.client.owner}/{kernel.slug}", "version": version, "digest": digest},
        "run": run,
    }
    if known.get("kernel") == result["kernel"] and known.get("target") == target.name and "submission" in known:
        result["submission"] = known["submission"]
    update_result(kernel.build, seconds={"push": time.monotonic() - started}, **result)


def publish(target: Target, dataset: Dataset) -> Published:
    """See to it that the dataset's latest version is ``dataset``, ready and whole.

    Raises:
        PublishError: Kaggle lists other files than were published, or never gets ready.
        KaggleError: Kaggle refused something.
    """
    client = target.client
    state = client.dataset(dataset.slug)
    uploaded = 0
    if state is None or state.digest != dataset.digest or state.status == "failed":
        if state is not None and state.version == 1:
            # Kaggle refuses a second version while the first is in processing.
            _wait_until_processed(target, dataset.slug, state.version)
        uploaded = _upload_version(client, dataset, new=state is None)
        state = _wait_until_processed(target, dataset.slug, state.version + 1 if state else 1)
    else:
        state = _wait_until_processed(target, dataset.slug, state.version)
    difference = _difference(dataset.files, client.dataset_files(dataset.slug, state.version))
    if state.status != "ready" or state.digest != dataset.digest or difference:
        raise PublishError(
            f"{client.owner}/{dataset.slug} version {state.version}: {difference or state.status}",
            "Run the same command again.",
        )
    what = f"{uploaded:,} bytes uploaded" if uploaded else "unchanged, 0 bytes uploaded"
    print(f"  {dataset.slug}: version {state.version}, {what}", flush=True)
    return Published(ref=f"{client.owner}/{dataset.slug}", version=state.version, uploaded_bytes=uploaded)


def _upload_version(client: KaggleClient, dataset: Dataset, *, new: bool) -> int:
    tokens = [client.upload(dataset.folder / name) for name in sorted(dataset.files)]
    if new:
        client.create_dataset(dataset.slug, dataset.digest, tokens)
    else:
        client.create_dataset_version(dataset.slug, dataset.digest, tokens)
    return sum(dataset.files.values())


def _wait_until_processed(target: Target, slug: str, version: int) -> DatasetState:
    deadline = time.monotonic() + _PROCESSING_SECONDS
    while time.monotonic() < deadline:
        state = target.client.dataset(slug)
        if state is not None and state.version >= version and state.status != "processing":
            return state
        time.sleep(target.poll_seconds)
    raise KaggleError(
        f"{slug}: version {version} is still in processing after {_PROCESSING_SECONDS // 60} minutes",
        "Look at it on Kaggle, then run the same command again.",
    )


def _difference(wanted: dict[str, int], listed: dict[str, int]) -> str:
    """What a listing has otherwise than it should.

    The manifest may differ in what its digest does not cover: the commit, for instance.
    """
    changes = [f"{name} is missing" for name in wanted if name not in listed]
    changes += [f"{name} should not be there" for name in listed if name not in wanted]
    changes += [
        f"{name} has {listed[name]} bytes, not {size}"
        for name, size in wanted.items()
        if name != MANIFEST and listed.get(name, size) != size
    ]
    return ", ".join(changes)


def _run_kernel(
    kernel: KernelFolder, target: Target, folder: Path, digest: str, known: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Push the kernel unless its latest version is this one and ran through; return version and run.

    ``known`` is the result of the last push, which need not be looked at again.
    """
    client = target.client
    state = client.kernel(kernel.slug)
    output = kernel.build / "output"
    if state is not None and digest_of_source(state.source) == digest:
        run = client.run(kernel.slug)
        if run.status == "complete" and known.get("kernel", {}).get("digest") == digest and output.is_dir():
            print(f"  {kernel.slug}: version {state.version}, unchanged, already run", flush=True)
            return state.version, known["run"]
        version = state.version if run.status != "error" else client.push_kernel(folder)
    else:
        version = client.push_kernel(folder)
    print(f"  {kernel.slug}: version {version}, running without a network", flush=True)
    run = _wait_for_run(target, kernel.slug)
    with new_folder(output) as draft:
        log = client.fetch_output(kernel.slug, draft)
    seconds, lines = _read_log(log)
    record = {"status": run.status, "seconds": seconds, "peak_memory_bytes": _peak_memory(output)}
    update_result(kernel.build, seconds={}, run=record)
    if run.status != "complete":
        raise _run_error(f"{client.owner}/{kernel.slug} version {version}", run, lines)
    if not (output / kernel.output).is_file():
        raise RunError(
            f"{kernel.slug} version {version} ran through but did not write {kernel.output}",
            f"Let it write /kaggle/working/{kernel.output}.",
        )
    print(f"  {kernel.slug}: ran through in {seconds:.0f} s, wrote {output / kernel.output}", flush=True)
    return version, record


def _wait_for_run(target: Target, slug: str) -> RunState:
    deadline = time.monotonic() + _RUN_SECONDS
    while time.monotonic() < deadline:
        run = target.client.run(slug)
        if run.status != "running":
            return run
        time.sleep(target.poll_seconds)
    raise RunError(f"{slug}: still running after {_RUN_SECONDS // 3600} hours", "Stop it on Kaggle.")


def _read_log(log: str) -> tuple[float, list[str]]:
    """Seconds until the last event of a log, and its lines."""
    try:
        events = json.loads(log)
        seconds = max((float(event["time"]) for event in events), default=0.0)
        return seconds, "".join(str(event["data"]) for event in events).splitlines()
    except (ValueError, KeyError, TypeError):
        return 0.0, log.splitlines()


def _peak_memory(output: Path) -> int:
    try:
        return int(json.loads((output / RUN_RECORD).read_text())["peak_memory_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _run_error(what: str, run: RunState, lines: list[str]) -> RunError:
    """What a failed run's log says: the module that is missing, or else the last exception."""
    end = "\n".join(f"  | {line}" for line in lines[-_LOG_LINES:])
    text = "\n".join(lines)
    modules = re.findall(r"^ModuleNotFoundError: No module named '([^']+)'", text, re.MULTILINE)
    exceptions = re.findall(r"^[\w.]*(?:Error|Exception|Exit|Interrupt)\b.*$", text, re.MULTILINE)
    if modules:
        return RunError(
            f"{what} failed: it could not import the module {modules[-1]}\n{end}",
            "Add what provides it to the package's dependencies, then run freeze and push again.",
        )
    reason = run.failure or (exceptions[-1] if exceptions else "no reason is given")
    return RunError(f"{what} failed: {reason}\n{end}", "Correct it, then run freeze and push again.")
