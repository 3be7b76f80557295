"""Distributions that come only as source, on a package index on loopback."""

import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from kaggle_offline.dependencies.index.source_distributions import ON_KAGGLE
from kaggle_offline.dependencies.pins import Kind
from kaggle_offline.errors import LockError

from tests.kaggle_offline.dependencies.locked import lock, prepare
from tests.package_index import PackageIndex

IMAGE = """\
# image: small
# python: 3.12.13
# platform: manylinux_2_35_x86_64
torch==2.10.0+cu128
"""

METADATA = "Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"

# A build backend in the source itself.
BACKEND = """\
import zipfile

def get_requires_for_build_wheel(settings=None):
    return {dynamic}

def build_wheel(folder, settings=None, metadata=None):
    {body}
    name = "{name}-{version}-{tag}.whl"
    info = "{name}-{version}.dist-info"
    with zipfile.ZipFile(f"{{folder}}/{{name}}", "w") as wheel:
        wheel.writestr(f"{{info}}/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nTag: {tag}\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return name
"""


def add_source(
    index: PackageIndex,
    name: str,
    version: str = "1.0",
    *,
    body: str = "pass",
    tag: str = "py3-none-any",
    requires: str = "[]",
    dynamic: str = "[]",
    static: bool = True,
) -> None:
    """Add a source distribution, whose metadata say what it requires: nothing; without ``static`` a build says so."""
    files = {
        "pyproject.toml": f'[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        "backend.py": BACKEND.format(name=name, version=version, tag=tag, body=body, dynamic=dynamic),
        "PKG-INFO": METADATA.format(name=name, version=version),
    }
    if not static:
        files["pyproject.toml"] = files["pyproject.toml"].partition("[project]")[0]
        files["PKG-INFO"] = files["PKG-INFO"].replace("2.2", "2.1")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    index.add_file(f"{name}-{version}.tar.gz", buffer.getvalue())


def test_a_source_whose_wheel_suits_the_image_is_built(repository: Path, index: PackageIndex) -> None:
    add_source(index, "pure")
    (pin,) = lock(repository, "pure", image=IMAGE).pins
    assert (pin.name, pin.kind) == ("pure", Kind.BUILT)


def test_only_the_tag_of_its_wheel_makes_a_source_one_for_the_kernel(repository: Path, index: PackageIndex) -> None:
    add_source(index, "native", tag="cp311-cp311-linux_x86_64", dynamic='["helper>=1"]')
    index.add("helper", "1.5")
    index.add("helper", "0.5")
    pins = {str(pin.name): pin for pin in lock(repository, "native", image=IMAGE).pins}
    assert pins["native"].kind is Kind.SOURCE
    # The backend asks for it; no file says so.
    assert (pins["helper"].kind, pins["helper"].version) == (Kind.BUILDER, "1.5")


@pytest.mark.parametrize(
    ("newer", "hint"),
    [
        ("1.4", "Require clib==1.4, which has a wheel; the index has none of 1.0."),
        ("", f"Install what the build lacks, require another version, or {ON_KAGGLE}"),
    ],
)
def test_a_source_that_does_not_build_stops_with_a_version_that_has_a_wheel(
    newer: str, hint: str, repository: Path, index: PackageIndex
) -> None:
    add_source(index, "clib", body="raise SystemExit('ta_defs.h: No such file')")
    if newer:
        index.add("clib", newer)
    with pytest.raises(LockError, match=r"clib 1\.0: the wheel cannot be built:[\s\S]*ta_defs\.h") as refusal:
        lock(repository, "clib==1.0", image=IMAGE)
    assert refusal.value.cure == hint


@pytest.mark.parametrize(
    ("newer", "hint"),
    [
        ("2.0", "Allow native 2.0, which has a wheel for Python 3.12, or use an older image."),
        ("", "Require another distribution: no release of native has a wheel for Python 3.12."),
    ],
)
def test_a_release_without_a_wheel_for_the_images_python_is_told(
    newer: str, hint: str, repository: Path, index: PackageIndex
) -> None:
    index.add("native", "1.0", tag="cp39-cp39-manylinux_2_17_x86_64")
    if newer:
        index.add("native", newer)
    with pytest.raises(LockError, match=r"no wheels with a matching Python") as refusal:
        lock(repository, "native<2", image=IMAGE)
    assert refusal.value.cure == hint


def test_a_source_that_something_else_requires_is_blamed_on_that(repository: Path, index: PackageIndex) -> None:
    add_source(index, "clib", body="raise SystemExit('ta_defs.h: No such file')")
    index.add("clib", "1.4")
    index.add("survival", "0.20", "clib<1.3")
    with pytest.raises(LockError) as refusal:
        lock(repository, "survival", image=IMAGE)
    assert refusal.value.cure == "Require a version of survival that allows clib 1.4, which has a wheel."


@pytest.mark.parametrize(
    ("requires", "body"),
    [('["torch>=2", "ninja"]', "raise SystemExit('built, although it needs torch')"), ("[]", "import torch")],
)
def test_what_is_built_against_torch_is_told_and_downloads_no_torch(
    requires: str, body: str, repository: Path, index: PackageIndex
) -> None:
    add_source(index, "scatter", requires=requires, body=body)
    index.add("torch", "2.10.0")
    with pytest.raises(LockError) as refusal:
        lock(repository, "scatter", image=IMAGE)
    assert refusal.value.problem.startswith("scatter==1.0: it is built against torch, and the index has no wheel")
    assert "torch 2.10, cu128, cp312" in refusal.value.cure
    assert "kaggle-offline freeze --on-kaggle" in refusal.value.cure
    assert not [path for path in index.asked if path.endswith(".whl")]


def test_a_kill_leaves_nothing_in_the_temporary_folder(repository: Path, index: PackageIndex, tmp_path: Path) -> None:
    """The next lock deletes what the killed one has left elsewhere."""
    stop, building = tmp_path / "stop", tmp_path / "building"
    waits = f"[time.sleep(0.05) for _ in iter(lambda: os.path.exists({str(stop)!r}), True)]"
    add_source(index, "slow", body=f"import os, time; open({str(building)!r}, 'w').close(); {waits}")
    prepare(repository, "slow")
    system = tmp_path / "system"
    system.mkdir()
    command = [sys.executable, "-m", "kaggle_offline", "lock", "small"]
    variables = {**os.environ, "TMPDIR": str(system), "KAGGLE_TARGET": "local"}
    with subprocess.Popen(command, cwd=repository, env=variables, start_new_session=True) as locking:
        while not building.exists():
            assert locking.poll() is None
            time.sleep(0.05)
        locking.kill()
    left = tmp_path / "cache" / "kaggle-offline" / "tmp"
    assert list(system.iterdir()) == []
    assert list(left.rglob("*.toml"))
    stop.touch()
    subprocess.run(command, cwd=repository, env=variables, check=True)
    assert list(system.iterdir()) == []
    assert list(left.iterdir()) == []
