"""``requirements/images/<image>.txt``: the packages of Kaggle's image, pinned, under a header.

A repository need not have the manifests that ship with this package; its own come first.

::

    # image: kaggle-gpu-2026-10
    # python: 3.13.15
    # platform: manylinux_2_35_x86_64
    # accelerator: gpu
    # date: 2026-10-03
    # uv: yes
    # docker-image: gcr.io/kaggle-private-byod/python@sha256:2757e0c7…
    # source: where the list comes from
    # unlisted: learntools segment-anything
    # estimated: boto3 catboost
    numpy==2.1.3

Python and platform (which names the glibc) are required. ``docker-image`` is the digest that pins a kernel to the
image. A pin of a list from inside a kernel is *captured*. A pin of a derived list is *published*, or *estimated* if
the header names it there: its version is what the resolver gives for the day of the build. ``unlisted`` names further
distributions of the image, whose versions are not known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import digest_of_file, write_text

_PLATFORM = re.compile(r"manylinux_2_(\d{1,3})_(x86_64|aarch64)", re.ASCII)
_PYTHON = re.compile(r"(3\.\d{1,3})(\.\d{1,3}((a|b|rc)\d{1,3})?)?", re.ASCII)
# A container image by its digest, as KAGGLE_DOCKER_IMAGE has it inside a session.
DOCKER_IMAGE = re.compile(r"[\w.-]+(/[\w.-]+)+@sha256:[0-9a-f]{64}", re.ASCII)
KAGGLE_PLATFORM = "manylinux_2_35_x86_64"
"""The platform of Kaggle's images, which are Ubuntu 22.04 (googlecolab/backend-info, os-info.txt)."""

# The oldest that wheels are made for today (manylinux2014).
_OLDEST_GLIBC = 17

# In a clone of this package's repository, a link to its requirements/images.
_SHIPPED = Path(__file__).parents[1] / "images"


@dataclass(frozen=True, kw_only=True)
class ImageManifest:
    """A read manifest.

    Attributes:
        name: of the image, as in the file's name.
        python: the image's Python without its patch level, such as ``"3.12"``.
        platform: the newest tag that the image's glibc allows, such as ``"manylinux_2_35_x86_64"``.
        pins: the version of every distribution, by canonical name.
        header: all that the header says, by key.
        digest: of the file.
    """

    name: str
    python: str
    platform: str
    pins: dict[NormalizedName, Version]
    header: dict[str, str]
    digest: str

    @property
    def machine(self) -> str:
        """The processor, such as ``"x86_64"``."""
        return self.platform.split("_", 3)[3]

    @property
    def has_gpu(self) -> bool:
        """Tell whether it is that of kernels with a GPU."""
        return self.header.get("accelerator") == "gpu"

    @property
    def is_local(self) -> bool:
        """Tell whether it tells of a local Kaggle, not of kaggle.com."""
        return " on local, " in self.header.get("source", "")

    @property
    def docker_image(self) -> str:
        """The image by its digest, to pin kernels to; empty where it is not known."""
        return self.header.get("docker-image", "")

    @property
    def is_captured(self) -> bool:
        """Tell whether the list is a kernel's, from inside the image; otherwise it is derived from public lists."""
        return self.header.get("source", "").endswith(", from inside")

    @property
    def estimated(self) -> frozenset[NormalizedName]:
        """Names of pinned distributions whose versions are the resolver's, not those of a published list."""
        return self._names("estimated")

    @property
    def unlisted(self) -> frozenset[NormalizedName]:
        """Names of the image's distributions in unknown versions."""
        return self._names("unlisted")

    def _names(self, key: str) -> frozenset[NormalizedName]:
        return frozenset(canonicalize_name(name) for name in self.header.get(key, "").split())

    @property
    def glibc(self) -> int:
        """The minor version of the image's glibc, such as 35."""
        return int(self.platform.split("_")[2])

    @property
    def platforms(self) -> list[str]:
        """Every wheel platform that runs on the image, newest first."""
        old = [f"manylinux2014_{self.machine}"]
        if self.machine == "x86_64":
            old += ["manylinux2010_x86_64", "manylinux1_x86_64"]
        return [f"manylinux_2_{n}_{self.machine}" for n in range(self.glibc, 4, -1)] + old

    @property
    def tags(self) -> frozenset[Tag]:
        """Every tag of a wheel that installs on the image."""
        version = tuple(map(int, self.python.split(".")))
        platforms = [*self.platforms, f"linux_{self.machine}"]
        interpreter = f"cp{self.python.replace('.', '')}"
        return frozenset(
            [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of the image for environment markers."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.header["python"],
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.header["python"],
            "python_version": self.python,
            "sys_platform": "linux",
        }


def image_path(repository: Path, name: str) -> Path:
    """Return the path of a manifest in a repository, there or not."""
    return repository / "requirements" / "images" / f"{name}.txt"


def image_files(repository: Path) -> dict[str, Path]:
    """Return the manifests' files by the images' names: those that ship with this package, and the repository's."""
    own = image_path(repository, "").parent
    return {path.stem: path for path in (*sorted(_SHIPPED.glob("*.txt")), *sorted(own.glob("*.txt")))}


def image_file(repository: Path, name: str) -> Path:
    """Return the path of an image's manifest; for an unknown image, the path at which the repository would have it."""
    return image_files(repository).get(name, image_path(repository, name))


def read_image_manifest(path: Path) -> ImageManifest:
    """Read an image manifest.

    Raises:
        ConfigurationError: the file is missing or malformed; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        known = ", ".join(sorted(image_files(path.parents[2])))
        raise ConfigurationError(
            f"{path}: no such image", f"Images there: {known}. `kaggle-offline image capture` makes one."
        ) from None
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", "An image manifest is a text file.") from error
    header: dict[str, str] = {}
    pins: dict[NormalizedName, Version] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith("#"):
            key, colon, value = text.lstrip("# ").partition(":")
            if colon:
                header.setdefault(key.strip(), value.strip())
        elif text:
            name, version = _pin(path, number, text)
            if pins.setdefault(name, version) != version:
                raise ConfigurationError(
                    f"{path}:{number}: {name} is pinned twice: {pins[name]} and {version}", "Keep one of the two."
                )
    _check_header(path, header)
    return ImageManifest(
        name=path.stem,
        python=".".join(header["python"].split(".")[:2]),
        platform=header["platform"],
        pins=pins,
        header=header,
        digest=digest_of_file(path),
    )


def _check_header(path: Path, header: Mapping[str, str]) -> None:
    """Check the keys that other code relies on.

    Raises:
        ConfigurationError: one is missing or malformed.
    """
    if not _PYTHON.fullmatch(header.get("python", "")):
        raise ConfigurationError(f"{path}: the header has no python", "Add a line such as: # python: 3.12.13")
    platform = _PLATFORM.fullmatch(header.get("platform", ""))
    if platform is None or int(platform.group(1)) < _OLDEST_GLIBC:
        raise ConfigurationError(
            f"{path}: the header has no platform", "Add a line such as: # platform: manylinux_2_35_x86_64"
        )
    if "docker-image" in header and not DOCKER_IMAGE.fullmatch(header["docker-image"]):
        raise ConfigurationError(
            f"{path}: docker-image: {header['docker-image']!r} is not an image with its digest",
            "Write it as KAGGLE_DOCKER_IMAGE has it inside a session: gcr.io/…/python@sha256:…",
        )


def write_image_manifest(path: Path, header: Mapping[str, str], pins: Mapping[NormalizedName, str]) -> None:
    """Write a manifest, its distributions sorted by name."""
    lines = [f"# {key}: {value}\n" for key, value in header.items()]
    lines += [f"{name}=={pins[name]}\n" for name in sorted(pins)]
    write_text(path, "".join(lines))


def _pin(path: Path, number: int, text: str) -> tuple[NormalizedName, Version]:
    try:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        if specifier.operator != "==" or requirement.marker or requirement.extras:
            raise ValueError(text)
        return canonicalize_name(requirement.name), Version(specifier.version)
    except (InvalidRequirement, InvalidVersion, ValueError):
        raise ConfigurationError(
            f"{path}:{number}: not a pinned distribution: {text}", "Every line is name==version."
        ) from None
