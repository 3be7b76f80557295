"""A lock for people: what is provided, added and replaced, and what a renewal changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaggle_offline.dependencies.lock import Lock
from kaggle_offline.dependencies.pins import Kind
from kaggle_offline.dependencies.wheels import Wheel
from kaggle_offline.repository.image_manifest import ImageManifest


@dataclass(frozen=True, kw_only=True)
class Row:
    """The role of a distribution in a lock.

    Attributes:
        name: of the distribution.
        image: the image's version; empty where it has none.
        shipped: the version that is shipped; empty where none is.
        role: ``provided``, ``added`` or ``replaced``.
        why: what requires it, where that is to be told.
    """

    name: str
    image: str
    shipped: str
    role: str
    why: str = ""


def rows(lock: Lock, image: ImageManifest, packages: Sequence[Wheel]) -> tuple[Row, ...]:
    """One row for each distribution; ``packages`` are the wheels of this repository."""
    reasons = {r.name: r for r in lock.replaced}
    found = []
    for wheel in packages:
        version = str(image.pins.get(wheel.name, ""))
        role = "replaced" if version else "added"
        found.append(Row(name=wheel.name, image=version, shipped=wheel.version, role=role, why="of this repository"))
    found += [Row(name=name, image=version, shipped="", role="provided") for name, version in lock.provided.items()]
    for pin in lock.installed:
        source = {Kind.BUILT: "built from source, ", Kind.SOURCE: "to be built in the kernel, "}.get(pin.kind, "")
        if pin.name in reasons:
            before, role, why = reasons[pin.name].version, "replaced", reasons[pin.name].reason
        else:
            before = "not listed" if pin.name in image.unlisted else ""
            role, why = "added", f"for {', '.join(pin.via)}"
        found.append(Row(name=pin.name, image=before, shipped=pin.version, role=role, why=f"{source}{why}"))
    return tuple(found)


def table(found: Sequence[Row]) -> str:
    """The rows for a terminal."""
    lines = [("distribution", "in the image", "shipped", "")]
    lines += [(r.name, r.image, r.shipped, ", ".join(filter(None, [r.role, r.why]))) for r in found]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join("  " + "  ".join([*map(str.ljust, line, widths), line[3]]).rstrip() for line in lines)


def difference(before: Lock, after: Lock) -> list[str]:
    """Return how one lock differs from another, a line for each distribution."""
    old, new = _states(before), _states(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    lines = [f"{name}: {old.get(name, 'not there')} → {new.get(name, 'gone')}" for name in changed]
    return lines or ["nothing but what it was made from"]


def _states(lock: Lock) -> dict[str, str]:
    provided = {str(name): f"{version} of the image" for name, version in lock.provided.items()}
    builders = {f"{pin.name} (to build)": pin.version for pin in lock.pins if pin.kind is Kind.BUILDER}
    shipped = {str(pin.name): f"{pin.version} shipped {pin.url}".rstrip() for pin in lock.installed}
    builds = {
        f"{name} (to build wheels)": version for name, _, version in (b.partition("==") for b in lock.builds_with)
    }
    return provided | builders | shipped | builds
