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
    """The name under which a folder of ``packages/`` may be required; empty where it is no package."""
    project = read_project_file(folder)
    tool = project.get("tool")
    tables = [project.get("project"), tool.get("poetry") if isinstance(tool, dict) else None, _read_setup_cfg(folder)]
    names = [str(table["name"]) for table in tables if isinstance(table, dict) and "name" in table]
    if not names and (folder / "setup.py").is_file():
        names = [_name_in_setup_py(folder / "setup.py") or folder.name]
    return canonicalize_name(names[0]) if names else ""


def _name_in_setup_py(path: Path) -> str:
    """The name that is written in a setup.py; empty where only running it would tell."""
    try:
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError):
        return ""
    calls = [c for c in calls if getattr(c.func, "id", getattr(c.func, "attr", "")) == "setup"]
    values = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "name"]
    texts = [node.value for node in values if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return next(iter(texts), "")


def read_project_file(folder: Path) -> dict[str, Any]:
    """A source tree's pyproject.toml; empty where there is none that can be read."""
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
    """Return the names that a package may require, extras included; None where only building it would tell."""
    document = read_project_file(folder)
    project = document.get("project")
    try:
        if not isinstance(project, dict) or any("dependencies" in str(key) for key in project.get("dynamic", [])):
            return None
        # Poetry takes what is required from either table.
        if "dependencies" in document.get("tool", {}).get("poetry", {}):
            return None
        lines = [*project.get("dependencies", []), *chain(*project.get("optional-dependencies", {}).values())]
        return {canonicalize_name(Requirement(line).name) for line in lines}
    except (InvalidRequirement, TypeError, AttributeError):
        return None
