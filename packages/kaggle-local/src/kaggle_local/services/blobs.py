"""Uploads: a token and an address to put the bytes to (``server.py`` takes them)."""

import re
import secrets

from kagglesdk.blobs.types.blob_api_service import ApiStartBlobUploadRequest, ApiStartBlobUploadResponse

from kaggle_local.rpc import ApiError, Call, Method

_NAME = re.compile(r"[\w .()+,=!\[\]{}~-]{1,255}")


def start_blob_upload(call: Call, request: ApiStartBlobUploadRequest) -> ApiStartBlobUploadResponse:
    """Expect a file.

    Raises:
        ApiError: 400 for a name that Kaggle refuses or a negative length.
    """
    name = request.name
    if not _NAME.fullmatch(name) or name.strip(". ") == "" or request.content_length < 0:
        raise ApiError(400, f"Invalid file name or length: {name!r}, {request.content_length}")
    token = secrets.token_urlsafe(24)
    call.storage.add_upload(token, name, request.content_length)
    response = ApiStartBlobUploadResponse()
    response.token = token
    response.create_url = f"{call.base_url}/uploads/{token}"
    return response


METHODS = {"StartBlobUpload": Method(ApiStartBlobUploadRequest, start_blob_upload)}
