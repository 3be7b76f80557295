"""The differences of two images."""

from pathlib import Path

from packaging.utils import NormalizedName

from kaggle_offline.dependencies.lock import Lock, read_lock
from kaggle_offline.repository.image_manifest import ImageManifest, image_file, read_image_manifest
from kaggle_offline.repository.kernel_folder import list_competitions


def compare(repository: Path, before: str, after: str, *, everything: bool) -> str:
    """Return how the image ``after`` differs from ``before``; differences that matter to the locks come first.

    Raises:
        ConfigurationError: image not found.
    """
    old, new = (read_image_manifest(image_file(repository, name)) for name in (before, after))
    hint = "" if everything else " (--all lists them)"
    return changes(old, new, locks_of(repository), everything=everything, hint=hint)


def locks_of(repository: Path) -> list[Lock]:
    """Return the locks of all competitions that have one."""
    paths = [repository / "requirements" / f"{name}.txt" for name in list_competitions(repository)]
    found = [read_lock(path) for path in paths]
    return [lock for lock in found if lock is not None]


def changes(before: ImageManifest, after: ImageManifest, locks: list[Lock], *, everything: bool, hint: str = "") -> str:
    """Return how one image differs from another: in full where it matters to ``locks``, else as names or a count.

    Args:
        before: the first image.
        after: the other.
        locks: their distributions come first.
        everything: whether the other distributions are listed, too.
        hint: follows a count of those that are not.
    """
    lines = [f"{before.name} → {after.name}"]
    for key in FACTS:
        old, new = before.header.get(key, "unknown"), after.header.get(key, "unknown")
        if old != new:
            lines.append(f"  {key}: {old} → {new}")
    if after.is_captured and not before.is_captured:
        lines.append(f"  {_confirmed(before, after)}")
    names = before.pins.keys() | after.pins.keys()
    changed = {name for name in names if before.pins.get(name) != after.pins.get(name)}
    rest = set(changed)
    for lock in locks:
        roles = dict.fromkeys(lock.provided, "provided") | {pin.name: "shipped" for pin in lock.installed}
        matters = sorted(changed & set(roles))
        rest -= set(matters)
        count = f"{len(matters)} of its distributions" if matters else "none of its distributions"
        lines.append(f"  {lock.path.stem}: {count} changed")
        lines += [f"    {_change(name, before, after)} ({roles[name]})" for name in matters]
    added = rest - before.pins.keys()
    removed = rest - after.pins.keys()
    for word, group in (("changed", rest - added - removed), ("new", added), ("removed", removed)):
        if group:
            lines.append(f"  {len(group)} others {word}{hint}")
        if everything:
            lines += [f"    {_change(name, before, after)}" for name in sorted(group)]
    return "\n".join(lines)


def _confirmed(derived: ImageManifest, captured: ImageManifest) -> str:
    """Return how many versions of a derived image the captured one has, by how well they are known."""
    counts = []
    for word, names in (("published", derived.pins.keys() - derived.estimated), ("estimated", derived.estimated)):
        right = sum(derived.pins.get(name) == captured.pins.get(name) for name in names)
        counts.append(f"{right} of {len(names)} {word} versions")
    return f"confirmed: {', '.join(counts)}"


def _change(name: NormalizedName, before: ImageManifest, after: ImageManifest) -> str:
    return f"{name} {_version(name, before) or 'absent'} → {_version(name, after) or 'removed'}"


def _version(name: NormalizedName, image: ImageManifest) -> str:
    if name in image.unlisted:
        return "not listed"
    estimated = " (estimated)" if name in image.estimated else ""
    return f"{image.pins[name]}{estimated}" if name in image.pins else ""


FACTS = ("python", "platform", "accelerator", "uv", "docker-image")
"""The facts of an image beside its distributions."""
