"""Kernels: a push saves a version and runs it."""

import json
from collections.abc import Callable
from urllib.parse import quote

from kagglesdk.kernels.types.kernels_api_service import (
    ApiGetKernelRequest,
    ApiGetKernelResponse,
    ApiGetKernelSessionStatusRequest,
    ApiGetKernelSessionStatusResponse,
    ApiKernelBlob,
    ApiKernelMetadata,
    ApiKernelSessionOutputFile,
    ApiListKernelSessionOutputRequest,
    ApiListKernelSessionOutputResponse,
    ApiSaveKernelRequest,
    ApiSaveKernelResponse,
)
from kagglesdk.kernels.types.kernels_enums import KernelWorkerStatus
from slugify import slugify

from kaggle_local.rpc import ApiError, Call, Method, page
from kaggle_local.storage import KernelVersion

_STATUS = {
    "queued": KernelWorkerStatus.QUEUED,
    "running": KernelWorkerStatus.RUNNING,
    "complete": KernelWorkerStatus.COMPLETE,
    "error": KernelWorkerStatus.ERROR,
}


def save_kernel(call: Call, request: ApiSaveKernelRequest) -> ApiSaveKernelResponse:
    """Save a version of a kernel and have it run.

    As on Kaggle the slug of a new kernel is its title's, and a second push under another slug
    meets a title that is taken.

    Raises:
        ApiError: 400 for what cannot run, 403 for another's name, 409 for a title that is taken.
    """
    owner, _, slug = request.slug.partition("/")
    call.require_owner(owner)
    if request.kernel_type != "notebook" or request.language != "python":
        raise ApiError(400, "Only Python notebooks are run here: set kernel_type to notebook, language to python")
    try:
        cells = json.loads(request.text)["cells"]
    except (ValueError, KeyError, TypeError):
        cells = None
    if not isinstance(cells, list):
        raise ApiError(400, "The source is not a notebook")
    title = request.new_title or slug
    if call.storage.kernel_version(owner, slug) is None:
        if call.storage.kernel_slug_of_title(owner, title) is not None:
            raise ApiError(409, f"The title {title!r} is in use by another of your kernels")
        slug = slugify(title)
        if not slug:
            raise ApiError(400, f"The title {title!r} gives no slug")
    datasets, unknown_datasets = _split(request.dataset_data_sources, lambda ref: _has_dataset(call, ref))
    competitions, unknown_competitions = _split(
        request.competition_data_sources, lambda ref: call.storage.competition_folder(ref) is not None
    )
    settings = {
        "datasets": datasets,
        "competitions": competitions,
        "is_private": request.is_private,
        "enable_gpu": request.enable_gpu,
        "enable_internet": request.enable_internet,
        "docker_image": request.docker_image,
    }
    number = call.storage.add_kernel_version(owner, slug, title, request.text, settings)
    version = _version(call, owner, slug, number)
    call.worker.run(version)
    response = ApiSaveKernelResponse()
    response.ref = f"{owner}/{slug}"
    response.url = f"{call.base_url}/code/{owner}/{slug}"
    response.version_number = number
    response.kernel_id = version.kernel_id
    response.invalid_dataset_sources = unknown_datasets
    response.invalid_competition_sources = unknown_competitions
    # Neither is there yet.
    response.invalid_kernel_sources = request.kernel_data_sources or []
    response.invalid_model_sources = request.model_data_sources or []
    return response


def _has_dataset(call: Call, ref: str) -> bool:
    """Whether there is the dataset ``owner/slug``, or its version ``owner/slug/number``."""
    owner, slug, *number = ref.split("/") if ref.count("/") in (1, 2) else ("", "")
    return any(number in ([], [str(v.number)]) for v in call.storage.dataset_versions(owner, slug))


def _split(refs: list[str] | None, known: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Those that are known, and those that are not."""
    return [r for r in refs or [] if known(r)], [r for r in refs or [] if not known(r)]


def _version(call: Call, owner: str, slug: str, number: int | None = None) -> KernelVersion:
    version = call.storage.kernel_version(owner, slug, number)
    if version is None:
        raise ApiError(404, f"Kernel not found: {owner}/{slug}")
    return version


def _number(label: str) -> int | None:
    """The number in a version label such as ``"3"``."""
    if label and not label.isdigit():
        raise ApiError(400, f"Not a version: {label!r}")
    return int(label) if label else None


def get_kernel(call: Call, request: ApiGetKernelRequest) -> ApiGetKernelResponse:
    """A kernel's source and settings, of its latest version by default."""
    version = _version(call, request.user_name, request.kernel_slug, _number(request.version_label))
    blob = ApiKernelBlob()
    blob.source, blob.language, blob.kernel_type, blob.slug = version.source, "python", "notebook", version.slug
    metadata = ApiKernelMetadata()
    metadata.id = version.kernel_id
    metadata.ref = f"{version.owner}/{version.slug}"
    metadata.title, metadata.slug, metadata.author = version.title, version.slug, version.owner
    metadata.language, metadata.kernel_type = "python", "notebook"
    metadata.is_private = version.settings["is_private"]
    metadata.enable_gpu = version.settings["enable_gpu"]
    metadata.enable_internet = version.settings["enable_internet"]
    metadata.dataset_data_sources = version.settings["datasets"]
    metadata.competition_data_sources = version.settings["competitions"]
    metadata.docker_image = version.settings["docker_image"]
    metadata.current_version_number = version.number
    metadata.last_run_time = version.created.replace(tzinfo=None)
    response = ApiGetKernelResponse()
    response.blob, response.metadata = blob, metadata
    return response


def get_kernel_session_status(
    call: Call, request: ApiGetKernelSessionStatusRequest
) -> ApiGetKernelSessionStatusResponse:
    """Where the run of a version stands."""
    version = _version(call, request.user_name, request.kernel_slug, _number(request.version_label))
    response = ApiGetKernelSessionStatusResponse()
    response.status = _STATUS[version.status]
    response.failure_message = version.failure
    return response


def list_kernel_session_output(
    call: Call, request: ApiListKernelSessionOutputRequest
) -> ApiListKernelSessionOutputResponse:
    """The files that a run left, and its log."""
    version = _version(call, request.user_name, request.kernel_slug, _number(request.version_label))
    files, more = page(version.output(), request)
    response = ApiListKernelSessionOutputResponse()
    response.files = [_output_file(call, version, name) for name, _ in files]
    response.log = version.log()
    response.next_page_token = more
    return response


def _output_file(call: Call, version: KernelVersion, name: str) -> ApiKernelSessionOutputFile:
    file = ApiKernelSessionOutputFile()
    file.file_name = name
    file.url = f"{call.base_url}/output/{version.owner}/{version.slug}/{version.number}/{quote(name)}"
    return file


METHODS = {
    "SaveKernel": Method(ApiSaveKernelRequest, save_kernel),
    "GetKernel": Method(ApiGetKernelRequest, get_kernel),
    "GetKernelSessionStatus": Method(ApiGetKernelSessionStatusRequest, get_kernel_session_status),
    "ListKernelSessionOutput": Method(ApiListKernelSessionOutputRequest, list_kernel_session_output),
}
