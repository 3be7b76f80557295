"""Git, asked about the repository."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Variables that tell Git's hooks their repository; here the folder says which one is meant.
_OF_A_HOOK = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)


def git(repository: Path, *arguments: str) -> str | None:
    """Run Git; return its output without the last line's end, or None where Git fails.

    File names that are not UTF-8 are decoded with surrogate escapes, as Python's own functions do.
    """
    printed = _run(repository, *arguments)
    return None if printed is None else printed.decode(errors="surrogateescape").removesuffix("\n")


def is_tracked(path: Path) -> bool:
    """Tell whether Git tracks a file; it does not where an environment lies within somebody's repository."""
    return git(path.parent, "ls-files", "--error-unmatch", path.name) is not None


def contents(repository: Path, names: Sequence[str]) -> list[bytes | None] | None:
    """Return the contents of files that Git holds, named like ``main:a/b``; None for a file that does not exist.

    None instead of the list where Git fails, as it does when it would have to fetch a file and cannot.
    """
    printed = _run(repository, "cat-file", "--batch", stdin="".join(f"{name}\n" for name in names))
    if printed is None:
        return None
    found: list[bytes | None] = []
    for name in names:
        header, _, printed = printed.partition(b"\n")
        if header == f"{name} missing".encode(errors="surrogateescape"):
            found.append(None)
        else:
            _, kind, length = header.split()
            size = int(length)
            content = printed[:size] if kind == b"blob" else None
            found.append(content)
            printed = printed[size + 1 :]
    return found


def subjects(repository: Path, commits: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return, of those commits that Git knows, all digits and the message's first line, by the digits that are given.

    Args:
        repository: the clone.
        commits: at least seven digits of each, or an empty text; one call of Git is made for all.
    """
    asked = sorted(set(filter(None, commits)))
    if not asked:
        return {}
    printed = git(repository, "log", "--ignore-missing", "--no-walk=unsorted", "--format=%H %s", *asked, "--") or ""
    known = [line.partition(" ") for line in printed.splitlines()]
    found: dict[str, tuple[str, str]] = {}
    for commit in asked:
        for digits, _, subject in known:
            if digits.startswith(commit):
                found[commit] = (digits, subject)
    return found


def changed_files(repository: Path, pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the files that differ between the commits of each pair; nothing where Git fails.

    Args:
        repository: the clone.
        pairs: all digits of the commits; one call of Git is made for all.
    """
    lines = "".join(f"{after} {before}\n" for before, after in pairs)
    printed = _run(repository, "diff-tree", "--stdin", "--always", "-r", "-M", "--name-only", "-z", stdin=lines) or b""
    found: list[list[str]] = []
    for name in printed.decode(errors="surrogateescape").split("\0"):
        if len(found) < len(pairs) and name == pairs[len(found)][1]:
            found.append([])
        elif name and found:
            found[-1].append(name)
    return found


def _run(repository: Path, *arguments: str, stdin: str = "") -> bytes | None:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    given = stdin.encode(errors="surrogateescape")
    command = ["git", *arguments]
    try:
        result = subprocess.run(command, cwd=repository, input=given, capture_output=True, env=environment, check=False)
    except FileNotFoundError:
        return None
    return result.stdout if result.returncode == 0 else None


COMMIT_LENGTH = 12
"""How many digits of a commit people are shown."""

MOST_ON_GITHUB = 100 * 2**20
"""The bytes of the largest file that GitHub accepts outside of Git LFS (GitHub Docs, "About large files on GitHub")."""
