"""The packages of this repository, as their project files describe them."""

import ast
import tomllib
from configparser import ConfigParser
from configparser import Error as ConfigError
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
"""The files that may say the name of a distribution."""


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
