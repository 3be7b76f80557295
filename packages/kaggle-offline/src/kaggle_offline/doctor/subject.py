"""The subject of `doctor`'s checks, and their findings."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kaggle_offline.code.cells import parse
from kaggle_offline.errors import OfflineError
from kaggle_offline.git import git
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.kernel_folder import KernelFolder

# A module's name, or a part of one, as a text.
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Finding:
    """A problem, with the file or name, and the hint."""

    problem: str
    cure: str


@dataclass(frozen=True, kw_only=True)
class Code:
    """A piece of code: where it lies, for messages, its text, and a cell's tags, or the module that it is."""

    where: str
    text: str
    module: str = ""
    tags: tuple[str, ...] = ()

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; empty if the code is not Python."""
        return parse(self.text) or ast.Module([], [])


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A competition to examine: its folder, read, its image, and its code."""

    kernel: KernelFolder
    image: ImageManifest
    cells: tuple[Code, ...] = field(repr=False)
    modules: tuple[Code, ...] = field(repr=False)

    @property
    def settings(self) -> str:
        """``submission.toml``, for messages."""
        return self.where(self.kernel.folder / "submission.toml")

    @property
    def metadata(self) -> str:
        """``kernel-metadata.json``, for messages."""
        return self.where(self.kernel.folder / "kernel-metadata.json")

    @cached_property
    def reached(self) -> list[Code]:
        """The cells, and the modules that they or other such modules import: a package may hold what no kernel runs."""
        found, others = list(self.cells), {code.module: code for code in self.modules}
        for code in found:
            for name in sorted(_own_names(code)):
                # Importing a module imports its packages.
                parts = name.split(".")
                found += filter(None, (others.pop(".".join(parts[:n]), None) for n in range(1, len(parts) + 1)))
        return found

    def ignored(self, name: str) -> Iterator[Finding]:
        """Yield a problem if Git ignores a file of the repository and does not track it."""
        if git(self.kernel.repository, "check-ignore", "--quiet", name) is not None:
            yield Finding(
                f"{name}: is ignored by Git, so a tag's run would not have it", "Have Git keep it: .gitignore"
            )

    def where(self, path: Path) -> str:
        """Return a path within the repository, or one elsewhere as it is, for messages."""
        repository = self.kernel.repository
        return path.relative_to(repository).as_posix() if path.is_relative_to(repository) else str(path)


Check = Callable[[Subject], Iterable[Finding]]
"""Examines a competition; an error that it raises is a finding, too."""


def _own_names(code: Code) -> set[str]:
    """Return dotted names that code imports, or hands to ``python -m``; those of modules are among them."""
    found: set[str] = set()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = imported_from(node, code)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            found.add(node.value)
    return found


def imported_from(node: ast.ImportFrom, code: Code) -> str:
    """Return the module that names are imported from, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = code.module.split(".")
    # A package's own module is one level further up.
    levels = node.level - 1 if code.where.endswith("/__init__.py") else node.level
    names = package[: len(package) - levels]
    if node.module:
        names.append(node.module)
    return ".".join(names)


def finding_of(repository: Path, error: OfflineError) -> Finding:
    """Return an error of a reader as a finding, its paths relative to the repository."""
    return Finding(error.problem.replace(f"{repository}/", ""), error.cure)
