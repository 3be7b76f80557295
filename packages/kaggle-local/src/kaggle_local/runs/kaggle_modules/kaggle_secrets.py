"""The module of Kaggle's image that reads a user's secrets: without a network it fails.

Names and errors are those of Kaggle/docker-python, patches/kaggle_secrets.py.
"""

from kaggle_web_client import BackendError, CredentialError, KaggleWebClient

__all__ = ["BackendError", "CredentialError", "UserSecretsClient", "ValidationError"]


class ValidationError(Exception):
    """A label is empty."""


class UserSecretsClient:
    """Reads secrets.

    Raises:
        CredentialError: the session has no token.
    """

    def __init__(self) -> None:
        self._client = KaggleWebClient()

    def get_secret(self, label: str) -> str:
        """Return a secret.

        Raises:
            ValidationError: the label is empty.
            ConnectionError: always, for want of a network.
        """
        if not label:
            raise ValidationError("Label must be non-empty.")
        return str(self._client.make_post_request({"Label": label}, "/requests/GetUserSecretByLabelRequest"))
