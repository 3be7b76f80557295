"""``freeze``: from a package and its checkpoints to dataset folders that install offline."""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from kaggle_local.interpreters import UV, available_python

from kaggle_offline.artifacts.frozen import RECORD, Frozen, read_frozen, write_frozen
from kaggle_offline.artifacts.pack import pack_models, pack_packages
from kaggle_offline.artifacts.removed_modules import removed_imports
from kaggle_offline.commands.lock import report_lock
from kaggle_offline.dependencies.index.download import Shipped, download
from kaggle_offline.dependencies.lock import Lock, pins_for_python
from kaggle_offline.dependencies.lock_table import rows, table
from kaggle_offline.dependencies.locking import Locked, lock_kernel
from kaggle_offline.dependencies.pins import Kind, Pin, read_pins
from kaggle_offline.dependencies.shipped_files import check_shipped
from kaggle_offline.environment import temporary_files_of
from kaggle_offline.errors import CredentialsError, NotFrozenError, UnbuiltError
from kaggle_offline.files import Stamp, alone, digest_of_data, digest_of_file
from kaggle_offline.reports.github import in_ci
from kaggle_offline.reports.result import update_result
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders
from kaggle_offline.repository.provenance import read_source
from kaggle_offline.uv import further_indexes


def freeze(kernel: KernelFolder, *, renew_lock: bool = True) -> Frozen:
    """Build, lock, download and pack; stages whose inputs have not changed are skipped.

    Raises:
        StaleLockError: the lock is stale, and ``renew_lock`` is not given.
        OfflineError: an input is malformed, or a stage failed.
    """
    indexes = kernel.settings.freeze.indexes
    with alone(kernel.build), temporary_files_of(kernel.build), further_indexes(indexes):
        return _freeze(kernel, renew_lock=renew_lock)


def _freeze(kernel: KernelFolder, *, renew_lock: bool) -> Frozen:
    started = time.monotonic()
    build = kernel.build
    before = _frozen_before(kernel)
    # If this freeze fails half way, push must not find an older result.
    (build / RECORD).unlink(missing_ok=True)
    _check_notebook(kernel)
    models = pack_models(kernel, build / "models")
    image = read_image_manifest(kernel.image)
    with ThreadPoolExecutor(1) as thread:
        # uv starts every interpreter that it finds, which takes a while.
        searched = thread.submit(_rehearsal_python, image)
        locked = lock_kernel(kernel, image=image, renew=renew_lock)
    pins = _unmounted(locked.lock.pins)
    constraints = locked.lock.builds_with
    copies = _mounted_copies(kernel, locked.lock)

    def check(files: Sequence[Shipped]) -> None:
        check_shipped([*files, *copies], locked.lock, image)

    fetch = partial(download, image=image, repository=kernel.repository, constraints=constraints)
    checked_with = [sorted(locked.lock.provided.items()), *(copy.pin.lines() for copy in copies)]
    shipped = fetch(pins, build / "wheels", check=check, checked_with=checked_with)
    pack = partial(pack_packages, kernel, packages=locked.packages, lock=locked.lock, image=image)
    packages = pack(build / "packages", shipped=shipped, python=image.python)
    python, rehearsal = searched.result(), packages
    if python != image.python:
        host_pins = _unmounted(_pins_here(locked.lock.pins, python, image, build / "rehearsal" / "pins.json"))
        here = fetch(host_pins, build / "rehearsal" / "wheels", for_image=shipped)
        rehearsal = pack(build / "rehearsal" / "packages", shipped=here, python=python)
    of_image = {*locked.lock.provided, *(replaced.name for replaced in locked.lock.replaced)}
    frozen = Frozen(
        packages=packages,
        rehearsal=rehearsal,
        models=models,
        python=python,
        of_image=tuple(sorted(of_image)),
        distributions=rows(locked.lock, image, locked.packages),
        source=read_source(kernel.repository, kernel.competition),
    )
    write_frozen(kernel, frozen)
    changed = before != frozen
    _report(kernel, frozen, locked, changed=changed)
    if changed:
        update_result(kernel.build, seconds={"freeze": time.monotonic() - started})
        for line in removed_imports(shipped, image.python, {*image.pins, *(pin.name for pin in pins)}):
            print(f"  {line}: require a later release, if the kernel imports it")
    return frozen


def _unmounted(pins: Sequence[Pin]) -> list[Pin]:
    """Return the pins without those whose wheels other datasets have."""
    return [pin for pin in pins if pin.kind is not Kind.MOUNTED]


def _mounted_copies(kernel: KernelFolder, lock: Lock) -> list[Shipped]:
    """Return those wheels of other datasets that this machine has a copy of."""
    found = []
    for pin in lock.pins:
        if pin.kind is Kind.MOUNTED:
            owner, slug, name = pin.place
            path = kernel.repository / kernel.settings.inputs.get(f"{owner}/{slug}", "") / name
            if path.is_file() and digest_of_file(path) in pin.hashes:
                found.append(Shipped(path=path, pin=pin))
    return found


def _rehearsal_python(image: ImageManifest) -> str:
    """Return the Python to rehearse with; only Linux can rehearse, and elsewhere only the image's files are made."""
    return available_python(image.python) if sys.platform == "linux" else image.python


def _check_notebook(kernel: KernelFolder) -> None:
    """Check that push will be able to read the notebook, unless it has not changed since the last check.

    Raises:
        ConfigurationError: it cannot be read.
    """
    stamp = Stamp(kernel.build / ".notebook.json", digest_of_file(kernel.code))
    if not stamp.note():
        from kaggle_offline.artifacts.render import read_notebook

        read_notebook(kernel.code)
        stamp.write("readable")


def _pins_here(pins: Sequence[Pin], python: str, image: ImageManifest, path: Path) -> tuple[Pin, ...]:
    """Return the pins for this machine's Python, from the stamp at ``path`` if it is up to date."""
    stamp = Stamp(path, digest_of_data([python, *(pin.lines() for pin in pins)]))
    note = stamp.note()
    try:
        if isinstance(note, str):
            return read_pins(note.splitlines())
    except ValueError:
        pass
    found = tuple(pins_for_python(pins, python, image))
    stamp.write("".join(pin.lines() for pin in found))
    return found


def _report(kernel: KernelFolder, frozen: Frozen, locked: Locked, *, changed: bool) -> None:
    renewed = locked.lock != locked.before
    outcome = "frozen" if changed else "nothing changed"
    print(f"{kernel.competition}: {outcome}, packages {frozen.packages.digest[:19]}")
    if renewed:
        report_lock(kernel, locked)
    elif changed:
        print(table(frozen.distributions))
    if changed:
        size = sum(frozen.packages.files.values())
        print(f"  shipped: {', '.join(sorted(frozen.packages.files))} ({size / 1e6:.1f} MB)")
    if frozen.rehearsal is not frozen.packages:
        wanted = locked.image.python
        print(f"  Python {wanted} not found: the rehearsal takes the same versions for {frozen.python}")
        print(f"  hint: to rehearse on the image's Python, run: {UV} python install {wanted}")


def _frozen_before(kernel: KernelFolder) -> Frozen | None:
    try:
        return read_frozen(kernel)
    except NotFrozenError:
        return None


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions, upstreams=True)
    if options.target == "kaggle":
        _check_before_freeze(kernels, repository)
    for kernel in kernels:
        if options.on_kaggle:
            freeze_with_builds(kernel, options.target)
        else:
            freeze(kernel, renew_lock=not in_ci())


def freeze_with_builds(kernel: KernelFolder, target: str) -> None:
    """Freeze, and have Kaggle build each wheel that cannot be built here.

    Raises:
        OfflineError: as `freeze` does, or a build failed.
    """
    built: set[str] = set()
    if target == "kaggle":
        # kaggle.com builds them anew.
        shutil.rmtree(kernel.rehearsed_wheels, ignore_errors=True)
    while True:
        try:
            freeze(kernel, renew_lock=not in_ci())
        except UnbuiltError as error:
            if error.requirement in built:
                raise
            print(f"  {error.problem}", flush=True)
            _build(kernel, target, error.requirement)
            built.add(error.requirement)
        else:
            return


def _build(kernel: KernelFolder, target: str, requirement: str) -> None:
    # The official client takes most of a second to import.
    from kaggle_offline.delivery.target import open_target
    from kaggle_offline.delivery.wheel_build import build_on_kaggle

    with open_target(target, kernel.repository) as opened:
        build_on_kaggle(opened, kernel, requirement)


def _check_before_freeze(kernels: Sequence[KernelFolder], repository: Path) -> None:
    """Ask kaggle.com whether the competitions accept a submission, if there are credentials to ask with.

    A workflow freezes without credentials: the builds of other people's code must not see them.

    Raises:
        EntryError: a competition would refuse it.
    """
    # The official client takes most of a second to import.
    from kaggle_offline.delivery.preflight import Preflight
    from kaggle_offline.delivery.target import open_target

    try:
        with open_target("kaggle", repository) as target:
            for kernel in kernels:
                Preflight(target, kernel).before_sending()
    except CredentialsError as error:
        print(f"  without asking kaggle.com about the competition; push will ask ({error.problem})", flush=True)
