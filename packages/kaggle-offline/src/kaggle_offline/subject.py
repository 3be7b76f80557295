"""What `doctor` examines of a competition, read; and what it finds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaggle_offline.image_manifest import ImageManifest
from kaggle_offline.kernel_folder import KernelFolder


@dataclass(frozen=True)
class Finding:
    """What would go wrong, with the file or name, and what to do about it."""

    problem: str
    cure: str


@dataclass(frozen=True, kw_only=True)
class Code:
    """A piece of code: where it lies, for messages, its text, and the module that it is, if it is no cell."""

    where: str
    text: str
    module: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is examined of a competition: its folder, read, its image, and what code it has."""

    kernel: KernelFolder
    image: ImageManifest
    notebook: Any
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

    def where(self, path: Path) -> str:
        """A path, for messages."""
        return path.relative_to(self.kernel.repository).as_posix()


def source_root(package: Path) -> Path:
    """Where the modules of a package lie."""
    return package / "src" if (package / "src").is_dir() else package
