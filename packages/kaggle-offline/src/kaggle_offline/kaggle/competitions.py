"""Competitions on Kaggle: their settings, their data, and submissions to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from kagglesdk.competitions.types.competition_api_service import (
    ApiCreateCodeSubmissionRequest,
    ApiDownloadDataFileRequest,
    ApiGetCompetitionRequest,
    ApiGetSubmissionLimitsRequest,
    ApiGetSubmissionRequest,
    ApiListDataFilesRequest,
    ApiListSubmissionsRequest,
)
from kagglesdk.competitions.types.competition_enums import SubmissionGroup, SubmissionSortBy

from kaggle_offline.errors import KaggleError, NotThereError
from kaggle_offline.kaggle.calls import Calls, shows
from kaggle_offline.kaggle.http_errors import senseless, translated
from kaggle_offline.kaggle.transfers import save_resumably, unwrap


@dataclass(frozen=True, kw_only=True)
class SubmissionState:
    """Where a submission stands: ``pending``, ``complete`` or ``error``. ``date`` is in UTC.

    ``score`` is the public one; ``private_score`` is None until Kaggle shows it, after the competition's end.
    """

    ref: str
    description: str
    status: str
    score: float | None
    private_score: float | None
    error: str
    date: datetime | None
    link: str

    def shows(self, digest: str) -> bool:
        """Tell whether the description holds a digest, or as much of it as Kaggle has kept."""
        return shows(self.description, digest)


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
        title: for people.
        metric: its name, which says a metric of Kaggle's, or anything that a host has called it.
        submissions_per_day: 0 where Kaggle does not say.
    """

    slug: str
    entered: bool
    closed: bool
    takes_kernels: bool
    deadline: datetime | None
    title: str
    metric: str
    submissions_per_day: int


def _submission(answer: Any) -> SubmissionState:
    status = answer.status.name.lower() if answer.status else "pending"
    return SubmissionState(
        ref=_reference("submission", answer),
        description=answer.description or "",
        status=status,
        score=_score(answer.public_score),
        private_score=_score(answer.private_score),
        error=answer.error_description or "",
        date=_utc(answer.date),
        link=answer.url or "",
    )


def _score(text: str | None) -> float | None:
    """Return a score; of a submission without one Kaggle may say so in words."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _utc(date: datetime | None) -> datetime | None:
    return date.replace(tzinfo=UTC) if date else None


def _reference(what: str, answer: Any) -> str:
    """Return the reference of a submission in an answer, which is a number.

    Raises:
        TransientError: it is not.
    """
    if not isinstance(answer.ref, int) or answer.ref <= 0:
        raise senseless(what)
    return str(answer.ref)


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file of a competition's data: its name with its folders, its size in bytes, and when it was made."""

    name: str
    size: int
    created: str


def _data_file(answer: Any) -> DataFile:
    return DataFile(name=answer.name, size=answer.total_bytes or 0, created=str(answer.creation_date or ""))


def slug_of(ref: str) -> str:
    """Return the slug of a competition's reference, which is the slug or the address that ends with it."""
    return ref.rstrip("/").rpartition("/")[2]


@contextmanager
def _allowed(what: str, competition: str) -> Iterator[None]:
    """Turn a refusal of a competition's data into the hint to accept its rules.

    Raises:
        KaggleError: the rules have not been accepted.
    """
    try:
        with translated(what):
            yield
    except NotThereError as error:
        if not error.forbidden:
            raise
        rules = f"https://www.kaggle.com/competitions/{competition}/rules"
        raise KaggleError(error.problem, f"Accept the rules: {rules}") from error


class Competitions:
    """Competitions, and the owner's submissions to them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def fetch_data_file(self, competition: str, name: str, path: Path) -> bool:
        """Fetch a file of a competition's data; return False if it does not exist.

        Raises:
            KaggleError: it cannot be had, for instance as the rules have not been accepted.
        """
        request = ApiDownloadDataFileRequest()
        request.competition_name, request.file_name = competition, name

        what = f"{name} of {competition}"

        def fetch() -> bool:
            with _allowed(what, competition), self._calls.open() as client:
                answer = client.competitions.competition_api_client.download_data_file(request)
                check = partial(self._calls.waits.check, what)
                with answer:
                    save_resumably(answer, path, self._calls.waits.patience.answer, check)
                unwrap(path)
            return True

        return bool(self._calls.lookup(what, fetch))

    def data_files(self, competition: str) -> list[DataFile]:
        """List the files of a competition's data.

        Raises:
            KaggleError: it cannot be had, for instance as the rules have not been accepted.
        """
        what = f"files of {competition}"
        request = ApiListDataFilesRequest()
        request.competition_name = competition

        def look(client: Any) -> Any:
            with _allowed(what, competition):
                return client.competitions.competition_api_client.list_data_files(request)

        def read(page: Any) -> list[DataFile]:
            return [_data_file(file) for file in page.files or []]

        found: list[DataFile] = []
        for page in self._calls.pages(what, request, look, read):
            found += page
        return found

    def state(self, competition: str) -> CompetitionState | None:
        """Return a competition as this account sees it, or None where Kaggle shows the account none of that name."""
        request = ApiGetCompetitionRequest()
        request.competition_name = competition

        def look() -> CompetitionState:
            with self._calls.open() as client:
                answer = client.competitions.competition_api_client.get_competition(request)
            if not answer.ref:
                raise senseless(f"competition {competition}")
            return CompetitionState(
                slug=slug_of(answer.ref),
                entered=bool(answer.user_has_entered),
                closed=bool(answer.submissions_disabled),
                takes_kernels=bool(answer.is_kernels_submissions_only),
                deadline=_utc(answer.deadline),
                title=answer.title or "",
                metric=answer.evaluation_metric or "",
                submissions_per_day=answer.max_daily_submissions or 0,
            )

        return self._calls.lookup(f"competition {competition}", look)

    def limits(self, competition: str) -> SubmissionLimits:
        """Return the numbers of submissions that the account has made and has left."""
        request = ApiGetSubmissionLimitsRequest()
        request.competition_name = competition

        def look() -> SubmissionLimits:
            with self._calls.open() as client:
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
            return self._calls.repeat(f"submissions to {competition}", look)
        except NotThereError:
            return SubmissionLimits(left=None, for_good=False, made=0, today=0)

    def submissions(self, competition: str) -> list[SubmissionState]:
        """Return the owner's submissions to a competition, newest first."""
        request = ApiListSubmissionsRequest()
        request.competition_name = competition
        request.group = SubmissionGroup.SUBMISSION_GROUP_ALL
        request.sort_by = SubmissionSortBy.SUBMISSION_SORT_BY_DATE

        def look(client: Any) -> Any:
            return client.competitions.competition_api_client.list_submissions(request)

        def read(page: Any) -> list[SubmissionState]:
            return [_submission(answer) for answer in page.submissions or [] if answer is not None]

        found = []
        for page in self._calls.pages(f"submissions to {competition}", request, look, read):
            found += page
        return found

    def submission(self, ref: str) -> SubmissionState:
        """Return one of the owner's submissions.

        Raises:
            KaggleError: Kaggle does not show it.
        """
        request = ApiGetSubmissionRequest()
        request.ref = int(ref)

        def look() -> SubmissionState:
            with self._calls.open() as client:
                return _submission(client.competitions.competition_api_client.get_submission(request))

        return self._calls.fresh(f"submission {ref}", look)

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
            before: Kaggle's counts before.

        Returns:
            The submission's reference.

        Raises:
            NotThereError: the account may not.
            RepeatedError: Kaggle accepted the submission and does not show it.
            KaggleError: Kaggle refuses it.
        """
        what = f"submission of {self._calls.owner}/{slug} version {version} to {competition}"
        request = ApiCreateCodeSubmissionRequest()
        request.competition_name, request.file_name = competition, file_name
        request.kernel_owner, request.kernel_slug, request.kernel_version = self._calls.owner, slug, version
        request.submission_description = description

        def act() -> str:
            with self._calls.open() as client:
                answer = client.competitions.competition_api_client.create_code_submission(request)
            return _reference(what, answer)

        def is_there() -> str | None:
            return next((s.ref for s in self.submissions(competition) if s.shows(digest)), None)

        def has_shown() -> str | None:
            ref = is_there()
            if ref is None and self.limits(competition).count_more_than(before):
                # The list lags behind the count.
                ref = self._calls.waits.until(
                    "list of submissions", is_there, seconds=self._calls.waits.patience.settle
                )
                if ref is None:
                    raise KaggleError(
                        f"Kaggle: {what}: it is counted and not listed", "Run the same command again in some minutes."
                    )
            return ref

        # The look at the limits took its time: another run may have submitted meanwhile.
        expected = f"a submission with {digest} in its description"
        return is_there() or self._calls.once(what, act, has_shown, most=1, expected=expected)
