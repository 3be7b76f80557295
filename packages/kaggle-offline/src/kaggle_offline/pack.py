"""The dataset folders, as Kaggle takes them: flat, named as Kaggle allows, with their manifest."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import digest_of_file, digest_of_names, new_folder, write_json
from kaggle_offline.image_manifest import ImageManifest
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.lock import Lock
from kaggle_offline.wheel import Wheel

MANIFEST = "freeze.json"
METADATA = "dataset-metadata.json"

# Stands in every id until it is known who pushes.
OWNER = "OWNER"

_SLUG_LENGTHS = range(6, 51)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A folder that is ready to become a dataset version.

    Attributes:
        folder: its files, and ``dataset-metadata.json``.
        slug: of the dataset.
        digest: of its files' names and content; names the version.
    """

    folder: Path
    slug: str
    digest: str

    @property
    def files(self) -> dict[str, int]:
        """Size of every file that is published, by name."""
        return {p.name: p.stat().st_size for p in self.folder.iterdir() if p.name != METADATA}

    def is_intact(self) -> bool:
        """Whether the folder holds just what the digest covers (and the manifest)."""
        try:
            covered = [self.folder / name for name in self.files if name != MANIFEST]
            return digest_of_names((p.name, digest_of_file(p)) for p in covered) == self.digest
        except OSError:
            return False


def pack_packages(
    kernel: KernelFolder,
    folder: Path,
    *,
    project: Wheel,
    wheels: Sequence[Path],
    lock: Lock,
    image: ImageManifest,
    python: str,
) -> Dataset:
    """Write the packages' dataset folder: wheels, in-kernel installer and manifest.

    Args:
        kernel: the competition.
        folder: to write.
        project: its own wheel.
        wheels: those of the lock.
        lock: what is shipped and what is not.
        image: that the kernel runs on.
        python: whose wheels these are: the image's, or this machine's in a rehearsal.
    """
    with new_folder(folder) as draft:
        installer = draft / "install.py"
        installer.write_text((resources.files("kaggle_offline") / "in_kernel" / "install.py").read_text())
        kinds = {"install.py": "installer", project.path.name: "project"}
        for wheel in (project.path, *wheels):
            shutil.copyfile(wheel, draft / wheel.name)
            kinds.setdefault(wheel.name, "wheel")
        files = [
            {"name": p.name, "sha256": digest_of_file(p), "size": p.stat().st_size, "kind": kinds[p.name]}
            for p in sorted(draft.iterdir())
        ]
        digest = digest_of_names((str(f["name"]), str(f["sha256"])) for f in files)
        write_json(
            draft / MANIFEST,
            {
                "schema": 1,
                "digest": digest,
                "competition": kernel.competition,
                "image": image.name,
                "python": python,
                "platform": image.platform,
                "project": {
                    "name": project.name,
                    "version": project.version,
                    "commit": _commit(kernel.repository),
                },
                "files": files,
                "provided": list(lock.provided),
            },
        )
        slug = _write_metadata(draft, kernel, "packages")
    return Dataset(folder=folder, slug=slug, digest=digest)


def pack_models(kernel: KernelFolder, checkpoints: Sequence[Path], folder: Path) -> Dataset:
    """Write the models' dataset folder: the checkpoints and what lies beside them."""
    with new_folder(folder) as draft:
        for path in checkpoints:
            shutil.copyfile(path, draft / path.name)
        digest = digest_of_names((p.name, digest_of_file(p)) for p in draft.iterdir())
        slug = _write_metadata(draft, kernel, "models")
    return Dataset(folder=folder, slug=slug, digest=digest)


def _write_metadata(folder: Path, kernel: KernelFolder, kind: str) -> str:
    slug = f"{kernel.competition}-{kind}"
    if len(slug) not in _SLUG_LENGTHS:
        raise ConfigurationError(f"{slug}: a dataset's name has 6 to 50 characters", "Rename the kernel folder.")
    metadata: dict[str, Any] = {"id": f"{OWNER}/{slug}", "title": slug, "licenses": [{"name": "unknown"}]}
    write_json(folder / METADATA, metadata)
    return slug


def _commit(repository: Path) -> str:
    """The commit that is checked out, or an empty text outside of Git."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
