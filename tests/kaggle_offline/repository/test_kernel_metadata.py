"""``kernel-metadata.json``: what is malformed is named with its key."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.repository.kernel_metadata import pin_of

from tests.kaggle_offline.conftest import METADATA, anything, change_metadata


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


DOCKER_IMAGE = "gcr.io/kaggle-images/python@sha256:" + "0" * 64
PIN = {"docker_image": DOCKER_IMAGE, "docker_image_pinning_type": "original"}


@pytest.mark.parametrize(
    ("changes", "digest", "pin"),
    [
        ({}, DOCKER_IMAGE, PIN),
        ({}, "", {}),
        ({"enable_gpu": True, "machine_shape": "NvidiaTeslaT4"}, DOCKER_IMAGE, PIN),
        # With a pinned image a kernel gets no TPU.
        ({"machine_shape": "TpuV6E8"}, DOCKER_IMAGE, {}),
        ({"enable_tpu": True}, DOCKER_IMAGE, {}),
        # The kernel's own setting wins.
        ({"docker_image": "gcr.io/kaggle-images/python:v170"}, DOCKER_IMAGE, {}),
        ({"docker_image_pinning_type": "latest"}, DOCKER_IMAGE, {}),
        # `kaggle kernels pull -m` writes empty ones.
        ({"docker_image": "", "docker_image_pinning_type": "original"}, DOCKER_IMAGE, PIN),
    ],
)
def test_a_kernel_is_pinned_to_its_image(
    changes: dict[str, Any], digest: str, pin: dict[str, str], repository: Path
) -> None:
    change_metadata(repository, **changes)
    kernel = read_kernel_folder(repository, "small")
    if digest:
        text = kernel.image.read_text()
        kernel.image.write_text(text.replace("# platform", f"# docker-image: {digest}\n# platform"))
    assert pin_of(kernel.metadata, read_image_manifest(kernel.image)) == pin
