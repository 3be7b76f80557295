"""Archives in a version, unpacked as Kaggle does: ``x.zip`` becomes the folder ``x/``, also within another."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from kaggle_local.errors import ArchiveError

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")

# What kagglehub makes of more than fifty files; its content takes the archive's place.
_WHOLE_VERSION = "archive.zip"

_CHUNK = 2**20

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    # An encrypted member, a method of compression that Python lacks, a name with a NUL.
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """What all archives of a version may come to: files and folders, bytes, archives within archives."""

    files: int
    size: int
    depth: int


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
            target.mkdir()
            files = _unpack(path, target, name, left)
            path.unlink()
            if whole and depth == 1:
                for entry in list(target.iterdir()):
                    entry.rename(folder / entry.name)
                target.rmdir()
                files = [folder / file.relative_to(target) for file in files]
        except _BROKEN as error:
            raise ArchiveError(f"{name}: {error}", "Pack it again, or rename it to keep it whole.") from error
        waiting.extend((file, depth + 1) for file in files)


@dataclass
class _Left:
    """How much more may be unpacked."""

    files: int
    size: int


def _unpack(path: Path, target: Path, name: str, left: _Left) -> list[Path]:
    """Unpack one archive into an empty folder; return its files.

    Plain files and folders alone come into being, so that no name can lead through a link; what is
    written is counted, not what the archive says of itself.
    """
    files = []
    members = _zip_members(path) if path.name.lower().endswith(".zip") else _tar_members(path)
    for member, source in members:
        inner = PurePosixPath(member)
        if inner.is_absolute() or ".." in inner.parts or "\\" in member:
            raise ArchiveError(f"{name}: {member} leaves the folder", "Pack it again.")
        left.files -= 1
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


def _zip_members(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and content of each member; None for a folder."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                yield member.filename, None
            else:
                with archive.open(member) as source:
                    yield member.filename, source


def _tar_members(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(path) as archive:
        for member in archive:
            # "./" is how "tar -C folder ." begins every name.
            name = member.name.removeprefix("./") or "."
            if member.isdir():
                yield name, None
            elif member.isreg():
                yield name, archive.extractfile(member)
            else:
                raise ArchiveError(
                    f"{path.name}: {member.name} is a link or a device",
                    "Pack plain files: tar --dereference --hard-dereference.",
                )
