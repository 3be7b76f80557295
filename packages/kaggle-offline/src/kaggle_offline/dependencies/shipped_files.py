"""Checks of downloaded wheels beyond their metadata: files that two distributions have, and compiled code."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.dependencies.index.download import Shipped
from kaggle_offline.dependencies.index.metadata import checksums, remote_checksums
from kaggle_offline.dependencies.index.package_index import known_files, newest_with_wheel, options_for
from kaggle_offline.dependencies.lock import Lock
from kaggle_offline.dependencies.pins import Kind
from kaggle_offline.dependencies.wheels import read_wheel
from kaggle_offline.errors import LockError
from kaggle_offline.repository.image_manifest import ImageManifest

_NUMPY = canonicalize_name("numpy")
# Compiled code imports NumPy by one of these names: that of NumPy 1, which NumPy 2 does not serve to compiled code, or
# also that of NumPy 2 (numpy/_core/code_generators/generate_numpy_api.py, _import_array).
_NUMPY_1, _NUMPY_2 = b"numpy.core._multiarray_umath", b"numpy._core._multiarray_umath"
_FIRST_OF_2 = 2
# Larger modules are those of CUDA.
_LARGEST_MODULE = 200 * 10**6


def check_shipped(shipped: Sequence[Shipped], lock: Lock, image: ImageManifest) -> None:
    """Check the wheels of a lock.

    Raises:
        LockError: two distributions have the same file, or compiled code does not run with the kernel's NumPy.
    """
    wheels = [file for file in shipped if file.pin.kind in (Kind.WHEEL, Kind.BUILT, Kind.MOUNTED)]
    _check_shared(wheels, lock, image)
    _check_numpy(wheels, image)


def _check_shared(wheels: Sequence[Shipped], lock: Lock, image: ImageManifest) -> None:
    files: dict[NormalizedName, Mapping[str, int]] = {}
    versions = {file.pin.name: file.pin.version for file in wheels}
    for file in wheels:
        with zipfile.ZipFile(file.path) as wheel:
            files[file.pin.name] = checksums(wheel)
    near = [name for name in lock.provided if _has_variant(name, versions)]
    lines = [f"{name}=={image.pins[name].public}" for name in near]
    for name, found in known_files(lines, options_for(image)).items():
        files[name] = remote_checksums(found.address)
    for name, other in combinations(sorted(files), 2):
        if _are_variants(name, other) and {name, other} & versions.keys():
            both = [file for file, checksum in files[name].items() if files[other].get(file, checksum) != checksum]
            if both:
                raise _shared_error(name, other, min(both), versions, lock)


def _shared_error(
    name: NormalizedName, other: NormalizedName, file: str, versions: Mapping[NormalizedName, str], lock: Lock
) -> LockError:
    shown = []
    for each in (name, other):
        if each in versions:
            shown.append(f"{each} {versions[each]}")
        else:
            shown.append(f"the image's {each} {lock.provided[each]}")
    cure = f"Require only one of {name} and {other}."
    for kept, replacing in ((name, other), (other, name)):
        if kept in lock.provided:
            same = f"{kept}=={versions[replacing]}"
            cure = f"Require {kept} instead of {replacing}; or the same version, {same}, if its files are the same."
    return LockError(f"{' and '.join(shown)} both have {file}: one would overwrite the other", cure)


def _has_variant(name: str, others: Iterable[str]) -> bool:
    return any(_are_variants(name, other) for other in others)


def _are_variants(name: str, other: str) -> bool:
    """Tell whether distributions are named as variants of one, as opencv-python and opencv-python-headless are.

    Others may share the files of their tests, which no kernel misses.
    """
    return name != other and name.partition("-")[0] == other.partition("-")[0]


def _check_numpy(wheels: Sequence[Shipped], image: ImageManifest) -> None:
    shipped = [file.pin.version for file in wheels if file.pin.name == _NUMPY]
    of_image = image.pins.get(_NUMPY)
    version = Version(shipped[0]) if shipped else of_image
    if version is None or version.major < _FIRST_OF_2:
        return
    for file in wheels:
        for name, code in _modules_of(file.path):
            if _NUMPY_1 in code and _NUMPY_2 not in code:
                newest = newest_with_wheel(file.pin.name, image)
                cure = "Require a later release of it."
                if newest:
                    cure = f"Require a later release of it, such as {file.pin.name}=={newest}."
                raise LockError(
                    f"{file.pin}: {name} is compiled against NumPy 1, and the kernel has NumPy {version}", cure
                )


def _modules_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the compiled modules of a wheel that requires NumPy."""
    requirements = map(Requirement, read_wheel(path).requirements)
    if not any(canonicalize_name(requirement.name) == _NUMPY for requirement in requirements):
        return
    with zipfile.ZipFile(path) as wheel:
        for entry in wheel.infolist():
            if entry.filename.endswith(".so") and entry.file_size < _LARGEST_MODULE:
                yield entry.filename, wheel.read(entry)
