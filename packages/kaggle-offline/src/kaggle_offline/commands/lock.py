"""``lock``: pin the shipped packages, and print the lock as a table; or show what another image would change."""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.dependencies.lock import ALL, pinned, read_lock
from kaggle_offline.dependencies.lock_table import difference, rows, table
from kaggle_offline.dependencies.locking import Locked, lock_kernel
from kaggle_offline.environment import command, temporary_files_of
from kaggle_offline.errors import LockError
from kaggle_offline.files import alone
from kaggle_offline.observation.comparison import changes
from kaggle_offline.repository.image_manifest import image_file, read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders


def lock_and_report(kernels: Sequence[KernelFolder], upgrade: frozenset[str]) -> None:
    """Lock each competition, and print what its lock comes to.

    Args:
        kernels: the competitions.
        upgrade: names whose pins are not kept; ``*`` is all of them.

    Raises:
        LockError: no lock pins a name of ``upgrade``, or the requirements cannot be met.
        OfflineError: an input is malformed, or a package cannot be built.
    """
    names = {canonicalize_name(name) for name in upgrade - ALL}
    known: dict[str, set[NormalizedName]] = {}
    for kernel in kernels:
        lock = read_lock(kernel.lock)
        if lock is not None:
            known[kernel.competition] = {*pinned(lock), *(pin.name for pin in lock.pins)}
    for name in sorted(names - set[NormalizedName]().union(*known.values())):
        raise LockError(f"--upgrade {name}: no lock pins it", "Name a package that is shipped, or none for all.")
    for kernel in kernels:
        print(f"{kernel.competition}:")
        with alone(kernel.build), temporary_files_of(kernel.build):
            own = names & known.get(kernel.competition, set())
            locked = lock_kernel(kernel, upgrade=upgrade & ALL or own)
        report_lock(kernel, locked)


def report_lock(kernel: KernelFolder, locked: Locked) -> None:
    """Print a lock as a table, and its changes."""
    print(table(rows(locked.lock, locked.image, locked.packages)))
    if locked.lock.overridden:
        print(f"  overridden in submission.toml: {', '.join(locked.lock.overridden)}")
    path = locked.lock.path.relative_to(kernel.repository)
    if locked.before is None:
        print(f"  {path} is new: commit it")
    elif locked.before != locked.lock:
        changes = difference(locked.before, locked.lock)
        if locked.before.edited:
            changes.append("it was edited by hand, or by a merge")
        print(f"  {path} is renewed: commit it")
        for line in changes:
            print(f"    {line}")
    else:
        print(f"  {path} is unchanged")


def preview(kernels: Sequence[KernelFolder], name: str, upgrade: frozenset[str]) -> None:
    """Print what would change if the competitions moved to another image; write nothing.

    Args:
        kernels: the competitions.
        name: of the image.
        upgrade: names whose pins are not kept; ``*`` is all of them.

    Raises:
        ConfigurationError: image not found.
        LockError: a competition cannot be locked for the image.
        OfflineError: an input is malformed, or a package cannot be built.
    """
    failed = []
    for kernel in kernels:
        before = read_image_manifest(kernel.image)
        image = read_image_manifest(image_file(kernel.repository, name))
        lock = read_lock(kernel.lock)
        locks = [lock] if lock else []
        print(f"{kernel.competition}: {changes(before, image, locks, everything=False)}")
        gone = sorted(before.pins.keys() - image.pins.keys() - image.unlisted)
        if gone:
            print(f"  {name} does not have: {', '.join(gone)}")
        folder = kernel.build
        with alone(folder), temporary_files_of(folder), tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / kernel.lock.name
            if lock is not None:
                shutil.copyfile(kernel.lock, path)
            try:
                locked = lock_kernel(kernel, image=image, path=path, upgrade=upgrade)
            except LockError as error:
                failed.append(kernel.competition)
                print(f"  cannot be locked: {error.problem}\n    → {error.cure}")
                continue
        print(table(rows(locked.lock, image, locked.packages)))
        if lock is not None:
            print("\n".join(f"    {line}" for line in difference(lock, locked.lock)))
    if failed:
        raise LockError(f"{', '.join(failed)}: cannot be locked for {name}", "The reasons stand above.")
    print(f'nothing is written; to move, write image = "{name}" into submission.toml and run: {command("lock")}')


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions)
    upgrade = frozenset(options.upgrade)
    if options.image:
        preview(kernels, options.image, upgrade & ALL or frozenset(map(canonicalize_name, upgrade)))
    else:
        lock_and_report(kernels, upgrade)
