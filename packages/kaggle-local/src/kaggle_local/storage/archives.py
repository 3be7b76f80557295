"""Archives in a version, unpacked as Kaggle does: ``x.zip`` becomes the folder ``x/``, also within another."""

import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from kaggle_local.behaviour import ArchiveLimits
from kaggle_local.errors import ArchiveError

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")

# The archive that kagglehub makes of more than fifty files; its content takes the archive's place.
_WHOLE_VERSION = "archive.zip"

_CHUNK = 2**20

# Characters of a reason that is told, bytes of the headers that tar keeps beside a member's own.
_LONGEST_REASON = 500
_LARGEST_HEADER = 2**16
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)

# Bytes that a zip's list may have for each member, and in all: it is read as a whole.
_ENTRY = 512
_LARGEST_DIRECTORY = 2**26

# The end of a zip (APPNOTE.TXT, 4.3.14 to 4.3.16): record and locator of the 64-bit form, and the plain one.
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LARGEST_END = 22 + 2**16 + 20

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    struct.error,
    # An encrypted member, a method of compression that Python lacks, a name with a NUL or none at all.
    IndexError,
    RuntimeError,
    ValueError,
)


def unpack_archives(folder: Path, limits: ArchiveLimits) -> None:
    """Replace every archive below ``folder`` by a folder with its content.

    Wheels and checkpoints are zip files too, but go by their own suffix and are left alone.

    Raises:
        ArchiveError: an archive is broken or encrypted, names a path outside its folder, holds a
            link or a device, or there is more in them than ``limits`` or the disk allow.
    """
    free = shutil.disk_usage(folder).free
    left = _Left(files=limits.files, size=min(limits.size, free))
    whole = [p.name for p in folder.iterdir()] == [_WHOLE_VERSION]
    waiting = deque((path, 1) for path in sorted(folder.rglob("*")) if path.is_file())
    while waiting:
        path, depth = waiting.popleft()
        suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s) and len(path.name) > len(s)), None)
        if suffix is None:
            continue
        name = path.relative_to(folder).as_posix()
        if depth > limits.depth:
            raise ArchiveError(f"{name}: archives in archives, deeper than {limits.depth}", "Unpack them before.")
        target = path.with_name(path.name[: -len(suffix)])
        try:
            # Under a name that nothing in it can have, until it is whole.
            draft = path.with_name(f".{os.urandom(8).hex()}")
            draft.mkdir()
            files = _unpack(path, draft, name, left)
            path.unlink()
            if whole and depth == 1:
                target = folder
                for entry in list(draft.iterdir()):
                    entry.rename(folder / entry.name)
                draft.rmdir()
            elif os.path.lexists(target):
                raise ArchiveError(f"{name}: {target.name} is there already", "Rename one of the two.")
            else:
                draft.rename(target)
        except _BROKEN as error:
            reason = str(error)[:_LONGEST_REASON]
            raise ArchiveError(f"{name}: {reason}", "Pack it again, or rename it to keep it whole.") from error
        waiting.extend((target / file.relative_to(draft), depth + 1) for file in files)


@dataclass
class _Left:
    """How much more may be unpacked."""

    files: int
    size: int


def _unpack(path: Path, target: Path, name: str, left: _Left) -> list[Path]:
    """Unpack one archive into an empty folder; return its files.

    Only plain files and folders are created, so that no name can lead through a link. The bytes
    written are counted, not the sizes that the archive states.
    """
    files = []
    seen = {PurePosixPath(".")}
    zipped = path.name.lower().endswith(".zip")
    if zipped and _directory_bytes(path) > min(left.files * _ENTRY, _LARGEST_DIRECTORY):
        raise ArchiveError(f"{name}: too many files", "Upload fewer, or in parts.")
    members = _zip_members(path) if zipped else _tar_members(path)
    for member, source in members:
        inner = PurePosixPath(member)
        if not _is_text(member):
            raise ArchiveError(f"{name}: {member!r} is not UTF-8", "Rename it, and pack it again.")
        if inner.is_absolute() or ".." in inner.parts or "\\" in member:
            raise ArchiveError(f"{name}: {member!r} leaves the folder", "Pack it again.")
        # With the folders that its name implies.
        new = {inner, *inner.parents} - seen
        seen |= new
        left.files -= max(1, len(new))
        if left.files < 0:
            raise ArchiveError(f"{name}: too many files", "Upload fewer, or in parts.")
        destination = target.joinpath(*inner.parts)
        if source is None:
            destination.mkdir(parents=True, exist_ok=True)
            continue
        destination.parent.mkdir(parents=True, exist_ok=True)
        with destination.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                left.size -= len(chunk)
                if left.size < 0:
                    raise ArchiveError(f"{name}: unpacks to too many bytes", "Upload less, or in parts.")
                sink.write(chunk)
        files.append(destination)
    return files


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _directory_bytes(path: Path) -> int:
    """Return the size of a zip's list of members, which is read as a whole; 0 if the file is not a zip."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LARGEST_END))
        tail = file.read()
        end = tail.rfind(_END)
        if end < 0 or len(tail) < end + 22:
            return 0
        (directory,) = struct.unpack_from("<I", tail, end + 12)
        # In the 64-bit form, that is the record before the locator.
        if tail[max(0, end - 20) : end].startswith(_LOCATOR_64):
            record = tail.rfind(_END_64, 0, end)
            if record < 0:
                raise zipfile.BadZipFile("its end is not where it says")
            directory = max(directory % (2**32 - 1), *struct.unpack_from("<Q", tail, record + 40))
        return int(directory)


def _zip_members(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield the name and content of each member; None for a folder."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                yield member.filename, None
            else:
                with archive.open(member) as source:
                    yield member.filename, source


class _BoundedHeader(tarfile.TarInfo):
    """A member whose header does not become larger than what anybody needs."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # Names and attributes come as members of their own, which tarfile reads as a whole.
        if self.type in _HEADERS and self.size > _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


def _tar_members(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(path, tarinfo=_BoundedHeader) as archive:
        for member in archive:
            # "./" is how "tar -C folder ." begins every name.
            name = member.name.removeprefix("./") or "."
            if member.isdir():
                yield name, None
            elif member.isreg():
                yield name, archive.extractfile(member)
            else:
                raise ArchiveError(
                    f"{path.name}: {member.name!r} is a link or a device",
                    "Pack plain files: tar --dereference --hard-dereference.",
                )
