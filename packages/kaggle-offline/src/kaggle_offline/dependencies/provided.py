"""The requirements that are left to the image: who requires which version, and whether an estimate satisfies them.

The version of an estimated distribution is the resolver's answer for the day of the image's build, and the image can
hold another release. An estimate therefore counts as provided only if every release of the year before the image
satisfies what is shipped; otherwise the distribution is shipped.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.dependencies.index.package_index import newest_release
from kaggle_offline.dependencies.wheels import Wheel
from kaggle_offline.repository.image_manifest import ImageManifest

_YEAR = timedelta(days=365)
# Each question to the index is a process that mostly waits.
_QUESTIONS = 4
_OPPOSITES = {">=": "<", ">": "<=", "<": ">=", "<=": ">", "==": "!=", "!=": "==", "===": "!="}

Requirements = Mapping[str, SpecifierSet]
"""The versions that distributions require of another, by the names and versions of those that require it."""


def requirements_on(
    names: Collection[NormalizedName], wheels: Sequence[Wheel], *, extras: Sequence[str], image: ImageManifest
) -> dict[NormalizedName, dict[str, SpecifierSet]]:
    """Collect the requirements of wheels on distributions of the image.

    Args:
        names: of the image's distributions.
        wheels: the project's first.
        extras: of the project; the extras of the others are those that a wheel requires.
        image: markers are evaluated for it.

    Returns:
        The specifier of each wheel that requires a distribution, by the wheel's name and version, by the distribution.
    """
    wanted = {wheel.name: {""} for wheel in wheels}
    wanted[wheels[0].name].update(extras)
    waiting = list(wheels)
    while waiting:
        for requirement in _active(waiting.pop(), wanted, image):
            name = canonicalize_name(requirement.name)
            if not requirement.extras <= wanted.get(name, requirement.extras):
                wanted[name] |= requirement.extras
                waiting += [wheel for wheel in wheels if wheel.name == name]
    found: dict[NormalizedName, dict[str, SpecifierSet]] = {}
    for wheel in wheels:
        for requirement in _active(wheel, wanted, image):
            name = canonicalize_name(requirement.name)
            if name in names:
                of_name = found.setdefault(name, {})
                requirer = f"{wheel.name} {wheel.version}"
                of_name[requirer] = of_name.get(requirer, SpecifierSet()) & requirement.specifier
    return found


def _active(
    wheel: Wheel, wanted: Mapping[NormalizedName, Collection[str]], image: ImageManifest
) -> Iterator[Requirement]:
    """Yield the requirements of a wheel that hold on the image, with its wanted extras."""
    environments = [{**image.environment, "extra": extra} for extra in wanted[wheel.name]]
    for requirement in map(Requirement, wheel.requirements):
        marker = requirement.marker
        if marker is None or any(map(marker.evaluate, environments)):
            yield requirement


def uncertain(required: Mapping[NormalizedName, Requirements], image: ImageManifest) -> dict[NormalizedName, str]:
    """Find the estimated distributions whose version may not be what is required.

    Args:
        required: the requirements on distributions of the image.
        image: its header has the date; without one, no estimate counts.

    Returns:
        A requirement that a release of the year before the image does not satisfy, such as
        ``"trl 1.0 requires datasets>=4.7"``, by name.

    Raises:
        LockError: the package index does not answer, or does not say.
    """
    questions = []
    for name in sorted(required):
        if name in image.estimated:
            questions += [(name, requirer, specifier) for requirer, specifier in required[name].items()]
    found: dict[NormalizedName, str] = {}
    with ThreadPoolExecutor(_QUESTIONS) as threads:
        answers = threads.map(lambda question: _was_violated(question[0], question[2], image), questions)
        for (name, requirer, specifier), violated in zip(questions, answers, strict=True):
            if violated:
                found.setdefault(name, f"{requirer} requires {name}{specifier}")
    return found


def _was_violated(name: NormalizedName, specifier: SpecifierSet, image: ImageManifest) -> bool:
    """Tell whether a release of the year before the image does not satisfy a specifier.

    The newest release that does not satisfy a clause is then another than a year before. A later release of a series
    that is older still goes unnoticed; install.py would notice it.
    """
    try:
        built = date.fromisoformat(image.header.get("date", ""))
    except ValueError:
        return bool(len(specifier))
    for clause in specifier:
        for opposite in opposites(clause):
            newest = newest_release(f"{name}{opposite}", image, before=built)
            if newest is not None and newest != newest_release(f"{name}{opposite}", image, before=built - _YEAR):
                return True
    return False


def opposites(clause: Specifier) -> list[str]:
    """Return specifiers for the versions that do not satisfy a clause (PEP 440), post-releases of its bound apart."""
    if clause.operator == "~=":
        series = clause.version.rpartition(".")[0]
        return [f"<{clause.version}", f"!={series}.*"]
    return [f"{_OPPOSITES[clause.operator]}{clause.version}"]
