"""Fixtures of the tests of the whole way."""

from pathlib import Path

import pytest

from tests.end_to_end.fault_matrix import prepare
from tests.sharing import made_once


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repositories that the scenarios of the fault matrix begin with."""
    return made_once(tmp_path_factory, "scenarios", prepare)
