"""Git, asked about the repository."""

import subprocess
from pathlib import Path


def git(repository: Path, *arguments: str, stdin: str = "") -> str | None:
    """What Git prints, without the last line's end; None where it fails, outside of a repository for instance.

    Names of files that are no text come as Python has them for its own functions.
    """
    try:
        result = subprocess.run(
            ["git", *arguments],
            cwd=repository,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        return None
    return result.stdout.removesuffix("\n") if result.returncode == 0 else None
