"""Archives in a dataset: unpacked as Kaggle does, and never outside their folder."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from kaggle_local.archives import unpack_archives
from kaggle_local.errors import ArchiveError


def make_tar(path: Path, *members: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))


def member(name: str, size: int = 1, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = (size if kind == tarfile.REGTYPE else 0), kind, link
    return info


def test_a_source_archive_becomes_a_folder_and_a_wheel_stays(tmp_path: Path) -> None:
    make_tar(tmp_path / "name-1.0.tar.gz", member("name-1.0/setup.py"))
    for name in ("name-1.0-py3-none-any.whl", "x.zip", "model.ckpt"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("inner/file.txt", "x")
    unpack_archives(tmp_path)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["model.ckpt", "name-1.0-py3-none-any.whl", "name-1.0/name-1.0/setup.py", "x/inner/file.txt"]


@pytest.mark.parametrize(
    "hostile",
    [
        member("../escaped"),
        member("link", kind=tarfile.SYMTYPE, link="/etc"),
        member("link", kind=tarfile.LNKTYPE, link="../../escaped"),
        member("device", kind=tarfile.CHRTYPE),
    ],
)
def test_a_hostile_tar_is_refused(hostile: tarfile.TarInfo, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    make_tar(folder / "x.tar.gz", hostile)
    with pytest.raises(ArchiveError, match=r"x\.tar\.gz"):
        unpack_archives(folder)
    assert list(tmp_path.rglob("escaped")) == []
    assert not (folder / "x").exists()


def test_an_absolute_name_stays_within(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", member("/kaggle-local-escaped"))
    unpack_archives(tmp_path)
    assert (tmp_path / "x" / "kaggle-local-escaped").is_file()


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/../../escaped", "..\\escaped"])
def test_a_hostile_zip_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ArchiveError, match="leaves the folder"):
        unpack_archives(folder)
    assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar"])
def test_what_is_no_archive_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not an archive")
    with pytest.raises(ArchiveError, match=name):
        unpack_archives(tmp_path)


def test_an_archive_beyond_the_limits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaggle_local.archives.MAXIMUM_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"0" * 2000)
    with pytest.raises(ArchiveError, match="2000 bytes"):
        unpack_archives(tmp_path)
