"""Archives in a dataset: unpacked as Kaggle does, and never outside their folder."""

import io
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.behaviour import ArchiveLimits
from kaggle_local.errors import ArchiveError
from kaggle_local.storage.archives import unpack_archives

LIMITS = ArchiveLimits(files=50, size=100_000, depth=3)


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
    unpack_archives(tmp_path, LIMITS)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["model.ckpt", "name-1.0-py3-none-any.whl", "name-1.0/name-1.0/setup.py", "x/inner/file.txt"]


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_archives_in_archives_are_unpacked_too(tmp_path: Path) -> None:
    inner = zipped(**{"deep.txt": b"x"})
    (tmp_path / "outer.zip").write_bytes(zipped(**{"folder/inner.zip": inner, "plain.whl": b"w"}))
    unpack_archives(tmp_path, LIMITS)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["outer/folder/inner/deep.txt", "outer/plain.whl"]


def test_what_kagglehub_packs_takes_the_archives_place(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(zipped(**{"a.txt": b"a", "inner/b.zip": zipped(c=b"c")}))
    unpack_archives(tmp_path, LIMITS)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["a.txt", "inner/b/c"]


@pytest.mark.parametrize(
    "hostile",
    [
        member("../escaped"),
        member("/escaped"),
        member("a/../../escaped"),
        member("./../escaped"),
        member("link", kind=tarfile.SYMTYPE, link="/etc"),
        member("link", kind=tarfile.SYMTYPE, link="within"),
        member("link", kind=tarfile.LNKTYPE, link="../../escaped"),
        member("device", kind=tarfile.CHRTYPE),
        member("pipe", kind=tarfile.FIFOTYPE),
        member("\udcff", kind=tarfile.SYMTYPE, link="within"),
    ],
)
def test_a_hostile_tar_is_refused(hostile: tarfile.TarInfo, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    make_tar(folder / "x.tar.gz", hostile)
    with pytest.raises(ArchiveError, match=r"x\.tar\.gz"):
        unpack_archives(folder, LIMITS)
    assert list(tmp_path.rglob("escaped")) == []
    assert not Path("/escaped").exists()


def test_a_link_is_never_written_through(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    make_tar(folder / "x.tar", member("d", kind=tarfile.SYMTYPE, link=str(tmp_path)), member("d/escaped"))
    with pytest.raises(ArchiveError):
        unpack_archives(folder, LIMITS)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/../../escaped", "..\\escaped"])
def test_a_hostile_zip_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "x.zip").write_bytes(zipped(**{name: b"x"}))
    with pytest.raises(ArchiveError, match="leaves the folder"):
        unpack_archives(folder, LIMITS)
    assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar", "x.tar.xz", "x.tar.bz2", "x.tgz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(content=st.binary(max_size=600))
def test_no_bytes_raise_anything_else(name: str, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / name).write_bytes(content)
    with suppress(ArchiveError):
        unpack_archives(folder, LIMITS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(min_value=0, max_value=150), value=st.integers(min_value=0, max_value=255))
def test_of_a_damaged_zip_what_is_there_is_whole(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(zipped(a=b"abc" * 50, b=b"x"))
    content[place % len(content)] = value
    (folder / "x.zip").write_bytes(content)
    with suppress(ArchiveError):
        unpack_archives(folder, LIMITS)
        assert {p.read_bytes() for p in folder.rglob("*") if p.is_file()} <= {b"abc" * 50, b"x"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(bomb=b"0" * 200_000), "too many bytes"),
        (zipped(**{f"{n}": b"" for n in range(60)}), "too many files"),
        (zipped(**{"a.zip": zipped(**{"b.zip": zipped(**{"c.zip": zipped(d=b"d")})})}), "deeper than 3"),
        (zipped(**{f"{n}.zip": zipped(bomb=b"0" * 40_000) for n in range(3)}), "too many bytes"),
    ],
    ids=["one large file", "many files", "deep", "many archives"],  # a zip file has the time in it
)
def test_a_bomb_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=reason):
        unpack_archives(tmp_path, LIMITS)


def test_a_header_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        header = tarfile.TarInfo("././@LongLink")
        header.type, header.size = kind, 10**7
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
            archive.fileobj.write(header.tobuf() + b"a" * header.size)
        with pytest.raises(ArchiveError, match="a header of 10000000 bytes") as refused:
            unpack_archives(tmp_path, LIMITS)
        assert len(refused.value.problem) < 1000


def test_a_list_of_members_that_is_a_bomb_is_refused_unread(tmp_path: Path) -> None:
    content = bytearray(zipped(a=b"a"))
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = (2**31).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="too many files"):
        unpack_archives(tmp_path, LIMITS)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar", member("\udcff.txt"))
    with pytest.raises(ArchiveError, match="not UTF-8"):
        unpack_archives(tmp_path, LIMITS)


def test_a_zip_that_lies_about_its_size_is_counted(tmp_path: Path) -> None:
    content = zipped(bomb=b"0" * 200_000)
    size = (200_000).to_bytes(4, "little")
    assert content.count(size) == 2
    (tmp_path / "x.zip").write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(ArchiveError):
        unpack_archives(tmp_path, LIMITS)


def test_an_archive_beside_what_it_would_become_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped(a=b"a"))
    (tmp_path / "x").write_text("in the way")
    with pytest.raises(ArchiveError, match=r"x\.zip"):
        unpack_archives(tmp_path, LIMITS)
    assert (tmp_path / "x").read_text() == "in the way"
