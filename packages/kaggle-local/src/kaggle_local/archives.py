"""Archives in a dataset, unpacked as Kaggle does: ``x.zip`` becomes the folder ``x/``."""

import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from kaggle_local.errors import ArchiveError

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
MAXIMUM_FILES = 200_000
MAXIMUM_BYTES = 200 * 2**30


def unpack_archives(folder: Path) -> None:
    """Replace every archive directly in ``folder`` by a folder with its content.

    Wheels and checkpoints are zip files too, but go by their own suffix and are left alone.

    Raises:
        ArchiveError: an archive is broken, too large, or names a path outside its folder.
    """
    for path in sorted(folder.iterdir()):
        suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
        if suffix and path.is_file():
            target = path.with_name(path.name[: -len(suffix)])
            try:
                (_unzip if suffix == ".zip" else _untar)(path, target)
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
                shutil.rmtree(target, ignore_errors=True)
                raise ArchiveError(f"{path.name}: {error}", "Pack it again, or rename it to keep it whole.") from error
            path.unlink()


def _check(name: str, files: int, size: int) -> None:
    if files > MAXIMUM_FILES or size > MAXIMUM_BYTES:
        raise ArchiveError(f"{name}: unpacks to {files} files, {size} bytes", "Upload less, or in parts.")


def _unzip(path: Path, target: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check(path.name, len(members), sum(m.file_size for m in members))
        for member in members:
            inner = PurePosixPath(member.filename)
            if inner.is_absolute() or ".." in inner.parts or "\\" in member.filename:
                raise ArchiveError(f"{path.name}: {member.filename} leaves the folder", "Pack it again.")
            # Never more than the directory promised, whatever the data unpacks to.
            destination = target.joinpath(*inner.parts)
            if member.is_dir():
                destination.mkdir(parents=True, exist_ok=True)
                continue
            destination.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, destination.open("wb") as sink:
                shutil.copyfileobj(source, sink)


def _untar(path: Path, target: Path) -> None:
    target.mkdir()
    with tarfile.open(path) as archive:
        files = size = 0
        for member in archive:
            files, size = files + 1, size + member.size
            _check(path.name, files, size)
            # The data filter refuses absolute names, "..", links that leave, and devices.
            archive.extract(member, target, filter="data")
