"""Wheels that this machine cannot build: a kernel with a network builds them on the competition's own image."""

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from kaggle_offline.delivery.helper_kernel import run_helper
from kaggle_offline.delivery.run_log import plain
from kaggle_offline.delivery.target import Target
from kaggle_offline.dependencies.unbuilt import Unbuilt, read_unbuilt
from kaggle_offline.dependencies.wheels import read_wheel
from kaggle_offline.errors import BuildError, RunError
from kaggle_offline.files import digest_of_file, read_json
from kaggle_offline.git import MOST_ON_GITHUB
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.kernel_metadata import TITLE_LENGTHS, pin_of
from kaggle_offline.uv import further_indexes

_CODE = resources.files("kaggle_offline.artifacts") / "in_kernel" / "build_wheel.py"
_RECORD = "wheels.json"
# Builds use these, and their requirements seldom name them.
_TOOLS = ("ninja", "setuptools", "wheel")


def build_on_kaggle(target: Target, kernel: KernelFolder, requirement: str) -> Path:
    """Build the wheel of a source in a kernel; return its path.

    A wheel of kaggle.com lies below `KernelFolder.built_wheels`, one of the local Kaggle below ``build/``.

    The kernel has a network, and the image and the accelerator of the competition's kernel. Only what kaggle.com has
    built goes to the kernel folder: a wheel of the local Kaggle is for this machine's libraries.

    Args:
        target: where the kernel runs.
        kernel: the competition.
        requirement: ``name==version``, or ``name @ address``.

    Raises:
        RehearsalError: the local Kaggle gives kernels no network.
        RunError: the build failed, or its wheel is not for the image.
        KaggleError: Kaggle refused something.
    """
    image = read_image_manifest(kernel.image)
    with further_indexes(kernel.settings.freeze.indexes):
        unbuilt = read_unbuilt(requirement, image)
    print(f"{requirement}: building on {target.name}, on the image {image.name}", flush=True)
    target.prepare_build(kernel, _of_image(unbuilt, image))
    metadata = kernel.metadata
    settings: dict[str, Any] = {"kernel_type": "script", "enable_internet": True, **pin_of(metadata, image)}
    for key in ("enable_gpu", "enable_tpu", "machine_shape", "docker_image", "docker_image_pinning_type"):
        if key in metadata.document:
            settings[key] = metadata.document[key]
    folder = kernel.build / "wheel-build"
    run_helper(
        target,
        folder,
        title=f"Wheels for {image.name}"[: TITLE_LENGTHS[-1]].strip("-."),
        code={"build_wheel.py": _rendered(unbuilt, kernel)},
        settings=settings,
        wanted=lambda name: name.endswith(".whl") or name == _RECORD,
        needed=(_RECORD,),
    )
    wheel = _checked(folder / "output", requirement, image, str(settings.get("docker_image", "")))
    place = kernel.built_wheels
    if target.name == "local":
        place = kernel.rehearsed_wheels
    place.mkdir(parents=True, exist_ok=True)
    kept = Path(shutil.copyfile(wheel, place / wheel.name))
    # One wheel of each distribution is kept.
    stem = kept.name.partition("-")[0].lower()
    for other in place.glob("*.whl"):
        if other.name.partition("-")[0].lower() == stem and other != kept:
            other.unlink()
    size = kept.stat().st_size
    print(f"  {kept.relative_to(kernel.repository)} ({size / 1e6:.1f} MB){_advice(size, target)}", flush=True)
    return kept


def _advice(size: int, target: Target) -> str:
    if target.name == "local":
        return ": for rehearsals on this machine alone"
    return ": commit it, with Git LFS" if size > MOST_ON_GITHUB else ": commit it"


def _of_image(unbuilt: Unbuilt, image: ImageManifest) -> tuple[str, ...]:
    """Return the names of the image's distributions that the build may use."""
    names = {canonicalize_name(Requirement(line).name) for line in unbuilt.requires}
    return tuple(sorted(image.pins.keys() & {*names, *_TOOLS}))


def _rendered(unbuilt: Unbuilt, kernel: KernelFolder) -> str:
    """Return the code of the kernel, for a source."""
    lists = {
        "SOURCE": list(unbuilt.lines),
        "REQUIRES": list(unbuilt.requires),
        "INDEXES": list(kernel.settings.freeze.indexes.values()),
    }
    text = _CODE.read_text(encoding="utf-8")
    for name, values in lists.items():
        text = text.replace(f"{name}: list[str] = []", f"{name}: list[str] = {values!r}")
    return text


def _checked(folder: Path, requirement: str, image: ImageManifest, pinned: str) -> Path:
    """Return the wheel of a build's output.

    Args:
        folder: of the output.
        requirement: that the wheel is for.
        image: that it is for.
        pinned: the image that the kernel was pinned to; empty for the newest.

    Raises:
        RunError: it is missing, changed on its way, of another distribution, or not for the image.
    """
    cure = "Run the same command again; if it stays so, name a wheel of your own: [freeze] wheels in submission.toml."
    try:
        record = read_json(folder / _RECORD)
        ((name, wanted),) = record["wheels"].items()
        path = folder / str(name)
        if path.name != name or digest_of_file(path) != wanted:
            raise ValueError(f"{name}: not the file that was built")
        seen, tags = str(record["docker_image"]), parse_wheel_filename(path.name)[3]
        wheel = read_wheel(path)
        if wheel.name != canonicalize_name(Requirement(requirement).name):
            raise ValueError(f"{name}: another distribution")
        if not tags & image.tags:
            raise ValueError(f"{name}: not for the image's Python {image.python}")
        # One image has several names, which differ before its digest.
        digests = [name.partition("@")[2] for name in (seen, pinned)]
        if all(digests) and len(set(digests)) > 1:
            raise ValueError(f"built on {seen}, not on {pinned}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BuildError) as error:
        problem = f"{requirement}: the kernel left no wheel for {image.name}: {plain(str(error))}"
        raise RunError(problem, cure) from error
    return path
