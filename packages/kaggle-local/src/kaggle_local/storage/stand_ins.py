"""Folders of this machine that stand in for what others have on Kaggle: datasets, models and outputs of kernels."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from kaggle_local.errors import StorageError
from kaggle_local.storage import Storage
from kaggle_local.storage.resources import Kind, split_source, variation_ref

SourceKind = Literal["dataset", "kernel", "model"]

# The settings and details that a real one would have; no command asks for them.
_DETAILS = {"subtitle": "", "description": "", "license": "unknown", "keywords": [], "stands_in": True}
_SETTINGS = {
    "datasets": [],
    "models": [],
    "kernels": [],
    "competitions": [],
    "kernel_type": "notebook",
    "is_private": False,
    "enable_gpu": False,
    "enable_internet": False,
    "docker_image": None,
    "seconds": None,
    "stands_in": True,
}


def has_source(storage: Storage, kind: SourceKind, source: str) -> bool:
    """Tell whether kernels can have an input, by the name that a kernel's metadata has for it."""
    if kind == "kernel":
        owner, slug, *_ = source.split("/")
        return storage.kernels.latest_complete(owner, slug) is not None
    resource_kind, ref, number = _resource(kind, source)
    versions = storage.resources.versions(resource_kind, ref)
    return any(number in ("", str(version.number)) and version.status == "ready" for version in versions)


def is_stand_in(storage: Storage, kind: SourceKind, source: str) -> bool:
    """Tell whether an input is a folder that stands in for it."""
    if kind == "kernel":
        owner, slug, *_ = source.split("/")
        version = storage.kernels.latest_complete(owner, slug)
        return version is not None and "stands_in" in version.settings
    resource = storage.resources.get(*_resource(kind, source)[:2])
    return resource is not None and "stands_in" in resource.details


def stand_in(storage: Storage, kind: SourceKind, source: str, folder: Path, digest: str) -> None:
    """Copy a folder's files into a storage as an input, unless it holds the input of that digest; unpack no archive.

    Args:
        storage: where to.
        kind: of the input.
        source: its name in a kernel's metadata; a model's may have the version.
        folder: of the files, which are copied.
        digest: of the files.

    Raises:
        StorageError: something of that name was pushed there.
    """
    if kind == "kernel":
        _kernel_output(storage, source, folder, digest)
    else:
        _version(storage, kind, source, folder, digest)


def _resource(kind: SourceKind, source: str) -> tuple[Kind, str, str]:
    """Return the kind and name of a resource, and the version that its source may name."""
    if kind == "model":
        ref, number = split_source(variation_ref(source), 4)
        return "variation", ref, number
    ref, number = split_source(source.replace("/versions/", "/"), 2)
    return "dataset", ref, number


def _version(storage: Storage, kind: SourceKind, source: str, folder: Path, digest: str) -> None:
    resource_kind, ref, number = _resource(kind, source)
    resources = storage.resources
    resource = resources.get(resource_kind, ref)
    if resource is not None and "stands_in" not in resource.details:
        raise _taken(source)
    current = resources.latest_ready(resource_kind, ref)
    if number:
        current = resources.version(resource_kind, ref, int(number))
    if current is not None and (current.notes, current.status) == (digest, "ready"):
        return
    if resource is None:
        title = ref.rpartition("/")[2]
        resource = resources.add(resource_kind, ref, title=title, private=False, details=_DETAILS)
    assert resource is not None  # it has just been added
    wanted = int(number or 0) or None
    # A pinned version has its number, whatever had it before.
    before = resources.version(resource_kind, ref, wanted or 0)
    if before is not None:
        resources.delete_version(before)
    version = resources.add_version(resource, digest, (), number=wanted)
    with _copied(storage, folder) as (copy, total):
        resources.publish(version, copy, total)


def _kernel_output(storage: Storage, source: str, folder: Path, digest: str) -> None:
    owner, slug, *_ = source.split("/")
    current = storage.kernels.get(owner, slug)
    if current is not None and "stands_in" not in current.settings:
        raise _taken(source)
    complete = storage.kernels.latest_complete(owner, slug)
    if complete is not None and complete.source == digest:
        return
    version = storage.kernels.add_version(owner, slug, slug, digest, dict(_SETTINGS), runs=False)
    with _copied(storage, folder) as (copy, _):
        storage.files.put(copy, version.output_folder)
    storage.kernels.finish(version, "complete", "")


@contextmanager
def _copied(storage: Storage, folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield a copy of a folder, whose files the storage keeps, and its bytes."""
    with storage.files.scratch() as copy:
        shutil.copytree(folder, copy, ignore_dangling_symlinks=True)
        yield copy, storage.files.keep_tree(copy)


def _taken(source: str) -> StorageError:
    return StorageError(
        f"{source}: pushed to the local Kaggle, so no folder stands in for it",
        "Delete it there, or the line of [rehearsal.inputs] in submission.toml.",
    )
