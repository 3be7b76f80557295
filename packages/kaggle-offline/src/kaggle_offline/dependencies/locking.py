"""Locking a competition: build its packages and pin their requirements."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kaggle_offline.dependencies.lock import Inputs, Lock, lock, read_lock
from kaggle_offline.dependencies.wheels import Wheel, build_packages
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.uv import further_indexes


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A lock and its inputs.

    Attributes:
        packages: the wheels of this repository, the project's first.
        lock: of their requirements.
        before: the previous lock; None for the first.
        image: that it is for.
    """

    packages: tuple[Wheel, ...]
    lock: Lock
    before: Lock | None
    image: ImageManifest


def lock_kernel(
    kernel: KernelFolder,
    *,
    image: ImageManifest | None = None,
    path: Path | None = None,
    renew: bool = True,
    upgrade: Collection[str] = (),
) -> Locked:
    """Build the packages and lock their requirements; an unchanged lock is only read.

    Args:
        kernel: the competition's.
        image: to lock for; by default the kernel's.
        path: the lock's file; by default the kernel's.
        renew: whether a stale lock is renewed.
        upgrade: names whose pins are not kept.

    Raises:
        OfflineError: an input is malformed, or a package cannot be built or its requirements met.
    """
    image = image or read_image_manifest(kernel.image)
    path = path or kernel.lock
    before = read_lock(path)
    builds_with = before.builds_with if before else ()
    build = partial(
        build_packages,
        kernel.package,
        kernel.repository,
        kernel.build / "dist",
        environment=image.environment,
        extras=kernel.settings.extras,
    )
    packages = build(constraints=builds_with)
    settings = kernel.settings
    wheels = (*settings.freeze.wheels, *_built_wheels(kernel, image))
    inputs = Inputs(
        packages=packages,
        extras=settings.extras,
        image=image,
        freeze=replace(settings.freeze, wheels=wheels),
        repository=kernel.repository,
        copies={source: kernel.repository / folder for source, folder in settings.inputs.items()},
    )
    with further_indexes(settings.freeze.indexes):
        locked = lock(inputs, path, renew=renew, upgrade=upgrade)
    if locked.builds_with != builds_with:
        packages = build(constraints=locked.builds_with)
    return Locked(packages=tuple(packages.values()), lock=locked, before=before, image=image)


def _built_wheels(kernel: KernelFolder, image: ImageManifest) -> list[str]:
    """Return the wheels that were built on Kaggle for the image: kaggle.com's before the local Kaggle's."""
    found: dict[str, str] = {}
    for folder in (kernel.rehearsed_wheels, kernel.built_wheels):
        for path in sorted(folder.with_name(image.name).glob("*.whl")):
            found[path.name.partition("-")[0]] = path.relative_to(kernel.repository).as_posix()
    return list(found.values())
