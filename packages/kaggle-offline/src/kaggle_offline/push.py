"""``push``: publish what changed, see that it arrived, push the kernel, wait for its run."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaggle_offline.errors import KaggleError, NotFrozenError, PublishError, RunError
from kaggle_offline.files import new_folder
from kaggle_offline.freeze import read_frozen
from kaggle_offline.kaggle_client import DatasetState, KaggleClient, RunState
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.log import RunLog, read_log
from kaggle_offline.notebook import RUN_RECORD, RenderedKernel, digest_of_source, render_kernel
from kaggle_offline.pack import MANIFEST, Dataset
from kaggle_offline.result import forget, read_result, update_result
from kaggle_offline.target import Target
from kaggle_offline.waiting import wait_for

_PROCESSING_SECONDS = 30 * 60
_RUN_SECONDS = 13 * 3600


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
    forget(kernel.build, "target", "kernel", "run", "submission")
    print(f"{kernel.competition} → {target.name}", flush=True)
    surroundings = [target.rehearsal.prepare(kernel, frozen)] if target.rehearsal else []
    packages = frozen.rehearsal if target.rehearsal else frozen.packages
    published = {
        "packages": publish(target, packages),
        "models": publish(target, frozen.models),
    }
    rendered = render_kernel(kernel, packages, frozen.models, owner=target.client.owner, surroundings=surroundings)
    version, run = _run_kernel(kernel, target, rendered, known)
    result: dict[str, Any] = {
        "target": target.name,
        **{name: vars(dataset) for name, dataset in published.items()},
        "kernel": {"ref": f"{target.client.owner}/{kernel.slug}", "version": version, "digest": rendered.digest},
        "run": run,
    }
    if known.get("kernel") == result["kernel"] and known.get("target") == target.name and "submission" in known:
        result["submission"] = known["submission"]
    update_result(kernel.build, seconds={"push": time.monotonic() - started}, **result)


def publish(target: Target, dataset: Dataset) -> Published:
    """See to it that the dataset's latest version is ``dataset``, ready and whole.

    A version of this content that is not whole is followed by another.

    Raises:
        NotFrozenError: the folder is not what its digest says.
        PublishError: Kaggle lists other files than were published.
        KaggleError: Kaggle refused something, or never gets ready.
    """
    client = target.client
    ref = f"{client.owner}/{dataset.slug}"
    state = client.dataset(dataset.slug)
    if state is not None and (state.digest == dataset.digest or state.version == 1):
        # Besides, Kaggle refuses a second version while the first is in processing.
        state = _wait_until_processed(target, dataset.slug, state.version)
        if not _difference(client, dataset, state):
            print(f"  {dataset.slug}: version {state.version}, unchanged, 0 bytes uploaded", flush=True)
            return Published(ref=ref, version=state.version, uploaded_bytes=0)
    if not dataset.is_intact():
        raise NotFrozenError(
            f"{dataset.folder}: not what was frozen", f"Delete {dataset.folder}, then run freeze and push again."
        )
    uploaded = _upload_version(client, dataset, new=state is None)
    state = _wait_until_processed(target, dataset.slug, state.version + 1 if state else 1)
    difference = _difference(client, dataset, state)
    if difference:
        raise PublishError(f"{ref} version {state.version}: {difference}", "Look at it on Kaggle, then push again.")
    print(f"  {dataset.slug}: version {state.version}, {uploaded:,} bytes uploaded", flush=True)
    return Published(ref=ref, version=state.version, uploaded_bytes=uploaded)


def _upload_version(client: KaggleClient, dataset: Dataset, *, new: bool) -> int:
    tokens = [client.upload(dataset.folder / name) for name in sorted(dataset.files)]
    if new:
        client.create_dataset(dataset.slug, dataset.digest, tokens)
    else:
        client.create_dataset_version(dataset.slug, dataset.digest, tokens)
    return sum(dataset.files.values())


def _wait_until_processed(target: Target, slug: str, version: int) -> DatasetState:
    def look() -> DatasetState | None:
        state = target.client.dataset(slug)
        return state if state and state.version >= version and state.status != "processing" else None

    state = wait_for(f"processing {slug}", look, seconds=_PROCESSING_SECONDS, poll=target.poll_seconds)
    if state is None:
        raise KaggleError(
            f"{slug}: version {version} is still in processing after {_PROCESSING_SECONDS // 60} minutes",
            "Look at it on Kaggle, then run the same command again.",
        )
    return state


def _difference(client: KaggleClient, dataset: Dataset, state: DatasetState) -> str:
    """What a version has otherwise than it should, or an empty text.

    The manifest may differ in what its digest does not cover: the commit, for instance.
    """
    if state.status != "ready":
        return f"its processing {state.status}"
    if state.digest != dataset.digest:
        return f"it is {state.digest or 'of unknown content'}, not {dataset.digest}"
    wanted, listed = dataset.files, client.dataset_files(dataset.slug, state.version)
    changes = [f"{name} is missing" for name in wanted if name not in listed]
    changes += [f"{name} should not be there" for name in listed if name not in wanted]
    changes += [
        f"{name} has {listed[name]} bytes, not {size}"
        for name, size in wanted.items()
        if name != MANIFEST and listed.get(name, size) != size
    ]
    return ", ".join(changes)


def _run_kernel(
    kernel: KernelFolder, target: Target, rendered: RenderedKernel, known: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Push the kernel unless its latest version is this one and ran through; return version and run.

    ``known`` is the result of the last push, which need not be looked at again.
    """
    client = target.client
    state = client.kernel(kernel.slug)
    output = kernel.build / "output"
    same = state is not None and digest_of_source(state.source) == rendered.digest and state.sources == rendered.sources
    run = client.run(kernel.slug) if same else None
    if state is None or run is None or run.status == "error":
        version, run = client.push_kernel(rendered.folder), None
    else:
        version = state.version
        known_digest = known.get("kernel", {}).get("digest")
        if run.status == "complete" and known_digest == rendered.digest and "run" in known and output.is_dir():
            print(f"  {kernel.slug}: version {version}, unchanged, already run", flush=True)
            return version, known["run"]
    running = run is None or run.status != "complete"
    print(
        f"  {kernel.slug}: version {version}, {'running without a network' if running else 'already run'}", flush=True
    )
    run = wait_for_run(target, kernel.slug)
    with new_folder(output) as draft:
        log = read_log(client.fetch_output(kernel.slug, draft))
    if run.status != "complete":
        raise run_error(f"{client.owner}/{kernel.slug} version {version}", run, log)
    if not (output / kernel.output).is_file():
        raise RunError(
            f"{kernel.slug} version {version} ran through but did not write {kernel.output}",
            f"Let it write /kaggle/working/{kernel.output}.",
        )
    print(f"  {kernel.slug}: ran through in {log.seconds:.0f} s, wrote {output / kernel.output}", flush=True)
    record = {"status": run.status, "seconds": log.seconds, "peak_memory_bytes": _peak_memory(output)}
    if run.failure:
        # Of a run that went through: the local Kaggle's word that it was not isolated.
        print(f"  {run.failure}", flush=True)
        record["notice"] = run.failure
    return version, record


def wait_for_run(target: Target, slug: str) -> RunState:
    """Wait until the run of the kernel's latest version has ended.

    Raises:
        RunError: it takes longer than any kernel may.
    """

    def look() -> RunState | None:
        run = target.client.run(slug)
        return run if run.status != "running" else None

    run = wait_for("running", look, seconds=_RUN_SECONDS, poll=target.poll_seconds)
    if run is None:
        raise RunError(f"{slug}: still running after {_RUN_SECONDS // 3600} hours", "Stop it on Kaggle.")
    return run


def _peak_memory(output: Path) -> int:
    try:
        return int(json.loads((output / RUN_RECORD).read_text())["peak_memory_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def run_error(what: str, run: RunState, log: RunLog) -> RunError:
    """Say why the run of ``what`` failed, as far as its log tells."""
    cure = "Correct it, then run freeze and push again."
    if log.missing_module:
        cure = (
            "Add what provides it to the package's dependencies; if it is there, run: nox -s lock -- --upgrade. "
            "Then run freeze and push again."
        )
    reason = run.failure or log.cause or "no reason is given"
    return RunError(f"{what} failed: {reason}\n{log.end}", cure)
