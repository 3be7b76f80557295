"""Image manifests: read back as they were written, named when they are malformed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.image_manifest import read_image_manifest
from packaging.version import Version

from tests.kaggle_offline.conftest import anything


def test_an_image_manifest_is_read(repository: Path) -> None:
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    assert (image.python, image.platform) == ("3.12", "manylinux_2_35_x86_64")
    assert image.pins == {"packaging": Version("24.2"), "numpy": Version("2.0.2+cu128")}
    assert image.platforms[0] == "manylinux_2_35_x86_64"
    assert "manylinux_2_17_x86_64" in image.platforms
    assert "manylinux2014_x86_64" in image.platforms


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no python"),
        ("# python: 3.12", "no platform"),
        ("# python: 3.12\n# platform: windows", "no platform"),
        ("# python: 3.12\nnumpy>=2", r"small.txt:2: not a pinned distribution: numpy>=2"),
        ("numpy", "not a pinned distribution"),
        ("numpy==1,==2", "not a pinned distribution"),
        ("numpy==2.*", "not a pinned distribution"),
        ("numpy @ https://example.org/x.whl", "not a pinned distribution"),
    ],
)
def test_a_malformed_manifest_is_named(text: str, named: str, repository: Path) -> None:
    path = repository / "requirements" / "images" / "small.txt"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        read_image_manifest(path)


def test_an_unknown_image_is_answered_with_those_there_are(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no such image\nImages there: kaggle-cpu-.*, small"):
        read_image_manifest(repository / "requirements" / "images" / "large.txt")


names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc[0-9])?(\+cu[0-9]{2})?", fullmatch=True)


@anything
@given(pins=st.dictionaries(names, versions, max_size=20))
def test_a_manifest_reads_back_as_written(tmp_path: Path, pins: dict[str, str]) -> None:
    path = tmp_path / "image.txt"
    lines = "".join(f"{name}=={version}\n" for name, version in pins.items())
    path.write_text(f"# python: 3.12\n# platform: manylinux_2_35_x86_64\n{lines}")
    assert read_image_manifest(path).pins == {name: Version(version) for name, version in pins.items()}
