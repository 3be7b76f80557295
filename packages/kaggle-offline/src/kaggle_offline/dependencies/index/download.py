"""Download the files of a lock and check their hashes: the image's wheels, and sources of distributions without one."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn
from urllib.parse import urldefrag

import requests
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from tqdm import tqdm

from kaggle_offline.dependencies.index.metadata import read_metadata
from kaggle_offline.dependencies.index.package_index import look_up, options_for
from kaggle_offline.dependencies.index.source_distributions import EXTENSION, build_source, fetch_commit, part_of
from kaggle_offline.dependencies.own_wheels import fetch, fetch_wheel
from kaggle_offline.dependencies.pins import Kind, Pin
from kaggle_offline.dependencies.wheels import Wheel, read_wheel
from kaggle_offline.environment import command, environment_for_others
from kaggle_offline.errors import DownloadError, NetworkError
from kaggle_offline.files import Stamp, digest_of_data, digest_of_file, new_folder
from kaggle_offline.repository.image_manifest import ImageManifest

# pip downloads one file after the other, so several run at once. Each occupies a core for most of a second.
_PROCESSES = min(4, max(2, os.cpu_count() or 1))
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)\s*$")
_LAST_LINES = 12
_STAMP = ".inputs.json"
# The settings of pip for package indexes and the network.
_PIP = (
    *("CACHE", "CERT", "CLIENT", "CONFIG", "DEFAULT_TIMEOUT", "EXTRA_INDEX", "FIND_LINKS", "INDEX", "KEYRING"),
    *("NO_CACHE", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED"),
)


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A file for the kernel, and its pin."""

    path: Path
    pin: Pin


def download(
    pins: Sequence[Pin],
    folder: Path,
    image: ImageManifest,
    *,
    repository: Path,
    constraints: Sequence[str],
    for_image: Sequence[Shipped] | None = None,
    check: Callable[[Sequence[Shipped]], None] | None = None,
    checked_with: object = None,
) -> list[Shipped]:
    """Fill ``folder`` with the files of pins, unless it holds them already; build wheels of those that need it.

    Args:
        pins: of a lock.
        folder: holds the files and nothing else.
        image: the wheels are for it.
        repository: that the user's own wheels are in.
        constraints: on the build requirements of sources.
        for_image: the files that were downloaded for the image, if this machine's wheels are wanted instead, to
            rehearse on another Python; files that suit both are copied from there.
        check: raises an error if the files must not be kept.
        checked_with: plain data that the check depends on besides.

    Raises:
        DownloadError: a file was not found, or its hash differs.
        BuildError: a source can no longer be built.
    """
    lines = [pin.lines() for pin in pins]
    inputs = digest_of_data([lines, image.digest, sorted(constraints), for_image is not None, checked_with])
    names = _downloaded(folder, Stamp(folder / _STAMP, inputs).note(), pins)
    if names is not None:
        return [Shipped(path=folder / names[pin], pin=pin) for pin in pins]
    with new_folder(folder) as draft:
        names = _copy_files(for_image or (), pins, draft)
        missing = [pin for pin in pins if pin not in names]
        tags = _tags(image) if for_image is None else []
        names |= {pin: _own_wheel(pin, repository, draft) for pin in missing if pin.is_own}
        names |= _download_wheels([pin for pin in missing if not pin.is_source and not pin.is_own], draft, tags)
        names |= _download_sources([pin for pin in missing if pin.is_source], draft, image, constraints)
        if check:
            check([Shipped(path=draft / names[pin], pin=pin) for pin in pins])
        entries = [[names[pin], digest_of_file(draft / names[pin])] for pin in pins]
        Stamp(draft / _STAMP, inputs).write(entries)
    return [Shipped(path=folder / names[pin], pin=pin) for pin in pins]


def _copy_files(files: Sequence[Shipped], pins: Sequence[Pin], folder: Path) -> dict[Pin, str]:
    """Copy the files of those pins that are among ``pins``; return their names."""
    names = {}
    for file in files:
        if file.pin in pins:
            shutil.copyfile(file.path, folder / file.path.name)
            names[file.pin] = file.path.name
    return names


def _own_wheel(pin: Pin, repository: Path, folder: Path) -> str:
    """Copy or download a wheel of the user's own; return its name.

    Raises:
        DownloadError: it is not there, or its hash differs.
    """
    if "://" in pin.url:
        path = fetch_wheel(pin.url, folder)
    else:
        path = folder / PurePosixPath(pin.url).name
        try:
            shutil.copyfile(repository / pin.url, path)
        except OSError as error:
            raise DownloadError(f"{repository / pin.url}: {error.strerror}", f"Run: {command('lock')}") from error
    if digest_of_file(path) not in pin.hashes:
        raise DownloadError(f"{pin}: the hash of {pin.url} differs from the lock's", f"Run: {command('lock')}")
    return path.name


def _download_wheels(pins: Sequence[Pin], folder: Path, tags: Sequence[str]) -> dict[Pin, str]:
    """Download a wheel for each pin; return their file names.

    Raises:
        DownloadError: a file was not found, its hash differs, or its version does.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _fetch(pins, Path(scratch), ["--only-binary", ":all:", *tags])
        names = {}
        for path in Path(scratch).iterdir():
            name, version, *_ = parse_wheel_filename(path.name)
            names[name, version] = path.name
            path.rename(folder / path.name)
    missing = [str(pin) for pin in pins if (pin.name, Version(pin.version)) not in names]
    if missing:
        raise DownloadError(
            f"{', '.join(missing)}: pip fetched another version", f"Run: {command('lock', '--upgrade')}"
        )
    return {pin: names[pin.name, Version(pin.version)] for pin in pins}


def _download_sources(
    pins: Sequence[Pin], folder: Path, image: ImageManifest, constraints: Sequence[str]
) -> dict[Pin, str]:
    """Download the archive of each pin, and build a wheel of those that are shipped as one; return the file names.

    Raises:
        DownloadError: a file was not found, or its hash differs.
        BuildError: a source can no longer be built.
    """
    names = {}
    with tempfile.TemporaryDirectory() as scratch:
        for pin, archive in fetch_sources(pins, Path(scratch)).items():
            if pin.kind is Kind.BUILT:
                names[pin] = build_source(pin, archive, folder, image, constraints).name
            else:
                names[pin] = f"{archive.name}{EXTENSION}"
                shutil.move(archive, folder / names[pin])
    return names


def fetch_sources(pins: Sequence[Pin], folder: Path) -> dict[Pin, Path]:
    """Download the archive of each source; a Git commit becomes an archive that we write.

    pip would run the setup.py of each, and those that are built against torch fail then.

    Raises:
        DownloadError: a file was not found.
    """
    archives = {}
    lines = [pin.requirement(hashes=False) for pin in pins if not pin.is_git]
    addresses = {name: found.source_address for name, found in look_up(lines, []).items()}
    for number, pin in enumerate(pins):
        own = folder / str(number)
        own.mkdir()
        if pin.is_git:
            archives[pin] = fetch_commit(pin, own)
        else:
            archives[pin] = part_of(pin, fetch_archive(pin, pin.url or addresses[pin.name], own))
    return archives


def fetch_archive(pin: Pin, address: str, folder: Path) -> Path:
    """Download the archive of a source into an empty folder, and check its hash; return its path.

    Raises:
        DownloadError: it was not found, or its hash differs.
    """
    url = urldefrag(address).url
    try:
        path, digest = fetch(url, folder)
    except (requests.RequestException, ValueError):
        for part in folder.iterdir():
            part.unlink()
        # The index does not give it to just anybody. Not :all:, so that its build requirements may come as wheels.
        _fetch([pin], folder, ["--no-binary", pin.name])
        return next(folder.iterdir())
    if digest not in pin.hashes:
        raise DownloadError(f"{pin}: the hash of {url} differs from the lock's", f"Run: {command('lock', '--upgrade')}")
    return path


def read_wheels(lines: Sequence[str], image: ImageManifest) -> list[Wheel]:
    """Read the metadata of wheels by ``name==version``; download those whose metadata the index does not serve.

    Raises:
        DownloadError: a file was not found.
        LockError: the index has not got one of them.
    """
    known, _ = read_metadata(look_up(lines, options_for(image)))
    others = [line for line in lines if canonicalize_name(Requirement(line).name) not in known]
    read = list(known.values())
    return [*read, *_download_and_read(others, image)] if others else read


def _download_and_read(lines: Sequence[str], image: ImageManifest) -> list[Wheel]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "wheels"
        folder.mkdir()
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in lines))
        _run_pips([requirements], folder, ["--only-binary", ":all:", *_tags(image)])
        return [read_wheel(path) for path in sorted(folder.glob("*.whl"))]


def _downloaded(folder: Path, note: Any, pins: Sequence[Pin]) -> dict[Pin, str] | None:
    """Return the file names of an earlier download, if no file has changed since; else None."""
    try:
        hashes = {path.name: digest_of_file(path) for path in folder.iterdir() if path.name != _STAMP}
        if dict(note) != hashes:
            return None
        return {pin: name for pin, (name, _) in zip(pins, note, strict=True)}
    except (OSError, ValueError, TypeError):
        return None


def _fetch(pins: Sequence[Pin], folder: Path, options: Sequence[str]) -> None:
    """Download the file of each pin with pip, several at a time."""
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for number in range(min(_PROCESSES, len(pins))):
            lines = [f"{pin.requirement()}\n" for pin in pins[number::_PROCESSES]]
            file = Path(scratch) / f"{number}.txt"
            file.write_text("".join(lines))
            files.append(file)
        _run_pips(files, folder, [*options, "--require-hashes"])


def _run_pips(requirements: Sequence[Path], folder: Path, options: Sequence[str]) -> None:
    """Run one pip for each requirements file at the same time, with one progress bar in bytes.

    Raises:
        DownloadError: one failed; quotes the end of its output.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--no-color", "--progress-bar", "raw", "--dest", str(folder), *options]
    environment = {**environment_for_others(*(f"PIP_{word}" for word in _PIP)), "PYTHONUNBUFFERED": "1"}
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(desc="  fetching", unit="B", unit_scale=True, delay=2, leave=False, disable=None)
        )
        pips = []
        for file in requirements:
            full = [*command, "--requirement", str(file)]
            process = subprocess.Popen(
                full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
            )
            pips.append(stack.enter_context(process))
        with ThreadPoolExecutor(max(1, 2 * len(pips))) as threads:
            errors = [threads.submit(_read, pip.stderr) for pip in pips]
            for reader in [threads.submit(_follow, pip.stdout, bar) for pip in pips]:
                reader.result()
        for pip, error in zip(pips, errors, strict=True):
            if pip.wait() != 0:
                raise _error(error.result())


def _read(stream: IO[str] | None) -> str:
    return stream.read() if stream is not None else ""


def _follow(stream: IO[str] | None, bar: "tqdm[NoReturn]") -> None:
    """Advance the bar by the progress that pip prints."""
    done = total = 0
    for line in stream or ():
        match = _PROGRESS.match(line)
        if match is None:
            continue
        now, size = map(int, match.groups())
        if size != total or now < done:
            # The next file begins.
            done, total = 0, size
            bar.total = (bar.total or 0) + size
        bar.update(now - done)
        done = now


def _error(output: str) -> DownloadError:
    lines = [line for line in output.strip().splitlines() if not line.startswith(("WARNING: Location", "[notice]"))]
    reason = "\n".join(lines[-_LAST_LINES:])
    problem = f"pip could not download the pinned files:\n{reason}"
    if "hash" in reason.lower():
        return DownloadError(problem, f"Run: {command('lock', '--upgrade')}")
    return NetworkError(problem)


def _tags(image: ImageManifest) -> list[str]:
    tags = ["--implementation", "cp", "--python-version", image.header["python"]]
    for platform in image.platforms:
        tags += ["--platform", platform]
    return tags
