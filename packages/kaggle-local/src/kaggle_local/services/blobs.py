"""Uploads: a token and an address to put the bytes to (`kaggle_local.http.uploads` takes them)."""

import secrets

from kagglesdk.blobs.types.blob_api_service import ApiStartBlobUploadRequest, ApiStartBlobUploadResponse

from kaggle_local.services.names import check_file_name
from kaggle_local.services.rpc import ApiError, Call, Method


def start_upload(call: Call, name: str, size: int) -> tuple[str, str]:
    """Expect a file; return its token and the address to put it to.

    Raises:
        ApiError: 400 for a name that Kaggle refuses or a negative length.
    """
    check_file_name(call, name)
    if size < 0:
        raise ApiError(400, f"Invalid length of {name}: {size}")
    token = secrets.token_urlsafe(24)
    call.storage.uploads.add(token, name, size)
    return token, f"{call.base_url}/uploads/{token}"


def start_blob_upload(call: Call, request: ApiStartBlobUploadRequest) -> ApiStartBlobUploadResponse:
    """Expect a file of a dataset or a model."""
    response = ApiStartBlobUploadResponse()
    response.token, response.create_url = start_upload(call, request.name, request.content_length)
    return response


METHODS = {"StartBlobUpload": Method(ApiStartBlobUploadRequest, start_blob_upload)}
