"""``push``: publish changed datasets, push the kernel and wait until its run is complete."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.artifacts.render import render_kernel
from kaggle_offline.browser import show
from kaggle_offline.delivery.kernel_run import run_kernel
from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.publish import publish
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.delivery.upstream_runs import wait_for_upstreams
from kaggle_offline.environment import command
from kaggle_offline.reports.report import forget_report
from kaggle_offline.reports.result import Published, Result, Shipped, forget, read_result, update_result
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders
from kaggle_offline.trackers.kernel_runs import sync_runs


def push(kernel: KernelFolder, target: Target, *, force: bool = False, detach: bool = False) -> None:
    """Push the frozen competition to the target and wait until its kernel's run is complete.

    Args:
        kernel: the competition.
        target: kaggle.com or the local Kaggle.
        force: add dataset versions even while a run or a submission uses the dataset.
        detach: whether to return while the kernel runs; the next push then waits for it.

    Raises:
        NotFrozenError: the competition is not frozen.
        EntryError: the competition does not accept submissions.
        OfflineError: a step failed; the last good versions stay in use.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "push"):
        # No other process may freeze anew while this one publishes.
        with target.alone(kernel.build):
            known = read_result(kernel.build)
            if known.target != target.name:
                known = Result()
            frozen = read_frozen(kernel)
            # If this push fails, submit must find nothing to hand in. The datasets' entries stay: they say which
            # versions were listed whole.
            outdated = ["target", "source", "shipped", "kernel", "run", "submission", "base"]
            if not frozen.models:
                outdated.append("models")
            forget(kernel.build, *outdated)
            forget_report(kernel.build)
            print(f"{kernel.competition} → {target.name}", flush=True)
            with _timed(seconds, "push: competition"):
                surroundings = target.prepare(kernel, frozen)
                surroundings += wait_for_upstreams(target, kernel)
            preflight = Preflight(target, kernel, force=force)
            folders = {"packages": target.packages_of(frozen)}
            if frozen.models:
                folders["models"] = frozen.models
            earlier = {"packages": known.packages, "models": known.models}
            published: dict[str, Published] = {}
            for name, folder in folders.items():
                with _timed(seconds, f"push: {name}"):
                    published[name] = publish(target, folder, preflight, earlier[name])
            models_version = 0
            if frozen.models:
                models_version = published["models"].version
            rendered = render_kernel(
                kernel,
                folders["packages"],
                frozen.models,
                models_version=models_version,
                owner=target.client.owner,
                surroundings=surroundings,
            )
        with _timed(seconds, "push: kernel"):
            ended = run_kernel(kernel, target, rendered, preflight, known, detach=detach)
    if ended is None:
        print(f"  it goes on; to wait for its end, run: {command('push', kernel.competition)}")
        return
    version, run = ended
    submission, base = None, None
    if known.kernel == version:
        submission = known.submission
        if known.run == run:
            # Nothing was done: the times are still those of the run.
            base, seconds = known.base, {}
    with target.alone(kernel.build):
        update_result(
            kernel.build,
            seconds=seconds,
            target=target.name,
            source=frozen.source,
            shipped=Shipped(files=folders["packages"].files, distributions=frozen.distributions),
            packages=published["packages"],
            models=published.get("models"),
            kernel=version,
            run=run,
            submission=submission,
            base=base,
        )
    if target.name == "kaggle":
        sync_runs(kernel)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time of a stage to ``seconds``."""
    started = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - started


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions, upstreams=True)
    with open_target(options.target, repository, minutes=options.minutes) as target:
        for kernel in kernels:
            with target.alone_with(kernel):
                push(kernel, target, force=options.force, detach=options.detach)
            if options.open and target.page_of(kernel):
                show(target.page_of(kernel))
