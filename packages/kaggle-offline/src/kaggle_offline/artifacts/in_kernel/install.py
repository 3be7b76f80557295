"""Install the packages that the image lacks, in a kernel without a network; freeze put this file here.

``python install.py --digest sha256:…`` checks every file beside it against ``freeze.json`` before
anything is installed, installs the lock without resolving, and checks the importable versions.
``--check`` does all but the installing. The variable KAGGLE_OFFLINE_IMPORTED may name a file with
the paths of all modules that the kernel has imported, a JSON list. Standard library only, Python 3.10
or newer.

Modules that are needed late are imported late: uv, which takes longest, is at work meanwhile.
"""

import hashlib
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Container
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

INPUT = Path("/kaggle/input")
MANIFEST = "freeze.json"
# Under another extension, so that Kaggle leaves an archive as it is.
SOURCE = ".source"
# The file that freeze leaves beside the others for the upload, and does not upload.
BESIDE = {MANIFEST, "dataset-metadata.json"}
# Kinds of files that are installed: as they are, and once they are built; and files that lie in other datasets.
WHEELS, SOURCES = ("project", "wheel", "mounted"), ("sdist",)
MOUNTED = "mounted"
LINES = 6
NAMES = 5


class RefusedError(Exception):
    """The mounted files are not those that the kernel was made for, or do not fit this image."""


class FailedError(Exception):
    """The packages were whole, but could not be installed, or did not work then."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def digest_of(text: str) -> str:
    """Return the digest of a text: ``sha256:`` and the hash in hexadecimal."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def as_json(data: dict[str, Any]) -> str:
    """JSON as freeze writes it."""
    return json.dumps(data, indent=2) + "\n"


def find_files(expected: str) -> Path:
    """Return the folder of the files: this file's own, else the input with the digest ``expected``.

    Raises:
        RefusedError: no such folder exists.
    """
    here = Path(__file__).resolve().parent
    if (here / MANIFEST).is_file():
        return here
    for pattern in ("*", "datasets/*/*"):
        for path in sorted(INPUT.glob(f"{pattern}/{MANIFEST}")):
            if read_manifest(path.parent)["digest"] == expected:
                return path.parent
    raise RefusedError(f"{MANIFEST}: not beside install.py, and no dataset below {INPUT} has {expected or 'one'}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``freeze.json``.

    Raises:
        RefusedError: it is missing or malformed.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes().decode())
        content = {key: value for key, value in manifest.items() if key not in ("digest", "commit")}
        digest = digest_of(as_json(content))
        if digest != manifest["digest"]:
            raise ValueError(f"its content has the digest {digest}, but it says {manifest['digest']}")
        texts = [manifest["python"]]
        for provided in manifest["provided"]:
            texts += [provided["distribution"], *provided["requirements"], *provided["requirements"].values()]
        for entry in manifest["files"]:
            texts += [entry["name"], entry["sha256"], entry["kind"], entry["distribution"]]
            if Path(entry["name"]).name != entry["name"]:
                raise ValueError("a name is a path")
            if entry["kind"] == MOUNTED:
                owner, slug, name = entry[MOUNTED]
                texts += [owner, slug, name]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a name or digest is not a text")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RefusedError(f"{MANIFEST}: {type(error).__name__}: {error}") from error
    return manifest


def check_python(manifest: dict[str, Any]) -> None:
    """Check that this is the Python that the packages were locked for.

    Raises:
        RefusedError: it is another.
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if version != manifest["python"]:
        raise RefusedError(
            f"Python {version}: the packages were locked for {manifest['image']}, which has Python "
            f"{manifest['python']}; pin the kernel to that image, or lock for the image with Python {version}"
        )


def of_kind(manifest: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    """Return the manifest's entries of some kinds."""
    return [entry for entry in manifest["files"] if entry["kind"] in kinds]


def check_version(folder: Path, manifest: dict[str, Any], expected: str) -> None:
    """Check that the version of the dataset is mounted that the kernel was made for.

    Raises:
        RefusedError: it is another.
    """
    if expected and manifest["digest"] != expected:
        raise RefusedError(f"{folder.name}: this kernel was made for {expected}, but {manifest['digest']} is mounted")


def path_of(folder: Path, entry: dict[str, Any]) -> Path:
    """Return a file of the manifest: in the folder, or in another dataset under either of Kaggle's mount layouts.

    Raises:
        RefusedError: the dataset is not mounted, or does not have it.
    """
    if entry["kind"] != MOUNTED:
        return folder / str(entry["name"])
    owner, slug, name = map(str, entry[MOUNTED])
    # Kaggle's names of datasets do not tell capitals apart.
    places = {slug.lower(), f"datasets/{owner}/{slug}".lower()}
    for dataset in (*INPUT.glob("*"), *INPUT.glob("datasets/*/*")):
        if dataset.relative_to(INPUT).as_posix().lower() in places and (dataset / name).is_file():
            return dataset / name
    raise RefusedError(f"{name}: not in {owner}/{slug}; the kernel has to name that dataset among its inputs")


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Check that the folder has exactly the files of the manifest, but for those that other datasets have.

    Raises:
        RefusedError: a file is missing, changed or unexpected.
    """
    entries = manifest["files"]
    names = {entry["name"] for entry in entries if entry["kind"] != MOUNTED}
    present = {path.name for path in folder.iterdir()}
    for name in sorted(names - present):
        raise RefusedError(f"{name}: missing from the dataset")
    for name in sorted(present - names - BESIDE):
        raise RefusedError(f"{name}: in the dataset, but not in {MANIFEST}")
    hashes = hash_all([path_of(folder, entry) for entry in entries])
    for entry in entries:
        if hashes.get(entry["name"]) != entry["sha256"]:
            raise RefusedError(f"{entry['name']}: not the file that was frozen")


def hash_all(paths: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name; a file that cannot be read is left out.

    Hashing releases the GIL, so threads share the cores. Importing a thread pool would take longer than
    hashing some megabytes.
    """
    hashes = {}

    def work(share: list[Path]) -> None:
        for path in share:
            with suppress(OSError):
                hashes[path.name] = sha256(path)

    count = os.cpu_count() or 1
    threads = [Thread(target=work, args=(paths[first::count],)) for first in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return hashes


def canonical(name: str) -> str:
    """Return a distribution's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Installed(NamedTuple):
    """A distribution that can be imported: its version, and the folder of its metadata."""

    version: str
    info: Path

    def record(self, among: Container[str] | None = None) -> dict[str, str]:
        """Return the hash of every file, or of those in ``among``, by path relative to the distribution's folder."""
        try:
            return read_record((self.info / "RECORD").read_text(encoding="utf-8"), among)
        except (OSError, UnicodeDecodeError):
            return {}


def list_installed() -> dict[str, Installed]:
    """Return every distribution that can be imported, by name.

    From the names of their metadata (PEP 427, PEP 376): reading those of a whole image takes seconds.
    """
    found: dict[str, Installed] = {}
    for folder in map(Path, sys.path):
        infos = [folder] if folder.suffix == ".egg" else folder.glob("*-info")
        for info in infos:
            match = re.fullmatch(r"(.+?)(?:-([^-]+)(?:-py[\d.]+)?)?\.(?:dist-info|egg-info|egg)", info.name)
            if match:
                # The first on the path is the one that is imported.
                found.setdefault(canonical(match[1]), Installed(match[2] or "unknown", info))
    return found


def split(pin: str) -> tuple[str, str]:
    """Return the name and version of ``name==version``."""
    name, _, version = pin.partition("==")
    return canonical(name), version


def same(one: str, other: str) -> bool:
    """Tell whether two versions are equal in any spelling (PEP 440: ``2024.01`` is ``2024.1``)."""
    return version_key(one) == version_key(other)


def version_key(version: str) -> list[str]:
    """Split a version into letters and numbers without leading zeros."""
    return [part.lstrip("0") or "0" for part in re.findall(r"[a-z]+|\d+", version.lower())]


def check_image(manifest: dict[str, Any], before: dict[str, Installed], wheels: list[Path]) -> list[str]:
    """Check that the image has the distributions that it provides, and that no wheel would overwrite their files.

    Returns:
        The distributions that the image has in another version than the lock.

    Raises:
        RefusedError: something is missing, too old or too new, or would be written over.
    """
    others: list[str] = []
    writes: dict[str, tuple[str, str]] = {}
    for wheel in wheels:
        writes.update({path: (wheel.name, digest) for path, digest in read_wheel_record(wheel).items()})
    for entry in manifest["provided"]:
        name, version = split(entry["distribution"])
        if name not in before:
            raise RefusedError(f"{name}: the lock takes it from the image, but this image does not have it")
        have = before[name]
        if not same(have.version.partition("+")[0], version.partition("+")[0]):
            check_requirements(name, have.version, entry["requirements"])
            others.append(f"{name} {have.version} (locked for {version})")
    for what, path, name in written_over(manifest, before, writes):
        raise RefusedError(f"{what}: would write over {path} of {name}, which the image provides")
    return others


def check_requirements(name: str, version: str, requirements: dict[str, str]) -> None:
    """Check that a version of the image satisfies the specifiers (PEP 440) of all that is shipped.

    Args:
        name: of the distribution.
        version: the image's, which is not the one of the lock.
        requirements: the specifier of each shipped distribution that requires it, by name and version.

    Raises:
        RefusedError: it does not; names both.
    """
    specifiers = None
    # Kaggle's image has the first; pip brings a copy of its own.
    for module in ("packaging.specifiers", "pip._vendor.packaging.specifiers"):
        with suppress(ImportError):
            specifiers = specifiers or importlib.import_module(module)
    if specifiers is None:
        raise RefusedError("packaging: the image does not have it, so its versions cannot be compared with the lock's")
    for requirer, specifier in requirements.items():
        if not specifiers.SpecifierSet(specifier).contains(version, prereleases=True):
            raise RefusedError(f"{name}: {requirer} requires {name}{specifier}, but this image has {version}")


def check_imported(manifest: dict[str, Any], before: dict[str, Installed], imported: list[str]) -> None:
    """Check that nothing is replaced that the kernel has imported: it would keep the old code.

    Kaggle's notebooks import matplotlib and all that it needs before the first cell
    (``IPKernelApp.matplotlib = 'inline'``: Kaggle/docker-python, Dockerfile.tmpl).

    Raises:
        RefusedError: something is.
    """
    files = {os.path.realpath(path) for path in imported}
    for entry in of_kind(manifest, *WHEELS, *SOURCES):
        name, version = split(entry["distribution"])
        have = before.get(name)
        if have is None or same(have.version, version):
            continue
        place = os.path.realpath(have.info.parent)
        for path in have.record():
            if os.path.join(place, path) in files:  # noqa: PTH118 - thousands of them
                raise RefusedError(
                    f"{name}: {version} would replace {have.version}, which the notebook has imported before its first "
                    f"cell ({path}); make the kernel a script, or require the version of the image"
                )


def written_over(
    manifest: dict[str, Any], before: dict[str, Installed], writes: dict[str, tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """Return the files that differ from a file that the image provides.

    Args:
        manifest: names the distributions that the image provides.
        before: the distributions of the image.
        writes: the writer and the hash of each file, by path.

    Returns:
        Tuples of the writer, the path, and the distribution that has the file.
    """
    if not writes:
        return []  # reading the RECORD of every distribution takes a while
    found = []
    for entry in manifest["provided"]:
        name, _ = split(entry["distribution"])
        for path, own in before[name].record(among=writes).items():
            what, digest = writes[path]
            if digest != own:
                found.append((what, path, name))
    return sorted(found)


def read_record(text: str, among: Container[str] | None = None) -> dict[str, str]:
    """Return the hash of every file in a RECORD, or of those in ``among``, by path.

    A path in quotes, with a comma in it, is left out: reading torch's RECORD as CSV takes longer than everything else.
    """
    hashes = {}
    for line in text.splitlines():
        path, _, rest = line.partition(",")
        if among is None or path in among:
            hashes[path] = rest.partition(",")[0].partition("=")[2]
    return hashes


def read_wheel_record(wheel: Path) -> dict[str, str]:
    """Return the hash of every file of a wheel, by path.

    Raises:
        RefusedError: not a wheel.
    """
    import zipfile

    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", n))
            record = read_record(archive.read(name).decode())
    except (zipfile.BadZipFile, StopIteration, ValueError, OSError) as error:
        raise RefusedError(f"{wheel.name}: not a wheel: {error}") from error
    # Where they are installed (PEP 427).
    return {re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", path): digest for path, digest in record.items()}


def find_uv() -> str | None:
    """Return the program of the image's uv, or None."""
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except (ImportError, AttributeError, OSError):
        import shutil

        return shutil.which("uv")


def ask_early(uv: str | None) -> AbstractContextManager[object]:
    """Have uv ask this Python about itself while files are checked; it keeps the answer for the installing."""
    if uv is None:
        return nullcontext()
    command = [uv, "python", "find", "--offline", "--no-config", sys.executable]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def install(folder: Path, manifest: dict[str, Any], uv: str | None) -> None:
    """Install wheels and sources as they are, with uv where the image has it, else with pip.

    Raises:
        FailedError: the installation failed; quotes the end of its output.
    """
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        files = [path_of(folder, entry) for entry in of_kind(manifest, *WHEELS)]
        for entry in of_kind(manifest, *SOURCES):
            archive = Path(scratch) / entry["name"][: -len(SOURCE)]
            shutil.copyfile(folder / entry["name"], archive)
            files.append(archive)
        if uv:
            command = [uv, "pip", "install", "--offline", "--no-config"]
            command += ["--python", sys.executable, "--break-system-packages"]
        else:
            command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
            command += ["--no-warn-script-location"]
        # The build requirements of a source lie beside it; the build's own environment finds them there.
        command += ["--quiet", "--no-index", "--no-deps", "--find-links", str(folder), *map(str, files)]
        # The image's own settings of either are for other occasions: constraints, an index, hashes.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
        if "UV_CACHE_DIR" in os.environ:
            kept["UV_CACHE_DIR"] = os.environ["UV_CACHE_DIR"]
        settings = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_CONFIG_FILE": os.devnull}
        result = subprocess.run(
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**kept, **settings, "NO_COLOR": "1"},
        )
    if result.returncode != 0:
        names = [entry["distribution"] for entry in of_kind(manifest, *SOURCES)]
        names = [name for name in names if split(name)[0] in canonical(result.stdout)] or ["the packages"]
        end = [line.rstrip() for line in result.stdout.splitlines() if line.strip()][-LINES:]
        raise FailedError("\n".join([f"{', '.join(names)}: could not be installed:", *end]))


def check_installed(manifest: dict[str, Any], before: dict[str, Installed]) -> list[str]:
    """Check that the shipped versions can be imported, and that all other distributions are unchanged.

    Returns:
        The shipped distributions, as ``name version``.

    Raises:
        FailedError: a distribution is not there, hidden by another, or changed.
    """
    importlib.invalidate_caches()
    shipped = dict(split(entry["distribution"]) for entry in of_kind(manifest, *WHEELS, *SOURCES))
    after = list_installed()
    for name, version in shipped.items():
        have = after.get(name)
        if have is None:
            raise FailedError(f"{name}: nothing can be imported, not {version}")
        if not same(have.version, version):
            raise FailedError(f"{name}: {have.version} can be imported, not {version}")
        hidden = hidden_by(have)
        if hidden:
            raise FailedError(f"{name}: hidden by {hidden}")
    writes = late_writes(manifest, {name: after[name] for name in shipped})
    for what, path, name in written_over(manifest, before, writes):
        raise FailedError(f"{what}: has written over {path} of {name}, which the image provides")
    for name in sorted(set(before) - set(shipped)):
        if after.get(name) != before[name]:
            version = after[name].version if name in after else "nothing"
            raise FailedError(f"{name}: the image's {before[name].version} became {version}")
    return [f"{name} {version}" for name, version in sorted(shipped.items())]


def late_writes(manifest: dict[str, Any], shipped: dict[str, Installed]) -> dict[str, tuple[str, str]]:
    """Return the writer and the hash of files, by path, that could not be examined before the installation.

    These are files of wheels that were built here, and files outside of site-packages.
    """
    built = {split(entry["distribution"])[0] for entry in of_kind(manifest, *SOURCES)}
    writes = {}
    for name, have in shipped.items():
        for path, digest in have.record().items():
            if name in built or path.startswith(".."):
                writes[path] = (name, digest)
    return writes


def hidden_by(distribution: Installed) -> str:
    """Return the file that is imported instead of a module of a distribution, or an empty text.

    Files beside it, and those of Python, were there where it was tried out, too.
    """
    beside, python = distribution.info.parent.resolve(), Path(os.__file__).resolve().parent
    for path in distribution.record():
        if re.fullmatch(r"[^/.]+(/__init__)?\.py", path):
            spec = importlib.util.find_spec(path.removesuffix(".py").removesuffix("/__init__"))
            if spec is None or spec.origin in (None, "built-in", "frozen"):
                continue
            origin = Path(str(spec.origin)).resolve()
            of_python = python in origin.parents and not {"site-packages", "dist-packages"} & {*origin.parts}
            if beside not in origin.parents and not of_python:
                return str(origin)
    return ""


def read_options() -> Any:
    """Return the digest that is expected, and whether only to check."""
    import argparse

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--digest", default="", help="of the packages that the kernel was made for")
    parser.add_argument("--check", action="store_true", help="do all but the installing")
    return parser.parse_args()


def main() -> int:
    """Run the command line; return 0 if done, 2 if it refused, 3 if it failed."""
    try:
        uv = find_uv()
        with ask_early(uv):
            options = read_options()
            listed = os.environ.get("KAGGLE_OFFLINE_IMPORTED")
            imported = json.loads(Path(listed).read_text(encoding="utf-8")) if listed else []
            folder = find_files(options.digest)
            manifest = read_manifest(folder)
            check_version(folder, manifest, options.digest)
            check_python(manifest)
            check_files(folder, manifest)
            before = list_installed()
            wheels = [path_of(folder, entry) for entry in of_kind(manifest, *WHEELS)]
            others = check_image(manifest, before, wheels)
            check_imported(manifest, before, imported)
        if others:
            more = f" and {len(others) - NAMES} more" if len(others) > NAMES else ""
            print(f"the image has moved on: {', '.join(others[:NAMES])}{more}")
        if options.check:
            print(f"checked {len(manifest['files'])} files of {manifest['digest']}; nothing is installed")
            return 0
        install(folder, manifest, uv)
        done = check_installed(manifest, before)
    except (RefusedError, OSError) as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 2
    except FailedError as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 3
    print(f"installed {', '.join(done)} from {manifest['digest'][:19]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
