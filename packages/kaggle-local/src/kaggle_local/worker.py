"""Do the work behind the API: process versions, run kernels, score submissions.

Each kind of work has one thread. The next start repeats the work that a dead server left unfinished; nothing is
visible before it is complete.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kaggle_local.behaviour import SANDBOX, Behaviour
from kaggle_local.errors import ArchiveError, LocalKaggleError, RunError, SubmissionError
from kaggle_local.faults import Faults
from kaggle_local.runs.container import Container
from kaggle_local.runs.execution import Executor, Outcome, Stopped, ready_image
from kaggle_local.runs.image import ImageSpec
from kaggle_local.runs.imports import with_imports
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.limits import RunLimits
from kaggle_local.runs.log import Event, RunLog
from kaggle_local.runs.metric_run import MetricRun
from kaggle_local.runs.network import HOST
from kaggle_local.runs.sandbox import INPUT, Mount
from kaggle_local.runs.served import check_result, gateway_program, run_served
from kaggle_local.scoring.competition import Competition, load_competition
from kaggle_local.scoring.score import CustomMetric, Scores, load_libraries, score
from kaggle_local.storage import FileSource, Input, KernelSource, KernelVersion, Kind, Storage, Submission, Version
from kaggle_local.storage.archives import unpack_archives
from kaggle_local.storage.database import age_of, lacks_space, no_space
from kaggle_local.storage.file_names import check_unpacked_names
from kaggle_local.storage.resources import split_source, variation_ref
from kaggle_local.storage.submissions import NO_SPACE

logger = logging.getLogger(__name__)


# The classes of a code submission's failure: Kaggle gives no other reason (Kaggle's documentation of code
# competitions).
_THREW = "Notebook Threw Exception"
_TIMEOUT = "Notebook Timeout"
_EXCEEDED = "Notebook Exceeded Allowed Compute"
_NOT_WRITTEN = "Submission File Not Found"


def _kind_of(outcome: Outcome) -> str:
    """Return the class of a rerun's failure."""
    if outcome.cancelled:
        return _TIMEOUT
    return _EXCEEDED if outcome.stopped else _THREW


@dataclass(frozen=True)
class _Running:
    """The run that is under way."""

    version: KernelVersion
    log: RunLog
    abandoned: threading.Event

    def is_of(self, version: KernelVersion) -> bool:
        """Tell whether this is the run of a version."""
        return (self.version.kernel_id, self.version.number) == (version.kernel_id, version.number)


class Worker:
    """Does the work that the API has accepted.

    Args:
        storage: the source of the work, and the place of its results.
        behaviour: times and limits.
        faults: the failures to simulate.
    """

    def __init__(self, storage: Storage, behaviour: Behaviour, faults: Faults) -> None:
        self._storage = storage
        self._behaviour = behaviour
        self._faults = faults
        self._processing = ThreadPoolExecutor(1, thread_name_prefix="processing")
        self._runs = ThreadPoolExecutor(1, thread_name_prefix="runs")
        # Submitted files do not wait behind kernels.
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
        """Stop; the next start repeats the work that is under way."""
        self._closing.set()
        for executor in (self._processing, self._runs, self._scores):
            executor.shutdown(cancel_futures=True)

    def process(self, version: Version) -> None:
        """Queue the processing of a version's files."""
        self._processing.submit(self._process, version)

    def run(self, version: KernelVersion) -> None:
        """Queue the run of a kernel version."""
        self._runs.submit(self._run, version)

    def score(self, ref: int) -> None:
        """Queue the scoring of a submission; a kernel's follows a rerun on the hidden test set."""
        submission = self._storage.submissions.get(ref)
        is_file = submission is not None and isinstance(submission.source, FileSource)
        executor = self._scores if is_file else self._runs
        executor.submit(self._score, ref)

    def live_log(self, version: KernelVersion, number: int) -> tuple[list[Event], int] | None:
        """Return the events of the current run from a number on, and the next number; None if it is another run."""
        running = self._running
        if running is None or not running.is_of(version):
            return None
        return running.log.since(number)

    def abandon(self, kernel_id: int) -> None:
        """End the run of a deleted kernel, if it is under way."""
        running = self._running
        if running is not None and running.version.kernel_id == kernel_id:
            running.abandoned.set()

    def seconds_since_start(self) -> float:
        """Return the seconds since this server was started."""
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
                raise ArchiveError("a simulated failure of the processing", "Upload again.")
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
        """Link the uploads to the kept files, so that no content is stored twice."""
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
            # A run that is repeated after a crash gets the inputs that it had.
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
            if outcome.cancelled:
                kernels.finish(version, "cancelled", outcome.stopped)
            elif outcome.failed:
                kernels.finish(version, "error", outcome.stopped)
            else:
                kernels.finish(version, "complete", outcome.stopped)
        finally:
            self._running = self._attached = None

    def _inputs(self, version: KernelVersion) -> list[Input]:
        """Return the inputs of a run: the named version of each source, or the one in use now.

        Raises:
            RunError: a source has no such version.
        """
        inputs = []
        for source in version.settings["datasets"]:
            dataset = self._dataset_in_use(version, *split_source(source, 2))
            if dataset is not None:
                inputs.append(dataset)
        for source in version.settings["models"]:
            inputs.append(self._in_use("variation", *split_source(variation_ref(source), 4)))
        for source in version.settings["kernels"]:
            inputs.append(self._output_in_use(*split_source(source, 2)))
        return inputs

    def _dataset_in_use(self, kernel: KernelVersion, ref: str, number: str) -> Input | None:
        """Return the version of a dataset that a run sees; None if every version was too new at the push.

        A kernel sees the version that was ready when it was pushed, even if its run starts much later. A kernel that
        is pushed right after a version is ready can get the previous one, or no input at all (reported live, several
        times).
        """
        pinned = number if self._behaviour.pins_datasets else ""
        newest = self._in_use("dataset", ref, pinned)
        for version in reversed(self._storage.resources.versions("dataset", ref)):
            if version.number > newest.number or version.ready is None:
                continue
            if (kernel.created - version.ready).total_seconds() >= self._behaviour.mount_seconds:
                return Input(kind="dataset", ref=ref, number=version.number)
        return None

    def _in_use(self, kind: Kind, ref: str, number: str) -> Input:
        resources = self._storage.resources
        if number:
            version = resources.version(kind, ref, int(number))
        else:
            version = resources.latest_ready(kind, ref)
        if version is None or version.status != "ready":
            raise RunError(f"{ref}: no version is ready.", "Wait for its processing before the push.")
        return Input(kind=kind, ref=ref, number=version.number)

    def _output_in_use(self, ref: str, number: str) -> Input:
        owner, slug = ref.split("/")
        kernels = self._storage.kernels
        if number:
            version = kernels.get(owner, slug, int(number))
        else:
            version = kernels.latest_complete(owner, slug)
        if version is None or version.status != "complete":
            raise RunError(f"{ref}: no version is complete.", "Wait for its run before the push.")
        return Input(kind="kernel", ref=ref, number=version.number)

    def _execute(
        self, version: KernelVersion, inputs: Sequence[Input], target: Path, *, rerun_of: Competition | None
    ) -> Outcome:
        """Run a version and keep its output in ``target``; with ``rerun_of`` on that competition's hidden test set.

        Raises:
            RunError: an input is gone.
            ImageError: the version's image is gone, and cannot be built or fetched again.
            Stopped: the run is no longer wanted.
        """
        program = self._program(version, inputs, rerun_of)
        container = self._container(version)
        image = None
        if container is None:
            image = ready_image(self._image_of(version), self._storage.images.folder)
        else:
            container.fetch()
        # The log starts here: Kaggle does not count the time that the image takes.
        log = RunLog()
        abandoned = threading.Event()
        cancelled = threading.Event()
        datasets = [split_source(source, 2)[0] for source in version.settings["datasets"]]
        self._attached = frozenset(datasets), cancelled
        if rerun_of is None:
            self._running = _Running(version, log, abandoned)
            if not self._storage.kernels.is_recorded(version):
                raise Stopped
        executor = Executor(
            image=image,
            container=container,
            given_up=lambda: self._closing.is_set() or abandoned.is_set(),
            cancelled=cancelled.is_set,
        )
        with self._storage.files.draft(target) as draft:
            result = executor.run(program, draft, log)
            if rerun_of is None:
                self._storage.files.keep_tree(draft / "output")
        return result

    def _image_of(self, version: KernelVersion) -> ImageSpec:
        """Return the image of a version, with what the gateways of its competitions import: Kaggle's has it all."""
        files: list[Path] = []
        for competition in map(self._competition, version.settings["competitions"]):
            if competition.gateway:
                files += sorted((competition.public / competition.gateway).parent.rglob("*.py"))
        return with_imports(version.image, files) if files else version.image

    def _container(self, version: KernelVersion) -> Container | None:
        """Return the container that a version runs in: the kernel's own image wins; None for the sandbox."""
        if self._behaviour.engine == SANDBOX:
            return None
        reference = version.settings["docker_image"] or version.image.docker_image
        return Container(engine=self._behaviour.engine, reference=reference, owner=str(self._storage.root))

    def _program(self, version: KernelVersion, inputs: Sequence[Input], rerun_of: Competition | None) -> Program:
        """Return a version's source with its mounts, variables and limits.

        Raises:
            RunError: an input is gone.
        """
        competitions = [self._competition(slug) for slug in version.settings["competitions"]]
        mounts = [self._mount(each) for each in inputs]
        for competition in competitions:
            hidden = rerun_of is not None and competition.slug == rerun_of.slug
            folder = competition.hidden if hidden else competition.public
            mounts.append(Mount(folder, self._place("competitions", competition.slug)))
        environment = {
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            "KAGGLE_URL_BASE": "https://www.kaggle.com",
            "KAGGLE_CONTAINER_NAME": f"kaggle-local-{version.kernel_id}-{version.number}",
            "KAGGLE_DOCKER_IMAGE": version.settings["docker_image"] or "kaggle-local",
            # Kaggle's own modules need one before they fail for lack of a network.
            "KAGGLE_USER_SECRETS_TOKEN": "kaggle-local",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        if competitions:
            # Modules of a competition are imported without more (PYTHONPATH printed by kernels of OTTO and of ARC Prize
            # 2025; the demo kernels of served competitions rely on it; under the new layout it is assumed).
            places = [self._place("competitions", competition.slug) for competition in competitions]
            environment["PYTHONPATH"] = ":".join(places)
        if rerun_of:
            environment["KAGGLE_IS_COMPETITION_RERUN"] = "1"
        source = version.source
        kind = version.settings["kernel_type"]
        network = None
        if self._behaviour.network and version.settings["enable_internet"] and rerun_of is None:
            network = HOST
        fault = self._faults.outcome("run")
        if fault:
            source = "while True: pass" if fault == "stuck" else "raise RuntimeError('a simulated failure of the run')"
            kind = "script"
        return Program(
            source=source,
            kind=kind,
            mounts=mounts,
            environment=environment,
            limits=self._limits(version, competitions),
            gpu=version.settings["enable_gpu"],
            network=network,
            utility_scripts=self._scripts_among(inputs),
        )

    def _limits(self, version: KernelVersion, competitions: Sequence[Competition]) -> RunLimits:
        """Return the strictest of Kaggle's, the version's and its competitions' limits."""
        behaviour = self._behaviour
        session = behaviour.session_seconds
        if version.settings.get("enable_tpu"):
            session = behaviour.tpu_session_seconds
        seconds = min(session, version.settings["seconds"] or session)
        memory = behaviour.memory_bytes
        output = behaviour.output_bytes
        for competition in competitions:
            limits = competition.limits
            seconds = min(seconds, limits.seconds)
            memory = min(memory, limits.memory_bytes or memory)
            output = min(output, limits.output_bytes or output)
        return RunLimits(seconds=seconds, memory_bytes=memory, output_bytes=output, processes=behaviour.processes)

    def _scripts_among(self, inputs: Sequence[Input]) -> dict[str, str]:
        """Return the sources of those inputs that are scripts, by ``owner/slug``: another kernel can import them."""
        found = {}
        for source in inputs:
            if source.kind != "kernel":
                continue
            owner, _, slug = source.ref.partition("/")
            kernel = self._storage.kernels.get(owner, slug, source.number)
            if kernel is not None and kernel.settings["kernel_type"] == "script":
                found[source.ref] = kernel.source
        return found

    def _mount(self, source: Input) -> Mount:
        """Return the folder of an input, and the path where a kernel sees it."""
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
        if not self._behaviour.old_layout:
            return "/".join([INPUT, kind, *parts])
        # Without the kind and the owner; competitions have no owner.
        names = parts if kind == "competitions" else parts[1:]
        return "/".join([INPUT, *names])

    # Submissions

    def _competition(self, slug: str) -> Competition:
        folder = self._storage.submissions.competition_folder(slug)
        if folder is None:
            raise RunError(f"{slug}: the competition is gone.", "Host it again.")
        return load_competition(folder, check_data=False)

    def _score(self, ref: int) -> None:
        submission = self._storage.submissions.get(ref)
        assert submission is not None  # the API has recorded it
        submissions = self._storage.submissions
        try:
            scores = self._scores_of(submission)
        except Stopped:
            return
        except LocalKaggleError as error:
            logger.warning("submission %s to %s: %s", ref, submission.competition, error)
            kind = error.kind if isinstance(error, SubmissionError) else SubmissionError.kind
            submissions.fail(submission, str(error), kind)
        except Exception as error:
            logger.exception("submission %s to %s", ref, submission.competition)
            if lacks_space(error):
                reason = f"{no_space(self._storage.root)}; it is scored again at the next start"
                self._once_there_is_space(partial(submissions.fail, submission, reason, NO_SPACE))
            else:
                submissions.fail(submission, repr(error), SubmissionError.kind)
        else:
            submissions.complete(submission, scores.public, scores.private)

    def _once_there_is_space(self, record: Callable[[], None]) -> None:
        """Record a result for which the disk had no space, as soon as it has."""
        while not self._closing.is_set():
            try:
                record()
            except sqlite3.OperationalError:
                self._closing.wait(1)
            else:
                return

    def _scores_of(self, submission: Submission) -> Scores:
        """Score a submission: its file, or the output of its kernel after a rerun in a code competition."""
        competition = self._competition(submission.competition)
        folder = submission.folder
        if isinstance(submission.source, FileSource):
            upload = self._storage.uploads.get(submission.source.token)
            assert upload is not None  # the API has checked it
            with self._storage.files.draft(folder) as draft:
                self._storage.files.link(upload.path, draft / submission.file_name)
                self._storage.files.keep(draft / submission.file_name)
            return score(competition, folder / submission.file_name, self.custom_metric(competition))
        version = self._kernel(submission.source)
        custom = self.custom_metric(competition, version)
        if not competition.code:
            return score(competition, version.output_folder / submission.file_name, custom)
        threading.Thread(target=load_libraries, name="scoring", daemon=True).start()
        if competition.gateway:
            return self._scores_of_served(submission, competition, version, custom)
        with self._storage.files.held():
            outcome = self._execute(version, version.inputs, folder, rerun_of=competition)
        try:
            if outcome.failed:
                problem = "the rerun on the hidden test set failed"
                if outcome.stopped:
                    problem += f": {outcome.stopped}"
                raise SubmissionError(problem, f"Its log is {folder / 'log.json'}", kind=_kind_of(outcome))
            file = folder / "output" / submission.file_name
            if not file.is_file():
                raise SubmissionError(
                    f"{file.name}: the kernel did not write it", "Write it to /kaggle/working.", kind=_NOT_WRITTEN
                )
            return score(competition, file, custom)
        finally:
            self._storage.files.remove(folder / "output")

    def _scores_of_served(
        self, submission: Submission, competition: Competition, version: KernelVersion, custom: CustomMetric | None
    ) -> Scores:
        """Score what the competition's gateway writes, from the answers of the kernel.

        Raises:
            SubmissionError: the kernel ends by itself, or the gateway says that it has failed.
        """
        folder = submission.folder
        if self._behaviour.engine != SANDBOX:
            raise SubmissionError(
                "served competitions are rehearsed in the sandbox alone", "Leave engine out of KAGGLE_LOCAL_SETTINGS."
            )
        public = self._program(version, version.inputs, None)
        kernel = replace(public, environment={**public.environment, "KAGGLE_IS_COMPETITION_RERUN": "1"})
        gateway = gateway_program(kernel, competition)
        image = ready_image(self._image_of(version), self._storage.images.folder)
        with self._storage.files.held(), self._storage.files.draft(folder) as draft:
            served = run_served(image, kernel, gateway, draft, given_up=self._closing.is_set, cancelled=lambda: False)
        output = folder / "output"
        try:
            check_result(output, served)
            file = output / submission.file_name
            if not file.is_file():
                raise SubmissionError(
                    f"{file.name}: the gateway did not write it", "Name the gateway's file.", kind=_NOT_WRITTEN
                )
            return score(competition, file, custom)
        finally:
            self._storage.files.remove(output)

    def custom_metric(self, competition: Competition, version: KernelVersion | None = None) -> CustomMetric | None:
        """Return the host's metric of a competition, if it has one.

        Args:
            competition: whose.
            version: the kernel version in whose image it runs; by default in the image in use.
        """
        if competition.custom_metric is None:
            return None
        behaviour = self._behaviour
        image, container = self._storage.images.in_use(), None
        if version is not None:
            image, container = version.image, self._container(version)
        return MetricRun(
            metric=competition.custom_metric,
            row_id=competition.id,
            settings=competition.metric_settings,
            image=image,
            images=self._storage.images.folder,
            container=container,
            limits=RunLimits(
                seconds=behaviour.metric_seconds,
                memory_bytes=behaviour.memory_bytes,
                output_bytes=behaviour.output_bytes,
                processes=behaviour.processes,
            ),
            given_up=self._closing.is_set,
        )

    def _kernel(self, source: KernelSource) -> KernelVersion:
        version = self._storage.kernels.get(source.owner, source.slug, source.number)
        if version is None:
            raise SubmissionError(f"{source.owner}/{source.slug} version {source.number} is gone", "Push it again.")
        return version
