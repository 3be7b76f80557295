"""From a lock to files, hash-checked: wheels for the image, and what comes only as source."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from packaging.utils import parse_wheel_filename
from packaging.version import Version
from tqdm import tqdm

from kaggle_offline.dependencies.pins import Kind, Pin
from kaggle_offline.dependencies.source_distributions import EXTENSION, build_source, fetch_commit, part_of
from kaggle_offline.dependencies.wheels import Wheel, read_wheel
from kaggle_offline.environment import environment_for_others
from kaggle_offline.errors import DownloadError, NetworkError
from kaggle_offline.files import digest_of_data, digest_of_file, new_folder, read_json, write_json
from kaggle_offline.repository.image_manifest import ImageManifest

# pip fetches one file after the other; so many of it run side by side. Each takes a core for most of a second.
_PROCESSES = min(4, max(2, os.cpu_count() or 1))
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)\s*$")
_LAST_LINES = 12
# The settings of pip that say where packages come from and how they are reached.
_PIP = (
    *("CACHE", "CERT", "CLIENT", "CONFIG", "DEFAULT_TIMEOUT", "EXTRA_INDEX", "FIND_LINKS", "INDEX", "KEYRING"),
    *("NO_CACHE", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED"),
)


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A file for the kernel, and the pin that it is of."""

    path: Path
    pin: Pin


def download(
    pins: Sequence[Pin],
    folder: Path,
    image: ImageManifest,
    *,
    constraints: Sequence[str],
    for_image: Sequence[Shipped] | None = None,
) -> list[Shipped]:
    """Fetch what is pinned into ``folder``, and build what is to be built, unless just that is there.

    Args:
        pins: of a lock.
        folder: holds the files and nothing else.
        image: whose wheels to take.
        constraints: on what sources are built with.
        for_image: what was downloaded for the image, where wheels of this machine are to be taken instead,
            for a rehearsal on another Python than the image's; what is the same for both is taken from there.

    Raises:
        DownloadError: a file was not found, or its hash differs.
        BuildError: a source cannot be built into a wheel any more.
    """
    here = for_image is not None
    inputs = digest_of_data([[p.lines() for p in pins], image.digest, sorted(constraints), here])
    stamp = folder / ".inputs"
    shipped = _read_stamp(stamp, inputs, pins)
    if shipped is None:
        with new_folder(folder) as draft:
            found = {file.pin: file.path.name for file in for_image or () if file.pin in pins}
            wheels = [pin for pin in pins if not (pin.is_source or pin in found)]
            _fetch(wheels, draft, ["--only-binary", ":all:", *([] if here else _tags(image))])
            files = {parse_wheel_filename(path.name)[:2]: path.name for path in draft.iterdir()}
            for file in for_image or ():
                if file.pin in found:
                    shutil.copyfile(file.path, draft / file.path.name)
            sources = [pin for pin in pins if pin.is_source and pin not in found]
            found |= {pin: files.get((pin.name, Version(pin.version)), "") for pin in wheels}
            with tempfile.TemporaryDirectory() as scratch:
                for pin, archive in fetch_sources(sources, Path(scratch)).items():
                    if pin.kind is Kind.BUILT:
                        found[pin] = build_source(pin, archive, draft, image, constraints).name
                    else:
                        found[pin] = f"{archive.name}{EXTENSION}"
                        shutil.move(archive, draft / found[pin])
            missing = [str(pin) for pin, name in found.items() if not name]
            if missing:
                raise DownloadError(f"{', '.join(missing)}: another version came", "Run: nox -s lock -- --upgrade")
            entries = [[found[pin], digest_of_file(draft / found[pin])] for pin in pins]
            write_json(draft / stamp.name, {"inputs": inputs, "files": entries})
        shipped = [Shipped(path=folder / found[pin], pin=pin) for pin in pins]
    return shipped


def fetch_sources(pins: Sequence[Pin], folder: Path) -> dict[Pin, Path]:
    """Fetch the archive of each source: those of the index as they are, commits as one of ours.

    Raises:
        DownloadError: a file was not found.
    """
    archives = {}
    for number, pin in enumerate(pins):
        own = folder / str(number)
        own.mkdir()
        if pin.is_git:
            archives[pin] = fetch_commit(pin, own)
        else:
            # Not of all: what builds it may come as a wheel.
            _fetch([pin], own, ["--no-binary", pin.name])
            archives[pin] = part_of(pin, next(own.iterdir()))
    return archives


def read_wheels(lines: Sequence[str], image: ImageManifest) -> list[Wheel]:
    """Fetch wheels of the index by ``name==version``, and read what they say of themselves.

    Raises:
        DownloadError: a file was not found.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "wheels"
        folder.mkdir()
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in lines))
        _run_pips([requirements], folder, ["--only-binary", ":all:", *_tags(image)])
        return [read_wheel(path) for path in sorted(folder.glob("*.whl"))]


def _read_stamp(stamp: Path, inputs: str, pins: Sequence[Pin]) -> list[Shipped] | None:
    """Return the files that are there already, if they are of these inputs and nobody has touched them since."""
    try:
        document = read_json(stamp)
        files = dict(document["files"])
        if document["inputs"] != inputs or {p.name for p in stamp.parent.iterdir()} != {*files, stamp.name}:
            return None
        if any(digest_of_file(stamp.parent / name) != sha256 for name, sha256 in files.items()):
            return None
        names = [name for name, _ in document["files"]]
        return [Shipped(path=stamp.parent / name, pin=pin) for name, pin in zip(names, pins, strict=True)]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fetch(pins: Sequence[Pin], folder: Path, options: Sequence[str]) -> None:
    """Have pip fetch the file of each pin, several at a time."""
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for number in range(min(_PROCESSES, len(pins))):
            files.append(Path(scratch) / f"{number}.txt")
            files[-1].write_text("".join(pin.requirement() + "\n" for pin in pins[number::_PROCESSES]))
        _run_pips(files, folder, [*options, "--require-hashes"])


def _run_pips(requirements: Sequence[Path], folder: Path, options: Sequence[str]) -> None:
    """Run a pip for each requirements file, side by side, under one progress bar of bytes.

    Raises:
        DownloadError: one failed; says what it printed.
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
    """Move the bar on by what a pip says of its progress."""
    done = total = 0
    for line in stream or ():
        match = _PROGRESS.match(line)
        if match is None:
            continue
        now, size = map(int, match.groups())
        if size != total or now < done:
            # Another file begins.
            done, total = 0, size
            bar.total = (bar.total or 0) + size
        bar.update(now - done)
        done = now


def _error(output: str) -> DownloadError:
    lines = [line for line in output.strip().splitlines() if not line.startswith(("WARNING: Location", "[notice]"))]
    reason = "\n".join(lines[-_LAST_LINES:])
    problem = f"pip could not fetch what is pinned:\n{reason}"
    is_other = "hash" in reason.lower()
    return DownloadError(problem, "Run: nox -s lock -- --upgrade") if is_other else NetworkError(problem)


def _tags(image: ImageManifest) -> list[str]:
    tags = ["--implementation", "cp", "--python-version", image.header["python"]]
    for platform in image.platforms:
        tags += ["--platform", platform]
    return tags
