"""Who the caller is. A token of the local Kaggle is ``local-<username>``: it guards nothing, it only names."""

import base64
import binascii
from collections.abc import Mapping

from kagglesdk.security.types.oauth_service import IntrospectTokenRequest, IntrospectTokenResponse

from kaggle_local.services.rpc import USER, Call, Method

_PREFIX = "local-"


def token_of(username: str) -> str:
    """Return the token of a user."""
    return f"{_PREFIX}{username}"


def user_of(scheme: str, credentials: str, tokens: Mapping[str, str]) -> str | None:
    """Return the user that an ``Authorization`` names: a bearer token, or basic with the token as the password.

    ``tokens`` has the users of tokens that do not name them.
    """
    if scheme == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    if scheme in ("basic", "bearer") and credentials in tokens:
        return tokens[credentials]
    name = credentials.removeprefix(_PREFIX)
    known = scheme in ("basic", "bearer") and credentials.startswith(_PREFIX) and USER.fullmatch(name)
    return name if known else None


def introspect_token(call: Call, request: IntrospectTokenRequest) -> IntrospectTokenResponse:
    """Tell whether a token is good, and whose it is."""
    response = IntrospectTokenResponse()
    user = user_of("bearer", request.token, call.tokens)
    if user:
        response.active = True
        response.username = user
    return response


METHODS = {"IntrospectToken": Method(IntrospectTokenRequest, introspect_token)}
