"""``freeze``: from a package and its checkpoints to dataset folders that install offline."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from kaggle_offline.checkpoints import list_checkpoints
from kaggle_offline.download import download
from kaggle_offline.errors import NotFrozenError
from kaggle_offline.files import holds, write_json, write_text
from kaggle_offline.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.lock import Lock, lock, relock_for_host
from kaggle_offline.notebook import read_notebook
from kaggle_offline.pack import Dataset, pack_models, pack_packages
from kaggle_offline.result import update_result
from kaggle_offline.uv import rehearsal_python
from kaggle_offline.wheel import build_wheel

_RECORD = "frozen.json"


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What a freeze made.

    Attributes:
        packages: for Kaggle's image.
        rehearsal: the same versions for this machine's Python; `packages` where it is the image's.
        models: the checkpoints.
        python: the Python that ``rehearsal`` is for.
        provided: ``name==version`` of what the image has of the requirements.
    """

    packages: Dataset
    rehearsal: Dataset
    models: Dataset
    python: str
    provided: tuple[str, ...]


def freeze(kernel: KernelFolder) -> Frozen:
    """Build, lock, download and pack; what has not changed since the last time is not done again.

    Raises:
        OfflineError: an input is malformed, or a stage failed.
    """
    started = time.monotonic()
    build = kernel.build
    before = _frozen_before(kernel)
    # Should this freeze fail half way, there is nothing that push could take for whole.
    (build / _RECORD).unlink(missing_ok=True)
    read_notebook(kernel.code)
    checkpoints = list_checkpoints(kernel.checkpoints)
    image = read_image_manifest(kernel.image)
    project = build_wheel(kernel.package, build / "dist")
    locked = lock(project.requirements, image, kernel.lock)
    wheels = download(locked.path, build / "wheels", image)
    packages = pack_packages(
        kernel, build / "packages", project=project, wheels=wheels, lock=locked, image=image, python=image.python
    )
    models = pack_models(kernel, checkpoints, build / "models")

    python, rehearsal = rehearsal_python(image.python), packages
    if python != image.python:
        host_lock = build / "rehearsal" / "requirements.txt"
        _relock(locked, python, host_lock)
        host_wheels = download(host_lock, build / "rehearsal" / "wheels", None)
        folder = build / "rehearsal" / "packages"
        rehearsal = pack_packages(
            kernel, folder, project=project, wheels=host_wheels, lock=locked, image=image, python=python
        )
    update_result(kernel.build, seconds={"freeze": time.monotonic() - started})
    frozen = Frozen(packages=packages, rehearsal=rehearsal, models=models, python=python, provided=locked.provided)
    _write_frozen(kernel, frozen)
    _report(kernel, frozen, locked, image, changed=before != frozen)
    return frozen


def _relock(locked: Lock, python: str, path: Path) -> None:
    stamp = path.with_name(".lock-inputs")
    inputs = f"{python} {' '.join(locked.pins)}"
    if not (path.exists() and holds(stamp, inputs)):
        relock_for_host(locked, python, path)
        write_text(stamp, inputs)


def _report(kernel: KernelFolder, frozen: Frozen, locked: Lock, image: ImageManifest, *, changed: bool) -> None:
    size = sum(frozen.packages.files.values())
    short = frozen.packages.digest[:19]
    print(f"{kernel.competition}: {'frozen' if changed else 'nothing changed'}, packages {short}")
    if changed or locked.renewed:
        print(f"  the image has {len(frozen.provided)} of the requirements: {', '.join(frozen.provided)}")
        print(f"  shipped with {kernel.package.name}: {', '.join(locked.pins) or 'nothing'} ({size / 1e6:.1f} MB)")
    if locked.renewed:
        print(f"  {locked.path.relative_to(kernel.repository)} is new: commit it")
    if frozen.rehearsal is not frozen.packages:
        print(f"  no Python {image.python} here: the rehearsal takes the same versions for {frozen.python}")


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
        document = json.loads((kernel.build / _RECORD).read_text())
        datasets = {
            name: Dataset(folder=kernel.build / entry["folder"], slug=entry["slug"], digest=entry["digest"])
            for name, entry in document["datasets"].items()
        }
        return Frozen(**datasets, python=document["python"], provided=tuple(document["provided"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotFrozenError(
            f"{kernel.competition}: nothing is frozen", f"Run: nox -s freeze -- {kernel.competition}"
        ) from error


def _write_frozen(kernel: KernelFolder, frozen: Frozen) -> None:
    datasets = {"packages": frozen.packages, "rehearsal": frozen.rehearsal, "models": frozen.models}
    document = {
        "python": frozen.python,
        "provided": frozen.provided,
        "datasets": {
            name: {"folder": str(d.folder.relative_to(kernel.build)), "slug": d.slug, "digest": d.digest}
            for name, d in datasets.items()
        },
    }
    write_json(kernel.build / _RECORD, document)
