"""The inputs of a competition: the files and folders of the repository that its submission is made from."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.git import contents
from kaggle_offline.repository.git_changes import ask, incomplete_history
from kaggle_offline.repository.kernel_folder import list_competitions
from kaggle_offline.repository.packages import (
    PROJECT_FILES,
    ROOT,
    is_in_root_package,
    name_of,
    package_folders,
    package_path,
    required_by,
)
from kaggle_offline.repository.submission_toml import read_settings
from kaggle_offline.repository.upstreams import with_upstreams

# The files of kernels/<name>/ that name a competition's inputs.
_SETTINGS = frozenset({"submission.toml", "kernel-metadata.json"})


def inputs_of(repository: Path, competitions: Iterable[str] | None = None) -> dict[str, frozenset[str]]:
    """Return the inputs of competitions: paths relative to the repository, with ``/`` between.

    The inputs are the kernel folder, the lock, the image manifest, the package, and every package of the
    repository that it may require, directly or not; and the same of the kernels whose output it reads. Extras and
    markers are ignored: rehearsing a competition that has not changed costs minutes, missing one that has costs a
    submission. Symbolic links are not followed.

    Args:
        repository: the repository, or a folder from `settings_at`.
        competitions: the names of kernel folders; all of them by default.
    """
    names = list_competitions(repository) if competitions is None else competitions
    packages = _Packages(repository)
    found = {}
    for name in names:
        try:
            chain = with_upstreams(repository, [name])
        except ConfigurationError:
            # Freeze reports the error; an earlier commit may have it.
            chain = [name]
        inputs: set[str] = set()
        for each in chain:
            inputs.update(_inputs_of_one(repository, each, packages))
        found[name] = frozenset(inputs)
    return found


def submitted(repository: Path) -> dict[str, bool]:
    """Return the competitions whose kernels are submitted, and for each whether only a tag with its name does so."""
    found = {}
    for name in list_competitions(repository):
        try:
            settings = read_settings(repository / "kernels" / name / "submission.toml")
        except ConfigurationError:
            # Freeze reports the error.
            found[name] = False
        else:
            if settings.submit:
                found[name] = settings.submit == "named"
    return found


@contextmanager
def settings_at(repository: Path, tree: str) -> Iterator[Path]:
    """Write the settings that a commit's tree holds to a temporary folder, for `inputs_of` to read.

    Yields:
        The folder: the settings of ``kernels/*`` and the project files of packages.

    Raises:
        ConfigurationError: Git cannot read them.
    """
    listed = ask(repository, "ls-tree", "-r", "-z", "--name-only", tree).split("\0")
    paths = [path for path in listed if _is_settings(path)]
    blobs = contents(repository, [f"{tree}:./{path}" for path in paths]) if paths else []
    if blobs is None:
        raise incomplete_history(repository)
    with TemporaryDirectory() as scratch:
        for path, blob in zip(paths, blobs, strict=True):
            if blob is not None:
                file = Path(scratch, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(blob)
        yield Path(scratch)


def touched(inputs: Iterable[str], changed: Iterable[str]) -> tuple[str, ...]:
    """Return the changed files that are inputs, or lie below one, or in a package at the root, sorted.

    A submodule is one entry to Git: a changed one that holds an input counts as well.
    """
    paths = frozenset(inputs)
    containers: set[str] = set()
    for path in paths:
        containers.update(_and_above(path))
    hits = []
    for file in changed:
        is_of_root = ROOT in paths and is_in_root_package(file)
        if is_of_root or file in containers or not paths.isdisjoint(_and_above(file)):
            hits.append(file)
    return tuple(sorted(hits))


def _is_settings(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    above, _, _ = folder.rpartition("/")
    return (above == "kernels" and name in _SETTINGS) or name in PROJECT_FILES


def _and_above(path: str) -> Iterator[str]:
    """Yield a path and the folders that it lies in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _inputs_of_one(repository: Path, competition: str, packages: "_Packages") -> Iterator[str]:
    yield f"kernels/{competition}"
    yield f"requirements/{competition}.txt"
    try:
        settings = read_settings(repository / "kernels" / competition / "submission.toml")
    except ConfigurationError:
        # Freeze reports the error; until then only a change of the competition's own files can mend it.
        return
    yield f"requirements/images/{settings.image}.txt"
    yield from packages.closure(package_path(repository, settings.package))


class _Packages:
    """The packages of a repository, by their paths, and their requirements; each project file is read once."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._required: dict[str, set[NormalizedName] | None] = {}

    def closure(self, package: str) -> set[str]:
        """Return the paths of a package and of every package that it may require, directly or not."""
        found = {package}
        waiting = [package]
        while waiting:
            new = self._folders_required_by(waiting.pop()) - found
            found |= new
            waiting += new
        return found

    def _folders_required_by(self, package: str) -> set[str]:
        if package not in self._required:
            self._required[package] = required_by(self._repository / package)
        required = self._required[package]
        if required is None:
            # Only building the package would tell what it requires: it may be any other.
            required = set(self._folders)
        folders: set[str] = set()
        for name in required:
            folders |= self._folders.get(name, set())
        return folders

    @cached_property
    def _folders(self) -> Mapping[NormalizedName, set[str]]:
        """The paths of packages, by the names of their distributions."""
        found: dict[NormalizedName, set[str]] = {}
        for folder in package_folders(self._repository):
            path = folder.relative_to(self._repository).as_posix()
            found.setdefault(canonicalize_name(name_of(folder)), set()).add(path)
        return found
