"""Kaggle, through its official client: the only place that knows its API.

Values go in and out typed; what goes wrong is one of the project's errors. Every call has a time to
be answered in. What only looks is repeated as it is; before anything that creates is repeated, Kaggle
is asked whether it came about after all, as an answer can get lost on its way back.
"""

import contextlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import requests

from kaggle_offline.answers import senseless, translated
from kaggle_offline.errors import (
    CredentialsError,
    KaggleError,
    NotThereError,
    RepeatedError,
    SessionLimitError,
    TakenError,
    TransientError,
)
from kaggle_offline.kernel_folder import SOURCES
from kaggle_offline.notebook import cells_of
from kaggle_offline.timed_adapter import TimedAdapter
from kaggle_offline.transfers import Upload, save
from kaggle_offline.waiting import Waits

T = TypeVar("T")

# A digest, or as much of one as tells it from others: Kaggle may shorten what it is given.
_DIGEST = re.compile(r"sha256:[0-9a-f]{16,64}")
_PAGE = 200

MOST_VERSIONS = 2
"""How many versions of one dataset, and of one kernel, a command makes at the most."""

# How often something may be made, lost answers included.
_MOST_LOST = 2
# A server that is unavailable has not taken what it was sent (RFC 9110, 15.6.4).
_NOT_TAKEN = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)

# How many versions after the one that a kernel shows are looked for.
_MOST_HIDDEN = 20

# Kaggle's words for a push that exceeds the number of runs at a time (Kaggle/kaggle-cli issue 185), and for one that
# would turn a notebook into a script or the reverse (reported live).
_SESSIONS = re.compile(r"(?i)maximum batch \w+ session count")
_EDITOR = re.compile(r"(?i)cannot change the editor type")


@dataclass(frozen=True, kw_only=True)
class DatasetState:
    """A dataset's latest version. Status: ``ready``, ``failed`` or ``processing``.

    ``notes`` are the version's, with the dataset's description where it is the first.
    """

    version: int
    notes: str
    status: str

    def shows(self, digest: str) -> bool:
        """Tell whether the notes hold a digest, or as much of it as Kaggle has kept."""
        return _shows(self.notes, digest)


@dataclass(frozen=True, kw_only=True)
class KernelState:
    """A version of a kernel: its source, and in lower case the datasets, competitions and others that it sees."""

    version: int
    source: str
    sources: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands: ``queued``, ``running``, ``complete`` or ``error``, and Kaggle's message if it failed.

    ``said`` is Kaggle's own word for the status.
    """

    status: str
    said: str
    failure: str


@dataclass(frozen=True, kw_only=True)
class SubmissionState:
    """Where a submission stands: ``pending``, ``complete`` or ``error``. ``date`` is in UTC."""

    ref: str
    description: str
    status: str
    score: float | None
    error: str
    date: datetime | None
    link: str

    def shows(self, digest: str) -> bool:
        """Tell whether the description holds a digest, or as much of it as Kaggle has kept."""
        return _shows(self.description, digest)


@dataclass(frozen=True, kw_only=True)
class SubmissionLimits:
    """How many submissions may be made now, and were made in all.

    Attributes:
        left: None where Kaggle does not say.
        for_good: it is not the day's limit but the competition's that bounds it.
        made: the valid ones that Kaggle counts; failed ones are not among them.
        today: those of today.
    """

    left: int | None
    for_good: bool
    made: int
    today: int

    def count_more_than(self, before: "SubmissionLimits") -> bool:
        """Tell whether a submission was counted since ``before``."""
        fewer_left = self.left is not None and before.left is not None and self.left < before.left
        return fewer_left or self.made > before.made or self.today > before.today


@dataclass(frozen=True, kw_only=True)
class CompetitionState:
    """A competition, as this account sees it.

    Attributes:
        slug: in its canonical letters, which mounts have.
        entered: the account has accepted the rules.
        closed: submissions are disabled.
        takes_kernels: it is a code competition, whose submissions are kernels alone.
        deadline: in UTC; None where Kaggle does not say.
    """

    slug: str
    entered: bool
    closed: bool
    takes_kernels: bool
    deadline: datetime | None


class KaggleClient:
    """An authenticated client.

    Args:
        waits: how long to wait for answers.
        endpoint: where the local Kaggle is; None is kaggle.com. The environment must hold the
            credentials for it, where the official client looks for them.

    Attributes:
        owner: the name of whoever is authenticated.

    Raises:
        CredentialsError: Kaggle does not know who asks.
        KaggleError: Kaggle does not answer.
    """

    def __init__(self, waits: Waits, endpoint: str | None = None) -> None:
        self._waits = waits
        # How often Kaggle has taken what was made, by what it is.
        self._made: Counter[str] = Counter()
        # How often the answer was lost.
        self._lost: Counter[str] = Counter()
        if endpoint is not None:
            from kagglesdk import kaggle_env

            kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = endpoint  # noqa: SLF001 - there is no other way

        def authenticate() -> Any:
            return _authenticate(waits.patience.answer, endpoint is not None)

        try:
            self._api = self._repeat("authentication", authenticate)
        except CredentialsError:
            # A wrong answer is the client's reason to refuse a token, too.
            waits.sleep(waits.patience.first_pause, "authentication")
            self._api = self._repeat("authentication", authenticate)
        self.owner = str(self._api.config_values["username"])

    def check_credentials(self) -> None:
        """Ask for what only the owner is told: of a name and key the client does not know whether they are good.

        Raises:
            CredentialsError: Kaggle does not know who asks.
            KaggleError: Kaggle does not answer.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelsRequest
        from kagglesdk.kernels.types.kernels_enums import KernelsListViewType

        request = ApiListKernelsRequest()
        request.group, request.page_size = KernelsListViewType.PROFILE, 1

        def look() -> bool:
            with self._api.build_kaggle_client() as client:
                client.kernels.kernels_api_client.list_kernels(request)
            return True

        self._repeat("credentials", look)

    # Datasets

    def dataset(self, slug: str, *, ask_status: bool = False) -> DatasetState | None:
        """The latest version of the owner's dataset, or None where there is no such dataset.

        With ``ask_status`` the status is also that of a version in processing that is not listed yet.
        """
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

        ref = f"{self.owner}/{slug}"
        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = self.owner, slug

        def look() -> DatasetState:
            with self._api.build_kaggle_client() as client:
                dataset = client.datasets.dataset_api_client.get_dataset(request)
            if dataset.ref.casefold() != ref.casefold():
                raise senseless(f"dataset {ref}")
            versions = {v.version_number: v for v in dataset.versions or []}
            # The current version is the one in use; a newer one may be in processing.
            number = max([*versions, dataset.current_version_number, 1])
            notes = (versions[number].version_notes or "") if number in versions else ""
            # The first version has no notes of ours: creating a dataset takes none. Its description has.
            if number == 1:
                notes = f"{notes} {dataset.description or ''}".strip()
            listed = (versions[number].status or "").upper() if number in versions else ""
            word = "" if ask_status else listed
            return DatasetState(
                version=number,
                notes=notes,
                status=_DATASET_STATUS.get(word) or self._dataset_status(slug),
            )

        return self._lookup(f"dataset {ref}", look)

    def processed_dataset(self, slug: str) -> DatasetState | None:
        """The same, once no version of it is in processing any more: none is overlooked then.

        Raises:
            KaggleError: its processing takes too long.
        """
        state = self.dataset(slug, ask_status=True)
        if state is None or state.status != "processing":
            return state

        def look() -> DatasetState | None:
            state = self.dataset(slug, ask_status=True)
            return state if state and state.status != "processing" else None

        seconds = self._waits.patience.processing
        state = self._waits.until(f"processing {slug}", look, seconds=seconds)
        if state is None:
            raise KaggleError(
                f"{self.owner}/{slug}: still in processing after {seconds / 60:.0f} minutes",
                "Run the same command again to go on waiting; if it never ends, look at its page on Kaggle.",
            )
        return state

    def _dataset_status(self, slug: str) -> str:
        """Where the processing of the latest version stands."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetStatusRequest

        request = ApiGetDatasetStatusRequest()
        request.owner_slug, request.dataset_slug = self.owner, slug
        with self._api.build_kaggle_client() as client:
            word = client.datasets.dataset_api_client.get_dataset_status(request).status.name
        return _DATASET_STATUS.get(word, "processing")

    def dataset_files(self, slug: str, version: int) -> dict[str, int]:
        """Size in bytes of every file of a version, by name.

        Raises:
            KaggleError: Kaggle does not list them.
        """
        from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetFilesRequest

        request = ApiListDatasetFilesRequest()
        request.owner_slug, request.dataset_slug, request.dataset_version_number = self.owner, slug, version

        def look(client: Any) -> Any:
            return client.datasets.dataset_api_client.list_dataset_files(request)

        what = f"files of {self.owner}/{slug}"

        def read(page: Any) -> dict[str, int]:
            if page.error_message:
                # A listing with an error is not an empty listing.
                raise TransientError(f"Kaggle: {what}: {page.error_message}")
            return {file.name: file.total_bytes for file in page.dataset_files or []}

        def list_all() -> dict[str, int]:
            request.page_token = ""
            return {name: size for files in self._pages(what, request, look, read) for name, size in files.items()}

        return self._fresh(what, list_all)

    def upload(self, path: Path) -> str:
        """Upload a file; return the token that names it in a dataset version.

        Raises:
            KaggleError: it did not arrive whole.
        """
        from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

        what = f"upload of {path.name}"
        request = ApiStartBlobUploadRequest()
        request.type = ApiBlobType.DATASET
        request.name = path.name
        request.content_length = path.stat().st_size
        request.last_modified_epoch_seconds = int(path.stat().st_mtime)

        def start() -> tuple[str, str]:
            with self._api.build_kaggle_client() as client:
                answer = client.blobs.blob_api_client.start_blob_upload(request)
            if not (answer.token and answer.create_url):
                raise senseless(what)
            return answer.token, answer.create_url

        check = partial(self._waits.check, what)
        for last in (False, True):
            token, link = self._repeat(what, start)
            try:
                self._repeat(what, Upload(path, link, self._waits.patience.answer, check).send)
            except NotThereError:
                # The link has expired.
                if last:
                    raise
            else:
                break
        return token

    def create_dataset(self, slug: str, digest: str, tokens: list[str]) -> None:
        """Create the owner's private dataset with its first version.

        Raises:
            TakenError: there is one already; Kaggle says so of a title that is another dataset's, too.
            KaggleError: Kaggle refuses it.
        """
        from kagglesdk.datasets.types.dataset_api_service import ApiCreateDatasetRequest

        request = ApiCreateDatasetRequest()
        request.owner_slug, request.slug, request.title = self.owner, slug, slug
        request.license_name = "unknown"
        request.is_private = True
        request.description = f"Made by kaggle-offline. The first version is {digest}."
        request.files = new_files(tokens)

        def create(client: Any) -> Any:
            return client.datasets.dataset_api_client.create_dataset(request)

        self._create_version(slug, digest, 0, create)

    def create_dataset_version(
        self, slug: str, notes: str, tokens: list[str], *, after: int, most: int = MOST_VERSIONS
    ) -> None:
        """Add a version to the owner's dataset, whose latest is ``after``.

        ``most`` is how many versions of it this command may have made then.
        """
        from kagglesdk.datasets.types.dataset_api_service import (
            ApiCreateDatasetVersionRequest,
            ApiCreateDatasetVersionRequestBody,
        )

        body = ApiCreateDatasetVersionRequestBody()
        body.version_notes = notes
        body.files = new_files(tokens)
        request = ApiCreateDatasetVersionRequest()
        request.owner_slug, request.dataset_slug, request.body = self.owner, slug, body

        def create(client: Any) -> Any:
            return client.datasets.dataset_api_client.create_dataset_version(request)

        self._create_version(slug, notes, after, create, most=most)

    def _create_version(
        self, slug: str, notes: str, after: int, create: Callable[[Any], Any], *, most: int = MOST_VERSIONS
    ) -> None:
        what = f"dataset {self.owner}/{slug}"

        def act() -> bool:
            with self._api.build_kaggle_client() as client:
                answer = create(client)
            if answer.error:
                # Of a version it is about its files.
                refusal = KaggleError if after else TakenError
                raise refusal(f"Kaggle refuses {what}: {answer.error}", "Correct it, then run again.")
            if (answer.status or "").lower() != "ok":
                raise senseless(what)
            return True

        def is_there() -> bool | None:
            state = self.processed_dataset(slug)
            return True if state and state.version > after and state.shows(notes) else None

        self._once(what, act, is_there, most=most, expected=f"a version after {after} with the notes {notes}")

    def delete_dataset(self, slug: str) -> None:
        """Delete the owner's dataset, if there is one.

        Raises:
            KaggleError: Kaggle refuses it.
        """
        from kagglesdk.datasets.types.dataset_api_service import ApiDeleteDatasetRequest

        request = ApiDeleteDatasetRequest()
        request.owner_slug, request.dataset_slug = self.owner, slug

        def delete(client: Any) -> str:
            return str(client.datasets.dataset_api_client.delete_dataset(request).error or "")

        self._delete(f"dataset {self.owner}/{slug}", delete)

    # Kernels

    def kernel(self, slug: str, version: int | None = None) -> KernelState | None:
        """A version of the owner's kernel, by default the latest; None where there is no such kernel or version."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        what = f"kernel {self.owner}/{slug}{f' version {version}' if version else ''}"
        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = self.owner, slug
        if version:
            request.version_label = _label(version)

        def look() -> KernelState:
            with self._api.build_kaggle_client() as client:
                answer = client.kernels.kernels_api_client.get_kernel(request)
            metadata = answer.metadata
            if not metadata.current_version_number:
                raise senseless(what)
            sources = [source for kind in SOURCES for source in getattr(metadata, f"{kind}_data_sources") or []]
            return KernelState(
                version=version or metadata.current_version_number,
                source=answer.blob.source,
                sources=frozenset(source.casefold() for source in sources),
            )

        return self._lookup(what, look)

    def kernels_from(self, slug: str, shown: KernelState) -> Iterator[KernelState]:
        """Yield the version that the owner's kernel shows, and those after it, as long as there are any.

        A kernel may show its last complete version while a later one runs, or has failed.
        """
        yield shown
        for number in range(shown.version + 1, shown.version + 1 + _MOST_HIDDEN):
            state = self.kernel(slug, number)
            if state is None:
                return
            yield state

    def push_kernel(self, folder: Path, *, after: int, most: int = MOST_VERSIONS) -> int:
        """Push a rendered kernel folder, of which ``after`` is the latest version; return the new one's number.

        ``most`` is how many versions of it this command may have made then.

        Raises:
            SessionLimitError: as many kernels run as the account may run.
            RepeatedError: Kaggle does not show what it took.
            KaggleError: Kaggle refuses it, or does not know one of its inputs.
        """
        settings = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))
        cells = cells_of((folder / settings["code_file"]).read_text(encoding="utf-8"))
        slug = settings["id"].partition("/")[2]
        wanted = {source for kind in SOURCES for source in settings.get(f"{kind}_sources", [])}

        what = f"kernel {self.owner}/{slug}"

        def act() -> tuple[int, set[str]]:
            # Its warnings are told before, and once.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                answer = self._api.kernels_push(str(folder))
            if answer.error:
                raise _push_refusal(answer.error)
            if not answer.version_number:
                raise senseless(what)
            unknown = {s for kind in SOURCES for s in getattr(answer, f"invalid_{kind}_sources") or []}
            return int(answer.version_number), unknown

        def is_there() -> tuple[int, set[str]] | None:
            state = self.kernel(slug)
            if state is None or state.version <= after:
                # The kernel itself may show its last complete version: the next number is a second witness.
                state = self.kernel(slug, after + 1)
            if state is None or state.version <= after or cells_of(state.source) != cells:
                return None
            return state.version, {source for source in wanted if source.casefold() not in state.sources}

        expected = f"a version after {after} with the source of {folder}"
        with _explained_push(settings):
            version, unknown = self._once(what, act, is_there, most=most, expected=expected)
        if unknown:
            raise KaggleError(
                f"Kaggle refuses the kernel: it does not know {', '.join(sorted(unknown))}",
                "Correct kernel-metadata.json.",
            )
        return version

    def run(self, slug: str, version: int) -> RunState:
        """Where the run of a kernel version stands."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        request = ApiGetKernelSessionStatusRequest()
        request.user_name, request.kernel_slug, request.version_label = self.owner, slug, _label(version)

        def look() -> RunState:
            with self._api.build_kaggle_client() as client:
                answer = client.kernels.kernels_api_client.get_kernel_session_status(request)
            said = answer.status.name
            return RunState(status=_RUN_STATUS.get(said, "queued"), said=said, failure=answer.failure_message or "")

        return self._fresh(f"run of {self.owner}/{slug} version {version}", look)

    def delete_kernel(self, slug: str) -> None:
        """Delete the owner's kernel, if there is one; a run of it ends.

        Raises:
            KaggleError: Kaggle refuses it.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiDeleteKernelRequest

        request = ApiDeleteKernelRequest()
        request.user_name, request.kernel_slug = self.owner, slug

        def delete(client: Any) -> str:
            return str(client.kernels.kernels_api_client.delete_kernel(request).error_message or "")

        self._delete(f"kernel {self.owner}/{slug}", delete)

    def follow_log(self, slug: str, version: int) -> Iterator[str]:
        """Yield the text that a kernel version's run prints, from its beginning, while it runs.

        Raises:
            KaggleError: there is no more to be had for now.
        """
        with translated(f"log of {self.owner}/{slug}"):
            # The client makes the label of the number.
            for event in self._api.kernels_logs_stream(f"{self.owner}/{slug}/{version}"):
                yield str(event.get("data", ""))

    def fetch_output(
        self,
        slug: str,
        version: int,
        folder: Path,
        wanted: Callable[[str], bool],
        *,
        needed: Collection[str],
    ) -> str:
        """Fetch the files that the run of a kernel version left, of the names that are ``wanted``; return its log.

        The listing is read until all that are ``needed`` have been seen: a kernel can leave thousands of files, and
        Kaggle answers 429 to later pages for a quarter of an hour (reported live).

        Raises:
            KaggleError: it cannot be had.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

        what = f"output of {self.owner}/{slug} version {version}"
        request = ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug, request.version_label = self.owner, slug, _label(version)

        def look(client: Any) -> Any:
            return client.kernels.kernels_api_client.list_kernel_session_output(request)

        def read(page: Any) -> tuple[str, list[tuple[str, str]]]:
            return page.log or "", [(file.file_name, file.url) for file in page.files or []]

        logs, missing = [], set(needed)
        for log, files in self._pages(what, request, look, read):
            logs.append(log)
            for name, link in files:
                # A name that leads out of the folder is not one of ours.
                if wanted(name) and PurePosixPath(name).name == name:
                    self._repeat(what, partial(self._fetch, what, link, folder / name))
            missing -= {name for name, _ in files}
            if not missing:
                break
        return next(filter(None, logs), "")

    def _fetch(self, what: str, link: str, path: Path) -> None:
        with requests.get(link, stream=True, timeout=self._waits.patience.answer) as answer:
            save(answer, path, partial(self._waits.check, what))

    # Competitions

    def fetch_data_file(self, competition: str, name: str, path: Path) -> bool:
        """Fetch a file of a competition's data; return False where there is none of that name.

        Raises:
            KaggleError: it cannot be had, for instance as the rules have not been accepted.
        """
        from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest

        request = ApiDownloadDataFileRequest()
        request.competition_name, request.file_name = competition, name

        what = f"{name} of {competition}"

        def fetch() -> bool:
            with self._api.build_kaggle_client() as client:
                answer = client.competitions.competition_api_client.download_data_file(request)
                save(answer, path, partial(self._waits.check, what))
            return True

        def fetch_what_is_allowed() -> bool:
            try:
                with translated(what):
                    return fetch()
            except NotThereError as error:
                if not error.forbidden:
                    raise
                rules = f"https://www.kaggle.com/competitions/{competition}/rules"
                raise KaggleError(error.problem, f"Accept the rules: {rules}") from error

        return bool(self._lookup(what, fetch_what_is_allowed))

    def competition(self, competition: str) -> CompetitionState | None:
        """A competition as this account sees it, or None where Kaggle shows the account none of that name."""
        from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

        request = ApiGetCompetitionRequest()
        request.competition_name = competition

        def look() -> CompetitionState:
            with self._api.build_kaggle_client() as client:
                answer = client.competitions.competition_api_client.get_competition(request)
            if not answer.ref:
                raise senseless(f"competition {competition}")
            return CompetitionState(
                slug=slug_of(answer.ref),
                entered=bool(answer.user_has_entered),
                closed=bool(answer.submissions_disabled),
                takes_kernels=bool(answer.is_kernels_submissions_only),
                deadline=answer.deadline.replace(tzinfo=UTC) if answer.deadline else None,
            )

        return self._lookup(f"competition {competition}", look)

    def gpu_seconds_left(self) -> float | None:
        """How much GPU time the account has left this week, in seconds; None where Kaggle does not say."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetAcceleratorQuotaStatisticsRequest

        request = ApiGetAcceleratorQuotaStatisticsRequest()

        def look() -> float | None:
            with self._api.build_kaggle_client() as client:
                quota = client.kernels.kernels_api_client.get_accelerator_quota_statistics(request).gpu_quota
            if quota is None or quota.total_time_allowed is None:
                return None
            used = quota.time_used.total_seconds() if quota.time_used else 0.0
            return max(0.0, float(quota.total_time_allowed.total_seconds()) - used)

        # It is a courtesy: nothing depends on it.
        with contextlib.suppress(KaggleError), translated("quota"):
            return look()
        return None

    def submission_limits(self, competition: str) -> SubmissionLimits:
        """How many submissions the account has made, and has left."""
        from kagglesdk.competitions.types.competition_api_service import ApiGetSubmissionLimitsRequest

        request = ApiGetSubmissionLimitsRequest()
        request.competition_name = competition

        def look() -> SubmissionLimits:
            with self._api.build_kaggle_client() as client:
                limits = client.competitions.competition_api_client.get_submission_limits(request)
            # None left of none made says nothing.
            says = limits.num_allowed_now or limits.num_today or limits.limited_by_total
            left = limits.num_allowed_now if says else None
            return SubmissionLimits(
                left=left,
                for_good=bool(limits.limited_by_total),
                made=limits.num_total or 0,
                today=limits.num_today or 0,
            )

        try:
            return self._repeat(f"submissions to {competition}", look)
        except NotThereError:
            return SubmissionLimits(left=None, for_good=False, made=0, today=0)

    def submissions(self, competition: str) -> list[SubmissionState]:
        """The owner's submissions to a competition, newest first."""
        from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest
        from kagglesdk.competitions.types.competition_enums import SubmissionGroup, SubmissionSortBy

        request = ApiListSubmissionsRequest()
        request.competition_name = competition
        request.group = SubmissionGroup.SUBMISSION_GROUP_ALL
        request.sort_by = SubmissionSortBy.SUBMISSION_SORT_BY_DATE

        def look(client: Any) -> Any:
            return client.competitions.competition_api_client.list_submissions(request)

        def read(page: Any) -> list[SubmissionState]:
            return [_submission(s) for s in page.submissions or [] if s is not None]

        pages = self._pages(f"submissions to {competition}", request, look, read)
        return [submission for page in pages for submission in page]

    def submission(self, ref: str) -> SubmissionState:
        """One of the owner's submissions.

        Raises:
            KaggleError: Kaggle does not show it.
        """
        from kagglesdk.competitions.types.competition_api_service import ApiGetSubmissionRequest

        request = ApiGetSubmissionRequest()
        request.ref = int(ref)

        def look() -> SubmissionState:
            with self._api.build_kaggle_client() as client:
                return _submission(client.competitions.competition_api_client.get_submission(request))

        return self._fresh(f"submission {ref}", look)

    def submit(
        self,
        competition: str,
        slug: str,
        version: int,
        file_name: str,
        description: str,
        *,
        digest: str,
        before: SubmissionLimits,
    ) -> str:
        """Hand in a kernel version, once, under a description with a digest that no other has.

        Args:
            competition: where to.
            slug: of the kernel.
            version: of the kernel.
            file_name: of its output.
            description: of the submission.
            digest: in the description.
            before: what Kaggle counted before.

        Returns:
            The submission's reference.

        Raises:
            NotThereError: the account may not.
            RepeatedError: Kaggle does not show what it took.
            KaggleError: Kaggle refuses it.
        """
        from kagglesdk.competitions.types.competition_api_service import ApiCreateCodeSubmissionRequest

        what = f"submission of {self.owner}/{slug} version {version} to {competition}"
        request = ApiCreateCodeSubmissionRequest()
        request.competition_name, request.file_name = competition, file_name
        request.kernel_owner, request.kernel_slug, request.kernel_version = self.owner, slug, version
        request.submission_description = description

        def act() -> str:
            with self._api.build_kaggle_client() as client:
                answer = client.competitions.competition_api_client.create_code_submission(request)
            if not answer.ref:
                raise senseless(what)
            return str(answer.ref)

        def is_there() -> str | None:
            return next((s.ref for s in self.submissions(competition) if s.shows(digest)), None)

        def has_shown() -> str | None:
            ref = is_there()
            if ref is None and self.submission_limits(competition).count_more_than(before):
                # The list lags behind the count.
                ref = self._waits.until("list of submissions", is_there, seconds=self._waits.patience.settle)
                if ref is None:
                    raise KaggleError(
                        f"Kaggle: {what}: it is counted and not listed", "Run the same command again in some minutes."
                    )
            return ref

        # The look at the limits took its time: another run may have submitted meanwhile.
        expected = f"a submission with {digest} in its description"
        return is_there() or self._once(what, act, has_shown, most=1, expected=expected)

    # Calls

    def answer_to(self, call: Callable[[Any], Any]) -> str:
        """Return what Kaggle answers to a call of the SDK, which may be a refusal: HTTP status and body.

        Raises:
            KaggleError: Kaggle does not answer.
        """

        def ask() -> str:
            try:
                with self._api.build_kaggle_client() as client:
                    answer = call(client)
            except requests.HTTPError as error:
                return f"{error.response.status_code} {error.response.text}".strip()
            return f"200 {getattr(answer, 'error', '') or ''}".strip()

        return self._repeat("an answer", ask)

    def _repeat(self, what: str, call: Callable[[], T]) -> T:
        """Make a call that may be made any number of times."""

        def attempt() -> T:
            with translated(what):
                return call()

        return self._waits.repeat(attempt, what)

    def _lookup(self, what: str, call: Callable[[], T]) -> T | None:
        """Make such a call; None where there is nothing, which is believed when Kaggle says so twice."""
        for pause in (0, self._waits.patience.first_pause):
            self._waits.sleep(pause, what)
            with contextlib.suppress(NotThereError):
                return self._repeat(what, call)
        return None

    def _delete(self, name: str, call: Callable[[Any], str]) -> None:
        """Make a call that deletes something, which may be gone already; the call returns Kaggle's refusal, if any."""
        what = f"deletion of the {name}"

        def delete() -> None:
            with self._api.build_kaggle_client() as client:
                refusal = call(client)
            if refusal:
                raise KaggleError(f"Kaggle refuses the {what}: {refusal}", "Delete it on Kaggle.")

        try:
            self._repeat(what, delete)
        except NotThereError as error:
            if error.forbidden:
                raise

    def _fresh(self, what: str, call: Callable[[], T]) -> T:
        """Make a call about something that was made a moment ago: 403 and 404 are waited out.

        Kaggle answers them for seconds up to minutes (reported live; kaggle 2.2.5, ``KaggleApi._poll_submission``).

        Raises:
            NotThereError: it did to the end.
        """
        refusals: list[NotThereError] = []

        def look() -> tuple[T] | None:
            try:
                return (self._repeat(what, call),)
            except NotThereError as error:
                refusals.append(error)
                return None

        found = self._waits.until(what, look, seconds=self._waits.patience.settle)
        if found is None:
            raise refusals[-1]
        return found[0]

    def _once(self, what: str, act: Callable[[], T], effect: Callable[[], T | None], *, most: int, expected: str) -> T:
        """Make a call that must have its effect once, whatever becomes of its answer.

        An answer that is lost (none in time, or an error of the server's) may hide an effect: the call is made once
        more if Kaggle shows none, and no more than once.

        Args:
            what: the call makes.
            act: the call.
            effect: looks for what it makes; returns what the call would, or None.
            most: how often Kaggle may take it in the life of this client, which is one command.
            expected: what ``effect`` looks for, in words.

        Raises:
            RepeatedError: Kaggle may have taken it so often, and does not show it.
        """
        unknown = False
        failure: TransientError | None = None

        def attempt() -> T:
            nonlocal unknown, failure
            # What did not show before the pause may have since.
            found = effect() if unknown else None
            if found is not None:
                return found
            made, lost = self._made[what], self._lost[what]
            if made >= most or made + lost >= max(most, _MOST_LOST):
                raise RepeatedError(
                    f"{what}: Kaggle took it {made} times in this command, and {lost} answers were lost; "
                    f"expected {expected}, saw none",
                    "Look at it on Kaggle; if it is there, please report this with the output of: kaggle-offline probe",
                ) from failure
            try:
                with translated(what):
                    done = act()
            except TransientError as error:
                failure = error
                self._made[what] += error.status == HTTPStatus.OK
                self._lost[what] += error.may_be_done and error.status not in (HTTPStatus.OK, *_NOT_TAKEN)
                if error.may_be_done:
                    unknown = True
                    found = self._waits.until(what, effect, seconds=self._waits.patience.settle)
                    if found is not None:
                        return found
                raise
            self._made[what] += 1
            return done

        return self._waits.repeat(attempt, what)

    def _pages(self, what: str, request: Any, look: Callable[[Any], Any], read: Callable[[Any], T]) -> Iterator[T]:
        """All pages of a listing, as ``read`` understands them."""
        request.page_size = _PAGE

        def fetch() -> tuple[T, str]:
            with self._api.build_kaggle_client() as client:
                page = look(client)
            return read(page), page.next_page_token or ""

        while True:
            found, token = self._repeat(what, fetch)
            yield found
            if not token or token == request.page_token:
                return
            request.page_token = token


_DATASET_STATUS = {"READY": "ready", "FAILED": "failed", "DELETED": "failed"}
_RUN_STATUS = {
    "RUNNING": "running",
    "COMPLETE": "complete",
    "ERROR": "error",
    "CANCEL_REQUESTED": "error",
    "CANCEL_ACKNOWLEDGED": "error",
}


def _authenticate(seconds: float, local: bool) -> Any:
    """The official client, authenticated, each of whose requests takes at the most so many seconds.

    Raises:
        CredentialsError: there are no credentials that Kaggle takes.
    """
    with _offline_import():
        from kaggle.api.kaggle_api_extended import KaggleApi

    # The client is not typed.
    class TimedApi(KaggleApi):  # type: ignore[misc]
        def _authenticate_with_legacy_apikey(self) -> bool:
            # The client goes on to other credentials when a token is refused: they may be another account's.
            return not find_token() and super()._authenticate_with_legacy_apikey()

        def _authenticate_with_oauth_creds(self) -> bool:
            return not find_token() and super()._authenticate_with_oauth_creds()

        def build_kaggle_client(self) -> Any:
            client = super().build_kaggle_client()
            http = client.http_client()
            http._init_session()  # noqa: SLF001 - there is no other way
            for scheme in ("http://", "https://"):
                http._session.mount(scheme, TimedAdapter(seconds))  # noqa: SLF001
            return client

    api = TimedApi()
    # The client's own choice depends on the environment that it was imported in.
    api.args = ["--local"] if local else []
    refused = CredentialsError(
        "Kaggle: no credentials that it accepts",
        "Set KAGGLE_API_TOKEN to a token from the API section of your Kaggle settings, and nothing beside it.",
    )
    # The client explains missing credentials at length; the error here says it once. What else it
    # raises of a malformed token (a line break in it, for instance) holds the token.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            api.authenticate()
        except requests.exceptions.InvalidHeader:
            raise refused from None
        except (json.JSONDecodeError, requests.RequestException):
            raise
        except (SystemExit, OSError, ValueError, TypeError):
            raise refused from None
    return api


def find_token() -> str:
    """The access token that the official client finds, in a variable or a file; an empty text for none."""
    from kagglesdk.kaggle_env import get_access_token_from_env

    try:
        token, _ = get_access_token_from_env()
    except (OSError, ValueError):  # what it takes for a file's name can be no name
        return os.environ.get("KAGGLE_API_TOKEN", "")
    return token or ""


@contextlib.contextmanager
def _offline_import() -> Iterator[None]:
    """Keep the client from authenticating as it is imported: it would wait for an answer for ever."""
    from kagglesdk.kaggle_http_client import KaggleHttpClient

    def refuse(*_: Any) -> None:
        raise ConnectionError("not before the first call")

    call = KaggleHttpClient.call
    KaggleHttpClient.call = refuse
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        KaggleHttpClient.call = call


def _label(version: int) -> str:
    """A kernel version as the API writes it; a bare number answers 404 (Kaggle/kaggle-cli pull request 1201)."""
    return f"v{version}"


@contextlib.contextmanager
def _explained_push(settings: dict[str, Any]) -> Iterator[None]:
    """Explain what Kaggle answers to a push without saying why.

    Args:
        settings: those of the kernel, as ``kernel-metadata.json`` has them.
    """
    try:
        yield
    except NotThereError as error:
        image = settings.get("docker_image")
        if not (error.forbidden and image and not error.message):
            raise
        raise KaggleError(
            f"{error.problem}, without a reason: this account may not use the image {image}",
            "Take docker_image out of kernel-metadata.json, or name the image that a session of yours runs in.",
        ) from error
    except (TransientError, RepeatedError) as error:
        failure = error.__cause__ if isinstance(error, RepeatedError) else error
        if not (isinstance(failure, TransientError) and failure.status == HTTPStatus.INTERNAL_SERVER_ERROR):
            raise
        datasets = ", ".join(settings.get("dataset_sources", [])) or "no dataset"
        raise KaggleError(
            f"{failure.problem}\nKaggle answers this to every push that names a dataset which was deleted and made "
            "again under its name (Kaggle/kaggle-cli issue 187)",
            f"If one was, rename it, or the kernel folder that names it (this kernel names {datasets}). "
            "Else run the same command again later.",
        ) from error


def _push_refusal(error: str) -> KaggleError:
    """Return the error for a push that Kaggle refuses in an answer with the status 200."""
    problem = f"Kaggle refuses the kernel: {error}"
    if _SESSIONS.search(error):
        return SessionLimitError(problem, "Wait for a kernel of yours to end, then run the same command again.")
    if _EDITOR.search(error):
        cure = "A kernel cannot turn from notebook to script or back: give it another title and id."
        return KaggleError(problem, cure)
    return KaggleError(problem, "Correct kernel-metadata.json.")


def _shows(text: str, digest: str) -> bool:
    """Tell whether a text holds a digest, or a beginning of it that is long enough."""
    return any(digest.startswith(found) for found in _DIGEST.findall(text))


def _submission(answer: Any) -> SubmissionState:
    try:
        score = float(answer.public_score) if answer.public_score else None
    except ValueError:
        score = None  # of a submission without one Kaggle may say so in words
    return SubmissionState(
        ref=str(answer.ref),
        description=answer.description or "",
        status=answer.status.name.lower() if answer.status else "pending",
        score=score,
        error=answer.error_description or "",
        date=answer.date.replace(tzinfo=UTC) if answer.date else None,
        link=answer.url or "",
    )


def slug_of(ref: str) -> str:
    """Return the slug of a competition's reference, which is the slug or the address that ends with it."""
    return ref.rstrip("/").rpartition("/")[2]


def new_files(tokens: list[str]) -> list[Any]:
    """Return the files of a dataset version, as the SDK wants them, of the tokens of uploads."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDatasetNewFile

    files = []
    for token in tokens:
        file = ApiDatasetNewFile()
        file.token = token
        files.append(file)
    return files
