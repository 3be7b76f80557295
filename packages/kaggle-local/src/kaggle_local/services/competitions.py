"""Competitions: a submission of a kernel version, rerun on the hidden test set and scored."""

from datetime import UTC, datetime

from kagglesdk.competitions.types.competition_api_service import (
    ApiCompetition,
    ApiCreateCodeSubmissionRequest,
    ApiCreateCodeSubmissionResponse,
    ApiGetCompetitionRequest,
    ApiGetSubmissionLimitsRequest,
    ApiListSubmissionsRequest,
    ApiListSubmissionsResponse,
    ApiSubmission,
    ApiSubmissionLimits,
)
from kagglesdk.competitions.types.submission_status import SubmissionStatus

from kaggle_local.competition import Competition, load_competition
from kaggle_local.rpc import DEFAULT_PAGE, ApiError, Call, Method, page
from kaggle_local.storage import Submission

_STATUS = {
    "pending": SubmissionStatus.PENDING,
    "complete": SubmissionStatus.COMPLETE,
    "error": SubmissionStatus.ERROR,
}


def _competition(call: Call, slug: str) -> Competition:
    folder = call.storage.competition_folder(slug)
    if folder is None:
        raise ApiError(404, f"Competition not found: {slug}")
    return load_competition(folder)


def get_competition(call: Call, request: ApiGetCompetitionRequest) -> ApiCompetition:
    """A hosted competition."""
    competition = _competition(call, request.competition_name)
    response = ApiCompetition()
    response.ref, response.title = competition.slug, competition.title
    response.evaluation_metric = competition.metric
    response.is_kernels_submissions_only = True
    response.user_has_entered = True
    response.max_daily_submissions = competition.limits.submissions_per_day
    return response


def create_code_submission(call: Call, request: ApiCreateCodeSubmissionRequest) -> ApiCreateCodeSubmissionResponse:
    """Hand in a kernel version.

    Raises:
        ApiError: 400 for a version that did not run through, whose output lacks the file, or over
            the day's limit; 403 for another's kernel; 404 where there is no such version.
    """
    competition = _competition(call, request.competition_name)
    call.require_owner(request.kernel_owner)
    version = call.storage.kernel_version(request.kernel_owner, request.kernel_slug, request.kernel_version or None)
    if version is None:
        raise ApiError(404, f"Kernel version not found: {request.kernel_owner}/{request.kernel_slug}")
    if version.status != "complete" or competition.slug not in version.settings["competitions"]:
        raise ApiError(400, f"Version {version.number} has not run through on this competition's data")
    if request.file_name not in (name for name, _ in version.output()):
        raise ApiError(400, f"Version {version.number} did not write {request.file_name}")
    if _limits(call, competition).num_allowed_now == 0:
        raise ApiError(400, f"The {competition.limits.submissions_per_day} submissions of today are used up")
    ref = call.storage.add_submission(
        version, competition.slug, request.file_name, request.submission_description, call.user
    )
    call.worker.score(ref)
    response = ApiCreateCodeSubmissionResponse()
    response.ref = ref
    response.message = f"Successfully submitted to {competition.title}"
    return response


def _limits(call: Call, competition: Competition) -> ApiSubmissionLimits:
    submissions = call.storage.submissions(competition.slug, call.user)
    today = sum(s.created.date() == datetime.now(UTC).date() for s in submissions)
    limits = ApiSubmissionLimits()
    limits.num_today, limits.num_total = today, len(submissions)
    limits.num_allowed_now = max(0, competition.limits.submissions_per_day - today)
    return limits


def get_submission_limits(call: Call, request: ApiGetSubmissionLimitsRequest) -> ApiSubmissionLimits:
    """How many submissions are left today."""
    return _limits(call, _competition(call, request.competition_name))


def list_submissions(call: Call, request: ApiListSubmissionsRequest) -> ApiListSubmissionsResponse:
    """The user's submissions, newest first."""
    competition = _competition(call, request.competition_name)
    if request.page > 1 and not request.page_token:
        request.page_token = str((request.page - 1) * (request.page_size or DEFAULT_PAGE))
    submissions, more = page(call.storage.submissions(competition.slug, call.user), request)
    response = ApiListSubmissionsResponse()
    response.submissions = [_describe(call, submission) for submission in submissions]
    response.next_page_token = more
    return response


def _describe(call: Call, submission: Submission) -> ApiSubmission:
    described = ApiSubmission()
    described.ref = submission.ref
    described.date = submission.created.replace(tzinfo=None)
    described.description = submission.description
    described.file_name = submission.file_name
    described.status = _STATUS[submission.status]
    described.submitted_by = described.submitted_by_ref = described.team_name = submission.submitter
    described.url = f"{call.base_url}/code/{submission.owner}/{submission.slug}?version={submission.number}"
    if submission.score is not None:
        described.public_score = described.private_score = f"{submission.score:.5f}"
    return described


METHODS = {
    "GetCompetition": Method(ApiGetCompetitionRequest, get_competition),
    "CreateCodeSubmission": Method(ApiCreateCodeSubmissionRequest, create_code_submission),
    "ListSubmissions": Method(ApiListSubmissionsRequest, list_submissions),
    "GetSubmissionLimits": Method(ApiGetSubmissionLimitsRequest, get_submission_limits),
}
