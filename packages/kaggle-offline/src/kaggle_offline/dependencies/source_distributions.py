"""Distributions that come only as source: fetched, and built into wheels where that can be done here."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from kaggle_offline.dependencies.pins import Pin
from kaggle_offline.dependencies.wheels import run_build
from kaggle_offline.errors import BuildError, DownloadError, NetworkError
from kaggle_offline.files import UNREADABLE_ZIP
from kaggle_offline.repository.image_manifest import ImageManifest

if TYPE_CHECKING or sys.version_info >= (3, 12):
    import tarfile
else:
    # Debian 12 has a Python 3.11 that is older than tarfile's checks of members.
    from backports import tarfile

# Kaggle unpacks archives; under another extension it leaves them alone, and install.py renames them back.
EXTENSION = ".source"


def build_source(pin: Pin, archive: Path, folder: Path, image: ImageManifest, constraints: Sequence[str]) -> Path:
    """Build a source's wheel into ``folder``.

    Raises:
        BuildError: it cannot be built here, or its wheel is for this machine rather than the image.
        DownloadError: not a source distribution.
    """
    with unpacked(archive) as tree:
        wheel = run_build(tree, folder, constraints, str(pin), version=pin.version)
    try:
        tags = parse_wheel_filename(wheel.name)[3]
    except InvalidWheelFilename as error:
        raise BuildError(f"{pin}: {error}", "Require another version.") from error
    if not (all(tag.platform == "any" for tag in tags) and tags & image.tags):
        wheel.unlink()
        raise BuildError(f"{pin}: its wheel is for this machine: {wheel.name}", "Run: nox -s lock -- --upgrade")
    return wheel


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Yield the tree of a source distribution, which is its only folder, until the block ends.

    Raises:
        DownloadError: not an archive of a single folder, or a member leads outside of it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if archive.name.endswith(".zip"):
                with zipfile.ZipFile(archive) as zipped:
                    zipped.extractall(scratch)  # noqa: S202 - keeps within the folder by itself
            else:
                with tarfile.open(archive) as tarred:
                    tarred.extractall(scratch, filter="data")
            (tree,) = Path(scratch).iterdir()
        except (*UNREADABLE_ZIP, tarfile.TarError) as error:
            raise DownloadError(f"{archive.name}: not a source distribution: {error}", "Require another.") from error
        yield tree


def fetch_commit(pin: Pin, folder: Path) -> Path:
    """Check out a pin's commit into an archive below ``folder`` that is the same wherever it is made.

    Raises:
        DownloadError: Git cannot fetch it.
    """
    repository, _, commit = urldefrag(pin.url.removeprefix("git+")).url.rpartition("@")
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        _git(pin, "clone", "--quiet", "--no-checkout", "--", repository, str(tree))
        _git(pin, "-C", str(tree), "checkout", "--quiet", "--detach", commit)
        _git(pin, "-C", str(tree), "submodule", "--quiet", "update", "--init", "--recursive")
        shutil.rmtree(tree / ".git")
        return _archive(tree / pin.subdirectory, folder / f"{pin.name}-{pin.version}.zip")


def part_of(pin: Pin, archive: Path) -> Path:
    """Return the archive of the project alone, where it is not at the top of its source."""
    if not pin.subdirectory:
        return archive
    with unpacked(archive) as tree:
        return _archive(tree / pin.subdirectory, archive.with_name(f"{pin.name}-{pin.version}.zip"))


def _git(pin: Pin, *arguments: str) -> None:
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DownloadError(f"{pin.name} @ {pin.url}: git not found", "Install Git.") from error
    if result.returncode != 0:
        raise NetworkError(f"{pin.name} @ {pin.url}: {result.stderr.strip()}")


def _archive(tree: Path, path: Path) -> Path:
    """Write a tree as an archive of one folder, without times, owners and compression.

    Raises:
        DownloadError: a link in it leads outside.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(path for path in tree.rglob("*") if path.is_file()):
            if not file.resolve().is_relative_to(tree.resolve()):
                raise DownloadError(f"{path.name}: {file.relative_to(tree)} leads outside of it", "Require another.")
            entry = zipfile.ZipInfo(f"{path.stem}/{file.relative_to(tree).as_posix()}")
            mode = 0o100755 if file.stat().st_mode & 0o100 else 0o100644
            entry.external_attr = mode << 16
            archive.writestr(entry, file.read_bytes())
    return path
