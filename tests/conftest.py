"""Chooses which tests run, and the seed of those that draw at random.

None of them asserts on time, so that a busy machine fails none.
"""

import os
import secrets

import pytest
from hypothesis import settings

settings.register_profile("timeless", deadline=None)
settings.load_profile("timeless")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this repository's tests."""
    group = parser.getgroup("this repository")
    group.addoption("--everything", action="store_true", help="run the nightly tests too")
    group.addoption("--seed", type=int, help="repeat a run's random choices; its header has the number")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed; workers of pytest-xdist inherit it."""
    seed = config.getoption("--seed")
    if seed is not None:
        os.environ["TESTS_SEED"] = str(seed)
    os.environ.setdefault("TESTS_SEED", str(secrets.randbelow(10**6)))


def pytest_report_header() -> str:
    """Print the seed."""
    return f"seed: {os.environ['TESTS_SEED']} (to repeat the run: --seed, and --hypothesis-seed where a failure has it)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the nightly tests out unless they were asked for."""
    if not config.getoption("--everything"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


@pytest.fixture
def seed() -> int:
    """The seed of the run."""
    return int(os.environ["TESTS_SEED"])
