"""The module of Kaggle's image that reads the session's own notebook: without a network it fails.

Names are those of Kaggle/docker-python, patches/kaggle_session.py.
"""

from typing import Any

from kaggle_web_client import KaggleWebClient


class UserSessionClient:
    """Reads the session's notebook."""

    def __init__(self) -> None:
        self.web_client = KaggleWebClient()

    def get_exportable_ipynb(self) -> dict[str, Any]:
        """Return the notebook.

        Raises:
            ConnectionError: always, for want of a network.
        """
        return dict(self.web_client.make_post_request({"UseDraft": True}, "/requests/GetKernelRunSourceForCaipRequest"))
