"""The module of Kaggle's image that calls Kaggle from a session, as far as it works without a network: it fails.

Names and errors are those of Kaggle/docker-python, patches/kaggle_web_client.py.
"""

import os
from typing import Any

_TOKEN = "KAGGLE_USER_SECRETS_TOKEN"  # noqa: S105 - a variable's name


class CredentialError(Exception):
    """The session has no token."""


class BackendError(Exception):
    """Kaggle answers something unexpected."""


class KaggleWebClient:
    """Calls Kaggle.

    Raises:
        CredentialError: the session has no token.
    """

    def __init__(self) -> None:
        if _TOKEN not in os.environ:
            raise CredentialError(
                f"A JWT Token is required to call Kaggle, but none found in environment variable {_TOKEN}"
            )

    def make_post_request(self, data: dict[str, Any], endpoint: str, timeout: int = 40) -> dict[str, Any]:  # noqa: ARG002
        """Call Kaggle.

        Raises:
            ConnectionError: always, for want of a network.
        """
        raise ConnectionError("Connection error trying to communicate with service.")
