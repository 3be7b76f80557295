"""Who asks. A token of the local Kaggle is ``local-<username>``: it guards nothing, it only names."""

import re

from kagglesdk.security.types.oauth_service import IntrospectTokenRequest, IntrospectTokenResponse

from kaggle_local.rpc import Call, Method

_TOKEN = re.compile(r"local-([a-z0-9][a-z0-9-]*)")


def token_of(username: str) -> str:
    """The token of a user."""
    return f"local-{username}"


def user_of(token: str) -> str | None:
    """The user that a token names."""
    match = _TOKEN.fullmatch(token)
    return match.group(1) if match else None


def introspect_token(_: Call, request: IntrospectTokenRequest) -> IntrospectTokenResponse:
    """Whether a token is good, and whose it is."""
    response = IntrospectTokenResponse()
    user = user_of(request.token)
    if user:
        response.active = True
        response.username = user
    return response


METHODS = {"IntrospectToken": Method(IntrospectTokenRequest, introspect_token)}
