"""A wheel that cannot be built here is built by a kernel with a network, and shipped like any other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.cli import main
from kaggle_offline.commands.freeze import freeze, freeze_with_builds
from kaggle_offline.commands.push import push
from kaggle_offline.delivery.target import KaggleCom, open_target
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.dependencies.unbuilt import read_unbuilt
from kaggle_offline.errors import RunError, TargetError, UnbuiltError
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_offline.conftest import require
from tests.kaggle_offline.dependencies.test_sources import add_source
from tests.package_index import PackageIndex, package_index

# Builds nowhere but in a kernel.
BODY = "import os; assert os.path.isdir('/kaggle/working'), 'no compiler of that kind'"
TAG = "cp312-cp312-linux_x86_64"
WHEEL = f"leafwright-1.0-{TAG}.whl"


@pytest.fixture
def extra() -> Iterator[PackageIndex]:
    """A further index."""
    with package_index() as index:
        yield index


def prepared(kernel: KernelFolder, extra: PackageIndex) -> KernelFolder:
    """The competition, requiring what the further index has."""
    settings = kernel.folder / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[[freeze.index]]\nname = "extra"\nurl = "{extra.url}"\n')
    require(kernel.repository, "leafwright", "packaging")
    code = kernel.code.read_text()
    kernel.code.write_text(
        code.replace("import iniconfig, small", "from importlib.metadata import version\nprint(version('leafwright'))")
    )
    return read_kernel_folder(kernel.repository, "small")


def test_a_kernel_builds_what_cannot_be_built_here(
    script: KernelFolder, extra: PackageIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_source(extra, "leafwright", body=BODY, tag=TAG, requires='["packaging"]')
    kernel = prepared(script, extra)
    monkeypatch.chdir(kernel.repository)
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    with pytest.raises(UnbuiltError, match="no compiler of that kind") as refusal:
        freeze(kernel)
    assert refusal.value.requirement == "leafwright==1.0"
    assert "kaggle-offline freeze --on-kaggle" in refusal.value.cure

    # The local Kaggle gives a network only if it is told to.
    command = ["freeze", "--on-kaggle", "small"]
    assert main(command) != 0
    assert "KAGGLE_LOCAL_SETTINGS=network=true" in capsys.readouterr().err
    monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", "network=true")
    assert main(command) == 0
    output = capsys.readouterr().out
    assert "leafwright==1.0: building on local, on the image small" in output
    assert f"build/small/built/small/{WHEEL} (0.0 MB): for rehearsals on this machine alone" in output
    lock = read_lock(kernel.lock)
    assert lock is not None
    assert [pin.url for pin in lock.pins] == [f"build/small/built/small/{WHEEL}"]
    assert WHEEL in read_frozen(kernel).packages.files
    monkeypatch.delenv("KAGGLE_LOCAL_SETTINGS")
    with open_target("local", kernel.repository) as target:
        push(kernel, target)
    assert "| 1.0" in capsys.readouterr().out

    # It is built once, and never published.
    assert main(command) == 0
    assert "building" not in capsys.readouterr().out
    with pytest.raises(TargetError, match="was built by the local Kaggle"):
        KaggleCom(client=target.client, waits=target.waits).prepare(kernel, read_frozen(kernel))

    # For kaggle.com, it is built anew there: a local Kaggle's does not count.
    copy = kernel.built_wheels.parent / WHEEL
    copy.parent.mkdir()
    copy.write_bytes((kernel.rehearsed_wheels / WHEEL).read_bytes())
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    with pytest.raises(TargetError, match="KAGGLE_API_ENVIRONMENT leads elsewhere"):
        freeze_with_builds(kernel, "kaggle")
    assert not kernel.rehearsed_wheels.exists()

    # Where kaggle.com has built one, it is taken.
    kernel.built_wheels.mkdir(parents=True)
    copy.rename(kernel.built_wheels / WHEEL)
    freeze(kernel)
    lock = read_lock(kernel.lock)
    assert lock is not None
    assert [pin.url for pin in lock.pins] == [f"kernels/small/wheels/small/{WHEEL}"]


@pytest.mark.nightly
def test_a_build_that_fails_or_leaves_another_wheel_is_told(
    script: KernelFolder, extra: PackageIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", "network=true")
    add_source(extra, "leafwright", body="raise SystemExit('cc1plus: no such header')", tag=TAG)
    kernel = prepared(script, extra)
    monkeypatch.chdir(kernel.repository)
    assert main(["freeze", "--on-kaggle", "small"]) == RunError.exit_code
    assert "cc1plus: no such header" in capsys.readouterr().out
    add_source(extra, "leafwright", "1.1", body=BODY, tag="cp311-cp311-linux_x86_64")
    assert main(["freeze", "--on-kaggle", "small"]) == RunError.exit_code
    assert "not for the image's Python 3.12" in capsys.readouterr().err


@pytest.mark.parametrize("requirement", ["scatter==1.0", "scatter>=1"])
def test_a_source_is_read_without_a_build(requirement: str, repository: Path, extra: PackageIndex) -> None:
    """Even if its metadata can only be told by a build."""
    add_source(extra, "scatter", body="import torch", requires='["torch", "ninja"]', static=False)
    image = read_image_manifest(read_kernel_folder(repository, "small").image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", extra.url)
        found = read_unbuilt(requirement, image)
    assert found.lines[0] == "scatter==1.0 \\"
    assert found.lines[1].startswith("    --hash=sha256:")
    assert found.requires == ("torch", "ninja")
