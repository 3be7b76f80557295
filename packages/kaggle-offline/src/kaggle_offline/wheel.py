"""Wheels of the packages of this repository: same tree, same bytes, whatever the clock and the path."""

import email
import os
import shutil
import stat
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Collection, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from kaggle_offline.errors import BuildError
from kaggle_offline.files import UNREADABLE_ZIP, digest_of_data, digest_of_folder, holds, new_folder, write_text
from kaggle_offline.uv import run_uv

# 2020-01-01: the clock of every build, so that the same tree gives the same bytes.
_EPOCH = "1577836800"

# What a source tree without a pyproject.toml is built with (PEP 517).
_DEFAULT_BACKEND = ("setuptools>=40.8.0",)

_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A built wheel and what its metadata says."""

    path: Path
    name: str
    version: str
    requirements: tuple[str, ...]
    requires_python: str


def build_packages(
    package: Path, folder: Path, constraints: Sequence[str], environment: Mapping[str, str]
) -> dict[Path, Wheel]:
    """Build ``package`` and those of its neighbours that it requires, each into a folder of its own.

    Args:
        package: the project, a folder of ``packages/``.
        folder: for the wheels.
        constraints: on what the builds are made with, such as ``"hatchling==1.28.0"``.
        environment: what markers see where the wheels are installed.

    Returns:
        The wheels by the folders that they were built from; the project's is the first.

    Raises:
        BuildError: the build backend failed; says what it printed.
    """
    neighbours = {name: p for p in package.parent.iterdir() if p != package for name in _names(p)}
    wheels = {package: build_wheel(package, folder / package.name, constraints)}
    waiting: list[tuple[Path, str]] = [(package, "")]
    seen = set(waiting)
    while waiting:
        tree, extra = waiting.pop()
        for requirement in map(Requirement, wheels[tree].requirements):
            neighbour = neighbours.get(canonicalize_name(requirement.name))
            marker = requirement.marker
            if neighbour is None or (marker is not None and not marker.evaluate({**environment, "extra": extra})):
                continue
            if neighbour not in wheels:
                wheels[neighbour] = build_wheel(neighbour, folder / neighbour.name, constraints)
            found = {(neighbour, name) for name in ("", *requirement.extras)} - seen
            seen |= found
            waiting += sorted(found)
    return wheels


def build_wheel(package: Path, folder: Path, constraints: Sequence[str]) -> Wheel:
    """Build ``package`` into ``folder``, unless the wheel of just this tree is there.

    Raises:
        BuildError: the build backend failed, or its wheel is not for every machine.
    """
    digest = digest_of_data([digest_of_folder(package), sorted(constraints)])
    stamp = folder / ".inputs"
    built = _read_built(folder) if holds(stamp, digest) else None
    if built is None:
        with new_folder(folder) as draft:
            # In a copy of its own, so that what a build leaves behind is no input of the next one.
            source = draft / "source"
            shutil.copytree(package, source, ignore=_left_behind(package), copy_function=_copy)
            path = run_build(source, draft, constraints, str(package))
            if not path.name.endswith("-any.whl"):
                raise BuildError(
                    f"{package}: its wheel is for this machine alone: {path.name}",
                    "Keep what needs a compiler in a distribution of its own, and require that.",
                )
            shutil.rmtree(source)
            write_text(draft / stamp.name, digest)
        built = read_wheel(next(folder.glob("*.whl")))
    return built


def run_build(source: Path, folder: Path, constraints: Sequence[str], what: str, *, version: str = "") -> Path:
    """Build the wheel of a source tree in an isolated environment; return its path.

    ``version`` is for trees that would ask Git for it, where there is no Git any more.

    Raises:
        BuildError: the backend failed; says what it printed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "build.txt"
        file.write_text("".join(f"{line}\n" for line in constraints))
        output = Path(scratch) / "wheel"
        command = ["build", "--wheel", "--no-config", "--python", sys.executable, "--build-constraints", str(file)]
        variables = {"SOURCE_DATE_EPOCH": _EPOCH, **({"SETUPTOOLS_SCM_PRETEND_VERSION": version} if version else {})}
        result = run_uv(*command, "--out-dir", str(output), str(source), **variables)
        if result.returncode != 0:
            end = "\n".join(result.stderr.strip().splitlines()[-_LAST_LINES:])
            raise BuildError(f"{what}: the wheel cannot be built:\n{end}", "Correct its pyproject.toml, or setup.py.")
        path = next(output.glob("*.whl"))
        return Path(shutil.move(path, folder / path.name))


def build_requirements(tree: Path) -> tuple[str, ...]:
    """What building a source tree takes: its pyproject.toml's ``build-system.requires``, else setuptools."""
    system = _read_project_file(tree).get("build-system")
    requires = system.get("requires") if isinstance(system, dict) else None
    return tuple(map(str, requires)) if isinstance(requires, list) else _DEFAULT_BACKEND


def _left_behind(package: Path) -> Any:
    """What `shutil.copytree` is to leave out: what Python and earlier builds leave in a tree."""

    def ignore(folder: str, names: Collection[str]) -> set[str]:
        built = {"build", "dist"} if Path(folder) == package else set()
        return {n for n in names if n in built or n == "__pycache__" or n.endswith(".egg-info")}

    return ignore


def _copy(source: str, target: str) -> None:
    """Copy a file with the mode that Git knows: what a umask made of it must not show in the wheel."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.stat(source).st_mode & stat.S_IXUSR else 0o644)  # noqa: PTH116 - as given


def _names(folder: Path) -> set[str]:
    """The names under which a folder of ``packages/`` may be required; empty where it is no package."""
    declared = [_read_project_file(folder).get("project"), _read_setup_cfg(folder)]
    names = {str(table["name"]) for table in declared if isinstance(table, dict) and "name" in table}
    if not names and (folder / "setup.py").is_file():
        # Only running it would tell.
        names = {folder.name}
    return {canonicalize_name(name) for name in names}


def _read_project_file(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _read_setup_cfg(folder: Path) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(folder / "setup.cfg", encoding="utf-8")
        return dict(parser["metadata"]) if "metadata" in parser else {}
    except (ConfigError, UnicodeDecodeError):
        return {}


def _read_built(folder: Path) -> Wheel | None:
    """The wheel in ``folder``, or None where there is none that can be read."""
    try:
        return read_wheel(next(folder.glob("*.whl")))
    except (BuildError, StopIteration):
        return None


def read_wheel(path: Path) -> Wheel:
    """Read a wheel's metadata.

    Raises:
        BuildError: it is no wheel, or its metadata is malformed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(archive.read(name))
        return Wheel(
            path=path,
            name=canonicalize_name(metadata["Name"], validate=True),
            version=str(Version(metadata["Version"])),
            requirements=tuple(str(Requirement(str(line))) for line in metadata.get_all("Requires-Dist", [])),
            requires_python=str(metadata.get("Requires-Python", "")),
        )
    except (*UNREADABLE_ZIP, StopIteration, TypeError) as error:
        raise BuildError(f"{path}: not a wheel: {error}", "Delete it, or build it again.") from error
