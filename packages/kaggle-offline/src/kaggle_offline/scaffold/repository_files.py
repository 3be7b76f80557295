"""The files that a repository needs once, whatever its competitions: workflows, and lines of ``.gitignore``."""

import json
import re
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from kaggle_offline.files import write_text
from kaggle_offline.git import git, is_tracked

PLACEHOLDER = "OWNER/REPOSITORY"
"""Stands in a workflow for the repository of this tool, where that cannot be told."""

_TEMPLATES = resources.files(__package__) / "templates" / "workflows"
_WORKFLOWS = Path(".github", "workflows")
# `nox -s release` writes it into the wheel: the repository and the commit that it was built from.
_RELEASE = resources.files("kaggle_offline") / "release.json"
_ON_GITHUB = re.compile(r"github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


def ignore(repository: Path, lines: Sequence[str]) -> list[str]:
    """Add lines to ``.gitignore`` unless Git ignores those paths already; return the lines that were added."""
    path = repository / ".gitignore"
    added = [line for line in lines if git(repository, "check-ignore", "--quiet", f"{line.lstrip('/')}x") is None]
    if added:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text and not text.endswith("\n"):
            text += "\n"
        write_text(path, text + "".join(f"{line}\n" for line in added))
    return added


def write_workflows(repository: Path) -> list[tuple[Path, bool]]:
    """Write the workflows that call this tool's; return their paths, and for each whether it is new."""
    source, commit = _origin()
    found = []
    for template in sorted(_TEMPLATES.iterdir(), key=lambda entry: entry.name):
        path = _WORKFLOWS / template.name
        is_new = not (repository / path).exists()
        if is_new:
            text = template.read_text(encoding="utf-8")
            text = text.replace(PLACEHOLDER, source).replace("@COMMIT", f"@{commit}")
            write_text(repository / path, text.replace("VERSION", f"v{version('kaggle-offline')}"))
        found.append((path, is_new))
    return found


def _origin() -> tuple[str, str]:
    """Return the repository of this tool on GitHub and the commit that is in use, or what stands for them."""
    if _RELEASE.is_file():
        release = json.loads(_RELEASE.read_text(encoding="utf-8"))
        return release["repository"], release["commit"]
    folder = Path(__file__).parent
    if not is_tracked(Path(__file__)):
        return PLACEHOLDER, "COMMIT"
    found = _ON_GITHUB.search(git(folder, "remote", "get-url", "origin") or "")
    commit = git(folder, "rev-parse", "HEAD")
    return (found[1], commit) if found and commit else (PLACEHOLDER, "COMMIT")
