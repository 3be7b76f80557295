"""``probe``: ask Kaggle what nobody has reported, with a small private dataset and kernels, deleted in the end."""

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slugify import slugify

from kaggle_offline.artifacts.render import NOTEBOOK_METADATA
from kaggle_offline.delivery.run_log import cause_of, read_log
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.errors import KaggleError, OfflineError, RunError
from kaggle_offline.files import write_json, write_text
from kaggle_offline.kaggle import refusals
from kaggle_offline.kaggle.kernels import RunState
from kaggle_offline.observation.answers import MOST_SHOWN, Answer, markdown_table

# Beyond what anybody makes: versions are made on purpose here.
_MOST = 100
# How often a kernel is pushed to see when the newest version is mounted.
_MOST_PUSHES = 5
# Seconds that a kernel sleeps while a dataset that it has attached gets a version.
_SLEEP = {"kaggle": 300, "local": 8}
# Seconds that deleting may take.
_CLEANING_SECONDS = 120

# Modules that a notebook has imported before its first cell, as far as is known (see `notebook.IMPORTED_EARLY`).
_EARLY = ("PIL", "dateutil", "matplotlib", "numpy", "packaging", "pyparsing", "traitlets", "wrapt")

# The cell prints the mounted file, the modules, the path, and the names of variables without their values.
_CELL = """\
import json, os, sys
seen = {
    "modules": sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names),
    "path": list(sys.path),
    "variables": sorted(os.environ),
}
from pathlib import Path
found = sorted(Path("/kaggle/input").rglob("a.txt"))
seen["mounted"] = found[0].read_text(encoding="utf-8") if found else ""
print("PROBE " + json.dumps(seen))
"""


def probe(target: Target) -> Iterator[Answer]:
    """Ask Kaggle; yield each answer as soon as it is known.

    A dataset with some versions and two kernels are made, all private, and deleted in the end, whatever happens.

    Raises:
        KaggleError: Kaggle refused a call that must work.
        RunError: a kernel does not end.
    """
    with tempfile.TemporaryDirectory() as folder:
        probed = _Probe(target, Path(folder))
        try:
            yield from probed.answers()
        finally:
            probed.clean_up()


def _mounted(told: dict[str, Any]) -> str:
    """Describe the version that a kernel has seen, or its failure."""
    failure = told.get("failure")
    return f"the run failed: {failure}" if failure else f"version {told.get('mounted') or 'none'}"


class _Probe:
    """One probe: the names of its dataset and kernels, and the steps, each of which yields answers."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._client = target.client
        self._folder = folder
        name = f"kaggle-offline-probe-{secrets.token_hex(4)}"
        self._dataset = name
        self._notebook, self._script = f"{name}-notebook", f"{name}-script"
        self._versions = 0
        self._kernel_versions: dict[str, int] = {}

    def answers(self) -> Iterator[Answer]:
        """Yield all answers, in the order of the questions."""
        print(f"probing as {self._client.owner}, with a dataset and kernels named {self._dataset}…", flush=True)
        yield from self._file_names()
        yield from self._notes()
        yield from self._first_cell_and_mount()
        yield from self._pin()
        yield from self._kernel_while_it_runs()
        yield from self._refusals()

    def clean_up(self) -> None:
        """Delete the dataset and the kernels; print those that cannot be deleted."""
        self._target.waits.extend(_CLEANING_SECONDS)
        for slug in self._kernel_versions:
            self._delete(f"kernel {slug}", self._client.kernels.delete, slug)
        self._delete(f"dataset {self._dataset}", self._client.datasets.delete, self._dataset)

    def _delete(self, what: str, delete: Callable[[str], None], slug: str) -> None:
        try:
            delete(slug)
        except OfflineError as error:
            print(f"  delete it by hand: {what} ({error.problem})", flush=True)

    # Steps

    def _file_names(self) -> Iterator[Answer]:
        names = {"a.txt", "a+b.txt", "a!b.txt"}
        print("  a dataset with file names that have + and !", flush=True)
        try:
            self._publish("", dict.fromkeys(names, "1"))
            listed = sorted(self._client.datasets.files(self._dataset, 1, in_folders=False))
            seen = f"listed: {', '.join(listed)}"
        except KaggleError as error:
            listed, seen = [], error.problem
            self._publish("", {"a.txt": "1"})
        yield Answer(
            question="file names with + and !",
            assumed="kept as they are",
            seen=seen,
            as_assumed=set(listed) == names,
        )

    def _notes(self) -> Iterator[Answer]:
        for length in (71, 300):
            print(f"  a version with notes of {length} characters", flush=True)
            notes = ("sha256:" + "0123456789abcdef" * length)[:length]
            self._publish(notes, {"a.txt": str(self._versions + 1)})
            state = self._client.datasets.state(self._dataset)
            returned = state.notes if state else ""
            is_whole = returned == notes
            seen = "return whole" if is_whole else f"return with {len(returned)} characters: {returned}"
            yield Answer(
                question=f"version notes of {length} characters",
                assumed="return whole",
                seen=seen,
                as_assumed=is_whole,
            )

    def _first_cell_and_mount(self) -> Iterator[Answer]:
        ready, newest = time.monotonic(), str(self._versions)
        mounted: list[str] = []
        seen: dict[str, Any] = {}
        for _ in range(_MOST_PUSHES):
            seconds = time.monotonic() - ready
            print(f"  a notebook that reads the dataset, {seconds:.0f} s after it was ready", flush=True)
            told = self._told_by(self._notebook, _CELL, [f"{self._client.owner}/{self._dataset}"])
            seen = told if "modules" in told or not seen else seen
            mounted.append(f"{_mounted(told)} after {seconds:.0f} s")
            if told.get("mounted") == newest:
                break
            self._target.waits.sleep(self._target.waits.patience.mount, "mounting")
        yield Answer(
            question=f"the version that is mounted in a kernel pushed after version {newest} is ready",
            assumed=f"version {newest} at once; at the latest after some minutes",
            seen="; ".join(mounted),
            as_assumed=mounted[-1].startswith(f"version {newest} "),
        )
        modules = seen.get("modules", [])
        missing = sorted(set(_EARLY) - set(modules))
        listed = f"{len(modules)}: {', '.join(modules)}" if modules else _mounted(seen)
        yield Answer(
            question="modules that are imported before a notebook's first cell",
            assumed=f"{', '.join(_EARLY)} and others",
            seen=listed,
            as_assumed=not missing and bool(modules),
        )
        path = seen.get("path", [])
        yield Answer(
            question="sys.path in a first cell",
            assumed="site-packages or dist-packages are on it",
            seen=", ".join(map(repr, path)),
            as_assumed=any("-packages" in entry for entry in path),
        )
        variables = seen.get("variables", [])
        yield Answer(
            question="names of the variables in a first cell",
            assumed="KAGGLE_KERNEL_RUN_TYPE among them",
            seen=", ".join(variables),
            as_assumed="KAGGLE_KERNEL_RUN_TYPE" in variables,
        )

    def _pin(self) -> Iterator[Answer]:
        source = f"{self._client.owner}/{self._dataset}/1"
        print("  a script that names version 1 of the dataset", flush=True)
        try:
            told = self._told_by(self._script, _CELL, [source])
            seen = f"{_mounted(told)} is mounted"
        except KaggleError as error:
            seen = error.problem
        yield Answer(
            question="owner/slug/1 in dataset_sources",
            assumed="pins version 1",
            seen=seen,
            as_assumed=seen == "version 1 is mounted",
        )

    def _kernel_while_it_runs(self) -> Iterator[Answer]:
        client, slug = self._client, self._script
        seconds = _SLEEP[self._target.name]
        before = self._kernel_versions.get(slug, 0)
        print(f"  a script that runs for {seconds} s while the dataset gets a version", flush=True)
        source = f"import time\nfor _ in range({seconds}):\n    print('running', flush=True)\n    time.sleep(1)\n"
        running = self._push(slug, source, [f"{client.owner}/{self._dataset}"])
        self._wait_until_running(slug, running)
        yield self._shown_version(slug, f"while version {running} runs (version {before} is complete)", running)
        self._publish("", {"a.txt": str(self._versions + 1)})
        ended = self._wait_until_ended(slug, running)
        yield Answer(
            question="a run whose dataset gets a new version",
            assumed="runs through",
            seen=f"ends as {ended.said} {ended.failure}".strip(),
            as_assumed=ended.status == "complete",
        )
        failing = self._push(slug, "raise SystemExit(1)\n", [])
        self._wait_until_ended(slug, failing)
        yield self._shown_version(slug, f"after version {failing} failed", failing)

    def _refusals(self) -> Iterator[Answer]:
        print("  the answers to calls that Kaggle refuses", flush=True)
        (token,) = self._upload({"a.txt": "1"})
        asked = (
            ("a file that is not in a dataset", "404 ", refusals.of_missing_file(self._client, self._dataset)),
            ("files of a competition not entered", "403 ", refusals.of_competition_not_entered(self._client)),
            ("a dataset under a taken slug", "200 ", refusals.of_taken_slug(self._client, self._dataset, token)),
        )
        for question, assumed, seen in asked:
            as_assumed = seen.startswith(assumed) if seen else None
            yield Answer(
                question=f"{question}: status and body",
                assumed=f"{assumed}with a message",
                seen=seen[:MOST_SHOWN] or "the account has entered every competition that is listed",
                as_assumed=as_assumed,
            )

    # Helpers of the steps

    def _shown_version(self, slug: str, when: str, newest: int) -> Answer:
        """Tell which version Kaggle shows of a kernel whose newest is ``newest``."""
        state = self._client.kernels.state(slug)
        shown = state.version if state else 0
        return Answer(
            question=f"GetKernel without a version {when}",
            assumed=f"shows version {newest}",
            seen=f"shows version {shown}",
            as_assumed=shown == newest,
        )

    def _upload(self, files: dict[str, str]) -> dict[str, str]:
        for name, text in files.items():
            write_text(self._folder / name, text)
        return self._client.datasets.upload(self._folder, list(files))

    def _publish(self, notes: str, files: dict[str, str]) -> None:
        """Make the dataset, or its next version, and wait until it is ready.

        Raises:
            KaggleError: Kaggle refuses it, or never gets ready.
        """
        tokens = self._upload(files)
        # By it a version is known whose answer was lost.
        notes = notes or f"sha256:{secrets.token_hex(32)}"
        if self._versions:
            self._client.datasets.create_version(self._dataset, notes, tokens, after=self._versions, most=_MOST)
        else:
            self._client.datasets.create(self._dataset, notes, tokens)
        self._versions += 1

        def is_ready() -> bool | None:
            state = self._client.datasets.processed(self._dataset)
            return True if state and state.version >= self._versions else None

        seconds = self._target.waits.patience.processing
        if self._target.waits.until(f"version {self._versions}", is_ready, seconds=seconds) is None:
            raise KaggleError(f"{self._dataset}: version {self._versions} does not get ready", "Try again later.")

    def _push(self, slug: str, source: str, datasets: list[str]) -> int:
        """Push a kernel; return its version."""
        notebook = slug == self._notebook
        title = slug.replace("-", " ")
        assert slugify(title) == slug
        code_file = "probe.ipynb" if notebook else "probe.py"
        cell: dict[str, Any] = {"cell_type": "code", "id": "probe", "metadata": {}, "execution_count": None}
        cells = [{**cell, "outputs": [], "source": source}]
        document = {"cells": cells, "metadata": NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5}
        folder = self._folder / slug
        code = json.dumps(document) if notebook else source
        write_text(folder / code_file, code)
        settings: dict[str, Any] = {
            "id": f"{self._client.owner}/{slug}",
            "title": title,
            "code_file": code_file,
            "language": "python",
        }
        kind = "notebook" if notebook else "script"
        settings |= {"kernel_type": kind, "is_private": True, "enable_gpu": False}
        write_json(folder / "kernel-metadata.json", {**settings, "enable_internet": False, "dataset_sources": datasets})
        # Noted before it is there: it is deleted, whatever becomes of the answer.
        after = self._kernel_versions.setdefault(slug, 0)
        version = self._client.kernels.push(folder, after=after, most=_MOST)
        self._kernel_versions[slug] = version
        return version

    def _told_by(self, slug: str, source: str, datasets: list[str]) -> dict[str, Any]:
        """Return the report of a kernel with `_CELL`; if it failed, the reason as ``failure``."""
        version = self._push(slug, source, datasets)
        ended = self._wait_until_ended(slug, version)
        text = self._client.kernels.fetch_output(slug, version, self._folder / "output", lambda _: False, needed=())
        log = read_log(text)
        for line in log.lines:
            if line.startswith("PROBE "):
                told: dict[str, Any] = json.loads(line.removeprefix("PROBE "))
                return told
        return {"failure": cause_of(ended.failure, log).text}

    def _wait_until_ended(self, slug: str, version: int) -> RunState:
        """Wait for the end of a run, whose log is nothing to watch.

        Raises:
            RunError: it does not end.
        """

        def look() -> RunState | None:
            run = self._client.kernels.run(slug, version)
            return run if run.status in ("complete", "error") else None

        ended = self._target.waits.until("a run", look, seconds=self._target.waits.patience.run)
        if ended is None:
            raise RunError(f"{slug} version {version} does not end", "Stop it on Kaggle.")
        return ended

    def _wait_until_running(self, slug: str, version: int) -> None:
        def is_running() -> bool | None:
            return True if self._client.kernels.run(slug, version).status != "queued" else None

        if self._target.waits.until("the run's start", is_running, seconds=self._target.waits.patience.run) is None:
            raise RunError(f"{slug} version {version} does not start", "Try again later.")


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    answers: list[Answer] = []
    with open_target(options.target, repository, minutes=options.minutes) as target:
        try:
            # One after the other: the answers so far are shown even if the rest fails.
            answers.extend(probe(target))
        finally:
            if answers:
                print(f"\nPaste this into an issue:\n\n{markdown_table(answers)}")
