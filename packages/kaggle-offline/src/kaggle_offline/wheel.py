"""The project's own wheel: same tree, same bytes."""

import email
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kaggle_offline.errors import BuildError
from kaggle_offline.files import digest_of_folder, holds, new_folder, write_text
from kaggle_offline.uv import run_uv

# 2020-01-01: the clock of every build, so that the same tree gives the same bytes.
_EPOCH = "1577836800"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A built wheel and what its metadata says."""

    path: Path
    name: str
    version: str
    requirements: tuple[str, ...]


def build_wheel(package: Path, folder: Path) -> Wheel:
    """Build ``package`` into ``folder``, unless the wheel of just this tree is there.

    Raises:
        BuildError: the build backend failed; says what it printed.
    """
    digest = digest_of_folder(package)
    stamp = folder / ".inputs"
    built = _read_built(folder) if holds(stamp, digest) else None
    if built is None:
        with new_folder(folder) as draft:
            # In a copy of its own, so that what a build leaves behind is no input of the next one.
            source = draft / "source"
            shutil.copytree(package, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            command = ["build", "--wheel", "--no-config", "--python", sys.executable]
            result = run_uv(*command, "--out-dir", str(draft), str(source), SOURCE_DATE_EPOCH=_EPOCH)
            if result.returncode != 0:
                raise BuildError(
                    f"{package}: the wheel cannot be built:\n{result.stderr.strip()}", "Correct its pyproject.toml."
                )
            shutil.rmtree(source)
            (draft / ".gitignore").unlink(missing_ok=True)
            write_text(draft / stamp.name, digest)
        built = read_wheel(next(folder.glob("*.whl")))
    return built


def _read_built(folder: Path) -> Wheel | None:
    """The wheel in ``folder``, or None where there is none that can be read."""
    try:
        return read_wheel(next(folder.glob("*.whl")))
    except (zipfile.BadZipFile, StopIteration, OSError):
        return None


def read_wheel(path: Path) -> Wheel:
    """Read a wheel's metadata."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    requirements = [str(Requirement(line)) for line in metadata.get_all("Requires-Dist", [])]
    return Wheel(
        path=path,
        name=canonicalize_name(metadata["Name"]),
        version=metadata["Version"],
        requirements=tuple(r for r in requirements if "extra ==" not in r),
    )
