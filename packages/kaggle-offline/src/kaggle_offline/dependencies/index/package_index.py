"""Files of the package index for resolved distributions: wheels for a platform and their metadata, or only a source."""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.dependencies.pins import refuse_secrets
from kaggle_offline.errors import LockError
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.uv import is_network, run_uv


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one distribution.

    Attributes:
        version: of the distribution.
        wheels: SHA-256 of its wheels for the platform.
        source: SHA-256 of its source distribution, if it has one.
        url: with the commit where it is a Git reference; of the archive where it is one; else empty.
        address: of one of the wheels; empty without one.
        source_address: of the source distribution; empty without one.
        size: of one of the wheels, or else of the source, in bytes; 0 if the index does not say.
        uploaded: the day on which the first of its files was uploaded; None if the index does not say (PEP 700).
    """

    version: str
    wheels: tuple[str, ...]
    source: tuple[str, ...]
    url: str
    address: str = ""
    source_address: str = ""
    size: int = 0
    uploaded: date | None = None


def look_up(
    lines: Collection[str], target: Sequence[str], *, no_deps: Collection[str] = ()
) -> dict[NormalizedName, Files]:
    """Look up the files of each distribution: those of the newest version that a requirement allows.

    Args:
        lines: requirements, such as ``name==version`` or ``name @ url``.
        target: the Python and the platform, as uv's options.
        no_deps: names of distributions that are not built to learn what they require.

    Raises:
        LockError: the index has not got one of them, or one is a folder of this machine.
    """
    if not lines:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch) / "requirements.in", Path(scratch) / "pylock.toml"
        source.write_text("".join(f"{line}\n" for line in lines))
        options = ["--no-deps", "--format", "pylock.toml", "--output-file", str(output), "--quiet"]
        result = compile_requirements(source, *target, *options, no_deps=no_deps)
        if result.returncode != 0:
            names = [line.partition(" @ ")[0] for line in lines]
            raise LockError(
                f"one of these was not found: {', '.join(names)}\n{result.stderr.strip()}",
                "Check the network, or require versions that the package index has.",
            )
        document = tomllib.loads(output.read_text(encoding="utf-8"))
    return {canonicalize_name(entry["name"]): _files(entry) for entry in document["packages"]}


def _fragment(entry: Mapping[str, Any]) -> str:
    return f"#subdirectory={entry['subdirectory']}" if "subdirectory" in entry else ""


def _files(entry: Mapping[str, Any]) -> Files:
    name, archive, vcs = entry["name"], entry.get("archive"), entry.get("vcs")
    if "directory" in entry:
        raise LockError(
            f"{name}: a folder of this machine cannot be required: {entry['directory']['path']}",
            "Make it a folder of packages/, or require it by Git reference.",
        )
    wheels = [wheel["hashes"]["sha256"] for wheel in entry.get("wheels", [])]
    source = [entry["sdist"]["hashes"]["sha256"]] if "sdist" in entry else []
    url = ""
    if vcs is not None:
        url = f"git+{vcs['url']}@{vcs['commit-id']}{_fragment(vcs)}"
    elif archive is not None and "url" not in archive:
        raise LockError(
            f"{name}: a file of this machine cannot be required: {archive['path']}",
            "Require it by an address that other machines can reach.",
        )
    elif archive is not None:
        url = archive["url"]
        files = wheels if urlsplit(url).path.endswith(".whl") else source
        files.append(archive["hashes"]["sha256"])
        url += _fragment(archive)
    refuse_secrets(name, url)
    files_of = [*entry.get("wheels", []), entry.get("sdist", {})]
    times = [file.get("upload-time") for file in files_of]
    days = [time.date() for time in times if isinstance(time, datetime)]
    return Files(
        version=entry.get("version", ""),
        wheels=tuple(wheels),
        source=tuple(source),
        url=url,
        address=next((wheel["url"] for wheel in entry.get("wheels", []) if "url" in wheel), ""),
        size=next((file["size"] for file in files_of if "size" in file), 0),
        source_address=entry.get("sdist", {}).get("url", ""),
        uploaded=min(days, default=None),
    )


# How uv's explanation ends that names a distribution which the index has not got.
_REQUIRED = re.compile(r"you require ([\w.-]+)==")


def known_files(lines: Collection[str], target: Sequence[str]) -> dict[NormalizedName, Files]:
    """Look up files as `look_up` does, without the distributions that the index has not got.

    Args:
        lines: requirements, each ``name==version``.
        target: the Python and the platform, as uv's options.

    Raises:
        LockError: the index does not answer.
    """
    left = list(lines)
    while True:
        try:
            return look_up(left, target)
        except LockError as error:
            missing = set(_REQUIRED.findall(error.problem))
            rest = [line for line in left if line.partition("==")[0] not in missing]
            if len(rest) == len(left):
                raise
            left = rest


def newest_with_wheel(name: NormalizedName, image: ImageManifest) -> str:
    """Return the newest version of a distribution that has a wheel for an image; empty if none has."""
    try:
        return look_up([name], [*options_for(image), "--only-binary", ":all:"])[name].version
    except LockError:
        return ""


# uv prints these words when no release satisfies a requirement.
_NO_RELEASE = "No solution found"


def newest_release(requirement: str, image: ImageManifest, *, before: date) -> Version | None:
    """Return the newest version that satisfied a requirement on a day in the past; None if there was none.

    Raises:
        LockError: the package index does not answer, or does not say.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "requirements.in"
        source.write_text(f"{requirement}\n")
        options = ["--no-deps", "--no-annotate", "--exclude-newer", f"{before}T00:00:00Z"]
        result = compile_requirements(source, *options_for(image), *options)
    if result.returncode != 0 and (_NO_RELEASE not in result.stderr or is_network(result.stderr)):
        raise LockError(
            f"{requirement}: the releases before {before} are not known:\n{result.stderr.strip()}",
            "Check the network and the package index, then run again.",
        )
    match = re.search(r"(?m)^[\w.-]+==(\S+)", result.stdout)
    return Version(match[1]) if match else None


# uv quotes this constraint on builds where a source is built against torch.
NO_TORCH = "torch<0"

# The platforms that uv knows by name.
_GLIBCS = (17, 28, *range(31, 41))


def compile_requirements(
    source: Path, *options: str, no_deps: Collection[str] = ()
) -> subprocess.CompletedProcess[str]:
    """``uv pip compile``, without a trace of this machine's index and settings.

    To learn what a source requires, uv may build it. A build against torch would download torch, of gigabytes, for
    each version that the search looks at; here it fails at once.

    Args:
        source: the requirements.
        options: of uv.
        no_deps: names of distributions whose requirements do not count.
    """
    constraints = source.with_name("build-constraints.txt")
    constraints.write_text(f"{NO_TORCH}\n")
    # Naming an interpreter spares uv the search for one, which takes seconds where pyenv is.
    fixed = ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--python", sys.executable]
    # A file that is named is the only one.
    config = source.with_name("uv.toml")
    tables = [f"[[dependency-metadata]]\nname = {json.dumps(name)}\nrequires-dist = []\n" for name in no_deps]
    config.write_text("\n".join(tables))
    fixed += ["--config-file", str(config)]
    return run_uv("pip", "compile", str(source), *fixed, "--build-constraints", str(constraints), *options)


def options_for(image: ImageManifest) -> list[str]:
    """Return the image's Python and platform in uv's words."""
    glibc = max(minor for minor in _GLIBCS if minor <= image.glibc)
    return ["--python-version", image.header["python"], "--python-platform", f"{image.machine}-manylinux_2_{glibc}"]
