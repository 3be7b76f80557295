"""The files that differ between two commits, or between a commit and the working tree, as Git lists them."""

from pathlib import Path

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.git import git

# Names only: Git need not read the files themselves, which a partial clone may lack. Without --no-renames, a renamed
# file would be listed by its new name alone.
_DIFF = ("diff", "--name-only", "--no-renames", "--ignore-submodules=none", "--relative", "-z")


def changed_between(repository: Path, before: str, after: str) -> set[str]:
    """Return the files that differ between two commits, relative to the repository.

    Raises:
        ConfigurationError: Git cannot compare them.
    """
    return _paths(ask(repository, *_DIFF, before, after, "--"))


def changed_since(repository: Path, commit: str) -> set[str]:
    """Return the files of the working tree that differ from a commit, new files included.

    Raises:
        ConfigurationError: Git cannot compare them.
    """
    tracked = ask(repository, *_DIFF, commit, "--")
    new = ask(repository, "ls-files", "--others", "--exclude-standard", "-z")
    return _paths(tracked) | _paths(new)


def ask(repository: Path, *arguments: str) -> str:
    """Run Git and return its output.

    Raises:
        ConfigurationError: Git fails.
    """
    answer = git(repository, *arguments)
    if answer is None:
        raise incomplete_history(repository)
    return answer


def incomplete_history(repository: Path) -> ConfigurationError:
    """Return the error for a repository that Git cannot read, or whose history is incomplete."""
    return ConfigurationError(
        f"{repository}: not a Git clone, without a commit, or without its whole history",
        "Make a commit first; in a clone that was made with --depth, run: git fetch --unshallow --tags",
    )


def _paths(printed: str) -> set[str]:
    return {path for path in printed.split("\0") if path}
