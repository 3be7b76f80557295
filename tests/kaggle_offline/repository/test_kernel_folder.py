"""Kernel folders: read when they fit, named when they do not."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.errors import ConfigurationError, OfflineError, UnknownCompetitionError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.conftest import METADATA, SUBMISSION, anything


def test_a_kernel_folder_is_read(repository: Path) -> None:
    kernel = read_kernel_folder(repository, "small")
    assert kernel.slug == "small-kernel"
    assert kernel.package == repository / "packages" / "small"
    assert kernel.lock == repository / "requirements" / "small.txt"


def test_a_script_without_checkpoints_is_a_kernel(repository: Path) -> None:
    folder = repository / "kernels" / "small"
    (folder / "kernel-metadata.json").write_text(json.dumps({**METADATA, "kernel_type": "script"}))
    (folder / "submission.toml").write_text(SUBMISSION.replace('checkpoints = "checkpoints"\n', ""))
    kernel = read_kernel_folder(repository, "small")
    assert kernel.is_script
    assert kernel.checkpoints is None
    (folder / "submission.toml").write_text(f'{SUBMISSION}[weights]\n"no.ckpt" = 1\n'.replace("checkpoints =", "# "))
    with pytest.raises(ConfigurationError, match=r"weights: no\.ckpt is not among the checkpoints"):
        read_kernel_folder(repository, "small")


def test_an_unknown_competition_is_answered_with_those_there_are(repository: Path) -> None:
    with pytest.raises(UnknownCompetitionError, match=r"no such competition folder\nThere are: small"):
        read_kernel_folder(repository, "large")


@pytest.mark.parametrize("name", ["", ".", "..", "/etc", "small/", "x" * 5000])
def test_a_competition_has_a_plain_name(name: str, repository: Path) -> None:
    with pytest.raises(UnknownCompetitionError):
        read_kernel_folder(repository, name)


@pytest.mark.parametrize("name", ["submission.toml", "kernel-metadata.json"])
@anything
@given(content=st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_no_bytes_raise_anything_undocumented(repository: Path, name: str, content: bytes) -> None:
    (repository / "kernels" / "small" / name).write_bytes(content)
    with pytest.raises(OfflineError):
        read_kernel_folder(repository, "small")
