"""``requirements/images/<image>.txt``: what Kaggle's image holds, pinned, under a header.

::

    # image: kaggle-gpu-2026-05
    # python: 3.12.13
    # platform: manylinux_2_35_x86_64
    numpy==2.0.2
"""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import digest_of_file

_PLATFORM = re.compile(r"manylinux_2_(\d+)_(x86_64|aarch64)")


@dataclass(frozen=True, kw_only=True)
class ImageManifest:
    """A read manifest.

    Attributes:
        name: of the image, as in the file's name.
        python: the image's Python without its patch level, such as ``"3.12"``.
        platform: the newest tag that the image's glibc allows, such as ``"manylinux_2_35_x86_64"``.
        pins: the version of every distribution, by canonical name.
        digest: of the file.
    """

    name: str
    python: str
    platform: str
    pins: dict[str, Version]
    digest: str

    @property
    def platforms(self) -> list[str]:
        """Every wheel platform that runs on the image, newest first."""
        match = _PLATFORM.fullmatch(self.platform)
        assert match is not None
        minor, machine = int(match.group(1)), match.group(2)
        old = [f"manylinux2014_{machine}"]
        if machine == "x86_64":
            old += ["manylinux2010_x86_64", "manylinux1_x86_64"]
        return [f"manylinux_2_{n}_{machine}" for n in range(minor, 4, -1)] + old


def read_image_manifest(path: Path) -> ImageManifest:
    """Read an image manifest.

    Raises:
        ConfigurationError: the file is missing or malformed; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.txt"))) or "none"
        raise ConfigurationError(f"{path}: no such image", f"Images there: {known}.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", "An image manifest is a text file.") from error
    header: dict[str, str] = {}
    pins: dict[str, Version] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith("#"):
            key, colon, value = text.lstrip("# ").partition(":")
            if colon:
                header.setdefault(key.strip(), value.strip())
        elif text:
            name, version = _pin(path, number, text)
            pins[name] = version
    python = re.match(r"\d+\.\d+", header.get("python", ""))
    if python is None:
        raise ConfigurationError(f"{path}: the header has no python", "Add a line such as: # python: 3.12.13")
    if not _PLATFORM.fullmatch(header.get("platform", "")):
        raise ConfigurationError(
            f"{path}: the header has no platform", "Add a line such as: # platform: manylinux_2_35_x86_64"
        )
    return ImageManifest(
        name=path.stem, python=python.group(), platform=header["platform"], pins=pins, digest=digest_of_file(path)
    )


def _pin(path: Path, number: int, text: str) -> tuple[str, Version]:
    try:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        if specifier.operator != "==":
            raise ValueError(specifier.operator)
        return canonicalize_name(requirement.name), Version(specifier.version)
    except (InvalidRequirement, InvalidVersion, ValueError):
        raise ConfigurationError(
            f"{path}:{number}: not a pinned distribution: {text}", "Every line is name==version."
        ) from None
