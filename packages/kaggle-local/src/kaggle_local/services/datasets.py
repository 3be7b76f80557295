"""Datasets: snapshots of uploaded files, processed after the call that creates them."""

import re
from typing import Any

from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiCreateDatasetResponse,
    ApiCreateDatasetVersionRequest,
    ApiDataset,
    ApiDatasetFile,
    ApiDatasetVersion,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiGetDatasetStatusResponse,
    ApiListDatasetFilesRequest,
    ApiListDatasetFilesResponse,
)
from kagglesdk.datasets.types.dataset_enums import DatabundleVersionStatus

from kaggle_local.rpc import ApiError, Call, Method, page
from kaggle_local.storage import Dataset, DatasetVersion

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{4,48}[a-z0-9]")
_STATUS = {
    "processing": DatabundleVersionStatus.BLOBS_RECEIVED,
    "ready": DatabundleVersionStatus.READY,
    "failed": DatabundleVersionStatus.FAILED,
}


def create_dataset(call: Call, request: ApiCreateDatasetRequest) -> ApiCreateDatasetResponse:
    """Create a dataset with its first version.

    Raises:
        ApiError: 400 for a bad slug or file, 403 for another's name, 409 where it exists.
    """
    call.require_owner(request.owner_slug)
    if not _SLUG.fullmatch(request.slug):
        raise ApiError(400, f"Invalid slug {request.slug!r}: 6 to 50 of a-z, 0-9 and -")
    owner, slug = request.owner_slug, request.slug
    tokens = _tokens(call, request.files)
    dataset = Dataset(
        owner=owner,
        slug=slug,
        title=request.title,
        description=request.description or "",
        private=request.is_private,
    )
    if not call.storage.add_dataset(dataset, "Initial release", tokens):
        raise ApiError(409, f"The dataset {owner}/{slug} exists already")
    return _process(call, owner, slug, 1)


def create_dataset_version(call: Call, request: ApiCreateDatasetVersionRequest) -> ApiCreateDatasetResponse:
    """Create another version of a dataset: just the files of this call.

    Raises:
        ApiError: 400 for a bad file, 403 for another's dataset or while the first version is in
            processing, 404 where there is no such dataset.
    """
    owner, slug = request.owner_slug, request.dataset_slug
    call.require_owner(owner)
    versions = _versions(call, owner, slug)
    if len(versions) == 1 and versions[0].status == "processing":
        raise ApiError(403, f"The first version of {owner}/{slug} is still in processing")
    tokens = _tokens(call, request.body.files)
    return _process(
        call, owner, slug, call.storage.add_dataset_version(owner, slug, request.body.version_notes, tokens)
    )


def _tokens(call: Call, files: list[Any] | None) -> list[str]:
    names: set[str] = set()
    tokens = [file.token for file in files or []]
    for token in tokens:
        upload = call.storage.upload(token)
        if upload is None or not upload.complete or upload.name in names:
            raise ApiError(400, f"The upload of {upload.name if upload else 'a file'} is not complete, or there twice")
        names.add(upload.name)
    if not tokens:
        raise ApiError(400, "A dataset version needs at least one file")
    return tokens


def _process(call: Call, owner: str, slug: str, number: int) -> ApiCreateDatasetResponse:
    version = call.storage.dataset_version(owner, slug, number)
    assert version is not None  # it has just been added
    call.worker.process(version)
    response = ApiCreateDatasetResponse()
    response.ref = f"{owner}/{slug}"
    response.url = f"{call.base_url}/datasets/{owner}/{slug}"
    response.status = "ok"
    return response


def _versions(call: Call, owner: str, slug: str) -> list[DatasetVersion]:
    versions = call.storage.dataset_versions(owner, slug)
    if not versions:
        raise ApiError(404, f"Dataset not found: {owner}/{slug}")
    return versions


def get_dataset(call: Call, request: ApiGetDatasetRequest) -> ApiDataset:
    """A dataset with its versions, newest first."""
    owner, slug = request.owner_slug, request.dataset_slug
    versions = _versions(call, owner, slug)
    record = call.storage.dataset(owner, slug)
    assert record is not None  # it has versions
    dataset = ApiDataset()
    dataset.ref = f"{owner}/{slug}"
    dataset.owner_ref = dataset.owner_name = owner
    dataset.title, dataset.description, dataset.is_private = record.title, record.description, record.private
    dataset.current_version_number = versions[-1].number
    dataset.last_updated = versions[-1].created.replace(tzinfo=None)
    dataset.total_bytes = sum(size for _, size in versions[-1].files())
    dataset.versions = [_describe(version) for version in reversed(versions)]
    return dataset


def _describe(version: DatasetVersion) -> ApiDatasetVersion:
    described = ApiDatasetVersion()
    described.version_number = version.number
    described.version_notes = version.notes
    described.status = _STATUS[version.status].name.title().replace("_", "")
    described.creation_date = version.created.replace(tzinfo=None)
    described.creator_ref = described.creator_name = version.owner
    return described


def get_dataset_status(call: Call, request: ApiGetDatasetStatusRequest) -> ApiGetDatasetStatusResponse:
    """Where the latest version's processing stands."""
    response = ApiGetDatasetStatusResponse()
    response.status = _STATUS[_versions(call, request.owner_slug, request.dataset_slug)[-1].status]
    return response


def list_dataset_files(call: Call, request: ApiListDatasetFilesRequest) -> ApiListDatasetFilesResponse:
    """The files of a version, unpacked; of the latest by default."""
    versions = _versions(call, request.owner_slug, request.dataset_slug)
    wanted = request.dataset_version_number or versions[-1].number
    version = next((v for v in versions if v.number == wanted), None)
    if version is None:
        raise ApiError(404, f"Dataset version not found: {wanted}")
    files, more = page(version.files(), request)
    response = ApiListDatasetFilesResponse()
    response.dataset_files = [_file(version, name, total) for name, total in files]
    response.next_page_token = more
    return response


def _file(version: DatasetVersion, name: str, size: int) -> ApiDatasetFile:
    file = ApiDatasetFile()
    file.name = name
    file.total_bytes = size
    file.creation_date = version.created.replace(tzinfo=None)
    file.dataset_ref = f"{version.owner}/{version.slug}"
    return file


METHODS = {
    "CreateDataset": Method(ApiCreateDatasetRequest, create_dataset),
    "CreateDatasetVersion": Method(ApiCreateDatasetVersionRequest, create_dataset_version),
    "GetDataset": Method(ApiGetDatasetRequest, get_dataset),
    "GetDatasetStatus": Method(ApiGetDatasetStatusRequest, get_dataset_status),
    "ListDatasetFiles": Method(ApiListDatasetFilesRequest, list_dataset_files),
}
