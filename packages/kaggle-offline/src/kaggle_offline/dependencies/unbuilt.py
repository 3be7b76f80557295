"""A source that this machine cannot build: what a kernel needs to build it on Kaggle's image."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from kaggle_offline.dependencies.index.download import fetch_archive
from kaggle_offline.dependencies.index.package_index import look_up, options_for
from kaggle_offline.dependencies.index.source_distributions import fetch_commit, part_of, unpacked
from kaggle_offline.dependencies.pins import Kind, Pin
from kaggle_offline.dependencies.wheels import build_requirements
from kaggle_offline.errors import LockError
from kaggle_offline.repository.image_manifest import ImageManifest


@dataclass(frozen=True, kw_only=True)
class Unbuilt:
    """A source to build.

    Attributes:
        lines: of a requirements file, with the hash of the source where it is an archive.
        requires: its build requirements.
    """

    lines: Sequence[str]
    requires: Sequence[str]


def read_unbuilt(requirement: str, image: ImageManifest) -> Unbuilt:
    """Look a source up and read its build requirements; nothing of it is run.

    Args:
        requirement: ``name==version``, or ``name @ address``.
        image: that it is for.

    Raises:
        LockError: it has no source.
        DownloadError: it cannot be fetched.
    """
    parsed = Requirement(requirement)
    name = canonicalize_name(parsed.name)
    with tempfile.TemporaryDirectory() as scratch:
        if (parsed.url or "").startswith("git+"):
            url = str(parsed.url)
            # Without a commit or branch it is what the repository's HEAD is now.
            if "@" not in urlsplit(url).path:
                address, mark, fragment = url.partition("#")
                url = f"{address}@HEAD{mark}{fragment}"
            pin = Pin(name=name, version="0", kind=Kind.SOURCE, url=url)
            archive = fetch_commit(pin, Path(scratch))
        else:
            # Its metadata may come from a build alone, so it is said to require nothing.
            files = look_up([requirement], options_for(image), no_deps=[name])[name]
            if not files.source:
                raise LockError(f"{requirement}: it has no source", "Require a version that has one.")
            version = files.version or "0"
            pin = Pin(name=name, version=version, kind=Kind.SOURCE, hashes=files.source, url=files.url)
            archive = part_of(pin, fetch_archive(pin, files.url or files.source_address, Path(scratch)))
        with unpacked(archive) as tree:
            requires = build_requirements(tree)
    for line in requires:
        try:
            Requirement(line)
        except InvalidRequirement as error:
            raise LockError(f"{requirement}: build-system.requires: {error}", "Require another version.") from error
    return Unbuilt(lines=pin.requirement().splitlines(), requires=requires)
