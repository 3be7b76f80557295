"""``kernel-metadata.json``: what is malformed is named with its key."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.conftest import METADATA, anything


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": None}, "id: missing"),
        ({"id": "small-kernel"}, "id or title"),
        ({"title": "Another title"}, "title: resolves to 'another-title'"),
        ({"title": ["x"]}, "title: .* must be a text"),
        ({"code_file": "nowhere.py"}, "code_file: nowhere.py: not found"),
        ({"enable_internet": True}, "enable_internet: true"),
        ({"language": "r"}, "language"),
        ({"kernel_type": "markdown"}, r"kernel_type: .markdown.\n.*notebook, script"),
        ({"competition_sources": ["another"]}, "competition_sources"),
        ({"dataset_sources": "owner/data"}, "dataset_sources"),
        ({"enable_internet": 0}, "enable_internet: 0"),
        ({"enable_gpu": "yes"}, "enable_gpu"),
        ({"docker_image": 3}, "docker_image: 3"),
        ({"docker_image_pinning_type": "bogus"}, "docker_image_pinning_type: .bogus."),
    ],
)
def test_a_malformed_metadata_names_the_key(change: dict[str, Any], named: str, repository: Path) -> None:
    metadata = {key: value for key, value in {**METADATA, **change}.items() if value is not None}
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ConfigurationError, match=named):
        read_kernel_folder(repository, "small")


def test_json_nested_beyond_reason_is_malformed(repository: Path) -> None:
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match=r"kernel-metadata\.json"):
        read_kernel_folder(repository, "small")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@anything
@given(key=st.sampled_from([*METADATA, "dataset_sources", "is_private"]), value=values)
def test_no_value_of_a_key_raises_anything_undocumented(repository: Path, key: str, value: Any) -> None:
    path = repository / "kernels" / "small" / "kernel-metadata.json"
    path.write_text(json.dumps({**METADATA, key: value}))
    try:
        kernel = read_kernel_folder(repository, "small")
    except ConfigurationError as error:
        assert str(path) in error.problem  # noqa: PT017 - some values do fit
    else:
        assert kernel.metadata.document[key] == value
