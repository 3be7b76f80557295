"""The packages of a repository: the folders, their files, and the settings in their project files."""

import ast
import tomllib
from collections.abc import Iterable
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.errors import BuildError
from kaggle_offline.files import COPY_IT, link_outside
from kaggle_offline.git import git

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
"""The files that may say the name of a distribution."""

ROOT = "."
"""The path of a package at the repository's root."""

# The folder that a package without a path lies in.
_PACKAGES = "packages"

# Folders beside a package that builds leave out.
_NOT_SHIPPED = frozenset({"docs", "examples", "scripts", "test", "tests"})

# Folders of a repository's root that are not parts of a package there: the tool's own, data, and builds.
_NOT_PACKAGED = frozenset({"build", "data", "dist", "kernels", "requirements"})


def package_path(repository: Path, package: str) -> str:
    """Return a package's path within the repository.

    Args:
        repository: the root.
        package: a path, such as ``libs/titanic`` or ``.``; or a folder of ``packages/`` by its name, which comes first.
    """
    in_packages = f"{_PACKAGES}/{package}"
    is_path = "/" in package or package == ROOT
    if is_path or (not (repository / in_packages).is_dir() and (repository / package).is_dir()):
        return package
    return in_packages


def package_folders(repository: Path) -> list[Path]:
    """Return the folders of a repository that are packages, sorted.

    The root may be one, and the folders of ``packages/`` and the members of uv's workspace are.
    """
    workspace = read_project_file(repository).get("tool", {}).get("uv", {}).get("workspace", {})
    members, excluded = workspace.get("members", ()), workspace.get("exclude", ())
    found = {repository, *_matching(repository, [f"{_PACKAGES}/*", *members])} - _matching(repository, excluded)
    return sorted(folder for folder in found if name_of(folder))


def _matching(repository: Path, patterns: Iterable[str]) -> set[Path]:
    found: set[Path] = set()
    for pattern in patterns:
        # pathlib refuses absolute patterns, and some Pythons the folder itself; uv reports them.
        with suppress(ValueError, IndexError, NotImplementedError):
            found.update(repository.glob(pattern))
    return found


def package_files(package: Path, repository: Path) -> dict[str, Path]:
    """Return every file of a package by its relative path, but for hidden folders and what Python and builds leave.

    At the repository's root, the tool's folders, data and the files that Git ignores are left out, too. Links are
    followed, because their targets end up in the wheel; broken ones are left out.

    Raises:
        BuildError: one leads out of the repository.
    """
    ignored = _ignored(repository) if package == repository else frozenset()
    found: dict[str, Path] = {}
    waiting: list[tuple[Path, tuple[Path, ...]]] = [(package, ())]
    while waiting:
        folder, above = waiting.pop()
        above = (*above, folder.resolve())
        for path in folder.iterdir():
            name = path.relative_to(package).as_posix()
            # In a worktree and in a submodule it is a file.
            is_gits = path.name == ".git"
            if is_gits or name in ignored or (path.is_dir() and _is_left_out(path, package, repository)):
                continue
            problem = link_outside(path, repository) if path.exists() else ""
            if problem:
                raise BuildError(problem, COPY_IT)
            if path.is_file():
                found[name] = path
            # A link to where one has come from would lead round in circles.
            elif path.is_dir() and path.resolve() not in above:
                waiting.append((path, above))
    return dict(sorted(found.items()))


def _is_left_out(folder: Path, package: Path, repository: Path) -> bool:
    """Tell whether a folder is not part of a package: hidden, made by Python or a build, or one of the tool's."""
    if folder.name == "__pycache__" or folder.name.endswith(".egg-info"):
        return True
    if folder.parent != package:
        return False
    if folder.name in ("build", "dist") or folder.name.startswith("."):
        return True
    return package == repository and not is_in_root_package(f"{folder.name}/")


def is_in_root_package(path: str) -> bool:
    """Tell whether a file of the repository, by its path, is one of a package at the root."""
    top, is_below, _ = path.partition("/")
    return not is_below or not (top in _NOT_PACKAGED or top.startswith("."))


def _ignored(repository: Path) -> frozenset[str]:
    """Return the paths of files and folders that Git ignores."""
    options = ("--others", "--ignored", "--exclude-standard", "--directory", "-z")
    listed = git(repository, "ls-files", *options) or ""
    return frozenset(path.rstrip("/") for path in listed.split("\0") if path)


def name_of(folder: Path) -> str:
    """Return the name of a folder's distribution; empty if the folder is not a package."""
    project = read_project_file(folder)
    tables = [project.get("project"), _read_setup_cfg(folder)]
    tool = project.get("tool")
    if isinstance(tool, dict):
        tables.insert(1, tool.get("poetry"))
    for table in tables:
        if isinstance(table, dict) and "name" in table:
            return canonicalize_name(str(table["name"]))
    if (folder / "setup.py").is_file():
        return canonicalize_name(_name_in_setup_py(folder / "setup.py") or folder.name)
    return ""


def module_of(folder: Path) -> str:
    """Return the module or package that a distribution's folder is imported by; empty if that cannot be told."""
    root = source_root(folder)
    modules = {path.parent.name for path in root.glob("*/__init__.py")} - _NOT_SHIPPED
    likely = name_of(folder).replace("-", "_")
    if likely in modules or (root / f"{likely}.py").is_file():
        return likely
    return modules.pop() if len(modules) == 1 else ""


def finds_packages(folder: Path) -> bool:
    """Tell whether setuptools looks for the packages of a project itself, in the folders beside pyproject.toml.

    That is its automatic discovery, in the flat layout (setuptools' documentation, "Package Discovery").
    """
    document = read_project_file(folder)
    backend = document.get("build-system", {}).get("build-backend", "setuptools.build_meta")
    settings = document.get("tool", {}).get("setuptools", {})
    is_said = bool({"packages", "py-modules"} & settings.keys()) or (folder / "src").is_dir()
    older = any((folder / name).is_file() for name in ("setup.cfg", "setup.py"))
    return "project" in document and backend.startswith("setuptools") and not is_said and not older


def source_root(package: Path) -> Path:
    """Return the folder of a package's modules."""
    return package / "src" if (package / "src").is_dir() else package


def _name_in_setup_py(path: Path) -> str:
    """Return the name that a setup.py states; empty if only running it would tell."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):
        return ""
    for node in nodes:
        if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "setup":
            continue
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg == "name" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
    return ""


def read_project_file(folder: Path) -> dict[str, Any]:
    """Read a source tree's pyproject.toml; empty if it is missing or malformed."""
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _read_setup_cfg(folder: Path) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(folder / "setup.cfg", encoding="utf-8")
        return dict(parser["metadata"]) if "metadata" in parser else {}
    except (ConfigError, UnicodeDecodeError):
        return {}


def required_by(folder: Path) -> set[NormalizedName] | None:
    """Return the names that a package may require, extras included; None if only building it would tell."""
    document = read_project_file(folder)
    project = document.get("project")
    try:
        if not isinstance(project, dict) or any("dependencies" in str(key) for key in project.get("dynamic", [])):
            return None
        # Poetry reads the requirements from either table.
        if "dependencies" in document.get("tool", {}).get("poetry", {}):
            return None
        lines = [*project.get("dependencies", []), *chain(*project.get("optional-dependencies", {}).values())]
        return {canonicalize_name(Requirement(line).name) for line in lines}
    except (InvalidRequirement, TypeError, AttributeError):
        return None
