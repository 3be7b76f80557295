"""Git, asked about the repository."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Variables that tell Git's hooks their repository; here the folder says which one is meant.
_OF_A_HOOK = frozenset(
    f"GIT_{name}" for name in ("DIR", "WORK_TREE", "INDEX_FILE", "PREFIX", "OBJECT_DIRECTORY", "COMMON_DIR")
)


def git(repository: Path, *arguments: str, stdin: str = "") -> str | None:
    """Run Git; return its output without the last line's end, or None where it fails.

    Names of files that are no text come as Python has them for its own functions.
    """
    printed = _run(repository, *arguments, stdin=stdin)
    return None if printed is None else printed.decode(errors="surrogateescape").removesuffix("\n")


def contents(repository: Path, names: Sequence[str]) -> list[bytes | None] | None:
    """The contents of files that Git holds, named like ``main:a/b``; None for one that is not there.

    None for all where Git fails, as it does when it would have to fetch one and cannot.
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
            size = int(header.split()[2])
            found.append(printed[:size] if header.split()[1] == b"blob" else None)
            printed = printed[size + 1 :]
    return found


def _run(repository: Path, *arguments: str, stdin: str) -> bytes | None:
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
