"""Changes of the inputs, as Git tells them: between the trees of commits, or since one."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from tempfile import TemporaryDirectory

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.git import contents, git
from kaggle_offline.repository.competition_inputs import distribution
from kaggle_offline.repository.packages import PROJECT_FILES, name_of

# As `git diff-tree` has the mode of a folder.
_FOLDER = "040000"

# The files below a package's folder that its distribution's name may be read from.
_PROJECT_FILE = re.compile(rf"packages/([^/\n]+)/({'|'.join(map(re.escape, PROJECT_FILES))})")


def changed_entries(
    repository: Path, bases: AbstractSet[str], tree: str, folders: AbstractSet[str]
) -> dict[str, set[str]]:
    """The entries of ``folders`` that ``tree`` has otherwise than each of the trees ``bases``, by the latter.

    Git compares folders by their trees alone: how many files they hold, or had in between, costs nothing,
    and in a clone without the large files of the past nothing has to be fetched. The names that the packages'
    distributions had are among the entries.

    Raises:
        ConfigurationError: Git cannot tell.
    """
    names = [(root, folder) for root in sorted({*bases, tree}) for folder in sorted(folders)]
    asked = "".join(f"{root}:./{folder}\n" for root, folder in names)
    answers = ask(repository, "cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked).split("\n")
    told = zip(names, answers, strict=True)
    objects = {name: answer.removeprefix("tree ") for name, answer in told if answer.startswith("tree ")}
    found: dict[str, set[str]] = {base: set() for base in bases}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for base in bases:
        for folder in folders:
            before, now = objects.get((base, folder)), objects.get((tree, folder))
            if before and now and before != now:
                pairs.setdefault(f"{before} {now}", []).append((base, folder))
            elif before != now:
                found[base].add(folder)
    packages: dict[tuple[str, str], set[str]] = {}
    for pair, name, before in _differences(repository, list(pairs)):
        for base, folder in pairs[pair]:
            path = f"{folder}/{name}".removeprefix("/")
            # One of the folders, where both have it, is looked into by itself.
            found[base] |= set() if {(base, path), (tree, path)} <= objects.keys() else {path}
            if folder == "packages" and before:
                packages.setdefault((f"{before}:", name), set()).add(base)
    for package, name in _names(repository, packages.keys()).items():
        for base in packages[package]:
            found[base].add(distribution(name))
    return found


def _differences(repository: Path, pairs: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the differences between two trees, for each of the ``pairs`` ``"before now"``.

    Yields:
        The pair, the name of an entry, and the tree that it was before; empty if it was none.
    """
    printed = ask(repository, "diff-tree", "--stdin", "-z", "--raw", stdin="".join(f"{pair}\n" for pair in pairs))
    pair = ""
    tokens = iter(printed.split("\0"))
    for token in tokens:
        # Each pair has a line of its own, before its entries; of an entry come modes and objects, then the name.
        *headers, entry = token.split("\n")
        pair = headers[-1] if headers else pair
        if entry:
            mode, _, before = entry.removeprefix(":").split()[:3]
            yield pair, next(tokens), before if mode == _FOLDER else ""


def _names(repository: Path, packages: AbstractSet[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The names that distributions had, by what Git calls their folders, such as ``main:packages/a/``, and ``a``."""
    keys = sorted(packages)
    asked = [f"{place}{file}" for place, _ in keys for file in PROJECT_FILES]
    read = contents(repository, asked) if asked else []
    if read is None:
        raise not_whole(repository)
    found, files = {}, iter(read)
    for key in keys:
        with TemporaryDirectory() as scratch:
            folder = Path(scratch) / key[1]
            folder.mkdir()
            for name, content in zip(PROJECT_FILES, files, strict=False):
                if content is not None:
                    (folder / name).write_bytes(content)
            found[key] = name_of(folder)
    return {key: name for key, name in found.items() if name}


def changed_since(repository: Path, commit: str) -> set[str]:
    """The files that are otherwise than in a commit, committed or not; of packages the names that they had, too.

    Raises:
        ConfigurationError: Git cannot tell.
    """
    options = ["--name-only", "--no-renames", "--ignore-submodules=none", "--relative", "-z"]
    tracked = ask(repository, "diff", *options, commit, "--").split("\0")
    new = ask(repository, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    folders = {match[1] for match in map(_PROJECT_FILE.fullmatch, tracked) if match}
    names = _names(repository, {(f"{commit}:./packages/{folder}/", folder) for folder in folders})
    return {*filter(None, [*tracked, *new]), *map(distribution, names.values())}


def ask(repository: Path, *arguments: str, stdin: str = "") -> str:
    """Ask Git what it must know.

    Raises:
        ConfigurationError: it does not.
    """
    answer = git(repository, *arguments, stdin=stdin)
    if answer is None:
        raise not_whole(repository)
    return answer


def not_whole(repository: Path) -> ConfigurationError:
    """Return the error for a repository of which Git cannot tell."""
    return ConfigurationError(
        f"{repository}: Git cannot tell: this is no clone, has no commit, or not all of the history",
        "Run it in a clone; if that was made with --depth: git fetch --unshallow --tags",
    )
