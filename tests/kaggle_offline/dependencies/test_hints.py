"""Hints of requirements that cannot be met name the one to change, on a package index on loopback."""

from pathlib import Path

import pytest
from kaggle_offline.errors import LockError

from tests.kaggle_offline.dependencies.locked import lock
from tests.package_index import PackageIndex

IMAGE = """\
# image: small
# python: 3.13.15
# platform: manylinux_2_35_x86_64
tensorflow==2.20.0
"""

OLD = "cp310-cp310-manylinux_2_17_x86_64"


def hint(repository: Path, *requirements: str) -> str:
    with pytest.raises(LockError) as refusal:
        lock(repository, *requirements, image=IMAGE)
    return refusal.value.cure


def test_two_that_exclude_each_other(repository: Path, index: PackageIndex) -> None:
    index.add("loader", "0.6", "core==2.0")
    index.add("loader", "0.7", "core==2.5")
    index.add("core", "2.0")
    index.add("core", "2.5")
    assert hint(repository, "core==2.5", "loader==0.6") == "Allow another version of loader: it requires core==2.0."


def test_one_that_goes_with_no_version_that_has_a_wheel(repository: Path, index: PackageIndex) -> None:
    index.add("tensorflow", "2.15", tag=OLD)
    index.add("forests", "1.7", tag=OLD)
    index.add("forests", "1.8", "tensorflow<2.16")
    index.add("forests", "1.9", "tensorflow<2.16", tag=OLD)
    assert hint(repository, "tensorflow", "forests") == (
        "Remove forests, or use an older image: no version of it suits Python 3.13."
    )


def test_one_that_has_no_wheel_for_the_images_python(repository: Path, index: PackageIndex) -> None:
    index.add("tensorflow", "2.15", tag=OLD)
    index.add("reader", "0.9", tag=OLD)
    index.add("reader", "1.1")
    index.add("server", "0.7", "reader==0.9")
    index.add("server", "0.8")
    assert hint(repository, "tensorflow==2.15").startswith("Allow tensorflow 2.20.0, which the image has")
    assert hint(repository, "reader==0.9").startswith("Allow reader 1.1, which has a wheel for Python 3.13")
    assert hint(repository, "server==0.7") == (
        "Allow another version of server: it requires reader==0.9, which has no wheel for Python 3.13."
    )
