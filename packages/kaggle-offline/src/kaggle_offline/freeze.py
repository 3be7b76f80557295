"""``freeze``: from a package and its checkpoints to dataset folders that install offline."""

import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kaggle_local.interpreters import UV, available_python
from packaging.utils import canonicalize_name

from kaggle_offline.chain import Source, read_source
from kaggle_offline.download import download
from kaggle_offline.errors import LockError, NotFrozenError
from kaggle_offline.explain import Row, difference, rows, table
from kaggle_offline.files import alone, digest_of_data, digest_of_file, holds, read_json, write_json, write_text
from kaggle_offline.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.lock import ALL, Inputs, Lock, lock, pinned, pins_for_python, read_lock
from kaggle_offline.pack import Dataset, pack_models, pack_packages
from kaggle_offline.pins import Pin, read_pins
from kaggle_offline.result import update_result
from kaggle_offline.wheel import Wheel, build_packages

_RECORD = "frozen.json"


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What a freeze made.

    Attributes:
        packages: for Kaggle's image.
        rehearsal: the same versions for this machine's Python; `packages` where it is the image's.
        models: the checkpoints; None where the kernel has none.
        python: the Python that ``rehearsal`` is for.
        of_image: the names of what the image has of the requirements, in whatever version.
        distributions: what becomes of each.
        source: what was checked out.
    """

    packages: Dataset
    rehearsal: Dataset
    models: Dataset | None
    python: str
    of_image: tuple[str, ...]
    distributions: tuple[Row, ...]
    source: Source = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A lock, and what it was resolved from.

    Attributes:
        packages: the wheels of this repository, the project's first.
        lock: of what they require.
        before: the lock that it takes the place of; None where there was none.
        image: that it is for.
    """

    packages: tuple[Wheel, ...]
    lock: Lock
    before: Lock | None
    image: ImageManifest


def lock_kernel(kernel: KernelFolder, *, renew: bool = True, upgrade: Collection[str] = ()) -> Locked:
    """Build the packages and lock what they require; an unchanged lock is only read.

    Raises:
        OfflineError: an input is malformed, or a package cannot be built or its requirements met.
    """
    image = read_image_manifest(kernel.image)
    before = read_lock(kernel.lock)
    builds_with = before.builds_with if before else ()
    build = partial(
        build_packages, kernel.package, kernel.build / "dist", environment=image.environment, extras=kernel.extras
    )
    packages = build(constraints=builds_with)
    inputs = Inputs(packages=packages, extras=kernel.extras, image=image, protected=kernel.protected)
    locked = lock(inputs, kernel.lock, renew=renew, upgrade=upgrade)
    if locked.builds_with != builds_with:
        packages = build(constraints=locked.builds_with)
    return Locked(packages=tuple(packages.values()), lock=locked, before=before, image=image)


def freeze(kernel: KernelFolder, *, renew_lock: bool = True) -> Frozen:
    """Build, lock, download and pack; what has not changed since the last time is not done again.

    Raises:
        StaleLockError: the lock is stale, and ``renew_lock`` is not given.
        OfflineError: an input is malformed, or a stage failed.
    """
    with alone(kernel.build):
        return _freeze(kernel, renew_lock=renew_lock)


def _freeze(kernel: KernelFolder, *, renew_lock: bool) -> Frozen:
    started = time.monotonic()
    build = kernel.build
    before = _frozen_before(kernel)
    # Should this freeze fail half way, there is nothing that push could take for whole.
    (build / _RECORD).unlink(missing_ok=True)
    _check_notebook(kernel)
    models = pack_models(kernel, build / "models")
    image = read_image_manifest(kernel.image)
    with ThreadPoolExecutor(1) as thread:
        # uv asks every interpreter that it meets, which takes a while.
        searched = thread.submit(_rehearsal_python, image)
        locked = lock_kernel(kernel, renew=renew_lock)
    pins, constraints = locked.lock.pins, locked.lock.builds_with
    shipped = download(pins, build / "wheels", image, constraints=constraints)
    pack = partial(pack_packages, kernel, packages=locked.packages, lock=locked.lock, image=image)
    packages = pack(build / "packages", shipped=shipped, python=image.python)
    python, rehearsal = searched.result(), packages
    if python != image.python:
        host_pins = _pins_here(pins, python, image, build / "rehearsal" / "requirements.txt")
        shipped = download(host_pins, build / "rehearsal" / "wheels", image, constraints=constraints, for_image=shipped)
        rehearsal = pack(build / "rehearsal" / "packages", shipped=shipped, python=python)
    update_result(kernel.build, seconds={"freeze": time.monotonic() - started})
    of_image = sorted({*locked.lock.provided, *(r.name for r in locked.lock.replaced)})
    frozen = Frozen(
        packages=packages,
        rehearsal=rehearsal,
        models=models,
        python=python,
        of_image=tuple(of_image),
        distributions=rows(locked.lock, image, locked.packages),
        source=read_source(kernel.repository, kernel.competition),
    )
    _write_frozen(kernel, frozen)
    _report(kernel, frozen, locked, changed=before != frozen)
    return frozen


def _rehearsal_python(image: ImageManifest) -> str:
    """Choose the Python to rehearse with; only Linux rehearses, and elsewhere what is pushed is all that is made."""
    return available_python(image.python) if sys.platform == "linux" else image.python


def _check_notebook(kernel: KernelFolder) -> None:
    """Read the notebook to see that push will be able to, unless just this one has been read.

    Raises:
        ConfigurationError: it cannot be read.
    """
    stamp, digest = kernel.build / ".notebook-inputs", digest_of_file(kernel.code)
    if not holds(stamp, digest):
        from kaggle_offline.notebook import read_notebook

        read_notebook(kernel.code)
        write_text(stamp, digest)


def _pins_here(pins: tuple[Pin, ...], python: str, image: ImageManifest, path: Path) -> tuple[Pin, ...]:
    """The pins for this machine's Python, looked up unless ``path`` has them already."""
    head = f"# of: {digest_of_data([python, *(pin.lines() for pin in pins)])}\n"
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith(head):
            return read_pins(text.splitlines())
    except (OSError, ValueError):
        pass
    found = tuple(pins_for_python(pins, python, image))
    write_text(path, "".join([head, *(pin.lines() for pin in found)]))
    return found


def _report(kernel: KernelFolder, frozen: Frozen, locked: Locked, *, changed: bool) -> None:
    renewed = locked.lock != locked.before
    print(f"{kernel.competition}: {'frozen' if changed else 'nothing changed'}, packages {frozen.packages.digest[:19]}")
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
    found = {kernel.competition: read_lock(kernel.lock) for kernel in kernels}
    known = {name: {*pinned(lock), *(pin.name for pin in lock.pins)} for name, lock in found.items() if lock}
    for name in sorted(names - frozenset().union(*known.values())):
        raise LockError(f"--upgrade {name}: no lock pins it", "Name a package that is shipped, or none for all.")
    for kernel in kernels:
        print(f"{kernel.competition}:")
        with alone(kernel.build):
            locked = lock_kernel(kernel, upgrade=upgrade & ALL or names & known.get(kernel.competition, set()))
        report_lock(kernel, locked)


def report_lock(kernel: KernelFolder, locked: Locked) -> None:
    """Print what a lock comes to, and how it differs from the one before."""
    print(table(rows(locked.lock, locked.image, locked.packages)))
    path = locked.lock.path.relative_to(kernel.repository)
    if locked.before is None:
        print(f"  {path} is new: commit it")
    elif locked.before != locked.lock:
        changes = difference(locked.before, locked.lock)
        changes += ["it was edited by hand, or by a merge"] if locked.before.edited else []
        print("\n".join([f"  {path} is renewed: commit it", *(f"    {line}" for line in changes)]))
    else:
        print(f"  {path} is as it was")


def _frozen_before(kernel: KernelFolder) -> Frozen | None:
    try:
        return read_frozen(kernel)
    except NotFrozenError:
        return None


def read_frozen(kernel: KernelFolder) -> Frozen:
    """What the last freeze made.

    Raises:
        NotFrozenError: there was none.
    """
    try:
        document = read_json(kernel.build / _RECORD)
        datasets = {
            name: Dataset(folder=kernel.build / entry["folder"], slug=entry["slug"], digest=entry["digest"])
            for name, entry in document["datasets"].items()
        }
        frozen = Frozen(
            packages=datasets["packages"],
            rehearsal=datasets["rehearsal"],
            models=datasets.get("models"),
            python=document["python"],
            of_image=tuple(document["of_image"]),
            distributions=tuple(Row(**row) for row in document["distributions"]),
            source=Source(tag=document["source"]["tag"], commit=document["source"]["commit"]),
        )
        texts = [frozen.python, *frozen.of_image, frozen.source.tag, frozen.source.commit]
        texts += [text for dataset in datasets.values() for text in (dataset.slug, dataset.digest)]
        texts += [text for row in frozen.distributions for text in vars(row).values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not a text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotFrozenError(
            f"{kernel.competition}: nothing is frozen", f"Run: nox -s freeze -- {kernel.competition}"
        ) from error
    return frozen


def _write_frozen(kernel: KernelFolder, frozen: Frozen) -> None:
    datasets = {"packages": frozen.packages, "rehearsal": frozen.rehearsal, "models": frozen.models}
    document = {
        "python": frozen.python,
        "of_image": frozen.of_image,
        "distributions": [vars(row) for row in frozen.distributions],
        "source": vars(frozen.source),
        "datasets": {
            name: {"folder": str(d.folder.relative_to(kernel.build)), "slug": d.slug, "digest": d.digest}
            for name, d in datasets.items()
            if d is not None
        },
    }
    write_json(kernel.build / _RECORD, document)
