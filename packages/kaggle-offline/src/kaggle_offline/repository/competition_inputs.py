"""The inputs of a submission, as paths of the repository: a change of one asks for a new submission."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.git import contents, git
from kaggle_offline.repository.kernel_folder import list_competitions
from kaggle_offline.repository.packages import PROJECT_FILES, name_of, required_by
from kaggle_offline.repository.submission_toml import read_settings

# As `git ls-files --stage` and `git ls-tree` have the mode of a symbolic link.
_LINK = "120000"
# These files name the inputs of competitions.
_SETTINGS = ("kernels/*/submission.toml", *(f"packages/*/{name}" for name in PROJECT_FILES))
_SETTINGS_NAMES = frozenset({"submission.toml", *PROJECT_FILES})


def inputs_of(
    repository: Path, links: Iterable[str], competitions: Iterable[str] | None = None
) -> dict[str, frozenset[str]]:
    """The inputs of competitions: files and folders, relative to the repository, with ``/`` between.

    They are the kernel folder, the package and those of its neighbours that it may require, the lock and
    the image; and what links among them lead to, as wheels are built of that. Rather too many packages
    than too few: what a package requires is read, not built, so extras and markers are not told apart.
    The names of what is required are inputs, too, as `distribution` has them: a package that has lost its
    name, or is gone, may have been the one.

    Args:
        repository: a folder with the files that say so; others need not be there.
        links: the paths of its symbolic links.
        competitions: by default all that it has.
    """
    packages = _Packages(repository / "packages")
    targets = _targets(repository, links)
    within: dict[str, list[str]] = {}
    for link in targets:
        for path in _and_above(link):
            within.setdefault(path, []).append(link)
    return {
        competition: _with_links(_stated(repository, competition, packages), targets, within)
        for competition in (list_competitions(repository) if competitions is None else competitions)
    }


def touched(inputs: Mapping[str, frozenset[str]], changed: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Which paths of a change are inputs, lie within or above them: of each competition that it touches, sorted."""
    files = set(changed)
    below: dict[str, list[str]] = {}
    for file in files:
        for path in _and_above(file):
            below.setdefault(path, []).append(file)
    found = {
        # A folder above an input can be a file to Git: a link, or another repository.
        competition: {f for path in paths for f in chain(below.get(path, ()), files.intersection(_and_above(path)))}
        for competition, paths in inputs.items()
    }
    return {competition: tuple(sorted(hits)) for competition, hits in found.items() if hits}


_ANY_DISTRIBUTION = "distribution:"


def distribution(name: str) -> str:
    """A distribution's name as one of the inputs; paths in a repository are not like it."""
    return f"{_ANY_DISTRIBUTION}/{name}"


def is_path(item: str) -> bool:
    """Tell whether one of the inputs is a path, not a name."""
    return not item.startswith(_ANY_DISTRIBUTION)


def _and_above(path: str) -> Iterator[str]:
    """A path and all that it lies within."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _stated(repository: Path, competition: str, packages: "_Packages") -> set[str]:
    paths = {f"kernels/{competition}", f"requirements/{competition}.txt"}
    try:
        settings = read_settings(repository / "kernels" / competition / "submission.toml")
    except ConfigurationError:
        # Freeze will say what is wrong with it; a change of its own folder alone can mend it.
        return paths
    image = f"requirements/images/{settings['image']}.txt"
    return {*paths, image, *packages.inputs_of(settings["package"].partition("[")[0])}


class _Packages:
    """The folders of ``packages/``, and which require which; each file is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._required: dict[str, set[NormalizedName] | None] = {}

    def inputs_of(self, package: str) -> set[str]:
        """A package, all that it may require, directly or not, and the names under which it does."""
        names: set[str] = set()
        found, waiting = {package}, [package]
        while waiting:
            required = self._requires(waiting.pop())
            names |= {_ANY_DISTRIBUTION} if required is None else set(map(distribution, required))
            known = self._folders if required is None else required
            new = {folder for name in known for folder in self._folders.get(name, ())} - found
            found |= new
            waiting += new
        return {*(f"packages/{folder}" for folder in found), *names}

    @cached_property
    def _folders(self) -> dict[NormalizedName, set[str]]:
        """The folders that are packages, by the names of their distributions."""
        found: dict[NormalizedName, set[str]] = {}
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            name = name_of(folder)
            if name:
                found.setdefault(canonicalize_name(name), set()).add(folder.name)
        return found

    def _requires(self, package: str) -> set[NormalizedName] | None:
        if package not in self._required:
            self._required[package] = required_by(self._folder / package)
        return self._required[package]


def tracked_links(repository: Path) -> list[str]:
    """Return the paths of the symbolic links that Git knows in the working tree."""
    listed = git(repository, "ls-files", "--stage", "-z") or ""
    return [entry.partition("\t")[2] for entry in listed.split("\0") if entry.startswith(_LINK)]


@contextmanager
def committed(repository: Path) -> Iterator[tuple[Path, list[str]]]:
    """Have what says which inputs the competitions of the checked-out commit have in a folder, until the block ends.

    Where nothing of it differs in the working tree, that is the folder: writing it anew takes as long as the rest.

    Yields:
        The folder, and the paths of the commit's symbolic links; `inputs_of` takes both.

    Raises:
        ConfigurationError: Git cannot read them.
    """
    changed = git(repository, "status", "--porcelain", "--untracked-files=no")
    patterns = [f":(glob){pattern}" for pattern in _SETTINGS]
    untracked = git(repository, "ls-files", "--others", "--", *patterns)
    # Those that a sparse checkout leaves out are marked S.
    listed = (git(repository, "ls-files", "-t", "--", *patterns) or "").splitlines()
    if changed == untracked == "" and not any(line.startswith("S ") for line in listed):
        yield repository, tracked_links(repository)
        return
    entries = {}
    for entry in (git(repository, "ls-tree", "-r", "-z", "HEAD") or "").split("\0"):
        fields, _, path = entry.partition("\t")
        if path:
            mode, kind, name = fields.split()
            entries[path] = mode, kind, name
    links = [path for path, (mode, _, _) in entries.items() if mode == _LINK]
    told = {*links, *(path for path in entries if path.rpartition("/")[2] in _SETTINGS_NAMES)}
    for content, path in _read(repository, entries, sorted(links)):
        # A link to a single file, whatever that is called.
        told.add(os.path.normpath(PurePosixPath(path).parent / os.fsdecode(content)))
    with TemporaryDirectory() as scratch:
        for content, path in _read(repository, entries, sorted(told & entries.keys())):
            file = Path(scratch, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            if path in links:
                # Windows lets not everybody make links.
                with suppress(OSError):
                    file.symlink_to(os.fsdecode(content))
            else:
                file.write_bytes(content)
        yield Path(scratch), links


def _read(
    repository: Path, entries: Mapping[str, tuple[str, str, str]], paths: Sequence[str]
) -> Iterator[tuple[bytes, str]]:
    """Yield the content of each of a commit's files that Git has, and its path."""
    read = contents(repository, [entries[path][2] for path in paths]) if paths else []
    if read is None:
        raise ConfigurationError(f"{repository}: Git cannot read what is checked out", "Run: git fetch")
    for content, path in zip(read, paths, strict=True):
        if content is not None:
            yield content, path


def _targets(repository: Path, links: Iterable[str]) -> dict[str, str]:
    """Return the paths that links lead to, but for those outside of the repository."""
    found = {}
    for path in links:
        if _leads_somewhere(repository / path):
            target = os.path.normpath(PurePosixPath(path).parent / (repository / path).readlink().as_posix())
            if not target.startswith(("/", "..")) and target.isprintable():
                found[path] = target
    return found


def _leads_somewhere(path: Path) -> bool:
    """Tell whether a path is a link, and does not lead to itself; what it leads to need not be there."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
    return path.is_symlink()


def _with_links(paths: set[str], links: Mapping[str, str], within: Mapping[str, list[str]]) -> frozenset[str]:
    """The paths, and what links among, within and above them lead to.

    ``within`` are the links by every path that they lie in.
    """
    found, waiting = set(paths), list(paths) if links else []
    while waiting:
        path = waiting.pop()
        new = {links[link] for link in within.get(path, ())}
        new |= {links[above] + path.removeprefix(above) for above in _and_above(path) if above in links}
        waiting += new - found
        found |= new
    return frozenset(found)
