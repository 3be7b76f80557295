"""A local Kaggle in the place of kaggle.com: the official client goes to it as it would go to api.kaggle.com.

The endpoint is all that differs: KAGGLE_TARGET=kaggle refuses every other way that leads elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle

from tests.canary import CANARY, USER

TOKENS = {CANARY: USER}
"""The token of a stand-in, which looks like kaggle.com's, and its user."""

# Python imports the sitecustomize.py in it, which has the client of another process go to the stand-in.
_FOLDER = Path(__file__).parent / "stand_in_for_processes"


def environment_of(local: LocalKaggle, token: str = CANARY) -> dict[str, str]:
    """The variables for a process whose kaggle.com is ``local``."""
    return {
        "PYTHONPATH": str(_FOLDER),
        "STAND_IN_FOR_KAGGLE": f"{local.url}/api",
        "KAGGLE_API_TOKEN": token,
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def standing_in(local: LocalKaggle, token: str = CANARY) -> Iterator[None]:
    """Put ``local`` in the place of kaggle.com for this process and its children, until the block ends."""
    from kagglesdk import kaggle_env

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, f"{local.url}/api")
        for name, value in environment_of(local, token).items():
            patch.setenv(name, value)
        yield
