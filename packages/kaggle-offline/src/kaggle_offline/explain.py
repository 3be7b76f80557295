"""A lock for people: what is provided, added and replaced, and what a renewal changed."""

from collections.abc import Sequence

from kaggle_offline.image_manifest import ImageManifest
from kaggle_offline.lock import Lock
from kaggle_offline.pins import Kind
from kaggle_offline.wheel import Wheel


def table(lock: Lock, image: ImageManifest, packages: Sequence[Wheel]) -> str:
    """One line for each distribution: the image's version, the one shipped, and why.

    ``packages`` are the wheels of this repository.
    """
    reasons = {r.name: r for r in lock.replaced}
    rows = [("distribution", "in the image", "shipped", "")]
    for wheel in packages:
        version = str(image.pins.get(wheel.name, ""))
        rows.append((wheel.name, version, wheel.version, f"{'replaced' if version else 'added'}, of this repository"))
    rows += [(name, version, "", "provided") for name, version in lock.provided.items()]
    for pin in lock.installed:
        source = {Kind.BUILT: ", built from source", Kind.SOURCE: ", to be built in the kernel"}.get(pin.kind, "")
        if pin.name in reasons:
            replaced = reasons[pin.name]
            rows.append((pin.name, replaced.version, pin.version, f"replaced{source}: {replaced.reason}"))
        else:
            version = "not listed" if pin.name in image.unlisted else ""
            rows.append((pin.name, version, pin.version, f"added{source}, for {', '.join(pin.via)}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  " + "  ".join([*map(str.ljust, row, widths), row[3]]).rstrip() for row in rows)


def difference(before: Lock, after: Lock) -> list[str]:
    """What one lock has otherwise than another, a line for each distribution."""
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
