"""Dataset folders in the form that Kaggle accepts: with allowed names and a manifest."""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from slugify import slugify

from kaggle_offline.dependencies.index.download import Shipped
from kaggle_offline.dependencies.lock import Lock
from kaggle_offline.dependencies.pins import Kind, Pin
from kaggle_offline.dependencies.provided import requirements_on
from kaggle_offline.dependencies.wheels import Wheel, as_chosen, read_wheel
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import (
    Stamp,
    as_json,
    digest_of_data,
    digest_of_file,
    digest_of_names,
    digest_of_text,
    names_below,
    new_folder,
    read_json,
    write_json,
    write_text,
)
from kaggle_offline.git import git
from kaggle_offline.repository.checkpoints import FILE_NAME, list_checkpoints
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.kernel_folder import KernelFolder

MANIFEST = "freeze.json"
METADATA = "dataset-metadata.json"

# Stands in for the owner in every id until push knows the account.
OWNER = "OWNER"

# Kaggle's limits for a dataset: its title, which is its slug here; its files; its size.
_SLUG_LENGTHS = range(6, 51)
# The part before `-packages`, the longer of the two kinds, and the characters of a digest that keep names apart.
_LONGEST_STEM = _SLUG_LENGTHS[-1] - len("-packages")
_DIGEST_LENGTH = 7
_MOST_FILES = 1000
_MOST_BYTES = 200 * 10**9

_KINDS = {Kind.WHEEL: "wheel", Kind.BUILT: "wheel", Kind.SOURCE: "sdist", Kind.BUILDER: "builder"}
_MOUNTED = "mounted"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A folder that is ready to become a version of a dataset, or of a model.

    Attributes:
        folder: its files, and ``dataset-metadata.json``.
        slug: of the dataset or model.
        digest: of its content; the notes of the version state it.
        is_model: it becomes a model.
    """

    folder: Path
    slug: str
    digest: str
    is_model: bool = False

    @property
    def files(self) -> dict[str, int]:
        """Return the size of every published file, by name, which has slashes in a folder."""
        return {name: (self.folder / name).stat().st_size for name in names_below(self.folder) if name != METADATA}

    def is_intact(self) -> bool:
        """Tell whether the folder still has the content of the digest."""
        try:
            return _digest_of_folder(self.folder) == self.digest
        except (OSError, ValueError, KeyError, TypeError):
            return False


def _digest_of_folder(folder: Path) -> str:
    """Return the digest of a folder's manifest, or of its files if it has none.

    Raises:
        OSError: a file cannot be read.
        ValueError, KeyError, TypeError: the manifest is malformed, or lists other files.
    """
    names = [name for name in names_below(folder) if name not in (MANIFEST, METADATA)]
    # Gigabytes at times; hashing does not hold Python's lock.
    with ThreadPoolExecutor() as threads:
        hashes = dict(zip(names, threads.map(lambda name: digest_of_file(folder / name), names), strict=True))
    if not (folder / MANIFEST).exists():
        return digest_of_names(hashes.items())
    manifest = read_json(folder / MANIFEST)
    own = [entry for entry in manifest["files"] if entry["kind"] != _MOUNTED]
    if {entry["name"]: entry["sha256"] for entry in own} != hashes:
        raise ValueError("the manifest lists other files")
    return _digest_of_manifest(manifest)


def _digest_of_manifest(manifest: Mapping[str, Any]) -> str:
    """Return the digest of a manifest, without itself and the commit, which can change while the content does not."""
    content = {key: value for key, value in manifest.items() if key not in ("digest", "commit")}
    return digest_of_text(as_json(content))


def pack_packages(
    kernel: KernelFolder,
    folder: Path,
    *,
    packages: Sequence[Wheel],
    shipped: Sequence[Shipped],
    lock: Lock,
    image: ImageManifest,
    python: str,
) -> Dataset:
    """Write the packages' dataset folder: wheels, sources, in-kernel installer and manifest.

    Args:
        kernel: the competition.
        folder: to write.
        packages: the wheels of this repository, the project's first.
        shipped: the files of the lock.
        lock: its list of the distributions that the image provides; install.py checks them against what is shipped.
        image: the kernel's.
        python: the Python of the wheels: the image's, or this machine's in a rehearsal.

    Raises:
        ConfigurationError: Kaggle would refuse a name or the size.
    """
    entries = [("install.py", "installer", "")]
    with new_folder(folder) as draft:
        installer = resources.files("kaggle_offline.artifacts") / "in_kernel" / "install.py"
        write_text(draft / "install.py", installer.read_text(encoding="utf-8"))
        for wheel in packages:
            shutil.copyfile(wheel.path, draft / wheel.path.name)
            entries.append((wheel.path.name, "project", f"{wheel.name}=={wheel.version}"))
        for file in shipped:
            shutil.copyfile(file.path, draft / file.path.name)
            entries.append((file.path.name, _KINDS[file.pin.kind], f"{file.pin.name}=={file.pin.version}"))
        files = []
        for name, kind, distribution in sorted(entries):
            path = draft / name
            files.append(
                {
                    "name": name,
                    "sha256": digest_of_file(path),
                    "size": path.stat().st_size,
                    "kind": kind,
                    "distribution": distribution,
                }
            )
        files += [_mounted_entry(pin) for pin in lock.pins if pin.kind is Kind.MOUNTED]
        # pip builds sources apart from the image: what builds them asks nothing of it.
        files_of_kernel = [file.path for file in shipped if file.pin.kind is not Kind.BUILDER]
        wheels = [*packages, *(read_wheel(path) for path in files_of_kernel if path.suffix == ".whl")]
        wheels += [_mounted_wheel(pin) for pin in lock.pins if pin.kind is Kind.MOUNTED]
        wheels = [as_chosen(wheel, kernel.settings.freeze) for wheel in wheels]
        required = requirements_on(lock.provided, wheels, extras=kernel.settings.extras, image=image)
        provided = []
        for name, version in lock.provided.items():
            requirements = {requirer: str(specifier) for requirer, specifier in required.get(name, {}).items()}
            provided.append({"distribution": f"{name}=={version}", "requirements": requirements})
        manifest = {
            "competition": kernel.competition,
            "image": image.name,
            "python": python,
            "platform": image.platform,
            "project": {"name": packages[0].name, "version": packages[0].version},
            "files": files,
            "provided": provided,
        }
        digest = _digest_of_manifest(manifest)
        commit = git(kernel.repository, "rev-parse", "HEAD") or ""
        write_json(draft / MANIFEST, {"digest": digest, "commit": commit, **manifest})
        slug = _write_metadata(draft, kernel, "packages")
    return Dataset(folder=folder, slug=slug, digest=digest)


def _mounted_wheel(pin: Pin) -> Wheel:
    """Return what a lock says of a wheel that another dataset has."""
    path = Path(pin.url)
    return Wheel(path=path, name=pin.name, version=pin.version, requirements=pin.requires, requires_python="")


def _mounted_entry(pin: Pin) -> dict[str, Any]:
    """Return the manifest's entry for a wheel of another dataset."""
    owner, slug, name = pin.place
    return {
        "name": name.rpartition("/")[2],
        "sha256": pin.hashes[0],
        "kind": _MOUNTED,
        "distribution": f"{pin.name}=={pin.version}",
        _MOUNTED: [owner, slug, name],
    }


def pack_models(kernel: KernelFolder, folder: Path) -> Dataset | None:
    """Write the models' dataset folder, the files of the checkpoint folder, unless it is up to date.

    Sizes and times tell whether it is: checkpoints can be gigabytes.

    Returns:
        The folder; None if the kernel has no checkpoints.

    Raises:
        CheckpointError: a file is not a checkpoint.
        ConfigurationError: Kaggle would refuse a name or the size.
    """
    if kernel.checkpoints is None:
        return None
    inputs = digest_of_data([_seen(kernel.checkpoints), list(kernel.settings.trusted)])
    stamp = Stamp(folder.with_name(f".{folder.name}.json"), inputs)
    is_model = kernel.settings.checkpoints_as == "model"
    try:
        note = stamp.note()
        if note["files"] == _seen(folder):
            return Dataset(folder=folder, slug=note["slug"], digest=note["digest"], is_model=is_model)
    except (OSError, KeyError, TypeError):
        pass
    with new_folder(folder) as draft:
        for path in list_checkpoints(kernel.checkpoints, kernel.repository, kernel.settings.trusted):
            target = draft / path.relative_to(kernel.checkpoints)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        digest = _digest_of_folder(draft)
        slug = _write_metadata(draft, kernel, "models")
    stamp.write({"files": _seen(folder), "slug": slug, "digest": digest})
    return Dataset(folder=folder, slug=slug, digest=digest, is_model=is_model)


def _seen(folder: Path) -> list[list[str | int]]:
    """Return names, sizes, times and inodes of a folder's files, without reading them."""
    found: list[list[str | int]] = []
    for name in names_below(folder):
        state = (folder / name).stat()
        found.append([name, state.st_size, state.st_mtime_ns, state.st_ino])
    return found


def dataset_slug(competition: str, kind: str) -> str:
    """Return the slug of a competition's dataset of ``packages`` or ``models``.

    The name of a competition that is too long for a dataset's is shortened, with a part of its digest.

    Raises:
        ConfigurationError: Kaggle would refuse it.
    """
    if len(competition) > _LONGEST_STEM:
        digest = digest_of_text(competition).removeprefix("sha256:")[:_DIGEST_LENGTH]
        competition = f"{competition[: _LONGEST_STEM - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"
    slug = f"{competition}-{kind}"
    if len(slug) not in _SLUG_LENGTHS or slugify(slug) != slug:
        raise ConfigurationError(
            f"{slug}: a dataset's name must have 6 to 50 characters: small letters, digits and single hyphens",
            "Rename the kernel folder.",
        )
    return slug


def _write_metadata(folder: Path, kernel: KernelFolder, kind: str) -> str:
    slug = dataset_slug(kernel.competition, kind)
    names = names_below(folder)
    refused = [name for name in names if not all(map(FILE_NAME.fullmatch, name.split("/")))]
    if refused:
        raise ConfigurationError(f"{slug}: Kaggle refuses the name {refused[0]}", "Ship another version of it.")
    size = sum((folder / name).stat().st_size for name in names)
    if len(names) > _MOST_FILES or size > _MOST_BYTES:
        raise ConfigurationError(
            f"{slug}: {len(names)} files, {size / 1e9:.1f} GB",
            f"Kaggle accepts {_MOST_FILES} files and {_MOST_BYTES / 1e9:.0f} GB: ship less.",
        )
    metadata: dict[str, Any] = {"id": f"{OWNER}/{slug}", "title": slug, "licenses": [{"name": "unknown"}]}
    write_json(folder / METADATA, metadata)
    return slug
