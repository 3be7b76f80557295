"""Competitions: their files, submissions of files and of kernel versions, the leaderboard."""

import csv
import io
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.competitions.types.competition_api_service import (
    ApiCompetition,
    ApiCreateCodeSubmissionRequest,
    ApiCreateCodeSubmissionResponse,
    ApiCreateSubmissionRequest,
    ApiCreateSubmissionResponse,
    ApiDataFile,
    ApiDownloadDataFileRequest,
    ApiDownloadDataFilesRequest,
    ApiDownloadLeaderboardRequest,
    ApiDownloadSubmissionRequest,
    ApiGetCompetitionRequest,
    ApiGetLeaderboardRequest,
    ApiGetLeaderboardResponse,
    ApiGetSubmissionLimitsRequest,
    ApiGetSubmissionRequest,
    ApiLeaderboardSubmission,
    ApiListCompetitionsRequest,
    ApiListCompetitionsResponse,
    ApiListDataFilesRequest,
    ApiListDataFilesResponse,
    ApiListSubmissionsRequest,
    ApiListSubmissionsResponse,
    ApiStartSubmissionUploadRequest,
    ApiStartSubmissionUploadResponse,
    ApiSubmission,
    ApiSubmissionLimits,
)
from kagglesdk.competitions.types.submission_status import SubmissionStatus

from kaggle_local.errors import CompetitionError
from kaggle_local.scoring.competition import Competition, load_competition
from kaggle_local.scoring.score import metric_of
from kaggle_local.services.blobs import start_upload
from kaggle_local.services.rpc import ApiError, Call, Method, page, require_owner, require_visible
from kaggle_local.storage import FileSource, KernelSource, Submission
from kaggle_local.storage.database import age_of

_STATUS = {
    "pending": SubmissionStatus.PENDING,
    "complete": SubmissionStatus.COMPLETE,
    "error": SubmissionStatus.ERROR,
}

# A competition here never ends; clients expect a date.
_OPEN_DAYS = 365


def _competition(call: Call, slug: str) -> Competition:
    """Return a hosted competition.

    Raises:
        ApiError: 404 for an unknown slug.
    """
    folder = call.storage.submissions.competition_folder(slug)
    if folder is None:
        raise ApiError(404, f"Competition not found: {slug}")
    return load_competition(folder, check_data=False)


def _entered(call: Call, slug: str) -> Competition:
    """Return a competition whose rules the user has accepted.

    Raises:
        ApiError: 403 where the user has not, and for an unknown slug (Kaggle/kaggle-cli issues 152 and 488).
    """
    if call.storage.submissions.competition_folder(slug) is None:
        raise ApiError(403, "Permission 'competitions.participate' was denied")
    competition = _competition(call, slug)
    if not competition.entered:
        raise ApiError(403, "You must accept this competition's rules before you'll be able to download files.")
    return competition


def _open(call: Call, slug: str) -> Competition:
    """Return a competition that takes the user's submissions.

    Raises:
        ApiError: 403 where the rules are not accepted or submissions are disabled, and for an unknown slug.
    """
    competition = _entered(call, slug)
    if competition.closed:
        raise ApiError(403, f"Submissions to {competition.title} are disabled")
    return competition


def list_competitions(call: Call, request: ApiListCompetitionsRequest) -> ApiListCompetitionsResponse:
    """Return the competitions that are hosted and still whole, by slug."""
    found = []
    for _, folder, _ in call.storage.submissions.competitions():
        with suppress(CompetitionError):
            competition = load_competition(folder, check_data=False)
            if request.search.lower() in f"{competition.slug} {competition.title}".lower():
                found.append(competition)
    some, more = page(found, request)
    response = ApiListCompetitionsResponse()
    response.competitions = [_describe(call, competition) for competition in some]
    response.next_page_token = more
    return response


def get_competition(call: Call, request: ApiGetCompetitionRequest) -> ApiCompetition:
    """Return a hosted competition."""
    return _describe(call, _competition(call, request.competition_name))


def _describe(call: Call, competition: Competition) -> ApiCompetition:
    described = ApiCompetition()
    described.id = zlib.crc32(competition.slug.encode())
    described.ref, described.title = competition.slug, competition.title
    described.url = f"{call.base_url}/competitions/{competition.slug}"
    described.evaluation_metric = competition.metric
    described.category, described.reward = "Rehearsal", "Knowledge"
    described.deadline = (datetime.now(UTC) + timedelta(days=_OPEN_DAYS)).replace(tzinfo=None, microsecond=0)
    described.is_kernels_submissions_only = competition.code
    described.user_has_entered = competition.entered
    described.submissions_disabled = competition.closed
    described.max_daily_submissions = competition.limits.submissions_per_day
    described.team_count = len(_best(call, competition))
    return described


# Data files


def _data_files(competition: Competition) -> list[Path]:
    return sorted(p for p in competition.public.rglob("*") if p.is_file())


def list_data_files(call: Call, request: ApiListDataFilesRequest) -> ApiListDataFilesResponse:
    """List the files that a participant may see."""
    competition = _entered(call, request.competition_name)
    files, more = page(_data_files(competition), request)
    response = ApiListDataFilesResponse()
    response.files = []
    for path in files:
        status = path.stat()
        file = ApiDataFile()
        file.name = file.ref = path.relative_to(competition.public).as_posix()
        file.total_bytes = status.st_size
        file.creation_date = datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None)
        response.files.append(file)
    response.next_page_token = more
    return response


def download_data_file(call: Call, request: ApiDownloadDataFileRequest) -> HttpRedirect:
    """Return one of those files.

    Raises:
        ApiError: 403 where the rules are not accepted, 404 for an unknown file or competition.
    """
    competition = _entered(call, request.competition_name)
    if competition.public / request.file_name not in _data_files(competition):
        raise ApiError(404, f"{competition.slug} has no file {request.file_name}")
    return call.redirect(PurePath("competitions", competition.slug, request.file_name))


def download_data_files(call: Call, request: ApiDownloadDataFilesRequest) -> HttpRedirect:
    """Return all of them, as a zip."""
    competition = _entered(call, request.competition_name)
    hosted = next(at for slug, _, at in call.storage.submissions.competitions() if slug == competition.slug)
    return call.redirect_to_all(competition.public, f"competitions/{competition.slug}", hosted)


# Submissions


def start_submission_upload(call: Call, request: ApiStartSubmissionUploadRequest) -> ApiStartSubmissionUploadResponse:
    """Expect the file of a submission."""
    _open(call, request.competition_name)
    response = ApiStartSubmissionUploadResponse()
    response.token, response.create_url = start_upload(call, request.file_name, request.content_length)
    return response


def create_submission(call: Call, request: ApiCreateSubmissionRequest) -> ApiCreateSubmissionResponse:
    """Hand in an uploaded file.

    Raises:
        ApiError: 400 for a competition of kernels, an upload that is not complete, or over the day's limit; 403
            where the rules are not accepted or submissions are disabled.
    """
    competition = _open(call, request.competition_name)
    if competition.code:
        raise ApiError(400, f"{competition.slug} accepts submissions from notebooks only")
    upload = call.storage.uploads.get(request.blob_file_tokens)
    if upload is None or not upload.complete:
        raise ApiError(400, "The upload of the submission is not complete")
    response = ApiCreateSubmissionResponse()
    response.ref = _submit(
        call, competition, FileSource(token=upload.token), upload.name, request.submission_description
    )
    response.message = f"Successfully submitted to {competition.title}"
    return response


def create_code_submission(call: Call, request: ApiCreateCodeSubmissionRequest) -> ApiCreateCodeSubmissionResponse:
    """Hand in a kernel version.

    Raises:
        ApiError: 400 for a version that did not run through, whose output lacks the file, that may
            use the network where the competition forbids it, or over the day's limit; 403 for
            another's kernel, and where the rules are not accepted or submissions are disabled; 404
            for an unknown version.
    """
    competition = _open(call, request.competition_name)
    require_owner(call, request.kernel_owner)
    version = call.storage.kernels.get(request.kernel_owner, request.kernel_slug, request.kernel_version or None)
    if version is None:
        raise ApiError(404, f"Kernel version not found: {request.kernel_owner}/{request.kernel_slug}")
    sources = {source.casefold() for source in version.settings["competitions"]}
    if version.status != "complete" or competition.slug.casefold() not in sources:
        raise ApiError(400, f"Version {version.number} has not run through on this competition's data")
    if request.file_name not in (name for name, _ in version.output()):
        raise ApiError(400, f"Version {version.number} did not write {request.file_name}")
    if competition.code and version.settings["enable_internet"]:
        raise ApiError(400, "Your notebook cannot use the internet in this competition: set enable_internet to false")
    source = KernelSource(owner=version.owner, slug=version.slug, number=version.number)
    response = ApiCreateCodeSubmissionResponse()
    response.ref = _submit(call, competition, source, request.file_name, request.submission_description)
    response.message = f"Successfully submitted to {competition.title}"
    return response


def _submit(
    call: Call, competition: Competition, source: FileSource | KernelSource, file_name: str, description: str | None
) -> int:
    if _limits(call, competition).num_allowed_now == 0:
        raise ApiError(400, f"The {competition.limits.submissions_per_day} submissions of today are used up")
    ref = call.storage.submissions.add(competition.slug, source, file_name, description or "", call.user)
    call.worker.score(ref)
    return ref


def _limits(call: Call, competition: Competition) -> ApiSubmissionLimits:
    submissions = call.storage.submissions.of_user(competition.slug, call.user)
    today = sum(s.created.date() == datetime.now(UTC).date() for s in submissions)
    limits = ApiSubmissionLimits()
    # The total counts valid submissions alone (reported live).
    limits.num_today, limits.num_total = today, sum(s.status != "error" for s in submissions)
    limits.num_allowed_now = max(0, competition.limits.submissions_per_day - today)
    return limits


def get_submission_limits(call: Call, request: ApiGetSubmissionLimitsRequest) -> ApiSubmissionLimits:
    """Return the number of submissions that are left today."""
    return _limits(call, _entered(call, request.competition_name))


def list_submissions(call: Call, request: ApiListSubmissionsRequest) -> ApiListSubmissionsResponse:
    """Return the user's submissions, newest first."""
    competition = _entered(call, request.competition_name)
    made = call.storage.submissions.of_user(competition.slug, call.user)
    listed = [submission for submission in made if age_of(submission.created) >= call.behaviour.listing_seconds]
    submissions, more = page(listed, request)
    response = ApiListSubmissionsResponse()
    response.submissions = [_describe_submission(call, submission) for submission in submissions]
    response.next_page_token = more
    return response


def get_submission(call: Call, request: ApiGetSubmissionRequest) -> ApiSubmission:
    """Return one submission.

    Raises:
        ApiError: 403 for another's, 404 for a submission that does not exist or does not show yet.
    """
    submission = call.storage.submissions.get(request.ref)
    # A new one can answer 404 for a moment (kaggle 2.2.5, KaggleApi._poll_submission).
    if submission is None or age_of(submission.created) < call.behaviour.fresh_seconds:
        raise ApiError(404, f"Submission not found: {request.ref}")
    require_visible(call, submission.submitter, private=True)
    return _describe_submission(call, submission)


def _describe_submission(call: Call, submission: Submission) -> ApiSubmission:
    described = ApiSubmission()
    described.ref = submission.ref
    described.date = submission.created.replace(tzinfo=None)
    described.description = submission.description
    described.file_name = submission.file_name
    described.status = _STATUS[submission.status]
    described.submitted_by = described.submitted_by_ref = described.team_name = submission.submitter
    if isinstance(submission.source, KernelSource):
        source = submission.source
        described.url = f"{call.base_url}/code/{source.owner}/{source.slug}?version={source.number}"
    if submission.score is not None:
        described.public_score = f"{submission.score:.5f}"
    if submission.private_score is not None:
        described.private_score = f"{submission.private_score:.5f}"
    # A failed file submission tells its reason, a failed code submission its class alone (reported live).
    if call.behaviour.tell_reasons or submission.status == "complete" or isinstance(submission.source, FileSource):
        described.error_description = submission.reason
    else:
        described.error_description = submission.kind
    return described


# The leaderboard


def _best(call: Call, competition: Competition) -> list[Submission]:
    """Return the best submission of each team, the best first; of equal ones the earlier."""
    sign = -1 if metric_of(competition).greater_is_better else 1
    ranked = sorted(call.storage.submissions.scored(competition.slug), key=lambda s: sign * (s.score or 0.0))
    best: dict[str, Submission] = {}
    for submission in ranked:
        best.setdefault(submission.submitter, submission)
    return list(best.values())


def get_leaderboard(call: Call, request: ApiGetLeaderboardRequest) -> ApiGetLeaderboardResponse:
    """Return each team's best score, the best first."""
    some, more = page(_best(call, _competition(call, request.competition_name)), request)
    response = ApiGetLeaderboardResponse()
    response.submissions = []
    for submission in some:
        row = ApiLeaderboardSubmission()
        row.team_id, row.team_name = zlib.crc32(submission.submitter.encode()), submission.submitter
        row.submission_date = submission.created.replace(tzinfo=None)
        row.score = f"{submission.score:.5f}"
        response.submissions.append(row)
    response.next_page_token = more
    return response


def download_leaderboard(call: Call, request: ApiDownloadLeaderboardRequest) -> HttpRedirect:
    """Return the same as a table, in a zip."""
    competition = _competition(call, request.competition_name)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["TeamId", "TeamName", "SubmissionDate", "Score"])
    for submission in _best(call, competition):
        team = submission.submitter
        writer.writerow([zlib.crc32(team.encode()), team, f"{submission.created:%Y-%m-%d %H:%M:%S}", submission.score])
    name = f"leaderboards/{competition.slug}.zip"
    bundle = call.storage.bundles.make_of_text(table.getvalue(), f"{competition.slug}-publicleaderboard.csv", name)
    return call.redirect(bundle.relative_to(call.storage.root))


def download_submission(call: Call, request: ApiDownloadSubmissionRequest) -> HttpRedirect:
    """Return the file that was handed in.

    Raises:
        ApiError: 403 for another's submission, 404 for an unknown one and where no file was handed in.
    """
    submission = call.storage.submissions.get(request.submission_id)
    if submission is None or not isinstance(submission.source, FileSource):
        raise ApiError(404, f"Submission not found: {request.submission_id}")
    require_visible(call, submission.submitter, private=True)
    return call.redirect(PurePath("submissions", str(submission.ref), submission.file_name))


METHODS = {
    "CreateCodeSubmission": Method(ApiCreateCodeSubmissionRequest, create_code_submission),
    "CreateSubmission": Method(ApiCreateSubmissionRequest, create_submission),
    "DownloadDataFile": Method(ApiDownloadDataFileRequest, download_data_file),
    "DownloadDataFiles": Method(ApiDownloadDataFilesRequest, download_data_files),
    "DownloadSubmission": Method(ApiDownloadSubmissionRequest, download_submission),
    "DownloadLeaderboard": Method(ApiDownloadLeaderboardRequest, download_leaderboard),
    "GetCompetition": Method(ApiGetCompetitionRequest, get_competition),
    "GetLeaderboard": Method(ApiGetLeaderboardRequest, get_leaderboard),
    "GetSubmission": Method(ApiGetSubmissionRequest, get_submission),
    "GetSubmissionLimits": Method(ApiGetSubmissionLimitsRequest, get_submission_limits),
    "ListCompetitions": Method(ApiListCompetitionsRequest, list_competitions),
    "ListDataFiles": Method(ApiListDataFilesRequest, list_data_files),
    "ListSubmissions": Method(ApiListSubmissionsRequest, list_submissions),
    "StartSubmissionUpload": Method(ApiStartSubmissionUploadRequest, start_submission_upload),
}
