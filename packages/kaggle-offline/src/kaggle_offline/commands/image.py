"""``image``: derive or capture the packages of Kaggle's image, compare two images, renew those in use."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.observation.capture import capture
from kaggle_offline.observation.comparison import changes, compare, locks_of
from kaggle_offline.observation.derivation import Recipe, derive, published_lists, read_source
from kaggle_offline.observation.renewal import recapture, rederive, renew
from kaggle_offline.repository.image_manifest import (
    KAGGLE_PLATFORM,
    image_path,
    read_image_manifest,
    write_image_manifest,
)
from kaggle_offline.repository.kernel_folder import read_kernel_folders


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    if options.action == "diff":
        print(compare(repository, options.before, options.after, everything=options.all))
        return
    if options.action == "derive":
        _derive(options, repository)
        return
    if options.action == "renew":
        renew(repository, read_kernel_folders(repository, []))
        return
    if options.action == "rederive":
        kernels, today = read_kernel_folders(repository, []), datetime.now(UTC).date()
        rederive(repository, kernels, today, lambda gpu: _recipe({}, gpu=gpu, mirror=options.lists))
        return
    with open_target(options.target, repository) as target:
        if options.action == "recapture":
            recapture(target, repository, read_kernel_folders(repository, []), datetime.now(UTC).date())
        else:
            capture(target, repository, options.name, gpu=options.gpu)


def _recipe(places: Mapping[str, str], *, gpu: bool, mirror: str = "") -> Recipe:
    """Read the lists of a recipe, the newest that are published, or those of a mirror, unless ``places`` has others."""
    lists = {name: places.get(name) or address for name, address in published_lists(gpu=gpu, mirror=mirror).items()}
    return Recipe(**{name: read_source(place) for name, place in lists.items()})


def _derive(options: argparse.Namespace, repository: Path) -> None:
    """Derive an image from public lists, write its manifest, and print what differs from the one before."""
    path = image_path(repository, options.name)
    before = read_image_manifest(path) if path.exists() else None
    if before is not None and before.is_captured:
        raise ConfigurationError(
            f"{path}: captured, which is more than derived", "Give the derived image another name."
        )
    as_of = options.as_of or options.date
    recipe = _recipe(vars(options), gpu=options.gpu)
    header = {"image": options.name, "python": options.python, "platform": KAGGLE_PLATFORM}
    accelerator = "gpu" if options.gpu else "cpu"
    header |= {"accelerator": accelerator, "date": str(options.date), "uv": "yes"}
    if options.docker_image:
        header["docker-image"] = options.docker_image
    source = options.source or "the newest lists of googlecolab/backend-info and Kaggle/docker-python"
    header["source"] = f"derived: {source}, resolved as of {as_of}"
    print(f"  resolving what Kaggle adds to the base, as of {as_of}", flush=True)
    header, pins = derive(recipe, header, as_of=as_of)
    draft = repository / "build" / "images" / path.name
    write_image_manifest(draft, header, pins)
    # Read before it takes the place of one that can be.
    derived = read_image_manifest(draft)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(path)
    print(f"  {path.relative_to(repository)}: {len(derived.pins)} distributions, {len(derived.estimated)} estimated")
    if before is not None:
        print(changes(before, derived, locks_of(repository), everything=False))
