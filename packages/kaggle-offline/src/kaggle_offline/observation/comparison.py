"""The differences of two images."""

from collections.abc import Callable
from pathlib import Path

from packaging.utils import NormalizedName

from kaggle_offline.dependencies.lock import Lock, read_lock
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_folder import list_competitions


def compare(repository: Path, before: str, after: str, *, everything: bool) -> str:
    """Return how the image ``after`` differs from ``before``; differences that matter to the locks come first.

    Raises:
        ConfigurationError: there is no such image.
    """
    old, new = (read_image_manifest(image_path(repository, name)) for name in (before, after))
    return changes(old, new, locks_of(repository), everything=everything)


def locks_of(repository: Path) -> list[Lock]:
    """Return the locks of all competitions that have one."""
    paths = [repository / "requirements" / f"{name}.txt" for name in list_competitions(repository)]
    found = [read_lock(path) for path in paths]
    return [lock for lock in found if lock is not None]


def changes(before: ImageManifest, after: ImageManifest, locks: list[Lock], *, everything: bool) -> str:
    """Return how one image differs from another: in full where it matters to ``locks``, else as names or a count."""
    lines = [f"{before.name} → {after.name}"]
    for key in FACTS:
        old, new = before.header.get(key, "unknown"), after.header.get(key, "unknown")
        lines += [f"  {key}: {old} → {new}"] if old != new else []
    changed = {n for n in {*before.pins, *after.pins} if before.pins.get(n) != after.pins.get(n)}
    rest = set(changed)
    for lock in locks:
        roles = dict.fromkeys(lock.provided, "provided") | {pin.name: "shipped" for pin in lock.installed}
        matters = sorted(changed & set(roles))
        rest -= set(matters)
        lines.append(
            f"  {lock.path.stem}: {f'{len(matters)} of its distributions' if matters else 'nothing of it'} changed"
        )
        lines += [f"    {_change(name, before, after)} ({roles[name]})" for name in matters]
    groups: list[tuple[str, Callable[[NormalizedName], bool]]] = [
        ("changed", lambda n: n in before.pins and n in after.pins),
        ("new", lambda n: n not in before.pins),
        ("gone", lambda n: n not in after.pins),
    ]
    for word, belongs in groups:
        names = sorted(name for name in rest if belongs(name))
        hint = "" if everything else " (--all lists them)"
        lines += [f"  {len(names)} others {word}{hint}"] if names else []
        lines += [f"    {_change(name, before, after)}" for name in names if everything]
    return "\n".join(lines)


def _change(name: NormalizedName, before: ImageManifest, after: ImageManifest) -> str:
    return f"{name} {before.pins.get(name, 'not there')} → {after.pins.get(name, 'gone')}"


FACTS = ("python", "platform", "accelerator", "uv")
"""The facts of an image beside its distributions."""


def image_path(repository: Path, name: str) -> Path:
    """Where an image's manifest is."""
    return repository / "requirements" / "images" / f"{name}.txt"
