"""Who asks. A token of the local Kaggle is ``local-<username>``: it guards nothing, it only names."""

import base64
import binascii
import re

from kagglesdk.security.types.oauth_service import IntrospectTokenRequest, IntrospectTokenResponse

from kaggle_local.rpc import Call, Method

_TOKEN = re.compile(r"local-([a-z0-9][a-z0-9-]*)")


def token_of(username: str) -> str:
    """The token of a user."""
    return f"local-{username}"


def user_of(scheme: str, credentials: str) -> str | None:
    """The user that an ``Authorization`` names: a bearer token, or basic with the token as the password."""
    if scheme == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    match = _TOKEN.fullmatch(credentials) if scheme in ("basic", "bearer") else None
    return match.group(1) if match else None


def introspect_token(_: Call, request: IntrospectTokenRequest) -> IntrospectTokenResponse:
    """Whether a token is good, and whose it is."""
    response = IntrospectTokenResponse()
    user = user_of("bearer", request.token)
    if user:
        response.active = True
        response.username = user
    return response


METHODS = {"IntrospectToken": Method(IntrospectTokenRequest, introspect_token)}
