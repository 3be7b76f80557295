"""What the tests of the whole way share."""

from pathlib import Path

import pytest

from tests.end_to_end.fault_matrix import prepare
from tests.sharing import made_once


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the scenarios of the fault matrix begin with."""
    return made_once(tmp_path_factory, "scenarios", prepare)
