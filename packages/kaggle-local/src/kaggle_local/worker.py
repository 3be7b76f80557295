"""What happens behind the API: versions are processed, kernels run, submissions scored.

One thread for each of the two kinds of work. What a dead server left unfinished is done again at
the next start; nothing is visible before it is whole.
"""

import json
import logging
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kaggle_local.archives import unpack_archives
from kaggle_local.competition import load_competition
from kaggle_local.errors import LocalKaggleError, RunError, SubmissionError
from kaggle_local.image import Image
from kaggle_local.sandbox import INPUT, RUN, WORKING, Mount, sandboxed
from kaggle_local.scoring import score
from kaggle_local.seccomp import socket_filter
from kaggle_local.storage import DatasetVersion, KernelVersion, Storage, Submission, remove_tree

# Of a run without a competition: Kaggle's own limit for a CPU session.
DEFAULT_SECONDS = 12 * 3600

# Characters of a log that are kept, the last ones, and of one line of it.
MAXIMUM_LOG = 20_000_000
_LINE = 1_000_000

# Levels of folders in a kernel's output.
_DEEPEST = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the exit code of its last cell, and why it was stopped, if it was."""

    code: int
    stopped: str = ""


class Worker:
    """Does the work that the API has accepted.

    Args:
        storage: where work comes from and results go.
        image: gives the image that kernels run in, when the first one does.
        old_layout: mount inputs as ``/kaggle/input/<slug>`` instead of
            ``/kaggle/input/{datasets/<owner>,competitions}/<slug>``.
    """

    def __init__(self, storage: Storage, image: Callable[[], Image], *, old_layout: bool = False) -> None:
        self._storage = storage
        self._image = image
        self._old_layout = old_layout
        self._datasets = ThreadPoolExecutor(1, thread_name_prefix="datasets")
        self._runs = ThreadPoolExecutor(1, thread_name_prefix="runs")
        self._closing = threading.Event()
        for dataset in storage.unprocessed_versions():
            self._datasets.submit(self._process, dataset)
        for version in storage.unfinished_kernel_versions():
            self._runs.submit(self._run, version.owner, version.slug, version.number)
        for submission in storage.pending_submissions():
            self._runs.submit(self._score, submission.ref)

    def close(self) -> None:
        """Stop; what is under way is done again at the next start."""
        self._closing.set()
        for executor in (self._datasets, self._runs):
            executor.shutdown(cancel_futures=True)

    def process(self, version: DatasetVersion) -> None:
        """Have a dataset version's files unpacked."""
        self._datasets.submit(self._process, version)

    def run(self, version: KernelVersion) -> None:
        """Have a kernel version run."""
        self._runs.submit(self._run, version.owner, version.slug, version.number)

    def score(self, ref: int) -> None:
        """Have a submission rerun on the hidden test set and scored."""
        self._runs.submit(self._score, ref)

    def _process(self, version: DatasetVersion) -> None:
        try:
            with self._storage.draft(version.folder) as draft:
                for token in version.tokens:
                    upload = self._storage.upload(token)
                    assert upload is not None  # the API has checked it
                    os.link(upload.path, draft / upload.name)
                unpack_archives(draft)
        except Exception as error:  # noqa: BLE001 - the version must not stay in processing for ever
            logger.warning("%s/%s version %s: %s", version.owner, version.slug, version.number, error)
            self._storage.finish_dataset_version(version, "failed", str(error))
        else:
            self._storage.finish_dataset_version(version, "ready")

    def _run(self, owner: str, slug: str, number: int) -> None:
        version = self._storage.kernel_version(owner, slug, number)
        assert version is not None
        try:
            inputs = [self._latest_ready(source) for source in version.settings["datasets"]]
            self._storage.start_kernel_version(version, [(d.owner, d.slug, d.number) for d in inputs])
            with self._storage.draft(version.folder) as draft:
                outcome = self._execute(version, inputs, draft, rerun_of=None)
        except _Stopped:
            return
        except LocalKaggleError as error:
            self._storage.finish_kernel_version(version, "error", str(error))
        except Exception as error:  # noqa: BLE001 - a run must not stay running for ever
            self._storage.finish_kernel_version(version, "error", repr(error))
        else:
            failed = outcome.stopped or outcome.code != 0
            self._storage.finish_kernel_version(version, "error" if failed else "complete", outcome.stopped)

    def _latest_ready(self, source: str) -> DatasetVersion:
        owner, slug, *pinned = source.split("/")
        ready = [
            v
            for v in self._storage.dataset_versions(owner, slug)
            if v.status == "ready" and pinned in ([], [str(v.number)])
        ]
        if not ready:
            raise RunError(f"{source}: no version is ready", "Wait for its processing before the push.")
        return ready[-1]

    def _score(self, ref: int) -> None:
        submission = self._storage.submission(ref)
        try:
            value = self._rerun(submission)
        except _Stopped:
            return
        except LocalKaggleError as error:
            self._storage.finish_submission(submission, None, str(error))
        except Exception as error:  # noqa: BLE001 - a submission must not stay pending for ever
            self._storage.finish_submission(submission, None, repr(error))
        else:
            self._storage.finish_submission(submission, value)

    def _rerun(self, submission: Submission) -> float:
        version = self._storage.kernel_version(submission.owner, submission.slug, submission.number)
        folder = self._storage.competition_folder(submission.competition)
        assert version is not None  # the API has checked both
        assert folder is not None
        inputs = [d for source in version.inputs if (d := self._storage.dataset_version(*source)) is not None]
        result: float | LocalKaggleError
        with self._storage.draft(submission.folder) as draft:
            outcome = self._execute(version, inputs, draft, rerun_of=submission.competition)
            if outcome.stopped or outcome.code != 0:
                result = SubmissionError(
                    f"the rerun on the hidden test set failed{outcome.stopped and ': '}{outcome.stopped}",
                    f"Its log is {submission.folder / 'log.json'}",
                )
            else:
                try:
                    result = score(load_competition(folder), draft / "output" / submission.file_name)
                except LocalKaggleError as error:  # raised below, once the log has been kept
                    result = error
            remove_tree(draft / "output")
        if isinstance(result, LocalKaggleError):
            raise result
        return result

    def _execute(
        self, version: KernelVersion, inputs: list[DatasetVersion], folder: Path, *, rerun_of: str | None
    ) -> Outcome:
        """Run a notebook in the sandbox; leave ``output/``, ``log.json`` and ``notebook.ipynb`` in ``folder``.

        ``rerun_of`` is the competition whose hidden test set takes the place of the public one.
        """
        mounts = [Mount(dataset.folder, self._target("datasets", dataset.slug, dataset.owner)) for dataset in inputs]
        seconds = DEFAULT_SECONDS
        for slug in version.settings["competitions"]:
            hosted = self._storage.competition_folder(slug)
            assert hosted is not None
            competition = load_competition(hosted)
            seconds = min(seconds, competition.limits.seconds)
            mounts.append(
                Mount(
                    competition.hidden if slug == rerun_of else competition.public, self._target("competitions", slug)
                )
            )
        (folder / "output").mkdir()
        run = folder / "run"
        run.mkdir()
        (run / "source.ipynb").write_text(version.source)
        shutil.copyfile(Path(__file__).with_name("notebook_driver.py"), run / "driver.py")
        environment = {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        if rerun_of:
            environment["KAGGLE_IS_COMPETITION_RERUN"] = "1"
        # A file without a name, which the sandbox inherits.
        with tempfile.TemporaryFile() as filter_file:
            filter_file.write(socket_filter())
            filter_file.seek(0)
            command = sandboxed(
                self._image(),
                [f"{RUN}/driver.py", f"{RUN}/source.ipynb", f"{RUN}/executed.ipynb"],
                mounts=mounts,
                writable=[Mount(folder / "output", WORKING), Mount(run, RUN)],
                environment=environment,
                seccomp=filter_file.fileno(),
            )
            events, outcome = self._watch(command, seconds, filter_file.fileno())
        # From here on the host reads what the kernel has left.
        _defuse(folder / "output")
        _defuse(run)
        (folder / "log.json").write_text("[" + ",\n".join(json.dumps(event) for event in events) + "]\n")
        if (run / "executed.ipynb").is_file():
            (run / "executed.ipynb").rename(folder / "notebook.ipynb")
        remove_tree(run)
        return outcome

    def _target(self, kind: str, slug: str, owner: str = "") -> str:
        parts = [slug] if self._old_layout else [kind, owner, slug]
        return "/".join([INPUT, *(part for part in parts if part)])

    def _watch(
        self, command: list[str], seconds: float, inherited: int
    ) -> tuple[list[dict[str, str | float]], Outcome]:
        """Run the sandbox to its end, or to the limit; collect the events of its log.

        Raises:
            _Stopped: the server is closing.
        """
        started = time.monotonic()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={},
            pass_fds=[inherited],
        ) as process:
            log = _Log(process, started)
            while process.poll() is None and not self._closing.is_set() and time.monotonic() - started < seconds:
                self._closing.wait(0.05)
            stopped = ""
            if process.poll() is None:
                # With the sandbox's first process, the system ends every other in it.
                process.kill()
                if self._closing.is_set():
                    raise _Stopped
                stopped = f"the run took longer than its limit of {seconds:.0f} s"
            process.wait()
            # Within the block: at its end the pipes are closed, read or not.
            events = log.events()
        return events, Outcome(process.returncode, stopped)


class _Log:
    """Collects what a sandbox prints: the notebook driver's events, and lines of anything else."""

    def __init__(self, process: subprocess.Popen[str], started: float) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._started = started
        self._lock = threading.Lock()
        self._size = 0
        self._events: deque[dict[str, str | float]] = deque()
        self._readers = [
            threading.Thread(target=self._read_events, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_lines, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def events(self) -> list[dict[str, str | float]]:
        """All events, once the process has ended."""
        for reader in self._readers:
            reader.join()
        return list(self._events)

    def _read_events(self, stream: IO[str]) -> None:
        # The kernel can write here too: what is no event is a line like any other.
        for line in iter(lambda: stream.readline(_LINE), ""):
            try:
                event = json.loads(line)
                stream_name, seconds, data = event["stream_name"], float(event["time"]), event["data"]
            except (ValueError, KeyError, TypeError):
                self._add("stdout", line)
            else:
                self._add(str(stream_name), str(data), seconds)

    def _read_lines(self, stream: IO[str]) -> None:
        for line in iter(lambda: stream.readline(_LINE), ""):
            self._add("stderr", line)

    def _add(self, stream_name: str, data: str, seconds: float | None = None) -> None:
        """Keep an event, and drop the oldest where there are too many: memory is the server's."""
        elapsed = time.monotonic() - self._started if seconds is None else seconds
        with self._lock:
            self._events.append({"stream_name": stream_name, "time": round(elapsed, 3), "data": data})
            self._size += len(data)
            while self._size > MAXIMUM_LOG:
                self._size -= len(str(self._events.popleft()["data"]))


def _defuse(folder: Path) -> None:
    """Leave plain files and folders that their owner can read, and nothing that leads elsewhere.

    Raises:
        RunError: folders lie so deep that no program could walk them.
    """
    for path, folders, files in os.walk(folder):
        here = Path(path)
        if len(here.relative_to(folder).parts) > _DEEPEST:
            remove_tree(folder)
            raise RunError("the kernel's output has folders too deep", f"{_DEEPEST} levels are kept.")
        for name in [*folders, *files]:
            entry = here / name
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                entry.chmod(0o755)
            elif stat.S_ISREG(mode):
                entry.chmod(0o644)
            else:
                entry.unlink()


class _Stopped(Exception):  # noqa: N818 - not an error
    """The server is closing; the run is to be done again."""
