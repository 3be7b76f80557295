"""A pytest plugin: a local Kaggle for each test, and the official client configured for it.

Installed with kaggle-local, it adds the fixtures `local_kaggle`, `kaggle_behaviour` (override it to
change how that Kaggle behaves) and `kaggle_api`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kaggle_local.behaviour import Behaviour
    from kaggle_local.local_kaggle import LocalKaggle

# Imports are made in the fixtures: a test run that uses none of them pays for none.


@pytest.fixture
def kaggle_behaviour() -> "Behaviour":
    """Return the behaviour of the test's Kaggle; override it to change that."""
    from kaggle_local.behaviour import Behaviour

    return Behaviour()


@pytest.fixture(scope="session")
def kaggle_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the images of all tests: building one takes seconds."""
    return tmp_path_factory.mktemp("kaggle-images")


@pytest.fixture
def local_kaggle(
    tmp_path_factory: pytest.TempPathFactory, kaggle_images: Path, kaggle_behaviour: "Behaviour"
) -> Iterator["LocalKaggle"]:
    """Yield a Kaggle of the test's own, empty, gone at its end.

    ``environment`` has the variables for a client in another process; ``faults.add`` has things go wrong.
    """
    from kaggle_local.server import serve

    root = tmp_path_factory.mktemp("kaggle")
    (root / "images").symlink_to(kaggle_images)
    with serve(root, behaviour=kaggle_behaviour) as kaggle:
        yield kaggle


@pytest.fixture
def kaggle_api(local_kaggle: "LocalKaggle", monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the official client, authenticated at `local_kaggle`: a ``KaggleApi`` in this process."""
    from kagglesdk import kaggle_env

    endpoints = kaggle_env._env_to_endpoint  # noqa: SLF001 - there is no other way
    monkeypatch.setitem(endpoints, kaggle_env.KaggleEnv.LOCAL, local_kaggle.url)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_API_TOKEN", local_kaggle.token)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    from kaggle.api.kaggle_api_extended import KaggleApi

    api = KaggleApi()
    api.args = ["--local"]
    api.authenticate()
    return api
