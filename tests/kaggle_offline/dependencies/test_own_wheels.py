"""Wheels of the user's own, from the repository and from addresses, with a package index on loopback."""

import hashlib
import json
from pathlib import Path

import pytest
from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import DownloadError, LockError, RunError, StaleLockError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_offline.conftest import require
from tests.kaggle_offline.dependencies.locked import lock, versions
from tests.package_index import PackageIndex, write_wheel

TAG = "cp312-cp312-linux_x86_64"
NAME = f"mamba_ssm-2.3+cu128-{TAG}.whl"


def write(repository: Path, *requirements: str, name: str = NAME, tag: str = TAG) -> Path:
    """Write a wheel into the repository, and name its folder in the settings."""
    path = repository / "wheels" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(write_wheel("mamba-ssm", "2.3+cu128", *requirements, tag=tag))
    choose(repository, "wheels/*.whl")
    return path


def choose(repository: Path, *entries: str) -> None:
    settings = repository / "kernels" / "small" / "submission.toml"
    text = settings.read_text().partition("[freeze]")[0]
    settings.write_text(f"{text}\n[freeze]\nwheels = {list(entries)}\n")


def shipped(repository: Path) -> set[str]:
    return {path.name for path in (repository / "build" / "small" / "packages").iterdir()}


def test_a_wheel_of_the_repository_is_shipped_with_what_it_requires(repository: Path, index: PackageIndex) -> None:
    path = write(repository, "einops>=0.8", "torch>=2")
    index.add("einops", "0.8")
    found = lock(repository, "mamba-ssm>=2")
    assert versions(found) == {"mamba-ssm": "2.3+cu128", "einops": "0.8"}
    assert found.provided == {"torch": "2.10.0"}
    pin = next(pin for pin in found.pins if pin.name == "mamba-ssm")
    assert (pin.url, pin.hashes) == (f"wheels/{NAME}", (hashlib.sha256(path.read_bytes()).hexdigest(),))
    freeze(read_kernel_folder(repository, "small"))
    assert NAME in shipped(repository)
    assert not [asked for asked in index.asked if "mamba" in asked]


def test_a_changed_wheel_makes_the_lock_stale(repository: Path, index: PackageIndex) -> None:
    write(repository)
    assert lock(repository, "mamba-ssm").pins
    write(repository, "torch>=2")
    kernel = read_kernel_folder(repository, "small")
    with pytest.raises(StaleLockError):
        freeze(kernel, renew_lock=False)
    assert index.url


def test_a_wheel_at_an_address_is_downloaded_and_checked(repository: Path, index: PackageIndex) -> None:
    content = write_wheel("mamba-ssm", "2.3+cu128", tag=TAG)
    index.add_file(NAME, content)
    address = index.url.replace("/simple/", f"/files/{NAME}")
    digest = hashlib.sha256(content).hexdigest()
    choose(repository, f"{address}#sha256={digest}")
    found = lock(repository, "mamba-ssm")
    (pin,) = found.pins
    assert (pin.url, pin.hashes) == (address, (digest,))
    freeze(read_kernel_folder(repository, "small"))
    assert NAME in shipped(repository)

    # A lock that others have is followed to the byte.
    index.add_file(NAME, write_wheel("mamba-ssm", "2.3+cu128", tag=TAG, files={"other.py": b""}))
    with pytest.raises(DownloadError, match=r"the hash of .* differs from the lock's"):
        freeze_anew(repository)


def freeze_anew(repository: Path) -> None:
    build = repository / "build" / "small"
    for path in (build / "wheels").iterdir():
        path.unlink()
    freeze(read_kernel_folder(repository, "small"), renew_lock=False)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("nowhere/*.whl", "freeze.wheels: nowhere/.*: no such file"),
        ("../outside.whl", "freeze.wheels: .*: no such file"),
        ("packages", "freeze.wheels: packages: no such file"),
        ("wheels/**.whl", "freeze.wheels: wheels/"),
        ("https://example.org/", "freeze.wheels: https://example.org/: not the address of a wheel"),
        ("http://127.0.0.1:9/mamba_ssm-2.3-py3-none-any.whl", "freeze.wheels: http://127.0.0.1:9/"),
        ("https://user:s3cret@example.org/a-1-py3-none-any.whl", "freeze.wheels: its URL has credentials"),
    ],
)
def test_a_wheel_that_cannot_be_had_is_named(entry: str, problem: str, repository: Path, index: PackageIndex) -> None:
    choose(repository, entry)
    with pytest.raises((LockError, DownloadError), match=problem) as refusal:
        lock(repository, "mamba-ssm")
    assert "s3cret" not in str(refusal.value)
    assert index.url


def test_a_wheel_for_another_python_is_refused(repository: Path, index: PackageIndex) -> None:
    write(repository, name="mamba_ssm-2.3-cp311-cp311-linux_x86_64.whl", tag="cp311-cp311-linux_x86_64")
    with pytest.raises(LockError, match=r"it is for cp311-cp311-linux_x86_64, not for the image's Python 3\.12"):
        lock(repository, "mamba-ssm")
    assert index.url


def test_a_wheel_that_nothing_requires_is_not_shipped(
    repository: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository)
    assert lock(repository, "torch").pins == ()
    assert f"  wheels/{NAME}: not shipped, as nothing requires mamba-ssm\n" in capsys.readouterr().out
    assert index.url


def test_a_blank_in_a_name_and_two_of_a_distribution_are_named(repository: Path, index: PackageIndex) -> None:
    path = write(repository)
    path.with_name(NAME.replace("2.3", "2.4")).write_bytes(write_wheel("mamba-ssm", "2.4+cu128", tag=TAG))
    with pytest.raises(LockError, match=r"wheels/mamba_ssm-2\.3.* and wheels/mamba_ssm-2\.4.*: both are mamba-ssm"):
        lock(repository, "mamba-ssm")
    (repository / "my wheels").mkdir()
    path.rename(repository / "my wheels" / NAME)
    choose(repository, "my wheels/*.whl")
    with pytest.raises(LockError, match="a blank in its name"):
        lock(repository, "mamba-ssm")
    assert index.url


def test_an_address_may_be_quoted_and_an_extra_is_known(
    repository: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add_file(NAME, write_wheel("mamba-ssm", "2.3+cu128", 'einops; extra == "x"', tag=TAG))
    index.add("einops", "0.8")
    choose(repository, index.url.replace("/simple/", f"/files/{NAME.replace('+', '%2B')}"))
    found = lock(repository, "mamba-ssm[x]")
    assert versions(found) == {"mamba-ssm": "2.3+cu128", "einops": "0.8"}
    assert "unknown extra" not in capsys.readouterr().out
    freeze(read_kernel_folder(repository, "small"))
    assert NAME in shipped(repository)


def test_a_wheel_of_another_dataset_is_named_and_not_uploaded(
    notebook: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lock needs a copy of it; a freeze from that lock needs none, and the kernel installs the dataset's file."""
    repository = notebook.repository
    name = "mamba_ssm-2.3-cp312-cp312-linux_x86_64.whl"
    choose(repository, f"kaggle:someone/extensions/gpu/{name}")
    require(repository, "mamba-ssm", "packaging")
    with pytest.raises(LockError, match="a lock needs a copy of it") as refusal:
        freeze(read_kernel_folder(repository, "small"))
    assert '[rehearsal.inputs] "someone/extensions" = "data/extensions"' in refusal.value.cure
    settings = repository / "kernels" / "small" / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[rehearsal.inputs]\n"someone/extensions" = "data/extensions"\n')
    copy = repository / "data" / "extensions" / "gpu" / name
    copy.parent.mkdir(parents=True)
    files = {"mamba_ssm/__init__.py": b"HERE = 'mounted'"}
    copy.write_bytes(write_wheel("mamba-ssm", "2.3", tag=TAG, files=files))
    freeze(read_kernel_folder(repository, "small"))
    assert "2.3      added, in another dataset, for small" in capsys.readouterr().out
    assert name not in shipped(repository)
    code = notebook.code.read_text().replace(
        "import iniconfig, small", "import mamba_ssm, small\nprint(mamba_ssm.HERE)"
    )
    notebook.code.write_text(code)
    kernel = read_kernel_folder(repository, "small")
    with open_target("local", repository) as target:
        push(kernel, target)
    assert "| mounted" in capsys.readouterr().out
    metadata = json.loads((kernel.build / "kernel" / "kernel-metadata.json").read_text())
    assert metadata["dataset_sources"][0] == "someone/extensions"

    # A clone without the copy freezes the same from the lock.
    digest = read_frozen(kernel).packages.digest
    copy.unlink()
    assert freeze(kernel, renew_lock=False).packages.digest == digest

    # Another file in its place stops the kernel.
    copy.write_bytes(write_wheel("mamba-ssm", "2.3", tag=TAG))
    with open_target("local", repository) as target, pytest.raises(RunError, match="not the file that was frozen"):
        push(kernel, target)


@pytest.mark.parametrize("entry", ["kaggle:owner/wheel.whl", "kaggle:owner/slug/../x.whl", "kaggle:owner/slug/x.zip"])
def test_a_place_in_a_dataset_has_a_form(entry: str, repository: Path, index: PackageIndex) -> None:
    choose(repository, entry)
    with pytest.raises(LockError, match=f"freeze.wheels: {entry}: not the place of a wheel in a dataset"):
        lock(repository, "mamba-ssm")
    assert index.url


def test_a_wheel_takes_the_place_of_an_address(repository: Path, index: PackageIndex) -> None:
    """As it is the wheel of what cannot be built here: a commit, or an archive."""
    write(repository, "einops")
    index.add("einops", "0.8")
    index.add("other", "1.0")
    found = lock(repository, "mamba-ssm @ git+https://127.0.0.1:9/state-spaces/mamba@v2.3", "other")
    assert versions(found) == {"mamba-ssm": "2.3+cu128", "einops": "0.8", "other": "1.0"}
    assert next(pin for pin in found.pins if pin.name == "mamba-ssm").url == f"wheels/{NAME}"


def test_a_host_of_git_that_fails_is_told(repository: Path, index: PackageIndex) -> None:
    with pytest.raises(LockError, match="Git operation failed") as refusal:
        lock(repository, "mamba-ssm @ git+https://127.0.0.1:9/state-spaces/mamba@v2.3")
    assert "on-kaggle" not in refusal.value.cure
    assert index.url
