"""Kernels: a push saves a version and runs it."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.kernels.types.kernels_api_service import (
    ApiDeleteKernelRequest,
    ApiDeleteKernelResponse,
    ApiDownloadKernelOutputRequest,
    ApiGetAcceleratorQuotaStatisticsRequest,
    ApiGetKernelRequest,
    ApiGetKernelResponse,
    ApiGetKernelSessionStatusRequest,
    ApiGetKernelSessionStatusResponse,
    ApiKernelBlob,
    ApiKernelMetadata,
    ApiKernelSessionOutputFile,
    ApiListKernelFilesItem,
    ApiListKernelFilesRequest,
    ApiListKernelFilesResponse,
    ApiListKernelSessionOutputRequest,
    ApiListKernelSessionOutputResponse,
    ApiListKernelsRequest,
    ApiListKernelsResponse,
    ApiSaveKernelRequest,
    ApiSaveKernelResponse,
)
from kagglesdk.kernels.types.kernels_enums import KernelExecutionType, KernelsListViewType, KernelWorkerStatus
from slugify import slugify

from kaggle_local.scoring.competition import load_competition
from kaggle_local.services.names import check_slug
from kaggle_local.services.rpc import ApiError, Call, Method, page, require_owner, require_visible, visible
from kaggle_local.storage import KernelVersion, Kind
from kaggle_local.storage.database import age_of
from kaggle_local.storage.resources import split_source, variation_ref

_STATUS = {
    "queued": KernelWorkerStatus.QUEUED,
    "running": KernelWorkerStatus.RUNNING,
    "complete": KernelWorkerStatus.COMPLETE,
    "error": KernelWorkerStatus.ERROR,
    "cancelled": KernelWorkerStatus.CANCEL_ACKNOWLEDGED,
    # A version that was saved without a run; how Kaggle names its status nobody has reported.
    "saved": KernelWorkerStatus.NEW_SCRIPT,
}
_SHORTEST_TITLE = 5
_SLUG = re.compile(r"[\w-]+")
_NUMBER = re.compile(r"[0-9]{1,9}")
# The API writes a version as ``v3``, and answers a bare number with 404 (Kaggle/kaggle-cli pull request 1201).
_LABEL = re.compile(r"v([0-9]{1,9})")

# Bytes of a source that are refused (reported live).
_LARGEST_SOURCE = 1_000_000

# The images that a kernel can be pinned to (Kaggle/docker-python; the registries are those that sessions report).
_IMAGE = re.compile(r"gcr\.io/kaggle-(images|gpu-images|private-byod)/python(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")

_REPLACED_BY_CPU = ("tpuv232", "tpuv2256")

_WEEKLY_GPU_SECONDS = 30 * 3600
_WEEKLY_TPU_SECONDS = 20 * 3600
_SATURDAY = 5


def save_kernel(call: Call, request: ApiSaveKernelRequest) -> ApiSaveKernelResponse:
    """Save a version of a kernel and have it run.

    As on Kaggle the slug of a new kernel is its title's, and a second push under another slug
    meets a title that is taken. Kaggle refuses some pushes with an ``error`` in a response that
    is otherwise a success (200).

    Raises:
        ApiError: 400 for what cannot run, 403 for another's name or an image that the account may not use,
            404 for a number that no kernel has, 409 for a title that is taken.
    """
    if request.id and call.storage.kernels.ref_of_id(request.id) is None:
        # The number of a kernel that is gone, or somebody else's (Kaggle/kaggle-cli issues 545 and 575).
        return _refused("Notebook not found")
    owner, slug, title = _name(call, request)
    _check_source(request)
    if request.docker_image and not _IMAGE.fullmatch(request.docker_image):
        # Without a message, and so without a body (reported live).
        raise ApiError(403, "")
    runs = request.kernel_execution_type != KernelExecutionType.QUICK_SAVE
    refusal = _editor_refusal(call, owner, slug, request)
    if runs and not refusal:
        refusal = _session_refusal(call, owner, request)
    if refusal:
        return _refused(refusal)
    if (request.session_timeout_seconds or 0) < 0:
        raise ApiError(400, f"A run cannot take {request.session_timeout_seconds} s")
    sources = {
        "datasets": _split(request.dataset_data_sources, lambda ref: _has_version(call, "dataset", ref, 2)),
        "models": _split(
            request.model_data_sources, lambda ref: _has_version(call, "variation", variation_ref(ref), 4)
        ),
        "kernels": _split(request.kernel_data_sources, lambda ref: _has_kernel(call, ref)),
        "competitions": _split(
            request.competition_data_sources,
            lambda ref: _has_entered(call, ref),
        ),
    }
    settings = {
        **{kind: known for kind, (known, _) in sources.items()},
        # A pin is dropped without a word: the newest complete version is mounted (reported live).
        "kernels": [split_source(source, 2)[0] for source in sources["kernels"][0]],
        "category_ids": request.category_ids or [],
        "enable_tpu": _accelerator(request) == "tpu",
        "kernel_type": request.kernel_type,
        "is_private": request.is_private,
        "enable_gpu": _accelerator(request) == "gpu",
        "machine_shape": request.machine_shape or "",
        "enable_internet": request.enable_internet,
        "docker_image": request.docker_image,
        "seconds": request.session_timeout_seconds or None,
    }
    version = call.storage.kernels.add_version(owner, slug, title, request.text, settings, runs=runs)
    if runs:
        call.worker.run(version)
    response = ApiSaveKernelResponse()
    response.ref = version.ref
    response.url = f"{call.base_url}/code/{version.ref}"
    response.version_number = version.number
    response.kernel_id = version.kernel_id
    response.invalid_dataset_sources = sources["datasets"][1]
    response.invalid_model_sources = sources["models"][1]
    response.invalid_kernel_sources = sources["kernels"][1]
    response.invalid_competition_sources = sources["competitions"][1]
    return response


def _refused(error: str) -> ApiSaveKernelResponse:
    """Return a refusal in a response that is otherwise a success."""
    response = ApiSaveKernelResponse()
    response.error = error
    return response


def _name(call: Call, request: ApiSaveKernelRequest) -> tuple[str, str, str]:
    """Return the owner, slug and title of the kernel that a push is for."""
    kernels = call.storage.kernels
    # The number wins over the name.
    ref = request.slug
    if request.id:
        ref = kernels.ref_of_id(request.id) or ref
    if not ref or ref.count("/") != 1:
        raise ApiError(404, f"Kernel not found: {request.slug or request.id}")
    owner, slug = ref.split("/")
    require_owner(call, owner)
    check_slug(call, slug, _SLUG)
    title = request.new_title or slug
    known = kernels.get(owner, slug)
    if known is not None:
        return owner, slug, known.title
    if call.behaviour.strict_names:
        # Kernels and datasets share one namespace (reported live; Kaggle/kaggle-cli issue 361).
        if call.storage.resources.get("dataset", f"{owner}/{slugify(title)}") is not None:
            raise ApiError(409, f"The title {title!r} is in use by one of your datasets")
        if kernels.slug_of_title(owner, title) is not None:
            raise ApiError(409, f"The title {title!r} is in use by another of your kernels")
        if len(title) < _SHORTEST_TITLE:
            raise ApiError(400, f"The title {title!r} is too short: at least {_SHORTEST_TITLE} characters")
        slug = slugify(title)
        check_slug(call, slug, _SLUG)
    if kernels.get(owner, slug) is not None:
        raise ApiError(409, f"The title {title!r} leads to {owner}/{slug}, which is another of your kernels")
    return owner, slug, title


def _editor_refusal(call: Call, owner: str, slug: str, request: ApiSaveKernelRequest) -> str:
    """Return the error of a push that turns a notebook into a script, or the reverse (reported live)."""
    known = call.storage.kernels.get(owner, slug)
    if known is None or known.settings["kernel_type"] == request.kernel_type:
        return ""
    return "You cannot change the editor type of a notebook."


def _accelerator(request: ApiSaveKernelRequest) -> str:
    """Return what a push's run gets, ``gpu``, ``tpu`` or ``cpu``: a named accelerator wins over the switches.

    Kaggle replaces retired accelerators without a word (kaggle 2.2.5, ``_RETIRED_ACCELERATORS``): a GPU by another,
    small TPUs by another, large ones by the CPU.
    """
    shape = (request.machine_shape or "").casefold()
    if not shape and request.enable_gpu:
        return "gpu"
    if not shape:
        return "tpu" if request.enable_tpu else "cpu"
    if shape.startswith("nvidia"):
        return "gpu"
    return "tpu" if shape.startswith("tpu") and shape not in _REPLACED_BY_CPU else "cpu"


def _session_refusal(call: Call, owner: str, request: ApiSaveKernelRequest) -> str:
    """Return the error of a push that exceeds the number of runs at a time, or the week's GPU time.

    The former is known (Kaggle/kaggle-cli issue 185), the words of the latter are assumed.
    """
    gpu = _accelerator(request) == "gpu"
    if gpu and call.behaviour.gpu_quota_seconds <= 0:
        return "Weekly GPU quota reached."
    most = call.behaviour.gpu_sessions if gpu else call.behaviour.cpu_sessions
    unfinished = [v for v in call.storage.kernels.unfinished() if v.owner == owner and v.settings["enable_gpu"] == gpu]
    if len(unfinished) < most and call.worker.seconds_since_start() >= call.behaviour.busy_seconds:
        return ""
    accelerator = "GPU" if gpu else "CPU"
    return f"Maximum batch {accelerator} session count of {most} reached."


def _has_entered(call: Call, slug: str) -> bool:
    """Tell whether the user has entered a hosted competition of that slug."""
    folder = call.storage.submissions.competition_folder(slug)
    return folder is not None and load_competition(folder, check_data=False).entered


def _check_source(request: ApiSaveKernelRequest) -> None:
    if len(request.text.encode()) >= _LARGEST_SOURCE:
        raise ApiError(400, "The kernel source must be less than 1 megabytes in size.")
    if request.kernel_type not in ("notebook", "script") or request.language != "python":
        raise ApiError(400, "Only Python is run here: set kernel_type to notebook or script, language to python")
    if request.kernel_type == "script":
        return
    try:
        cells = json.loads(request.text)["cells"]
    except (ValueError, KeyError, TypeError):
        cells = None
    if not isinstance(cells, list):
        raise ApiError(400, "The source is not a notebook")


def _has_version(call: Call, kind: Kind, ref: str, parts: int) -> bool:
    """Tell whether there is a resource of that name, of so many parts, or the version that follows the name."""
    name, number = split_source(ref, parts)
    resource = call.storage.resources.get(kind, name)
    if resource is None or not visible(call, resource.owner, resource.private):
        return False
    return any(number in ("", str(v.number)) for v in call.storage.resources.versions(kind, name))


def _has_kernel(call: Call, ref: str) -> bool:
    name, number = split_source(ref, 2)
    owner, _, slug = name.partition("/")
    kernel = call.storage.kernels.get(owner, slug)
    if kernel is None or not visible(call, kernel.owner, kernel.settings["is_private"]):
        return False
    return not number or _NUMBER.fullmatch(number) is not None


def _split(refs: list[str] | None, known: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return those that are known, and those that are not."""
    return [r for r in refs or [] if known(r)], [r for r in refs or [] if not known(r)]


def _version(call: Call, request: Any) -> KernelVersion:
    """Return the version that a request is about; see `find_version`."""
    return find_version(call, request.user_name, request.kernel_slug, getattr(request, "version_label", "") or "")


def find_version(call: Call, owner: str, slug: str, label: str) -> KernelVersion:
    """Return a version of a kernel, by a label such as ``v3``; without one the latest.

    Raises:
        ApiError: 403 for a slug that holds a version and for another's private kernel, 404 for any other label,
            and for a version that does not exist or does not show yet.
    """
    if "/" in slug:
        raise ApiError(403, "Permission 'kernels.get' was denied")
    found = _LABEL.fullmatch(label)
    if label and not found:
        raise ApiError(404, f"Kernel version not found: {owner}/{slug} {label}")
    kernels = call.storage.kernels
    number = int(found[1]) if found else None
    version = kernels.get(owner, slug, number)
    if version is not None and not label and call.behaviour.shows_last_complete:
        version = kernels.latest_complete(owner, slug) or version
    if version is None or age_of(version.created) < call.behaviour.fresh_seconds:
        raise ApiError(404, f"Kernel not found: {owner}/{slug}")
    _require_visible(call, version)
    return version


def _require_visible(call: Call, version: KernelVersion) -> None:
    """Refuse to show another's kernel that is private now, whatever it was in this version."""
    latest = call.storage.kernels.get(version.owner, version.slug) or version
    require_visible(call, version.owner, latest.settings["is_private"])


def list_kernels(call: Call, request: ApiListKernelsRequest) -> ApiListKernelsResponse:
    """List the kernels that the caller may see, the newest first."""
    owner = call.user if request.group == KernelsListViewType.PROFILE else request.user
    sources = {
        "datasets": request.dataset,
        "competitions": request.competition,
        "kernels": request.parent_kernel,
    }
    wanted = {kind: ref for kind, ref in sources.items() if ref}
    found = []
    for version in call.storage.kernels.all():
        if not visible(call, version.owner, version.settings["is_private"]) or owner not in ("", version.owner):
            continue
        matches = [
            request.kernel_type in ("", "all", version.settings["kernel_type"]),
            request.language in ("", "all", "python"),
            request.search.lower() in f"{version.ref} {version.title}".lower(),
            *(ref in _names(version.settings[kind]) for kind, ref in wanted.items()),
        ]
        if all(matches):
            found.append(version)
    some, more = page(found, request)
    response = ApiListKernelsResponse()
    response.kernels = [_describe(version) for version in some]
    response.next_page_token = more
    return response


def _names(sources: list[str]) -> set[str]:
    """Return the sources, with and without the versions that they are pinned to."""
    return {*sources, *(split_source(source, 2)[0] for source in sources)}


def _describe(version: KernelVersion) -> ApiKernelMetadata:
    metadata = ApiKernelMetadata()
    metadata.id = version.kernel_id
    metadata.ref = version.ref
    metadata.title, metadata.slug, metadata.author = version.title, version.slug, version.owner
    metadata.language, metadata.kernel_type = "python", version.settings["kernel_type"]
    metadata.is_private = version.settings["is_private"]
    metadata.enable_gpu = version.settings["enable_gpu"]
    metadata.enable_tpu = version.settings.get("enable_tpu", False)
    metadata.enable_internet = version.settings["enable_internet"]
    metadata.category_ids = version.settings.get("category_ids", [])
    metadata.dataset_data_sources = version.settings["datasets"]
    metadata.competition_data_sources = version.settings["competitions"]
    metadata.kernel_data_sources = version.settings["kernels"]
    metadata.model_data_sources = version.settings["models"]
    metadata.docker_image = version.settings["docker_image"]
    metadata.machine_shape = version.settings.get("machine_shape", "")
    metadata.current_version_number = version.number
    metadata.last_run_time = version.created.replace(tzinfo=None)
    return metadata


def get_kernel(call: Call, request: ApiGetKernelRequest) -> ApiGetKernelResponse:
    """Return a kernel's source and settings, of its latest version by default."""
    version = _version(call, request)
    blob = ApiKernelBlob()
    blob.source, blob.slug = version.source, version.slug
    blob.language, blob.kernel_type = "python", version.settings["kernel_type"]
    response = ApiGetKernelResponse()
    response.blob, response.metadata = blob, _describe(version)
    return response


def get_kernel_session_status(
    call: Call, request: ApiGetKernelSessionStatusRequest
) -> ApiGetKernelSessionStatusResponse:
    """Return the state of a version's run."""
    version = _version(call, request)
    response = ApiGetKernelSessionStatusResponse()
    response.status = _STATUS[version.status]
    response.failure_message = version.failure
    return response


def list_kernel_files(call: Call, request: ApiListKernelFilesRequest) -> ApiListKernelFilesResponse:
    """Return the files that a run left, with their sizes."""
    version = _version(call, request)
    files, more = page(version.output(), request)
    response = ApiListKernelFilesResponse()
    response.files = []
    for name, path in files:
        item = ApiListKernelFilesItem()
        item.name, item.size, item.creation_date = name, path.stat().st_size, version.created.isoformat()
        response.files.append(item)
    response.next_page_token = more
    return response


def list_kernel_session_output(
    call: Call, request: ApiListKernelSessionOutputRequest
) -> ApiListKernelSessionOutputResponse:
    """Return the files that a run left, and its log; of one under way the log so far."""
    version = _version(call, request)
    files, more = page(version.output(), request)
    response = ApiListKernelSessionOutputResponse()
    response.files = [_output_file(call, version, name) for name, _ in files]
    live = call.worker.live_log(version, 0)
    response.log = version.log() if live is None else json.dumps(live[0])
    response.next_page_token = more
    return response


def _output_file(call: Call, version: KernelVersion, name: str) -> ApiKernelSessionOutputFile:
    file = ApiKernelSessionOutputFile()
    file.file_name = name
    file.url = call.redirect(_path(call, version, name)).url
    return file


def _path(call: Call, version: KernelVersion, name: str) -> Path:
    return version.output_folder.relative_to(call.storage.root) / name


def download_kernel_output(call: Call, request: ApiDownloadKernelOutputRequest) -> HttpRedirect:
    """Return a file that a run left, or all of them as a zip.

    Raises:
        ApiError: 403 for another's private kernel, 404 for an unknown version or file.
    """
    version = call.storage.kernels.get(request.owner_slug, request.kernel_slug, request.version_number or None)
    if version is None or version.status in ("queued", "running"):
        raise ApiError(404, f"No output of {request.owner_slug}/{request.kernel_slug}")
    _require_visible(call, version)
    name = request.file_path
    if name:
        if name not in dict(version.output()):
            raise ApiError(404, f"{version.ref} did not write {name}")
        return call.redirect(_path(call, version, name))
    return call.redirect_to_all(version.output_folder, f"kernels/{version.ref}/{version.number}", version.created)


def delete_kernel(call: Call, request: ApiDeleteKernelRequest) -> ApiDeleteKernelResponse:
    """Have a kernel gone, with all its versions.

    Raises:
        ApiError: 403 for another's kernel, 404 for an unknown one.
    """
    version = _version(call, request)
    require_owner(call, version.owner)
    call.storage.kernels.delete(version)
    call.worker.abandon(version.kernel_id)
    return ApiDeleteKernelResponse()


def get_accelerator_quota_statistics(call: Call, _: ApiGetAcceleratorQuotaStatisticsRequest) -> dict[str, Any]:
    """Return the accelerator time of this week that the user has used, as protobuf's JSON writes durations.

    The SDK's own serializer writes ``timedelta.seconds``, which loses whole days (kagglesdk 0.1.38,
    ``TimeDeltaSerializer``).
    """
    used = max(0.0, _WEEKLY_GPU_SECONDS - call.behaviour.gpu_quota_seconds)
    now = datetime.now(UTC).replace(microsecond=0)
    # Saturday 00:00 UTC (Kaggle's documentation of notebooks).
    refresh = (now + timedelta(days=(_SATURDAY - now.weekday() - 1) % 7 + 1)).replace(hour=0, minute=0, second=0)
    return {
        "quotaRefreshTime": refresh.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "gpuQuota": {"timeUsed": f"{used:.0f}s", "totalTimeAllowed": f"{_WEEKLY_GPU_SECONDS}s"},
        "tpuQuota": {"timeUsed": "0s", "totalTimeAllowed": f"{_WEEKLY_TPU_SECONDS}s"},
    }


METHODS = {
    "DeleteKernel": Method(ApiDeleteKernelRequest, delete_kernel),
    "DownloadKernelOutput": Method(ApiDownloadKernelOutputRequest, download_kernel_output),
    "GetAcceleratorQuotaStatistics": Method(ApiGetAcceleratorQuotaStatisticsRequest, get_accelerator_quota_statistics),
    "GetKernel": Method(ApiGetKernelRequest, get_kernel),
    "GetKernelSessionStatus": Method(ApiGetKernelSessionStatusRequest, get_kernel_session_status),
    "ListKernelFiles": Method(ApiListKernelFilesRequest, list_kernel_files),
    "ListKernelSessionOutput": Method(ApiListKernelSessionOutputRequest, list_kernel_session_output),
    "ListKernels": Method(ApiListKernelsRequest, list_kernels),
    "SaveKernel": Method(ApiSaveKernelRequest, save_kernel),
}
