"""Files that people write: no bytes raise anything undocumented."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.artifacts.render import digest_of_source, read_notebook
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.errors import ConfigurationError, LockError
from kaggle_offline.repository.image_manifest import read_image_manifest

from tests.kaggle_offline.conftest import anything


@anything
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_undocumented_elsewhere(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_image_manifest(path)
    with pytest.raises(ConfigurationError):
        read_notebook(path)
    with pytest.raises(LockError):
        read_lock(path)
    assert digest_of_source(content.decode(errors="replace")) == ""
