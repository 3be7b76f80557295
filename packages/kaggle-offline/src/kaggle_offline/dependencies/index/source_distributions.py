"""Distributions that come only as source: fetched, and built into wheels where that can be done here."""

import json
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

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from kaggle_offline.dependencies.index.package_index import NO_TORCH
from kaggle_offline.dependencies.pins import Pin
from kaggle_offline.dependencies.wheels import run_build
from kaggle_offline.environment import command
from kaggle_offline.errors import BuildError, DownloadError, NetworkError, UnbuiltError
from kaggle_offline.files import UNREADABLE_ZIP
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.uv import run_python

if TYPE_CHECKING or sys.version_info >= (3, 12):
    import tarfile
else:
    # Debian 12 has a Python 3.11 that is older than tarfile's checks of members.
    from backports import tarfile

# Kaggle unpacks archives; under another extension it leaves them alone, and install.py renames them back.
EXTENSION = ".source"
_LAST_LINES = 15


class MachineWheelError(BuildError):
    """A source builds, into a wheel for this machine alone."""


def build_source(pin: Pin, archive: Path, folder: Path, image: ImageManifest, constraints: Sequence[str]) -> Path:
    """Build a source's wheel into ``folder``.

    Raises:
        MachineWheelError: its wheel is for this machine rather than the image.
        BuildError: it cannot be built here.
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
        raise MachineWheelError(
            f"{pin}: its wheel is for this machine: {wheel.name}", f"Run: {command('lock', '--upgrade')}"
        )
    return wheel


def against_torch(reason: str) -> bool:
    """Tell whether a build failed because it is against torch, declared or imported by its setup.py."""
    return any(sign in reason for sign in (NO_TORCH, "No module named 'torch'"))


_COMMAND = command("freeze", "--on-kaggle")
ON_KAGGLE = f"build it on Kaggle's image, in a kernel with a network: KAGGLE_TARGET=kaggle {_COMMAND}"
"""The hint that names the other way to a wheel."""


def no_wheel_against_torch(requirement: str, image: ImageManifest) -> UnbuiltError:
    """Return the error for a distribution that would have to be built against the image's torch."""
    torch = image.pins.get(canonicalize_name("torch"))
    tag = f"cp{''.join(image.python.split('.')[:2])}"
    version, cuda = "", ""
    if torch is not None:
        version, cuda = f"torch {torch.major}.{torch.minor}", torch.local or "cpu"
    wanted = ", ".join(filter(None, [version, cuda, tag]))
    return UnbuiltError(
        f"{requirement}: it is built against torch, and the index has no wheel of it for this image",
        f"Look for a wheel for {wanted} among its releases, and name its address in submission.toml:"
        f' [freeze] wheels = ["https://…whl"]. Or {ON_KAGGLE}',
        requirement=requirement,
    )


# Asks a build backend in an environment of its own, as pip does (PEP 517); prints a JSON list.
_ASK_BACKEND = """\
import json, sys
from build import ProjectBuilder
from build.env import DefaultIsolatedEnv

with DefaultIsolatedEnv(installer="uv") as env:
    builder = ProjectBuilder.from_isolated_env(env, sys.argv[1])
    env.install(builder.build_system_requires)
    found = builder.get_requires_for_build("wheel")
    print("\\0" + json.dumps(sorted(found)))
"""


def dynamic_requirements(pin: Pin, archive: Path) -> tuple[str, ...]:
    """Return the requirements for a build that only the backend tells, such as setuptools' ``setup_requires``.

    Raises:
        BuildError: the backend fails.
    """
    with unpacked(archive) as tree:
        result = run_python("-c", _ASK_BACKEND, str(tree))
    _, mark, answer = result.stdout.rpartition("\0")
    if result.returncode != 0 or not mark:
        end = "\n".join(result.stderr.strip().splitlines()[-_LAST_LINES:])
        raise BuildError(f"{pin}: its build requirements are not known:\n{end}", "Require another version.")
    return tuple(json.loads(answer))


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
