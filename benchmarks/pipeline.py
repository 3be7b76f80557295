"""From nothing to a score on the local Kaggle: what each stage costs beside the prediction itself.

The seed competition, in a clone of the last commit. Each stage's time is split into what uv, other
programs (Python starting), the official client and the kernel take; the rest is ours. Then the same
once more, unchanged, against handing the same in with the official command line.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from kaggle_local import server
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.server import serve
from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.commands import freeze, push, submit
from kaggle_offline.delivery import kernel_run, target
from kaggle_offline.dependencies.index import download
from kaggle_offline.kaggle import client
from kaggle_offline.kaggle.kernels import Kernels
from kaggle_offline.kaggle.retries import Waits
from kaggle_offline.repository.kernel_folder import read_kernel_folder

REPOSITORY = Path(__file__).resolve().parents[1]
# A test runs it with small sizes, to see that it works; its figures mean nothing then.
QUICK = "--quick" in sys.argv
COMPETITION = "digit-recognizer" if QUICK else "plant-pathology-2021-fgvc8"
RESULT = REPOSITORY / "build" / "bench" / ("quick" if QUICK else ".") / "pipeline.json"
RUNS = 1 if QUICK else 5

# The goals, in seconds: our part of each stage, and all of an unchanged push.
OURS_SECONDS, UNCHANGED_SECONDS = 1.0, 2.0

KINDS = ("uv", "programs", "client", "kernel")

# Functions that are a stage each, in their order, by the module that calls them.
STAGES: tuple[tuple[Any, str, str], ...] = (
    (freeze, "_check_notebook", "freeze: read the notebook"),
    (freeze, "pack_models", "freeze: check and pack the checkpoints"),
    (freeze, "lock_kernel", "freeze: build the wheel and lock"),
    (freeze, "download", "freeze: download what is shipped"),
    (freeze, "pack_packages", "freeze: pack"),
    (server, "serve", "open the local Kaggle"),
    (target, "KaggleClient", "authenticate"),
    (LocalKaggle, "set_image", "push: build the image"),
    (target, "make_competition", "push: make the competition"),
    (push, "publish", "push: publish the datasets"),
    (push, "render_kernel", "push: render the kernel"),
    (Kernels, "push", "push: push the kernel"),
    (kernel_run, "wait_for_run", "push: run the kernel"),
    (Kernels, "fetch_output", "push: fetch the output"),
    (kernel_run, "_check", "push: check the output"),
    (submit, "_submit_once", "submit: hand in"),
    (submit, "_wait_for_score", "submit: rerun, score"),
)


class Clock:
    """Adds up what stages take, and what in them is not ours."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self._within: list[str] = []
        self._counting = False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage, the time of stages within which is theirs."""
        self._within.append(name)
        entry = self.stages.setdefault(name, dict.fromkeys(("all", *KINDS), 0.0))
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - started
            entry["all"] += taken
            self._within.pop()
            if self._within:
                self.stages[self._within[-1]]["all"] -= taken

    def add(self, kind: str, seconds: float) -> None:
        """Count time of the current stage as not ours."""
        if self._within:
            self.stages[self._within[-1]][kind] += seconds

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Have a function be a stage."""
        call = getattr(owner, function)

        def stage(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return call(*arguments, **options)

        @contextmanager
        def opened(*arguments: Any, **options: Any) -> Iterator[Any]:
            manager = call(*arguments, **options)
            with self.stage(name):
                value = manager.__enter__()
            try:
                yield value
            finally:
                manager.__exit__(None, None, None)

        setattr(owner, function, opened if function == "serve" else stage)

    def count(self, owner: Any, function: str, kind: Callable[..., str]) -> None:
        """Have the time of a function count as not ours."""
        call = getattr(owner, function)

        def counted(*arguments: Any, **options: Any) -> Any:
            # The time of other threads, and time that is counted already, is not the stage's.
            if self._counting or threading.current_thread() is not threading.main_thread():
                return call(*arguments, **options)
            started, self._counting = time.perf_counter(), True
            try:
                return call(*arguments, **options)
            finally:
                self._counting = False
                self.add(kind(*arguments, **options), time.perf_counter() - started)

        setattr(owner, function, counted)


def main() -> None:
    """Measure, print the tables, write them as JSON."""
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
        clock = _cold(clone)
        unchanged = statistics.median(
            _seconds([sys.executable, "-m", "kaggle_offline", "push", COMPETITION], clone) for _ in range(RUNS)
        )
        start = statistics.median(
            _seconds([sys.executable, "-m", "kaggle_offline", "--help"], clone) for _ in range(RUNS)
        )
        by_hand = _by_hand(clone)
    rows = {
        name: {**times, "ours": times["all"] - sum(times[k] for k in KINDS)} for name, times in clock.stages.items()
    }
    columns = ("all", *KINDS, "ours")
    print(f"{'seconds':44}" + "".join(f"{column:>10}" for column in columns))
    for name, times in rows.items():
        flag = "" if times["ours"] <= OURS_SECONDS else "  over a second"
        print(f"{name:44}" + "".join(f"{times[column]:10.2f}" for column in columns) + flag)
    total = {column: sum(times[column] for times in rows.values()) for column in columns}
    print(f"{'together':44}" + "".join(f"{total[column]:10.2f}" for column in columns))
    print(f"{'of that without the kernel':44}{total['all'] - total['kernel']:10.2f}")
    print(f"{'push, unchanged, as a command':44}{unchanged:10.2f}  < {UNCHANGED_SECONDS} s")
    print(f"{'the command starting':44}{start:10.2f}")
    print(f"{'by hand, datasets and kernel':44}{by_hand:10.2f}  {by_hand / unchanged:.1f} times the unchanged push")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    result = {"stages": rows, "unchanged push, s": unchanged, "command starting, s": start, "by hand, s": by_hand}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _cold(clone: Path) -> Clock:
    """Freeze, push and submit with nothing built; what is cached of packages stays."""
    clock = Clock()
    for owner, function, name in STAGES:
        clock.watch(owner, function, name)
    clock.count(subprocess, "run", lambda command, *_, **__: "uv" if Path(str(command[0])).name == "uv" else "programs")
    clock.count(download, "_run_pips", lambda *_: "programs")
    clock.count(requests.Session, "send", lambda *_, **__: "client")
    clock.count(client, "authenticate", lambda *_, **__: "client")
    # The kernel runs while its end, or its submission's score, is waited for.
    clock.count(Waits, "sleep", lambda *_: "kernel")
    kernel = read_kernel_folder(clone, COMPETITION)
    with clock.stage("freeze: the rest"):
        freeze.freeze(kernel)
    with clock.stage("push and submit: the rest"), target.open_target("local", clone) as opened:
        push.push(kernel, opened)
        submit.submit(kernel, opened)
    return clock


def _seconds(command: list[str], folder: Path, **environment: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True, capture_output=True)
    return time.perf_counter() - started


def _by_hand(clone: Path) -> float:
    """The official command line: a new version of both datasets, and of the kernel."""
    build = clone / "build" / COMPETITION
    program = str(Path(sys.executable).with_name("kaggle"))
    frozen = read_frozen(read_kernel_folder(clone, COMPETITION))
    with serve(clone / ".kaggle-local") as local:
        folders = [dataset.folder for dataset in (frozen.rehearsal, frozen.models) if dataset is not None]
        for folder in folders:
            metadata = folder / "dataset-metadata.json"
            metadata.write_text(metadata.read_text().replace("OWNER", "kaggler"))
        commands = [[program, "datasets", "version", "-p", str(folder), "-m", "by hand"] for folder in folders]
        commands.append([program, "kernels", "push", "-p", str(build / "kernel")])
        return sum(_seconds(command, clone, **local.environment) for command in commands)


if __name__ == "__main__":
    main()
