"""Install what the image lacks, in a kernel that has no network; freeze put this file here.

``python install.py --digest sha256:…`` checks every file beside it against ``freeze.json`` before
anything is installed, installs the lock without resolving, and checks what can be imported then.
``--check`` does all but the installing. Standard library only, Python 3.10 or newer.
"""

import argparse
import csv
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

INPUT = Path("/kaggle/input")
MANIFEST = "freeze.json"
# Under another extension, so that Kaggle leaves an archive as it is.
SOURCE = ".source"
# What freeze leaves beside the files for the upload, and does not upload.
BESIDE = {MANIFEST, "dataset-metadata.json"}
LINES = 6
NAMES = 5


class RefusedError(Exception):
    """What is mounted is not what the kernel was made for, or does not fit this image."""


class FailedError(Exception):
    """The packages were whole, but could not be installed, or did not work then."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def find_files(expected: str) -> Path:
    """The folder of the files: this file's own, else the input that has ``expected``, under either layout.

    Raises:
        RefusedError: there is none.
    """
    here = Path(__file__).resolve().parent
    if (here / MANIFEST).is_file():
        return here
    found = [p.parent for pattern in ("*", "datasets/*/*") for p in sorted(INPUT.glob(f"{pattern}/{MANIFEST}"))]
    fitting = [folder for folder in found if read_manifest(folder)["digest"] == expected]
    if not fitting:
        raise RefusedError(f"{MANIFEST}: not beside install.py, and no dataset below {INPUT} has {expected or 'one'}")
    return fitting[0]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``freeze.json``.

    Raises:
        RefusedError: it is missing or malformed.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        keys = ("name", "sha256", "kind", "distribution")
        texts = [manifest["digest"], *manifest["provided"], *(e[k] for e in manifest["files"] for k in keys)]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a name or digest is not a text")
        if any(Path(entry["name"]).name != entry["name"] for entry in manifest["files"]):
            raise ValueError("a name is a path")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(f"{MANIFEST}: {type(error).__name__}: {error}") from error
    return manifest


def check_files(folder: Path, manifest: dict[str, Any], expected: str) -> None:
    """See that the folder holds just what the kernel was made for, each file whole.

    Raises:
        RefusedError: another version is mounted, or a file is missing, changed or too many.
    """
    entries = manifest["files"]
    lines = sorted(f"{entry['name']}\0{entry['sha256']}\n" for entry in entries)
    digest = f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
    if digest != manifest["digest"]:
        raise RefusedError(f"{MANIFEST}: its files give {digest}, but it says {manifest['digest']}")
    if expected and digest != expected:
        raise RefusedError(f"{folder.name}: this kernel was made for {expected}, but {digest} is mounted")
    names = {entry["name"] for entry in entries}
    present = {path.name for path in folder.iterdir()}
    for name in sorted(names - present):
        raise RefusedError(f"{name}: missing from the dataset")
    for name in sorted(present - names - BESIDE):
        raise RefusedError(f"{name}: in the dataset, but not among what was frozen")
    # Hashing lets go of the interpreter, so threads share the cores.
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        hashes = threads.map(lambda entry: sha256(folder / entry["name"]), entries)
        for entry, found in zip(entries, hashes, strict=True):
            if found != entry["sha256"]:
                raise RefusedError(f"{entry['name']}: not the file that was frozen")


def canonical(name: str) -> str:
    """A distribution's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, str]:
    """The version of every distribution that can be imported, by name."""
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            # The first on the path is the one that is imported.
            versions.setdefault(canonical(name), distribution.version)
    return versions


def split(pin: str) -> tuple[str, str]:
    """Name and version of ``name==version``."""
    name, _, version = pin.partition("==")
    return canonical(name), version


def same(one: str, other: str) -> bool:
    """Whether two versions are one, however they are written (PEP 440: ``2024.01`` is ``2024.1``)."""
    parts = [re.findall(r"[a-z]+|\d+", version.lower()) for version in (one, other)]
    numbers = [[int(part) if part.isdigit() else part for part in found] for found in parts]
    return numbers[0] == numbers[1]


def check_image(manifest: dict[str, Any], before: dict[str, str], wheels: list[Path]) -> list[str]:
    """See that the image has what the lock takes from it, and that no wheel would write over it.

    Returns:
        What the image has in another version than the lock was made for.

    Raises:
        RefusedError: something is missing, or would be written over.
    """
    others: list[str] = []
    owners: dict[str, tuple[str, str]] = {}
    writes = {path: (wheel, digest) for wheel in wheels for path, digest in read_wheel_record(wheel).items()}
    for name, version in map(split, manifest["provided"]):
        if name not in before:
            raise RefusedError(f"{name}: the lock takes it from the image, but this image does not have it")
        if not same(before[name].partition("+")[0], version.partition("+")[0]):
            others.append(f"{name} {before[name]} (locked for {version})")
        record = importlib.metadata.distribution(name).read_text("RECORD") or ""
        owners.update((path, (name, digest)) for path, digest in read_record(record).items() if path in writes)
    for path, (name, digest) in owners.items():
        wheel, own = writes[path]
        if own != digest:
            raise RefusedError(f"{wheel.name}: would write over {path} of {name}, which the image provides")
    return others


def read_record(text: str) -> dict[str, str]:
    """The hash of every file in a RECORD, by path."""
    return {row[0]: row[1].partition("=")[2] for row in csv.reader(io.StringIO(text)) if len(row) > 1}


def read_wheel_record(wheel: Path) -> dict[str, str]:
    """The hash of every file of a wheel, by path.

    Raises:
        RefusedError: it is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", n))
            return read_record(archive.read(name).decode())
    except (zipfile.BadZipFile, StopIteration, ValueError, csv.Error, OSError) as error:
        raise RefusedError(f"{wheel.name}: not a wheel: {error}") from error


def install(folder: Path, manifest: dict[str, Any]) -> None:
    """Install wheels and sources as they are, with uv where the image has it, else with pip.

    Raises:
        FailedError: it could not; says what was printed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for entry in manifest["files"]:
            if entry["kind"] in ("project", "wheel"):
                files.append(folder / entry["name"])
            elif entry["kind"] == "sdist":
                files.append(Path(scratch) / entry["name"][: -len(SOURCE)])
                shutil.copyfile(folder / entry["name"], files[-1])
        if importlib.util.find_spec("uv") or shutil.which("uv"):
            tool = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else ["uv"]
            command = [*tool, "pip", "install", "--offline", "--no-config"]
            command += ["--python", sys.executable, "--break-system-packages"]
        else:
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--no-warn-script-location",
            ]
        # What builds a source lies beside it, and is found there by the build's own environment.
        command += ["--quiet", "--no-index", "--no-deps", "--find-links", str(folder), *map(str, files)]
        settings = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore", "NO_COLOR": "1"}
        result = subprocess.run(
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **settings},
        )
    if result.returncode != 0:
        names = [entry["distribution"] for entry in manifest["files"] if entry["kind"] == "sdist"]
        names = [name for name in names if split(name)[0] in canonical(result.stdout)] or ["the packages"]
        end = [line.rstrip() for line in result.stdout.splitlines() if line.strip()][-LINES:]
        raise FailedError("\n".join([f"{', '.join(names)}: could not be installed:", *end]))


def check_installed(manifest: dict[str, Any], before: dict[str, str]) -> list[str]:
    """See that what can be imported now is what was shipped, and all else as it was.

    Returns:
        What was shipped, as ``name version``.

    Raises:
        FailedError: a distribution is not there, hidden by another, or changed.
    """
    importlib.invalidate_caches()
    shipped = dict(split(e["distribution"]) for e in manifest["files"] if e["kind"] in ("project", "wheel", "sdist"))
    after = installed()
    for name, version in shipped.items():
        if not same(after.get(name, ""), version):
            raise FailedError(f"{name}: {after.get(name, 'nothing')} can be imported, not {version}")
        hidden = hidden_by(name)
        if hidden:
            raise FailedError(f"{name}: hidden by {hidden}")
    for name in sorted(set(before) - set(shipped)):
        if after.get(name) != before[name]:
            raise FailedError(f"{name}: the image's {before[name]} became {after.get(name, 'nothing')}")
    return [f"{name} {version}" for name, version in sorted(shipped.items())]


def hidden_by(name: str) -> str:
    """What is imported instead of a module of a distribution, or an empty text."""
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or ():
        path = "/".join(file.parts)
        if re.fullmatch(r"[^/]+(/__init__)?\.py", path):
            spec = importlib.util.find_spec(path.removesuffix(".py").removesuffix("/__init__"))
            origin = (spec and spec.origin) or "nothing"
            if Path(origin).resolve() != Path(str(distribution.locate_file(file))).resolve():
                return origin
    return ""


def main() -> int:
    """The command line: 0 done, 2 refused before anything was installed, 3 failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--digest", default="", help="of the packages that the kernel was made for")
    parser.add_argument("--check", action="store_true", help="do all but the installing")
    options = parser.parse_args()
    try:
        folder = find_files(options.digest)
        manifest = read_manifest(folder)
        check_files(folder, manifest, options.digest)
        before = installed()
        kinds = ("project", "wheel")
        wheels = [folder / entry["name"] for entry in manifest["files"] if entry["kind"] in kinds]
        others = check_image(manifest, before, wheels)
        if others:
            more = f" and {len(others) - NAMES} more" if len(others) > NAMES else ""
            print(f"install.py: the image has moved on: {', '.join(others[:NAMES])}{more}")
        if options.check:
            print(f"checked {len(manifest['files'])} files of {manifest['digest']}; nothing is installed")
            return 0
        install(folder, manifest)
        done = check_installed(manifest, before)
    except (RefusedError, OSError) as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 2
    except FailedError as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 3
    print(f"installed {', '.join(done)} from {manifest['digest']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
