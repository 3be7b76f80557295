"""Do the work behind the API: process versions, run kernels, score submissions.

One thread for each of the two kinds of work. The next start repeats the work that a dead server left unfinished;
nothing is visible before it is whole.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import ArchiveError, LocalKaggleError, RunError, SubmissionError
from kaggle_local.faults import Faults
from kaggle_local.runs.execution import Executor, Outcome, Stopped
from kaggle_local.runs.image import build_image
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.limits import RunLimits
from kaggle_local.runs.log import Event, RunLog
from kaggle_local.runs.sandbox import INPUT, Mount
from kaggle_local.scoring.competition import Competition, load_competition
from kaggle_local.scoring.score import load_libraries, score
from kaggle_local.storage import FileSource, Input, KernelSource, KernelVersion, Kind, Storage, Submission, Version
from kaggle_local.storage.archives import unpack_archives
from kaggle_local.storage.database import age_of, lacks_space, no_space
from kaggle_local.storage.file_names import check_unpacked_names
from kaggle_local.storage.resources import split_source, variation_ref
from kaggle_local.storage.submissions import NO_SPACE

logger = logging.getLogger(__name__)


# The classes of a code submission's failure, which is all that Kaggle tells of one (Kaggle's documentation of code
# competitions).
_THREW, _TIMEOUT = "Notebook Threw Exception", "Notebook Timeout"
_EXCEEDED, _NOT_WRITTEN = "Notebook Exceeded Allowed Compute", "Submission File Not Found"


def _kind_of(outcome: Outcome) -> str:
    """The class of a rerun's failure."""
    if outcome.cancelled:
        return _TIMEOUT
    return _EXCEEDED if outcome.stopped else _THREW


@dataclass(frozen=True)
class _Running:
    """A run that is under way."""

    version: KernelVersion
    log: RunLog
    abandoned: threading.Event

    def is_of(self, version: KernelVersion) -> bool:
        """Tell whether it is the run of a version."""
        return (self.version.kernel_id, self.version.number) == (version.kernel_id, version.number)


class Worker:
    """Does the work that the API has accepted.

    Args:
        storage: where work comes from and results go.
        behaviour: how long things take, and what is allowed.
        faults: what is to go wrong.
    """

    def __init__(self, storage: Storage, behaviour: Behaviour, faults: Faults) -> None:
        self._storage = storage
        self._behaviour = behaviour
        self._faults = faults
        self._processing = ThreadPoolExecutor(1, thread_name_prefix="processing")
        self._runs = ThreadPoolExecutor(1, thread_name_prefix="runs")
        # Files that are handed in do not wait behind kernels.
        self._scores = ThreadPoolExecutor(1, thread_name_prefix="scores")
        self._closing = threading.Event()
        self._started = time.monotonic()
        self._running: _Running | None = None
        # The datasets of the run or rerun that is under way, and the event that cancels it.
        self._attached: tuple[frozenset[str], threading.Event] | None = None
        for version in storage.resources.unprocessed():
            self.process(version)
        for kernel in storage.kernels.unfinished():
            self.run(kernel)
        storage.submissions.revive()
        for submission in storage.submissions.pending():
            self.score(submission.ref)

    def close(self) -> None:
        """Stop; what is under way is done again at the next start."""
        self._closing.set()
        for executor in (self._processing, self._runs, self._scores):
            executor.shutdown(cancel_futures=True)

    def process(self, version: Version) -> None:
        """Have a version's files unpacked and kept."""
        self._processing.submit(self._process, version)

    def run(self, version: KernelVersion) -> None:
        """Have a kernel version run."""
        self._runs.submit(self._run, version)

    def score(self, ref: int) -> None:
        """Have a submission scored, if need be after a rerun on the hidden test set."""
        submission = self._storage.submissions.get(ref)
        of_file = submission is not None and isinstance(submission.source, FileSource)
        (self._scores if of_file else self._runs).submit(self._score, ref)

    def live_log(self, version: KernelVersion, number: int) -> tuple[list[Event], int] | None:
        """The events of a run that is under way, from a number on, and the next number; None where it is not."""
        running = self._running
        return running.log.since(number) if running is not None and running.is_of(version) else None

    def abandon(self, kernel_id: int) -> None:
        """End the run of a kernel that was deleted, if it is under way."""
        running = self._running
        if running is not None and running.version.kernel_id == kernel_id:
            running.abandoned.set()

    def seconds_since_start(self) -> float:
        """Seconds since this server was started."""
        return time.monotonic() - self._started

    # Versions of datasets and models

    def _process(self, version: Version) -> None:
        outcome = self._faults.outcome("processing")
        rest = max(0.0, self._behaviour.processing_seconds - age_of(version.created))
        if outcome == "stuck" or self._closing.wait(rest):
            return
        resources = self._storage.resources
        try:
            if outcome == "failed":
                raise ArchiveError("the processing fails on demand", "Upload again.")
            with self._storage.files.scratch() as folder:
                self._gather(version, folder)
                if self._behaviour.unpack:
                    unpack_archives(folder, self._behaviour.archive_limits)
                    if self._behaviour.strict_names:
                        check_unpacked_names(folder)
                total = self._storage.files.keep_tree(folder)
                self._share(version, folder)
                resources.publish(version, folder, total)
            if self._behaviour.new_version_cancels and version.kind == "dataset":
                self._cancel_run_with(version.ref)
        except Exception as error:  # noqa: BLE001 - the version must not stay in processing for ever
            logger.warning("%s version %s: %s", version.ref, version.number, error)
            resources.fail(version, str(error))

    def _cancel_run_with(self, dataset: str) -> None:
        """Cancel the run or rerun that has a dataset attached (one live report; the cause is inferred)."""
        attached = self._attached
        if attached is not None and dataset in attached[0]:
            attached[1].set()

    def _gather(self, version: Version, folder: Path) -> None:
        for path, token in version.content:
            upload = self._storage.uploads.get(token)
            assert upload is not None  # the API has checked it
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            self._storage.files.link(upload.path, folder / path)

    def _share(self, version: Version, folder: Path) -> None:
        """Let the uploads be the files that were kept, so that nothing lies here twice."""
        for path, token in version.content:
            upload = self._storage.uploads.get(token)
            if upload is not None and (folder / path).is_file():
                self._storage.files.link(folder / path, upload.path)

    # Runs

    def _run(self, version: KernelVersion) -> None:
        kernels = self._storage.kernels
        if not kernels.is_recorded(version):
            return
        try:
            # Those that it saw before the server died, should it have.
            inputs = list(version.inputs) or self._inputs(version)
            kernels.start(version, inputs)
            with self._storage.files.held():
                outcome = self._execute(version, inputs, version.folder, rerun_of=None)
        except Stopped:
            return
        except LocalKaggleError as error:
            kernels.finish(version, "error", f"{error.problem} {error.cure}")
        except Exception as error:
            logger.exception("%s version %s", version.ref, version.number)
            if lacks_space(error):
                self._once_there_is_space(partial(kernels.finish, version, "error", no_space(self._storage.root)))
            else:
                kernels.finish(version, "error", repr(error))
        else:
            ended = "error" if outcome.failed else "complete"
            kernels.finish(version, "cancelled" if outcome.cancelled else ended, outcome.stopped)
        finally:
            self._running = self._attached = None

    def _inputs(self, version: KernelVersion) -> list[Input]:
        """Return the inputs of a run: of each source the version that is in use now, or the one that is named.

        Raises:
            RunError: there is none.
        """
        settings = version.settings
        found = [self._dataset_in_use(version, *split_source(source, 2)) for source in settings["datasets"]]
        return [
            *(dataset for dataset in found if dataset is not None),
            *(self._in_use("variation", *split_source(variation_ref(source), 4)) for source in settings["models"]),
            *(self._output_in_use(*split_source(source, 2)) for source in settings["kernels"]),
        ]

    def _dataset_in_use(self, kernel: KernelVersion, ref: str, number: str) -> Input | None:
        """The version of a dataset that a run sees; None where all were too new at the push to be mounted.

        A kernel sees the version that was ready when it was pushed, however long it waits for its run. One that is
        pushed right after a version is ready can get the previous one, or no input at all (reported live, several
        times).
        """
        newest = self._in_use("dataset", ref, number if self._behaviour.pins_datasets else "")
        versions = reversed(self._storage.resources.versions("dataset", ref))
        mountable = (
            version.number
            for version in versions
            if version.number <= newest.number
            and version.ready is not None
            and (kernel.created - version.ready).total_seconds() >= self._behaviour.mount_seconds
        )
        found = next(mountable, None)
        return None if found is None else Input(kind="dataset", ref=ref, number=found)

    def _in_use(self, kind: Kind, ref: str, number: str) -> Input:
        resources = self._storage.resources
        version = resources.version(kind, ref, int(number)) if number else resources.latest_ready(kind, ref)
        if version is None or version.status != "ready":
            raise RunError(f"{ref}: no version is ready.", "Wait for its processing before the push.")
        return Input(kind=kind, ref=ref, number=version.number)

    def _output_in_use(self, ref: str, number: str) -> Input:
        owner, slug = ref.split("/")
        kernels = self._storage.kernels
        version = kernels.get(owner, slug, int(number)) if number else kernels.latest_complete(owner, slug)
        if version is None or version.status != "complete":
            raise RunError(f"{ref}: no version has run through.", "Wait for its run before the push.")
        return Input(kind="kernel", ref=ref, number=version.number)

    def _execute(
        self, version: KernelVersion, inputs: Sequence[Input], target: Path, *, rerun_of: Competition | None
    ) -> Outcome:
        """Run a version and keep what it left in ``target``; with ``rerun_of`` on that one's hidden test set.

        Raises:
            RunError: an input is gone.
            ImageError: the version's image is gone, and cannot be built again.
            Stopped: the run is not wanted any more.
        """
        mounts = [self._mount(each) for each in inputs]
        behaviour = self._behaviour
        gpu, tpu = version.settings["enable_gpu"], version.settings.get("enable_tpu")
        most = behaviour.tpu_session_seconds if tpu else behaviour.session_seconds
        seconds = min(most, version.settings["seconds"] or most)
        memory, output = behaviour.memory_bytes, behaviour.output_bytes
        for slug in version.settings["competitions"]:
            competition = self._competition(slug)
            limits = competition.limits
            seconds, memory = min(seconds, limits.seconds), min(memory, limits.memory_bytes or memory)
            output = min(output, limits.output_bytes or output)
            hidden = rerun_of is not None and competition.slug == rerun_of.slug
            place = self._place("competitions", competition.slug)
            mounts.append(Mount(competition.hidden if hidden else competition.public, place))
        environment = {
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            "KAGGLE_URL_BASE": "https://www.kaggle.com",
            "KAGGLE_CONTAINER_NAME": f"kaggle-local-{version.kernel_id}-{version.number}",
            "KAGGLE_DOCKER_IMAGE": version.settings["docker_image"] or "kaggle-local",
            # Kaggle's own modules want one, and meet the missing network then.
            "KAGGLE_USER_SECRETS_TOKEN": "kaggle-local",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        if rerun_of:
            environment["KAGGLE_IS_COMPETITION_RERUN"] = "1"
        source = version.source
        outcome = self._faults.outcome("run")
        if outcome:
            source = "while True: pass" if outcome == "stuck" else "raise RuntimeError('the run fails on demand')"
        program = Program(
            source=source,
            kind="script" if outcome else version.settings["kernel_type"],
            mounts=mounts,
            environment=environment,
            limits=RunLimits(seconds=seconds, memory_bytes=memory, output_bytes=output, processes=behaviour.processes),
            gpu=gpu,
            utility_scripts=self._scripts_among(inputs),
        )
        image = build_image(version.image, self._storage.images.folder)
        # The log starts here: Kaggle does not count the time that the image takes.
        log, abandoned, cancelled = RunLog(), threading.Event(), threading.Event()
        self._attached = frozenset(split_source(source, 2)[0] for source in version.settings["datasets"]), cancelled
        if rerun_of is None:
            self._running = _Running(version, log, abandoned)
            if not self._storage.kernels.is_recorded(version):
                raise Stopped
        executor = Executor(
            image=image,
            given_up=lambda: self._closing.is_set() or abandoned.is_set(),
            cancelled=cancelled.is_set,
        )
        with self._storage.files.draft(target) as draft:
            result = executor.run(program, draft, log)
            if rerun_of is None:
                self._storage.files.keep_tree(draft / "output")
        return result

    def _scripts_among(self, inputs: Sequence[Input]) -> dict[str, str]:
        """The sources of those inputs that are scripts, by ``owner/slug``: another kernel can import them."""
        found = {}
        for source in inputs:
            owner, _, slug = source.ref.partition("/")
            kernel = self._storage.kernels.get(owner, slug, source.number) if source.kind == "kernel" else None
            if kernel is not None and kernel.settings["kernel_type"] == "script":
                found[source.ref] = kernel.source
        return found

    def _mount(self, source: Input) -> Mount:
        """Where a kernel sees an input; by kind and owner, or by slug alone."""
        parts = source.ref.split("/")
        if source.kind == "kernel":
            kernel = self._storage.kernels.get(parts[0], parts[1], source.number)
            if kernel is None:
                raise RunError(f"{source.ref}: version {source.number} is gone.", "Push the kernel again.")
            return Mount(kernel.output_folder, self._place("notebooks", *parts))
        kind: Kind = "dataset" if source.kind == "dataset" else "variation"
        version = self._storage.resources.version(kind, source.ref, source.number)
        if version is None:
            raise RunError(f"{source.ref}: version {source.number} is gone.", "Push the kernel again.")
        if kind == "dataset":
            return Mount(version.folder, self._place("datasets", *parts))
        return Mount(version.folder, self._place("models", *parts, str(source.number)))

    def _place(self, kind: str, *parts: str) -> str:
        if self._behaviour.old_layout:
            return "/".join([INPUT, *(parts[1:] if kind != "competitions" else parts)])
        return "/".join([INPUT, kind, *parts])

    # Submissions

    def _competition(self, slug: str) -> Competition:
        folder = self._storage.submissions.competition_folder(slug)
        if folder is None:
            raise RunError(f"{slug}: the competition is gone.", "Host it again.")
        return load_competition(folder, check_data=False)

    def _score(self, ref: int) -> None:
        submission = self._storage.submissions.get(ref)
        assert submission is not None  # the API has recorded it
        finish = self._storage.submissions.finish
        try:
            value = self._value(submission)
        except Stopped:
            return
        except LocalKaggleError as error:
            logger.warning("submission %s to %s: %s", ref, submission.competition, error)
            kind = error.kind if isinstance(error, SubmissionError) else SubmissionError.kind
            finish(submission, None, str(error), kind)
        except Exception as error:
            logger.exception("submission %s to %s", ref, submission.competition)
            if lacks_space(error):
                reason = f"{no_space(self._storage.root)}; it is scored again at the next start"
                self._once_there_is_space(partial(finish, submission, None, reason, NO_SPACE))
            else:
                finish(submission, None, repr(error), SubmissionError.kind)
        else:
            finish(submission, value, "")

    def _once_there_is_space(self, record: Callable[[], None]) -> None:
        """Record what lacked space, which takes some."""
        while not self._closing.is_set():
            try:
                record()
            except sqlite3.OperationalError:
                self._closing.wait(1)
            else:
                return

    def _value(self, submission: Submission) -> float:
        """Score a submission: its file, or the output of its kernel, run again where the competition wants it."""
        competition = self._competition(submission.competition)
        folder = submission.folder
        if isinstance(submission.source, FileSource):
            upload = self._storage.uploads.get(submission.source.token)
            assert upload is not None  # the API has checked it
            with self._storage.files.draft(folder) as draft:
                self._storage.files.link(upload.path, draft / submission.file_name)
                self._storage.files.keep(draft / submission.file_name)
            return score(competition, folder / submission.file_name)
        version = self._kernel(submission.source)
        if not competition.code:
            return score(competition, version.output_folder / submission.file_name)
        threading.Thread(target=load_libraries, name="scoring", daemon=True).start()
        with self._storage.files.held():
            outcome = self._execute(version, version.inputs, folder, rerun_of=competition)
        try:
            if outcome.failed:
                raise SubmissionError(
                    f"the rerun on the hidden test set failed{outcome.stopped and ': '}{outcome.stopped}",
                    f"Its log is {folder / 'log.json'}",
                    kind=_kind_of(outcome),
                )
            file = folder / "output" / submission.file_name
            if not file.is_file():
                raise SubmissionError(
                    f"{file.name}: the kernel did not write it", "Write it to /kaggle/working.", kind=_NOT_WRITTEN
                )
            return score(competition, file)
        finally:
            self._storage.files.remove(folder / "output")

    def _kernel(self, source: KernelSource) -> KernelVersion:
        version = self._storage.kernels.get(source.owner, source.slug, source.number)
        if version is None:
            raise SubmissionError(f"{source.owner}/{source.slug} version {source.number} is gone", "Push it again.")
        return version
