"""Kaggle, through its official client: the services, each typed, with the project's errors.

Every call has a time to be answered in. Calls that only look are repeated as they are. Before a call that creates is
repeated, Kaggle is asked whether it had its effect after all, as an answer can get lost on its way back.
"""

from typing import Any

from kagglesdk import kaggle_env
from kagglesdk.kernels.types.kernels_api_service import ApiListKernelsRequest
from kagglesdk.kernels.types.kernels_enums import KernelsListViewType

from kaggle_offline.errors import CredentialsError
from kaggle_offline.kaggle.authentication import authenticate
from kaggle_offline.kaggle.calls import Calls, repeat
from kaggle_offline.kaggle.competitions import Competitions
from kaggle_offline.kaggle.datasets import Datasets
from kaggle_offline.kaggle.kernels import Kernels
from kaggle_offline.kaggle.models import Models
from kaggle_offline.kaggle.retries import Waits


class KaggleClient:
    """An authenticated client.

    Args:
        waits: how long to wait for answers.
        endpoint: where the local Kaggle is; None is kaggle.com. The environment must hold the
            credentials for it, where the official client looks for them.

    Attributes:
        owner: the name of whoever is authenticated.
        datasets: the owner's datasets.
        models: the owner's models.
        kernels: the owner's kernels.
        competitions: competitions, and the owner's submissions to them.
        calls: makes the calls of all of them.

    Raises:
        CredentialsError: Kaggle does not know who asks.
        KaggleError: Kaggle does not answer.
    """

    def __init__(self, waits: Waits, endpoint: str | None = None) -> None:
        if endpoint is not None:
            kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = endpoint  # noqa: SLF001 - there is no other way

        def log_in() -> Any:
            return authenticate(waits.patience.answer, endpoint is not None)

        try:
            api = repeat(waits, "authentication", log_in)
        except CredentialsError:
            # A wrong answer is the client's reason to refuse a token, too.
            waits.sleep(waits.patience.first_pause, "authentication")
            api = repeat(waits, "authentication", log_in)
        self.calls = Calls(api, waits)
        self.owner = self.calls.owner
        self.datasets = Datasets(self.calls)
        self.models = Models(self.calls)
        self.kernels = Kernels(self.calls)
        self.competitions = Competitions(self.calls)

    def check_credentials(self) -> None:
        """Ask for what only the owner is told: of a name and key the client does not know whether they are good.

        Raises:
            CredentialsError: Kaggle does not know who asks.
            KaggleError: Kaggle does not answer.
        """
        request = ApiListKernelsRequest()
        request.group, request.page_size = KernelsListViewType.PROFILE, 1

        def look() -> bool:
            with self.calls.open() as client:
                client.kernels.kernels_api_client.list_kernels(request)
            return True

        self.calls.repeat("credentials", look)
