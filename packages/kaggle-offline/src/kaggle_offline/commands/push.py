"""``push``: publish what changed, see that it arrived, push the kernel, see its run through."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.artifacts.render import render_kernel
from kaggle_offline.delivery.kernel_run import run_kernel
from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.publish import Published, publish
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.reports.report import forget_report
from kaggle_offline.reports.result import forget, read_result, update_result
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders


def push(kernel: KernelFolder, target: Target, *, force: bool = False) -> None:
    """Push the frozen competition to the target and see its kernel run through.

    With ``force``, datasets get new versions although a run or a submission uses them.

    Raises:
        NotFrozenError: there was no freeze.
        EntryError: the competition would not take a submission.
        OfflineError: something was refused or failed; the last good version stays in use.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "push"):
        # No other process may freeze anew while this one publishes.
        with target.alone(kernel.build):
            known = read_result(kernel.build)
            here = known.get("target") == target.name
            frozen = read_frozen(kernel)
            # Should this push fail, there is nothing that submit could hand in by mistake.
            gone = () if frozen.models else ("models",)
            forget(kernel.build, "target", "source", "shipped", "kernel", "run", "submission", "base", *gone)
            forget_report(kernel.build)
            print(f"{kernel.competition} → {target.name}", flush=True)
            with _timed(seconds, "push: competition"):
                surroundings = target.prepare(kernel, frozen)
            preflight = Preflight(target, kernel, force=force)
            folders = {"packages": target.packages_of(frozen)}
            folders |= {"models": frozen.models} if frozen.models else {}
            published: dict[str, Published] = {}
            for name, folder in folders.items():
                with _timed(seconds, f"push: {name}"):
                    published[name] = publish(target, folder, preflight, known.get(name) if here else None)
            rendered = render_kernel(
                kernel, folders["packages"], frozen.models, owner=target.client.owner, surroundings=surroundings
            )
        with _timed(seconds, "push: kernel"):
            version, run = run_kernel(kernel, target, rendered, preflight, known if here else {})
    result: dict[str, Any] = {
        "target": target.name,
        "source": vars(frozen.source),
        "shipped": {
            "files": folders["packages"].files,
            "distributions": [vars(row) for row in frozen.distributions],
        },
        **{name: vars(dataset) for name, dataset in published.items()},
        "kernel": {"ref": f"{target.client.owner}/{kernel.slug}", "version": version, "digest": rendered.digest},
        "run": run,
    }
    if known.get("kernel") == result["kernel"] and here and "submission" in known:
        result["submission"] = known["submission"]
    with target.alone(kernel.build):
        update_result(kernel.build, seconds=seconds, **result)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Note how long a stage takes."""
    started = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - started


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions)
    with open_target(options.target, repository, minutes=options.minutes) as target:
        for kernel in kernels:
            with target.alone_with(kernel):
                push(kernel, target, force=options.force)
