"""Distributions of the image that no longer fit, because something that they require is replaced."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.repository.image_manifest import ImageManifest


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """A requirement of a distribution that the image keeps, and that a replaced one does not satisfy.

    Attributes:
        name: of the distribution that is kept.
        version: the image's.
        requirement: on the one that is replaced, such as ``"protobuf>=5.28"``.
        replaced: the name of that.
        new: its version in the kernel.
    """

    name: NormalizedName
    version: str
    requirement: str
    replaced: NormalizedName
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} of the image requires {self.requirement}, and {self.new} replaces it"


def breakages(
    replaced: Mapping[NormalizedName, str],
    requirements: Mapping[NormalizedName, Sequence[str]],
    image: ImageManifest,
) -> list[Breakage]:
    """Return what no longer fits of the image; what did not fit before is none of that.

    Args:
        replaced: the new versions of the image's distributions that are replaced, by name.
        requirements: of the image's distributions.
        image: whose.
    """
    found = []
    for name in sorted(requirements.keys() - replaced.keys()):
        for requirement in _active(requirements[name], image):
            other = canonicalize_name(requirement.name)
            if other not in replaced or requirement.url:
                continue
            specifier = requirement.specifier
            fitted = specifier.contains(image.pins[other], prereleases=True)
            if fitted and not specifier.contains(Version(replaced[other]), prereleases=True):
                found.append(
                    Breakage(
                        name=name,
                        version=str(image.pins[name]),
                        requirement=f"{other}{specifier}",
                        replaced=other,
                        new=replaced[other],
                    )
                )
    return found


def breakages_by_use(
    replaced: Mapping[NormalizedName, str],
    provided: Collection[NormalizedName],
    requirements: Mapping[NormalizedName, Sequence[str]],
    image: ImageManifest,
) -> tuple[list[Breakage], list[Breakage]]:
    """Return what no longer fits of the distributions that a kernel uses, and of others; see `breakages` and `used`."""
    everything = breakages(replaced, requirements, image)
    in_use = used(provided, requirements, image)
    of_kernel = [each for each in everything if each.name in in_use]
    return of_kernel, [each for each in everything if each.name not in in_use]


def used(
    provided: Collection[NormalizedName], requirements: Mapping[NormalizedName, Sequence[str]], image: ImageManifest
) -> set[NormalizedName]:
    """Return the distributions of the image that a kernel uses: those that it is provided with, and what these require.

    Args:
        provided: the image's distributions that the packages and what is shipped require.
        requirements: of the image's distributions.
        image: whose.
    """
    found, waiting = set[NormalizedName](), list(provided)
    while waiting:
        name = waiting.pop()
        if name in found or name not in image.pins:
            continue
        found.add(name)
        waiting += [canonicalize_name(line.name) for line in _active(requirements.get(name, ()), image)]
    return found


def _active(lines: Sequence[str], image: ImageManifest) -> list[Requirement]:
    """Return the requirements that hold on the image, without those of extras."""
    active = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or marker.evaluate({**image.environment, "extra": ""}):
            active.append(requirement)
    return active
