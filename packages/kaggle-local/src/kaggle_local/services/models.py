"""Models: a model has variations, each for a framework, and a variation has versions as datasets have."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.datasets.types.dataset_enums import DatabundleVersionStatus
from kagglesdk.datasets.types.dataset_service import DatabundleVersionCreationStatus
from kagglesdk.models.types.model_api_service import (
    ApiCreateModelInstanceRequest,
    ApiCreateModelInstanceVersionRequest,
    ApiCreateModelRequest,
    ApiCreateModelResponse,
    ApiDeleteModelInstanceRequest,
    ApiDeleteModelInstanceVersionRequest,
    ApiDeleteModelRequest,
    ApiDeleteModelResponse,
    ApiDownloadModelInstanceVersionRequest,
    ApiGetModelInstanceRequest,
    ApiGetModelRequest,
    ApiListModelInstancesRequest,
    ApiListModelInstancesResponse,
    ApiListModelInstanceVersionFilesRequest,
    ApiListModelInstanceVersionFilesResponse,
    ApiListModelInstanceVersionsRequest,
    ApiListModelInstanceVersionsResponse,
    ApiListModelsRequest,
    ApiListModelsResponse,
    ApiModel,
    ApiModelFile,
    ApiModelInstance,
    ApiUpdateModelInstanceRequest,
    ApiUpdateModelRequest,
    ApiUpdateModelResponse,
)
from kagglesdk.models.types.model_enums import ModelFramework, ModelInstanceType
from kagglesdk.models.types.model_types import ModelInstance, ModelInstanceVersion, ModelInstanceVersionList

from kaggle_local.services.names import check_slug
from kaggle_local.services.rpc import ApiError, Call, Method, page, require_owner, visible
from kaggle_local.services.versions import add_version, content_of, download, find, find_version, process_first
from kaggle_local.storage import Resource, Version

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_VARIATION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
# By how they stand in paths: ``pytorch``, ``tensorflow2``.
_FRAMEWORKS = {f.name.removeprefix("MODEL_FRAMEWORK_").replace("_", "").lower(): f for f in ModelFramework}
_FRAMEWORK_NAMES: dict[ModelFramework, str] = {framework: name for name, framework in _FRAMEWORKS.items()}
_CONFLICT = 409

_STATUS = {
    "processing": DatabundleVersionStatus.BLOBS_RECEIVED,
    "ready": DatabundleVersionStatus.READY,
    "failed": DatabundleVersionStatus.FAILED,
}

# The fields of a request that a model or a variation keeps; those of a variation have the same names.
_MODEL_FIELDS = ("subtitle", "description", "provenance_sources")
_VARIATION_FIELDS = (
    "overview",
    "usage",
    "license_name",
    "fine_tunable",
    "training_data",
    "base_model_instance",
    "external_base_model_url",
)


def _ref(request: Any) -> str:
    """Return the variation that a request is about."""
    framework = _FRAMEWORK_NAMES[request.framework]
    return f"{request.owner_slug}/{request.model_slug}/{framework}/{request.instance_slug}"


def create_model(call: Call, request: ApiCreateModelRequest) -> ApiCreateModelResponse:
    """Create a model; one that exists is answered with an error in the response.

    Raises:
        ApiError: 400 for a bad slug, 403 for another's name.
    """
    owner, slug = request.owner_slug, request.slug
    require_owner(call, owner)
    check_slug(call, slug, _SLUG)
    details = {name: getattr(request, name) or "" for name in _MODEL_FIELDS}
    resource = call.storage.resources.add(
        "model", f"{owner}/{slug}", title=request.title or slug, private=request.is_private, details=details
    )
    return _created(call, resource, f"The model slug {owner}/{slug} is already used")


def create_model_instance(call: Call, request: ApiCreateModelInstanceRequest) -> ApiCreateModelResponse:
    """Create a variation with its first version; one that exists is answered with an error in the response.

    Raises:
        ApiError: 400 for a bad slug or file, 403 for another's model, 404 for an unknown one.
    """
    body = request.body
    if body is None:
        raise ApiError(400, "A variation needs a body")
    model = find(call, "model", f"{request.owner_slug}/{request.model_slug}")
    require_owner(call, model.owner)
    check_slug(call, body.instance_slug, _VARIATION)
    ref = f"{model.ref}/{_FRAMEWORK_NAMES[body.framework]}/{body.instance_slug}"
    details = {name: getattr(body, name) for name in _VARIATION_FIELDS}
    resource = call.storage.resources.add(
        "variation",
        ref,
        title=model.title,
        private=model.private,
        details={**details, "type": body.model_instance_type.name},
        first_version=("", content_of(call, body)),
    )
    if resource is not None:
        process_first(call, resource)
    return _created(call, resource, f"The variation {ref} already exists")


def create_model_instance_version(call: Call, request: ApiCreateModelInstanceVersionRequest) -> ApiCreateModelResponse:
    """Create another version of a variation.

    Raises:
        ApiError: 400 for a bad file, 403 for another's model or while the first version is in
            processing, 404 for an unknown variation.
    """
    resource = find(call, "variation", _ref(request))
    require_owner(call, resource.owner)
    if request.body is None:
        raise ApiError(400, "A version needs a body")
    add_version(call, resource, request.body.version_notes or "", request.body)
    return _created(call, resource, "")


def _created(call: Call, resource: Resource | None, conflict: str) -> ApiCreateModelResponse:
    response = ApiCreateModelResponse()
    if resource is None:
        response.error, response.error_code = conflict, _CONFLICT
        return response
    response.id, response.ref = resource.id, resource.ref
    response.url = f"{call.base_url}/models/{resource.ref}"
    return response


def get_model(call: Call, request: ApiGetModelRequest) -> ApiModel:
    """Return a model with its variations."""
    model = find(call, "model", f"{request.owner_slug}/{request.model_slug}")
    described = _describe_model(call, model)
    described.instances = [_describe(call, variation, version) for variation, version in _variations(call, model)]
    return described


def list_models(call: Call, request: ApiListModelsRequest) -> ApiListModelsResponse:
    """List the models that the caller may see, the newest first."""
    found = []
    for model, _ in call.storage.resources.all("model"):
        matches = request.search.lower() in f"{model.ref} {model.title}".lower()
        if matches and request.owner in ("", model.owner) and visible(call, model.owner, model.private):
            found.append(model)
    some, more = page(found, request)
    response = ApiListModelsResponse()
    response.models = [_describe_model(call, model) for model in some]
    response.next_page_token, response.total_results = more, len(found)
    return response


def _describe_model(call: Call, model: Resource) -> ApiModel:
    described = ApiModel()
    described.id, described.ref, described.title = model.id, model.ref, model.title
    described.author = model.owner
    described.slug = model.ref.partition("/")[2]
    described.url = f"{call.base_url}/models/{model.ref}"
    described.is_private = model.private
    for name in _MODEL_FIELDS:
        setattr(described, name, model.details[name])
    return described


def _variations(call: Call, model: Resource) -> list[tuple[Resource, Version]]:
    found = []
    for variation, version in call.storage.resources.all("variation"):
        if version is not None and variation.ref.startswith(f"{model.ref}/"):
            found.append((variation, version))
    return found


def _describe(call: Call, variation: Resource, version: Version) -> ApiModelInstance:
    described = ApiModelInstance()
    _fill(described, variation, version)
    described.version_id = variation.id
    described.url = described.download_url = f"{call.base_url}/models/{variation.ref}"
    return described


def _fill(described: Any, variation: Resource, version: Version) -> None:
    """Set the fields that both of the SDK's types of a variation have."""
    _, _, framework, slug = variation.ref.split("/")
    described.id, described.slug, described.framework = variation.id, slug, _FRAMEWORKS[framework]
    described.version_number = version.number
    described.total_uncompressed_bytes = version.total_bytes
    described.model_instance_type = ModelInstanceType[variation.details["type"]]
    for name in ("overview", "usage", "fine_tunable", "training_data", "external_base_model_url", "license_name"):
        if hasattr(described, name):
            setattr(described, name, variation.details[name])


def get_model_instance(call: Call, request: ApiGetModelInstanceRequest) -> ApiModelInstance:
    """Return a variation; its version is the one in use."""
    resource = find(call, "variation", _ref(request))
    return _describe(call, resource, call.storage.resources.in_use_or_latest(resource))


def list_model_instances(call: Call, request: ApiListModelInstancesRequest) -> ApiListModelInstancesResponse:
    """Return the variations of a model."""
    model = find(call, "model", f"{request.owner_slug}/{request.model_slug}")
    some, more = page(_variations(call, model), request)
    response = ApiListModelInstancesResponse()
    response.instances = []
    for variation, version in some:
        described = ModelInstance()
        _fill(described, variation, version)
        described.owner_slug, described.model_slug = variation.ref.split("/")[:2]
        described.version_notes = version.notes
        described.creation_status = DatabundleVersionCreationStatus()
        described.creation_status.status = _STATUS[version.status]
        response.instances.append(described)
    response.next_page_token = more
    return response


def list_model_instance_versions(
    call: Call, request: ApiListModelInstanceVersionsRequest
) -> ApiListModelInstanceVersionsResponse:
    """Return the versions of a variation, newest first."""
    variation = find(call, "variation", _ref(request))
    versions = list(reversed(call.storage.resources.versions("variation", variation.ref)))
    some, more = page(versions, request)
    owner, model, framework, slug = variation.ref.split("/")
    response = ApiListModelInstanceVersionsResponse()
    response.version_list = ModelInstanceVersionList()
    described = []
    for version in some:
        each = ModelInstanceVersion()
        each.version_number, each.variation_slug, each.framework = version.number, slug, _FRAMEWORKS[framework]
        each.owner_slug, each.model_slug, each.model_title = owner, model, variation.title
        each.model_instance_id, each.is_private = variation.id, variation.private
        each.url = f"{call.base_url}/models/{variation.ref}/{version.number}"
        described.append(each)
    response.version_list.versions = described
    response.next_page_token = more
    return response


def list_model_instance_version_files(
    call: Call, request: ApiListModelInstanceVersionFilesRequest
) -> ApiListModelInstanceVersionFilesResponse:
    """Return the files of a version, by default of the one in use."""
    variation = find(call, "variation", _ref(request))
    version = find_version(call, "variation", variation.ref, request.version_number)
    files, more = page(version.files(), request)
    response = ApiListModelInstanceVersionFilesResponse()
    response.files = []
    for name, size in files:
        file = ApiModelFile()
        file.name, file.size = name, size
        file.creation_date = version.created.replace(tzinfo=None)
        response.files.append(file)
    response.next_page_token = more
    return response


def download_model_instance_version(call: Call, request: ApiDownloadModelInstanceVersionRequest) -> HttpRedirect:
    """Return a file of a version, or all of them as a tar.gz."""
    variation = find(call, "variation", _ref(request))
    version = find_version(call, "variation", variation.ref, request.version_number)
    return download(call, version, request.path, ".tar.gz")


def update_model(call: Call, request: ApiUpdateModelRequest) -> ApiUpdateModelResponse:
    """Change the fields of a model that the request's mask names; its variations follow in privacy.

    Raises:
        ApiError: 403 for another's model, 404 for an unknown one.
    """
    model = find(call, "model", f"{request.owner_slug}/{request.model_slug}")
    require_owner(call, model.owner)
    mask = _mask(request)
    changed = replace(model, details=_changed(model.details, request, mask))
    if "title" in mask:
        changed = replace(changed, title=request.title)
    if "is_private" in mask:
        changed = replace(changed, private=request.is_private)
    call.storage.resources.update(changed)
    for variation, _ in _variations(call, model):
        call.storage.resources.update(replace(variation, title=changed.title, private=changed.private))
    return _updated(call, model)


def update_model_instance(call: Call, request: ApiUpdateModelInstanceRequest) -> ApiUpdateModelResponse:
    """Change the fields of a variation that the request's mask names.

    Raises:
        ApiError: 403 for another's model, 404 for an unknown variation.
    """
    variation = find(call, "variation", _ref(request))
    require_owner(call, variation.owner)
    mask = _mask(request)
    details = _changed(variation.details, request, mask)
    if "model_instance_type" in mask:
        details = {**details, "type": request.model_instance_type.name}
    call.storage.resources.update(replace(variation, details=details))
    return _updated(call, variation)


def _mask(request: Any) -> set[str]:
    """Return the fields that are to change."""
    return set(request.update_mask.paths) if request.update_mask else set()


def _changed(details: Mapping[str, Any], request: Any, mask: set[str]) -> dict[str, Any]:
    return {**details, **{name: getattr(request, name) for name in details.keys() & mask}}


def _updated(call: Call, resource: Resource) -> ApiUpdateModelResponse:
    response = ApiUpdateModelResponse()
    response.id, response.ref = resource.id, resource.ref
    response.url = f"{call.base_url}/models/{resource.ref}"
    return response


def delete_model(call: Call, request: ApiDeleteModelRequest) -> ApiDeleteModelResponse:
    """Have a model gone, with its variations."""
    return _delete(call, find(call, "model", f"{request.owner_slug}/{request.model_slug}"))


def delete_model_instance(call: Call, request: ApiDeleteModelInstanceRequest) -> ApiDeleteModelResponse:
    """Have a variation gone."""
    return _delete(call, find(call, "variation", _ref(request)))


def _delete(call: Call, resource: Resource) -> ApiDeleteModelResponse:
    require_owner(call, resource.owner)
    call.storage.resources.delete(resource)
    return ApiDeleteModelResponse()


def delete_model_instance_version(call: Call, request: ApiDeleteModelInstanceVersionRequest) -> ApiDeleteModelResponse:
    """Have a version gone; with the last one its variation goes.

    Raises:
        ApiError: 403 for another's model, 404 for an unknown version.
    """
    variation = find(call, "variation", _ref(request))
    require_owner(call, variation.owner)
    version = find_version(call, "variation", variation.ref, request.version_number)
    call.storage.resources.delete_version(version)
    if not call.storage.resources.versions("variation", variation.ref):
        call.storage.resources.delete(variation)
    return ApiDeleteModelResponse()


METHODS = {
    "CreateModel": Method(ApiCreateModelRequest, create_model),
    "CreateModelInstance": Method(ApiCreateModelInstanceRequest, create_model_instance),
    "CreateModelInstanceVersion": Method(ApiCreateModelInstanceVersionRequest, create_model_instance_version),
    "DeleteModel": Method(ApiDeleteModelRequest, delete_model),
    "DeleteModelInstance": Method(ApiDeleteModelInstanceRequest, delete_model_instance),
    "DeleteModelInstanceVersion": Method(ApiDeleteModelInstanceVersionRequest, delete_model_instance_version),
    "DownloadModelInstanceVersion": Method(ApiDownloadModelInstanceVersionRequest, download_model_instance_version),
    "GetModel": Method(ApiGetModelRequest, get_model),
    "GetModelInstance": Method(ApiGetModelInstanceRequest, get_model_instance),
    "ListModelInstanceVersionFiles": Method(ApiListModelInstanceVersionFilesRequest, list_model_instance_version_files),
    "ListModelInstanceVersions": Method(ApiListModelInstanceVersionsRequest, list_model_instance_versions),
    "ListModelInstances": Method(ApiListModelInstancesRequest, list_model_instances),
    "ListModels": Method(ApiListModelsRequest, list_models),
    "UpdateModel": Method(ApiUpdateModelRequest, update_model),
    "UpdateModelInstance": Method(ApiUpdateModelInstanceRequest, update_model_instance),
}
