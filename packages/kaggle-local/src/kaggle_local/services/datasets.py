"""Datasets: snapshots of uploaded files, processed after the call that creates them."""

import re
from dataclasses import replace
from typing import Any

from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.datasets.databundles.types.databundle_api_types import ApiDirectory, ApiDirectoryContent, ApiFile
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiCreateDatasetResponse,
    ApiCreateDatasetVersionByIdRequest,
    ApiCreateDatasetVersionRequest,
    ApiDataset,
    ApiDatasetFile,
    ApiDatasetVersion,
    ApiDeleteDatasetRequest,
    ApiDeleteDatasetResponse,
    ApiDownloadDatasetRequest,
    ApiGetDatasetMetadataRequest,
    ApiGetDatasetMetadataResponse,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiGetDatasetStatusResponse,
    ApiListDatasetFilesRequest,
    ApiListDatasetFilesResponse,
    ApiListDatasetsRequest,
    ApiListDatasetsResponse,
    ApiListTreeDatasetFilesRequest,
    ApiUpdateDatasetMetadataRequest,
    ApiUpdateDatasetMetadataResponse,
)
from kagglesdk.datasets.types.dataset_enums import DatabundleVersionStatus, DatasetSelectionGroup
from kagglesdk.datasets.types.dataset_types import DatasetInfo, SettingsLicense

from kaggle_local.services.names import check_slug
from kaggle_local.services.rpc import ApiError, Call, Method, page, require_owner, visible
from kaggle_local.services.versions import add_version, content_of, download, find, find_version, process_first
from kaggle_local.storage import Resource, Version
from kaggle_local.storage.database import age_of

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{4,48}[a-z0-9]")  # 6 to 50 characters
_TITLE_LENGTHS = range(6, 51)
_MINE = (
    DatasetSelectionGroup.DATASET_SELECTION_GROUP_MY,
    DatasetSelectionGroup.DATASET_SELECTION_GROUP_MY_PRIVATE,
    DatasetSelectionGroup.DATASET_SELECTION_GROUP_MY_PUBLIC,
)
_STATUS = {
    "processing": DatabundleVersionStatus.BLOBS_RECEIVED,
    "ready": DatabundleVersionStatus.READY,
    "failed": DatabundleVersionStatus.FAILED,
}


def create_dataset(call: Call, request: ApiCreateDatasetRequest) -> ApiCreateDatasetResponse:
    """Create a dataset with its first version.

    One that exists is answered with an error in the response, which both clients look for.

    Raises:
        ApiError: 400 for a bad slug, title or file, 403 for another's name, 409 for a kernel's slug.
    """
    owner, slug, title = request.owner_slug or call.user, request.slug, request.title
    require_owner(call, owner)
    check_slug(call, slug, _SLUG)
    if call.behaviour.strict_names:
        if len(title) not in _TITLE_LENGTHS:
            raise ApiError(400, f"Invalid title {title!r}: 6 to 50 characters")
        if call.storage.resources.of_title("dataset", owner, title) is not None:
            return _taken(title)
        # Kernels and datasets share one namespace (reported live; Kaggle/kaggle-cli issue 361).
        if call.storage.kernels.get(owner, slug) is not None:
            raise ApiError(409, f"The slug {slug!r} is in use by one of your notebooks")
    details = {
        "subtitle": request.subtitle or "",
        "description": request.description or "",
        "license": request.license_name or "unknown",
        "keywords": request.category_ids or [],
    }
    resource = call.storage.resources.add(
        "dataset",
        f"{owner}/{slug}",
        title=title,
        private=request.is_private,
        details=details,
        first_version=("Initial release", content_of(call, request)),
    )
    if resource is None:
        return _taken(title)
    process_first(call, resource)
    return _created(call, resource)


def _taken(title: str) -> ApiCreateDatasetResponse:
    response = ApiCreateDatasetResponse()
    response.status = "error"
    # Kaggle/kaggle-cli issue 243.
    response.error = f'The requested title "{title}" is already in use by a dataset. Please choose another title.'
    return response


def create_dataset_version(call: Call, request: ApiCreateDatasetVersionRequest) -> ApiCreateDatasetResponse:
    """Create another version of a dataset: just the files of this call.

    Raises:
        ApiError: 400 for a bad file, 403 for another's dataset or while the first version is in
            processing, 404 for an unknown dataset.
    """
    return _version(call, find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}"), request.body)


def create_dataset_version_by_id(call: Call, request: ApiCreateDatasetVersionByIdRequest) -> ApiCreateDatasetResponse:
    """Return the same, by the dataset's number."""
    resource = call.storage.resources.by_id(request.id)
    if resource is None or resource.kind != "dataset":
        raise ApiError(404, f"Dataset not found: {request.id}")
    return _version(call, resource, request.body)


def _version(call: Call, resource: Resource, body: Any) -> ApiCreateDatasetResponse:
    require_owner(call, resource.owner)
    if body is None:
        raise ApiError(400, "A version needs a body")
    add_version(call, resource, body.version_notes, body, replaces_all=body.delete_old_versions)
    return _created(call, resource)


def _created(call: Call, resource: Resource) -> ApiCreateDatasetResponse:
    response = ApiCreateDatasetResponse()
    response.ref = resource.ref
    response.url = f"{call.base_url}/datasets/{resource.ref}"
    response.status = "ok"
    return response


def list_datasets(call: Call, request: ApiListDatasetsRequest) -> ApiListDatasetsResponse:
    """List the datasets that the caller may see, the newest first: of a user, the caller's own, or all."""
    owner = call.user if request.group in _MINE else request.user
    found = []
    for resource, version in call.storage.resources.all("dataset"):
        if not visible(call, resource.owner, resource.private) or owner not in ("", resource.owner):
            continue
        size = version.total_bytes if version else 0
        matches = request.search.lower() in f"{resource.ref} {resource.title}".lower()
        if matches and _in_size(size, request.min_size, request.max_size):
            found.append((resource, version))
    some, more = page(found, request)
    response = ApiListDatasetsResponse()
    response.datasets = [_describe(call, resource, version) for resource, version in some]
    response.next_page_token = more
    return response


def _in_size(size: int, smallest: int | None, largest: int | None) -> bool:
    return (smallest or 0) <= size and (not largest or size <= largest)


def get_dataset(call: Call, request: ApiGetDatasetRequest) -> ApiDataset:
    """Return a dataset with its versions, newest first."""
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    versions = call.storage.resources.versions("dataset", resource.ref)
    dataset = _describe(call, resource, call.storage.resources.in_use_or_latest(resource))
    listed = [version for version in versions if _is_listed(call, version)]
    dataset.versions = [_describe_version(call, resource, version) for version in reversed(listed)]
    return dataset


def _is_listed(call: Call, version: Version) -> bool:
    """Tell whether a version shows in listings, which can lag behind its processing."""
    return age_of(version.ready or version.created) >= call.behaviour.listing_seconds


def _describe(call: Call, resource: Resource, version: Version | None) -> ApiDataset:
    dataset = ApiDataset()
    dataset.id, dataset.ref, dataset.title = resource.id, resource.ref, resource.title
    dataset.url = f"{call.base_url}/datasets/{resource.ref}"
    dataset.owner_ref = dataset.owner_name = dataset.creator_name = resource.owner
    dataset.subtitle, dataset.description = resource.details["subtitle"], resource.details["description"]
    dataset.license_name, dataset.is_private = resource.details["license"], resource.private
    if version is not None:
        dataset.current_version_number = version.number
        dataset.last_updated = version.created.replace(tzinfo=None)
        dataset.total_bytes = version.total_bytes
    return dataset


def _describe_version(call: Call, resource: Resource, version: Version) -> ApiDatasetVersion:
    described = ApiDatasetVersion()
    described.version_number = version.number
    described.version_notes = version.notes[: call.behaviour.notes_characters]
    described.status = _STATUS[version.status].name.title().replace("_", "")
    described.creation_date = version.created.replace(tzinfo=None)
    described.creator_ref = described.creator_name = resource.owner
    return described


def get_dataset_status(call: Call, request: ApiGetDatasetStatusRequest) -> ApiGetDatasetStatusResponse:
    """Return the state of the latest version's processing."""
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    response = ApiGetDatasetStatusResponse()
    response.status = _STATUS[call.storage.resources.versions("dataset", resource.ref)[-1].status]
    return response


def list_dataset_files(call: Call, request: ApiListDatasetFilesRequest) -> ApiListDatasetFilesResponse:
    """Return the files of a version, unpacked; by default of the one in use."""
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    response = ApiListDatasetFilesResponse()
    if not request.dataset_version_number and call.storage.resources.latest_ready("dataset", resource.ref) is None:
        return response  # nothing is ready yet
    version = find_version(call, "dataset", resource.ref, request.dataset_version_number)
    if not _is_listed(call, version):
        response.error_message = "The files of this version cannot be listed yet"
        return response
    files, response.next_page_token = page(version.files(), request)
    response.dataset_files = [_file(version, name, size) for name, size in files]
    return response


def _file(version: Version, name: str, size: int) -> ApiDatasetFile:
    file = ApiDatasetFile()
    file.name = file.ref = name
    file.total_bytes = size
    file.creation_date = version.created.replace(tzinfo=None)
    file.dataset_ref = version.ref
    return file


def list_tree_dataset_files(call: Call, request: ApiListTreeDatasetFilesRequest) -> ApiDirectoryContent:
    """Return the files and folders right in a folder of a version; by default in the version itself.

    Raises:
        ApiError: 403 for another's private dataset, 404 for an unknown dataset, version or folder.
    """
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    version = find_version(call, "dataset", resource.ref, request.dataset_version_number)
    start = f"{request.path.strip('/')}/" if request.path and request.path.strip("/") else ""
    inside = [(name.removeprefix(start), size) for name, size in version.files() if name.startswith(start)]
    if not inside:
        raise ApiError(404, f"{resource.ref} has no folder {request.path}")
    folders = sorted({name.partition("/")[0] for name, _ in inside if "/" in name})
    entries, more = page([*folders, *(entry for entry in inside if "/" not in entry[0])], request)
    content = ApiDirectoryContent()
    content.directories, content.files = [], []
    for entry in entries:
        if isinstance(entry, str):
            directory = ApiDirectory()
            directory.name, directory.relative_url = entry, f"{start}{entry}"
            content.directories.append(directory)
        else:
            file = ApiFile()
            file.name, file.relative_url, file.total_bytes = entry[0], f"{start}{entry[0]}", entry[1]
            content.files.append(file)
    content.next_page_token = more
    return content


def download_dataset(call: Call, request: ApiDownloadDatasetRequest) -> HttpRedirect:
    """Return a file of a version, or all of them as a zip."""
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    version = find_version(call, "dataset", resource.ref, request.dataset_version_number)
    return download(call, version, request.file_name, ".zip")


def get_dataset_metadata(call: Call, request: ApiGetDatasetMetadataRequest) -> ApiGetDatasetMetadataResponse:
    """Return a dataset as ``dataset-metadata.json`` describes it."""
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    info = DatasetInfo()
    info.dataset_id, info.owner_user = resource.id, resource.owner
    info.dataset_slug = resource.ref.partition("/")[2]
    info.title, info.is_private = resource.title, resource.private
    info.subtitle, info.description = resource.details["subtitle"], resource.details["description"]
    info.keywords = resource.details["keywords"]
    license_of = SettingsLicense()
    license_of.name = resource.details["license"]
    info.licenses = [license_of]
    response = ApiGetDatasetMetadataResponse()
    response.info = info
    return response


def update_dataset_metadata(call: Call, request: ApiUpdateDatasetMetadataRequest) -> ApiUpdateDatasetMetadataResponse:
    """Change a dataset's title, description, license or keywords.

    Raises:
        ApiError: 403 for another's dataset, 404 for an unknown one.
    """
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    require_owner(call, resource.owner)
    settings = request.settings
    if settings is None:
        raise ApiError(400, "No settings to change")
    licenses = [license_of.name for license_of in settings.licenses or []]
    license_ = licenses[0] if licenses else resource.details["license"]
    details = {
        "subtitle": settings.subtitle or "",
        "description": settings.description or "",
        "license": license_,
        "keywords": settings.keywords or [],
    }
    title = settings.title or resource.title
    response = ApiUpdateDatasetMetadataResponse()
    response.errors = []
    taken_by = call.storage.resources.of_title("dataset", resource.owner, title)
    if call.behaviour.strict_names and len(title) not in _TITLE_LENGTHS:
        response.errors = [f"Invalid title {title!r}: 6 to 50 characters"]
    elif call.behaviour.strict_names and taken_by not in (None, resource.ref):
        response.errors = [f'The requested title "{title}" is already in use by a dataset.']
    else:
        call.storage.resources.update(replace(resource, title=title, private=settings.is_private, details=details))
    return response


def delete_dataset(call: Call, request: ApiDeleteDatasetRequest) -> ApiDeleteDatasetResponse:
    """Have a dataset gone.

    Raises:
        ApiError: 403 for another's dataset, 404 for an unknown one.
    """
    resource = find(call, "dataset", f"{request.owner_slug}/{request.dataset_slug}")
    require_owner(call, resource.owner)
    call.storage.resources.delete(resource)
    return ApiDeleteDatasetResponse()


METHODS = {
    "CreateDataset": Method(ApiCreateDatasetRequest, create_dataset),
    "CreateDatasetVersion": Method(ApiCreateDatasetVersionRequest, create_dataset_version),
    "CreateDatasetVersionById": Method(ApiCreateDatasetVersionByIdRequest, create_dataset_version_by_id),
    "DeleteDataset": Method(ApiDeleteDatasetRequest, delete_dataset),
    "DownloadDataset": Method(ApiDownloadDatasetRequest, download_dataset),
    "GetDataset": Method(ApiGetDatasetRequest, get_dataset),
    "GetDatasetMetadata": Method(ApiGetDatasetMetadataRequest, get_dataset_metadata),
    "GetDatasetStatus": Method(ApiGetDatasetStatusRequest, get_dataset_status),
    "ListTreeDatasetFiles": Method(ApiListTreeDatasetFilesRequest, list_tree_dataset_files),
    "ListDatasetFiles": Method(ApiListDatasetFilesRequest, list_dataset_files),
    "ListDatasets": Method(ApiListDatasetsRequest, list_datasets),
    "UpdateDatasetMetadata": Method(ApiUpdateDatasetMetadataRequest, update_dataset_metadata),
}
