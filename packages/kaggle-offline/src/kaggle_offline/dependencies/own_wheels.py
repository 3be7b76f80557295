"""Wheels of the user's own: files of the repository, of datasets on Kaggle, or addresses outside of any index.

Projects release extensions of torch with the platform tag ``linux_x86_64``, which no index takes: a wheel with it need
not run on other machines than the one that built it. uv resolves for a platform that excludes it, so it is given a
wheel of the same metadata for every platform.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urldefrag, urlsplit

import requests
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from kaggle_offline.dependencies.pins import Kind, refuse_secrets
from kaggle_offline.dependencies.wheels import Wheel, read_wheel
from kaggle_offline.errors import LockError, NetworkError
from kaggle_offline.files import COPY_IT, digest_of_file, is_lfs_pointer, link_outside
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.submission_toml import MOUNTED

_IN_DATASET = re.compile(rf"{MOUNTED}[\w-]+/[\w-]+/(?:(?!\.)[\w.+-]+/)*[\w.+-]+\.whl", re.ASCII)

_ANSWER_SECONDS = 60
_PIECE = 2**20


@dataclass(frozen=True, kw_only=True)
class OwnWheel:
    """A wheel of the user's own.

    Attributes:
        wheel: its metadata; its path is a wheel without content that uv resolves with.
        source: its path in the repository, its address, or its place in a dataset: ``owner/slug/name.whl``.
        sha256: of its file.
        kind: how it gets into the kernel.
    """

    wheel: Wheel
    source: str
    sha256: str
    kind: Kind


def own_files(entries: Sequence[str], repository: Path) -> dict[str, str]:
    """Return the wheels that settings name: paths in the repository and other places, with the digests of the former.

    Args:
        entries: paths or patterns relative to the repository, places in datasets, and addresses.
        repository: that they are in.

    Raises:
        LockError: a pattern has no file, a file leads out of the repository, or an address has credentials.
    """
    found: dict[str, str] = {}
    for entry in entries:
        if entry.startswith(MOUNTED):
            if not _IN_DATASET.fullmatch(entry):
                raise LockError(
                    f"freeze.wheels: {entry}: not the place of a wheel in a dataset",
                    f"As in: {MOUNTED}owner/slug/name.whl",
                )
            found[entry] = ""
            continue
        if "://" in entry:
            refuse_secrets("freeze.wheels", entry)
            if not urlsplit(entry).path.endswith(".whl"):
                raise LockError(f"freeze.wheels: {entry}: not the address of a wheel", "Correct it in submission.toml.")
            found[entry] = ""
            continue
        paths = _matching(entry, repository)
        if not paths:
            raise LockError(f"freeze.wheels: {entry}: no such file in {repository}", "Correct it in submission.toml.")
        for path in paths:
            problem = link_outside(path, repository)
            if problem:
                raise LockError(problem, COPY_IT)
            with path.open("rb") as file:
                if is_lfs_pointer(file):
                    raise LockError(f"{path}: a Git LFS pointer, not the file", "Run: git lfs pull")
            found[path.relative_to(repository).as_posix()] = digest_of_file(path)
    return found


def _matching(entry: str, repository: Path) -> list[Path]:
    """Return the files of a repository that a path or pattern names, sorted.

    Raises:
        LockError: the pattern is malformed, or a file's name has a blank, which a lock cannot hold.
    """
    if entry.startswith(("/", "..")):
        return []
    try:
        paths = sorted(path for path in repository.glob(entry) if path.is_file())
    except ValueError as error:
        raise LockError(f"freeze.wheels: {entry}: {error}", "Correct it in submission.toml.") from error
    for path in paths:
        if re.search(r"[\s\\]", path.relative_to(repository).as_posix()):
            raise LockError(f"freeze.wheels: {path}: a blank in its name", "Rename the file or folder.")
    return paths


def read_own_wheels(
    files: Sequence[str], repository: Path, copies: Mapping[str, Path], image: ImageManifest, scratch: Path
) -> list[OwnWheel]:
    """Read the wheels that `own_files` returns, those at addresses after a download.

    Args:
        files: paths in the repository, places in datasets, and addresses.
        repository: that they are in.
        copies: the folders that have the files of datasets, by ``owner/slug``.
        image: that they have to be for.
        scratch: an empty folder.

    Raises:
        LockError: a file is not a wheel, or one for another Python or machine.
        NetworkError: an address does not answer.
    """
    found: list[OwnWheel] = []
    for number, source in enumerate(files):
        folder = scratch / str(number)
        folder.mkdir(parents=True)
        kind = Kind.WHEEL
        if source.startswith(MOUNTED):
            kind, path = Kind.MOUNTED, _copy_of(source, copies)
        elif "://" in source:
            path = fetch_wheel(source, folder)
        else:
            path = repository / source
        try:
            tags = parse_wheel_filename(path.name)[3]
        except InvalidWheelFilename as error:
            raise LockError(f"freeze.wheels: {source}: {error}", "Name wheels as their builds do.") from error
        if not tags & image.tags:
            names = ", ".join(sorted(map(str, tags)))
            raise LockError(
                f"freeze.wheels: {source}: it is for {names}, not for the image's Python {image.python}",
                "Take the wheel for that Python, or use another image.",
            )
        wheel = read_wheel(path)
        for other in found:
            if other.wheel.name == wheel.name:
                raise LockError(
                    f"freeze.wheels: {other.source} and {source}: both are {wheel.name}", "Name only one of them."
                )
        found.append(
            OwnWheel(
                wheel=replace(wheel, path=_stub(wheel, folder / "stub")),
                source=urldefrag(source.removeprefix(MOUNTED)).url,
                kind=kind,
                sha256=digest_of_file(path),
            )
        )
    return found


def _copy_of(entry: str, copies: Mapping[str, Path]) -> Path:
    """Return the copy of a wheel that is in a dataset.

    Raises:
        LockError: this machine has none.
    """
    owner, slug, name = entry.removeprefix(MOUNTED).split("/", 2)
    dataset = f"{owner}/{slug}"
    if dataset in copies and (copies[dataset] / name).is_file():
        return copies[dataset] / name
    raise LockError(
        f"freeze.wheels: {entry}: a lock needs a copy of it, and [rehearsal.inputs] names none",
        f"Run: kaggle datasets download {dataset} --unzip --path data/{slug}. Then write into submission.toml: "
        f'[rehearsal.inputs] "{dataset}" = "data/{slug}"',
    )


def fetch_wheel(address: str, folder: Path) -> Path:
    """Download a wheel from an address into a folder; return its path.

    Raises:
        NetworkError: it does not arrive.
        LockError: its hash is not that of the address, ``#sha256=…``.
    """
    url, fragment = urldefrag(address)
    try:
        path, digest = fetch(url, folder)
    except requests.RequestException as error:
        raise NetworkError(f"freeze.wheels: {url}: {error}") from error
    wanted = parse_qs(fragment).get("sha256", [digest])[0]
    if wanted != digest:
        raise LockError(f"freeze.wheels: {url}: its SHA-256 is {digest}", "Correct the address's hash.")
    return path


def fetch(url: str, folder: Path) -> tuple[Path, str]:
    """Download a file into a folder under the last name of its address; return its path and its SHA-256.

    Raises:
        requests.RequestException: it does not arrive.
    """
    # As in torch_scatter-2.1.2%2Bpt211cu128-…
    path = folder / unquote(PurePosixPath(urlsplit(url).path).name)
    hashed = sha256()
    with requests.get(url, timeout=_ANSWER_SECONDS, stream=True) as answer:
        answer.raise_for_status()
        with path.open("wb") as file:
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                hashed.update(piece)
    return path, hashed.hexdigest()


def _stub(wheel: Wheel, folder: Path) -> Path:
    """Write a wheel with the same metadata, for every platform and without content; return its path."""
    folder.mkdir()
    stem = f"{canonicalize_name(wheel.name).replace('-', '_')}-{wheel.version}"
    path = folder / f"{stem}-py3-none-any.whl"
    lines = [f"Name: {wheel.name}", f"Version: {wheel.version}"]
    if wheel.requires_python:
        lines.append(f"Requires-Python: {wheel.requires_python}")
    lines += [f"Requires-Dist: {line}" for line in wheel.requirements]
    extras = set(re.findall(r'extra == "([^"]+)"', "\n".join(wheel.requirements)))
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    with zipfile.ZipFile(path, "w") as stub:
        stub.writestr(f"{stem}.dist-info/METADATA", "\n".join(["Metadata-Version: 2.1", *lines, ""]))
        stub.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: kaggle-offline\nTag: py3-none-any\n")
        stub.writestr(f"{stem}.dist-info/RECORD", "")
    return path
