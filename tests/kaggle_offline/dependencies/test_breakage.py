"""Distributions that the image keeps are compared with what replaces others, on a package index on loopback."""

from pathlib import Path

import pytest
import requests
from kaggle_offline.errors import LockError, ProtectedError

from tests.kaggle_offline.dependencies.locked import lock, versions
from tests.package_index import PackageIndex, write_wheel

IMAGE = """\
# image: small
# python: 3.12.13
# platform: manylinux_2_35_x86_64
torch==2.10.0
torchvision==0.25.0
tensorflow==2.20.0
keras==3.1
h5py==3.16
protobuf==5.29
grpcio==1.70
unused==1.0
"""


@pytest.fixture
def kaggles(index: PackageIndex) -> PackageIndex:
    """The index, with the image's distributions and what they require."""
    index.add("torch", "2.10.0")
    index.add("torchvision", "0.25.0", "torch==2.10.0")
    index.add("tensorflow", "2.20.0", "keras>=3", "protobuf>=5.28", "gone<1; extra == 'gpu'")
    index.add("keras", "3.1", "h5py>=3.12")
    index.add("h5py", "3.16")
    index.add("protobuf", "5.29")
    index.add("unused", "1.0", "protobuf>=5", "h5py>=3.14")
    for name, version in (("protobuf", "3.20"), ("protobuf", "6.0"), ("h5py", "3.10"), ("torch", "2.12.0")):
        index.add(name, version)
    return index


def test_what_the_kernel_uses_of_the_image_is_not_broken(repository: Path, kaggles: PackageIndex) -> None:
    with pytest.raises(ProtectedError) as refusal:
        lock(repository, "tensorflow", "protobuf==3.20", image=IMAGE)
    assert refusal.value.problem == (
        "the kernel would break what it uses:\n"
        "  tensorflow 2.20.0 of the image requires protobuf>=5.28, and 3.20 replaces it"
    )
    assert refusal.value.cure.startswith("Either require protobuf >=5.28; or let the others move, too: in ")
    assert '"tensorflow"' not in refusal.value.cure
    assert kaggles.asked


def test_what_is_used_further_away_is_not_broken_either(repository: Path, kaggles: PackageIndex) -> None:
    with pytest.raises(LockError, match=r"keras 3\.1 of the image requires h5py>=3\.12, and 3\.10 replaces it"):
        lock(repository, "tensorflow", "h5py==3.10", image=IMAGE)
    # A release that fits another h5py moves with it.
    kaggles.add("keras", "3.0", "h5py>=3")
    found = lock(repository, "tensorflow", "h5py==3.10", image=IMAGE)
    assert versions(found) == {"h5py": "3.10", "keras": "3.0"}
    reasons = {item.name: item.reason for item in found.replaced}
    assert reasons == {"h5py": "small 1.0 requires h5py==3.10", "keras": "the image's requires h5py>=3.12"}


def test_a_version_that_both_accept_is_taken(repository: Path, kaggles: PackageIndex) -> None:
    kaggles.add("client", "1.0", "protobuf!=5.29")
    kaggles.add("protobuf", "5.30")
    kaggles.add("protobuf", "7.0")
    kaggles.add("strict", "1.0", "protobuf<6")
    image = IMAGE + "strict==1.0\n"
    assert versions(lock(repository, "client", "strict", image=image)) == {"client": "1.0", "protobuf": "5.30"}


def test_what_the_kernel_does_not_use_is_reported_in_a_line(
    repository: Path, kaggles: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kaggles.files
    assert versions(lock(repository, "protobuf==3.20", image=IMAGE)) == {"protobuf": "3.20"}
    said = capsys.readouterr().out
    assert "  no longer fit, and the kernel does not use them: tensorflow, unused\n" in said


def test_another_torch_lists_at_once_what_has_to_move(repository: Path, kaggles: PackageIndex) -> None:
    kaggles.add("torchvision", "0.27.0", "torch==2.12.0")
    with pytest.raises(ProtectedError) as refusal:
        lock(repository, "torch==2.12.0", "torchvision", image=IMAGE)
    assert "  would move together: torch 2.10.0 → 2.12.0, torchvision 0.25.0" in refusal.value.problem
    line = refusal.value.cure.partition("protected = ")[2]
    assert '"torchvision"' not in line
    settings = repository / "kernels" / "small" / "submission.toml"
    settings.write_text(f"{settings.read_text()}\n[freeze]\nprotected = {line}\n")
    found = lock(repository, "torch==2.12.0", "torchvision", image=IMAGE)
    assert versions(found) == {"torch": "2.12.0", "torchvision": "0.27.0"}


def test_the_requirer_that_excludes_the_images_version_is_blamed(repository: Path, kaggles: PackageIndex) -> None:
    kaggles.add("lifelines", "0.30", "torch>=1")
    kaggles.add("tabular", "1.1.1", "torch<2")
    kaggles.add("torch", "1.13")
    with pytest.raises(ProtectedError) as refusal:
        lock(repository, "lifelines", "tabular", image=IMAGE)
    blamed = ["  small 1.0 requires tabular", "  tabular 1.1.1 requires torch<2"]
    assert refusal.value.problem.splitlines()[1:3] == blamed
    assert refusal.value.cure.startswith("Either require another version of tabular, or remove it; ")


@pytest.mark.parametrize("where", ["wheels", "address"])
def test_what_does_not_come_from_the_index_is_compared_too(where: str, repository: Path, kaggles: PackageIndex) -> None:
    name = "protobuf-3.20-py3-none-any.whl"
    requirement = f"protobuf @ {kaggles.url.replace('/simple/', f'/files/{name}')}"
    if where == "wheels":
        (repository / "own").mkdir()
        (repository / "own" / name).write_bytes(write_wheel("protobuf", "3.20"))
        settings = repository / "kernels" / "small" / "submission.toml"
        settings.write_text(f'{settings.read_text()}\n[freeze]\nwheels = ["own/*.whl"]\n')
        requirement = "protobuf"
    with pytest.raises(ProtectedError, match=r"tensorflow 2\.20\.0 of the image requires protobuf>=5\.28, and 3\.20"):
        lock(repository, "tensorflow", requirement, image=IMAGE)


def test_an_index_that_does_not_answer_is_asked_again(
    repository: Path, kaggles: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kaggles.files
    # Only the questions that are not uv's go to a proxy that is not there.
    with monkeypatch.context() as patch:
        patch.setattr("requests.Session.get", refuse)
        lock(repository, "tensorflow", "protobuf==3.20", image=IMAGE)
    (repository / "requirements" / "small.txt").unlink()
    with pytest.raises(ProtectedError, match="protobuf>=5"):
        lock(repository, "tensorflow", "protobuf==3.20", image=IMAGE)


def refuse(*_: object, **__: object) -> None:
    raise requests.ConnectionError("no route")
