"""A lock as a table for people: the distributions provided, added and replaced, and the changes of a renewal."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaggle_offline.dependencies.lock import Lock
from kaggle_offline.dependencies.pins import Kind
from kaggle_offline.dependencies.wheels import Wheel
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.tables import aligned

_ORIGINS = {
    Kind.BUILT: "built from source, ",
    Kind.SOURCE: "built in the kernel, ",
    Kind.MOUNTED: "in another dataset, ",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """The role of a distribution in a lock.

    Attributes:
        name: of the distribution.
        image: the image's version; empty if the image lacks it.
        shipped: the shipped version; empty if it is not shipped.
        role: ``provided``, ``added`` or ``replaced``.
        why: the reason, such as the distributions that require it; may be empty.
    """

    name: str
    image: str
    shipped: str
    role: str
    why: str = ""


def rows(lock: Lock, image: ImageManifest, packages: Sequence[Wheel]) -> tuple[Row, ...]:
    """Return a row for each distribution; ``packages`` are the wheels of this repository."""
    reasons = {r.name: r for r in lock.replaced}
    found = []
    for wheel in packages:
        version = str(image.pins.get(wheel.name, ""))
        role = "replaced" if version else "added"
        found.append(Row(name=wheel.name, image=version, shipped=wheel.version, role=role, why="of this repository"))
    for name, version in lock.provided.items():
        why = "estimated" if name in image.estimated else ""
        found.append(Row(name=name, image=version, shipped="", role="provided", why=why))
    for pin in lock.installed:
        origin = _ORIGINS.get(pin.kind, "")
        if pin.name in reasons:
            replaced = reasons[pin.name]
            row = Row(
                name=pin.name,
                image=replaced.version,
                shipped=pin.version,
                role="replaced",
                why=f"{origin}{replaced.reason}",
            )
        else:
            version = "not listed" if pin.name in image.unlisted else ""
            why = f"{origin}for {', '.join(pin.via)}"
            row = Row(name=pin.name, image=version, shipped=pin.version, role="added", why=why)
        found.append(row)
    return tuple(found)


def table(found: Sequence[Row]) -> str:
    """Return the rows for a terminal."""
    lines = [["distribution", "in the image", "shipped", ""]]
    for row in found:
        notes = f"{row.role}, {row.why}" if row.why else row.role
        lines.append([row.name, row.image, row.shipped, notes])
    return aligned(lines)


def difference(before: Lock, after: Lock) -> list[str]:
    """Return the changes from one lock to another, a line for each distribution."""
    old, new = _states(before), _states(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    lines = [f"{name}: {old.get(name, 'absent')} → {new.get(name, 'removed')}" for name in changed]
    return lines or ["no version; the requirements or the image"]


def _states(lock: Lock) -> dict[str, str]:
    states = {str(name): f"{version} of the image" for name, version in lock.provided.items()}
    for pin in lock.installed:
        states[pin.name] = f"{pin.version} shipped {pin.url}".rstrip()
    for pin in lock.pins:
        if pin.kind is Kind.BUILDER:
            states[f"{pin.name} (to build)"] = pin.version
    for line in lock.builds_with:
        name, _, version = line.partition("==")
        states[f"{name} (to build wheels)"] = version
    return states
