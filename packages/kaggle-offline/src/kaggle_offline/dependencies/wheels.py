"""Wheels of the packages of this repository: same tree, same bytes, whatever the clock and the path."""

import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.errors import BuildError
from kaggle_offline.files import (
    UNREADABLE_ZIP,
    Stamp,
    digest_of_data,
    digest_of_file,
    is_lfs_pointer,
    new_folder,
)
from kaggle_offline.repository.packages import name_of, package_files, package_folders, read_project_file
from kaggle_offline.repository.submission_toml import FreezeSettings
from kaggle_offline.uv import is_network, run_uv

# 2020-01-01: the clock of every build, so that the same tree gives the same bytes.
_EPOCH = "1577836800"

# The requirements for building a source tree without a pyproject.toml (PEP 517).
_DEFAULT_BACKEND = ("setuptools>=40.8.0",)

# The version of a package that takes its own from Git's tags: any other would change with each commit.
_VERSION_OF_TAGS = "0"

_LAST_LINES = 15

_STAMP = ".inputs.json"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A built wheel and what its metadata says."""

    path: Path
    name: NormalizedName
    version: str
    requirements: tuple[str, ...]
    requires_python: str


def as_chosen(wheel: Wheel, freeze: FreezeSettings) -> Wheel:
    """Return a wheel with the requirements that count: without those of ``no-deps`` and what is overridden."""
    if wheel.name in freeze.no_deps:
        return replace(wheel, requirements=())
    lines = []
    for line in wheel.requirements:
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) in freeze.overridden:
            # uv has seen to the override, which may have a marker or an address.
            requirement.specifier, requirement.url = SpecifierSet(), None
        lines.append(str(requirement))
    return replace(wheel, requirements=tuple(lines))


def build_packages(
    package: Path,
    repository: Path,
    folder: Path,
    constraints: Sequence[str],
    environment: Mapping[str, str],
    *,
    extras: Sequence[str] = (),
) -> dict[Path, Wheel]:
    """Build ``package`` and the repository's other packages that it requires, each into a folder of its own.

    Args:
        package: the project's folder.
        repository: the root.
        folder: for the wheels.
        constraints: on the build requirements, such as ``"hatchling==1.28.0"``.
        environment: what markers see where the wheels are installed.
        extras: of the project.

    Returns:
        The wheels by the folders that they were built from; the project's is the first.

    Raises:
        BuildError: the build backend failed; quotes the end of its output.
    """
    neighbours = _neighbours(package, repository)
    wheels = {package: build_wheel(package, repository, folder, constraints)}
    waiting = [(package, extra) for extra in ("", *extras)]
    seen = set(waiting)
    while waiting:
        tree, extra = waiting.pop()
        for requirement in map(Requirement, wheels[tree].requirements):
            neighbour = neighbours.get(canonicalize_name(requirement.name))
            marker = requirement.marker
            if neighbour is None or (marker is not None and not marker.evaluate({**environment, "extra": extra})):
                continue
            if neighbour not in wheels:
                wheels[neighbour] = build_wheel(neighbour, repository, folder, constraints)
            version = wheels[neighbour].version
            if not requirement.specifier.contains(version, prereleases=True):
                raise BuildError(
                    f"{tree}: requires {requirement}, but {neighbour} is {version}",
                    "Make the two agree: packages of this repository ship in their own versions.",
                )
            found = {(neighbour, name) for name in ("", *requirement.extras)} - seen
            seen |= found
            waiting += sorted(found)
    return wheels


def build_wheel(package: Path, repository: Path, wheels: Path, constraints: Sequence[str]) -> Wheel:
    """Build ``package`` into a folder of ``wheels``, unless the folder has the wheel of the same tree.

    Raises:
        BuildError: the build backend failed, or its wheel is not for every machine.
    """
    files = package_files(package, repository)
    # The root's own name differs between clones, and the same tree must give the same wheel.
    name = name_of(package) or package.name
    folder = wheels / name
    contents = [[relative, digest_of_file(path), _is_executable(path)] for relative, path in files.items()]
    inputs = digest_of_data([contents, sorted(constraints)])
    built = next(folder.glob("*.whl"), None)
    if built is None or Stamp(folder / _STAMP, inputs).note() != digest_of_file(built):
        with new_folder(folder) as draft:
            # In a copy, so that files of one build are not inputs of the next.
            with tempfile.TemporaryDirectory() as scratch:
                source = Path(scratch) / name
                for relative, path in files.items():
                    _copy(path, source / relative)
                built = run_build(source, draft, constraints, str(package), version=_VERSION_OF_TAGS)
            if not built.name.endswith("-any.whl"):
                raise BuildError(
                    f"{package}: its wheel is for this machine alone: {built.name}",
                    "Keep what needs a compiler in a distribution of its own, and require that.",
                )
            _require_no_pointers(built, package)
            Stamp(draft / _STAMP, inputs).write(digest_of_file(built))
        built = folder / built.name
    return read_wheel(built)


def _require_no_pointers(wheel: Path, package: Path) -> None:
    """Check that a wheel has every file that Git LFS keeps.

    Raises:
        BuildError: it has a pointer in the place of one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    if is_lfs_pointer(file):
                        raise BuildError(f"{package}: {name}: a Git LFS pointer, not the file", "Run: git lfs pull")
    except UNREADABLE_ZIP:
        return  # read_wheel reports it


def run_build(source: Path, folder: Path, constraints: Sequence[str], what: str, *, version: str = "") -> Path:
    """Build the wheel of a source tree, a copy of its own, in an isolated environment; return its path.

    ``version`` is for trees that ask Git for it, in a copy without a repository.

    Raises:
        BuildError: the backend failed; quotes the end of its output.
    """
    if (source / "setup.cfg").is_file() and not any((source / n).is_file() for n in ("setup.py", "pyproject.toml")):
        # The files that setuptools once made do with; without either, no tool of today sees a project.
        (source / "setup.py").write_text("import setuptools\n\nsetuptools.setup()\n")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "build.txt"
        file.write_text("".join(f"{line}\n" for line in constraints))
        output = Path(scratch) / "wheel"
        command = ["build", "--wheel", "--no-config", "--python", sys.executable, "--build-constraints", str(file)]
        variables = {"SOURCE_DATE_EPOCH": _EPOCH}
        if version:
            variables["SETUPTOOLS_SCM_PRETEND_VERSION"] = version
        result = run_uv(*command, "--out-dir", str(output), str(source), umask=0o022, **variables)
        if result.returncode != 0:
            end = "\n".join(result.stderr.strip().splitlines()[-_LAST_LINES:])
            offline = is_network(result.stderr)
            cure = "Check the network, then run again." if offline else "Correct its pyproject.toml, or setup.py."
            raise BuildError(f"{what}: the wheel cannot be built:\n{end}", cure)
        path = next(output.glob("*.whl"))
        return Path(shutil.move(path, folder / path.name))


def build_requirements(tree: Path) -> tuple[str, ...]:
    """Return the requirements for building a source tree: its ``build-system.requires``, else setuptools."""
    system = read_project_file(tree).get("build-system")
    requires = system.get("requires") if isinstance(system, dict) else None
    return tuple(map(str, requires)) if isinstance(requires, list) else _DEFAULT_BACKEND


def _is_executable(path: Path) -> bool:
    """Return the part of a file's mode that Git keeps: the umask must not change the wheel."""
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    mode = 0o755 if _is_executable(source) else 0o644
    target.chmod(mode)


def _neighbours(package: Path, repository: Path) -> dict[str, Path]:
    """Return the repository's other packages by the names of their distributions.

    Raises:
        BuildError: two have the same name.
    """
    found: dict[str, Path] = {}
    for folder in {package: None} | dict.fromkeys(package_folders(repository)):
        name = name_of(folder)
        if name and found.setdefault(name, folder) != folder:
            raise BuildError(
                f"{found[name]} and {folder}: both are the distribution {name}", "Rename one, or take it away."
            )
    return {name: folder for name, folder in found.items() if folder != package}


def read_wheel(path: Path) -> Wheel:
    """Read a wheel's metadata.

    Raises:
        BuildError: not a wheel, or its metadata is malformed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            return parse_wheel(path, archive.read(name))
    except (*UNREADABLE_ZIP, StopIteration) as error:
        raise BuildError(f"{path}: not a wheel: {error}", "Delete it, or build it again.") from error


def parse_wheel(path: Path, text: bytes) -> Wheel:
    """Read the metadata of the wheel at a path.

    Raises:
        BuildError: malformed.
    """
    try:
        metadata, _ = parse_email(text)
        return Wheel(
            path=path,
            name=canonicalize_name(metadata["name"], validate=True),
            version=str(Version(metadata["version"])),
            requirements=tuple(str(Requirement(line)) for line in metadata.get("requires_dist", [])),
            requires_python=metadata.get("requires_python", ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BuildError(f"{path}: not a wheel: {error}", "Delete it, or build it again.") from error
