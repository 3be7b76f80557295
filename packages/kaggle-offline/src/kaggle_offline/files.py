"""Digests, and writing files so that nobody sees half of one."""

import hashlib
import json
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

# Exceptions that a damaged zip file raises, by the place of the damage.
UNREADABLE_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError)

# The hint for a link that leads out of the repository.
COPY_IT = "Put a copy of it in the link's place."

# How a Git LFS pointer begins (git-lfs/git-lfs: docs/spec.md).
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(file: IO[bytes]) -> bool:
    """Tell whether an open file is a Git LFS pointer: a stand-in for a file that has not been fetched."""
    return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def link_outside(path: Path, repository: Path) -> str:
    """Return the problem with a path that leads out of the repository through a link; empty where it does not."""
    target = path.resolve()
    inside = target.is_relative_to(repository.resolve())
    return "" if inside else f"{path}: a link to {target}, outside the repository"


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_text(text: str) -> str:
    """Return ``sha256:`` and the hash of a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def names_below(folder: Path) -> list[str]:
    """Return the files of a folder and of the folders in it, relative, with slashes, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def digest_of_names(files: Iterable[tuple[str, str]]) -> str:
    """Return ``sha256:`` and the hash of files' names and their SHA-256, in any order."""
    return digest_of_text("".join(f"{name}\0{sha256}\n" for name, sha256 in sorted(files)))


def digest_of_data(data: Any) -> str:
    """Return ``sha256:`` and the hash of plain data."""
    return digest_of_text(json.dumps(data, sort_keys=True))


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: another process sees the old text or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8", newline="\n")
    draft.replace(path)


def as_json(data: Any) -> str:
    """Plain data as JSON for files."""
    return json.dumps(data, indent=2) + "\n"


def read_json(path: Path) -> Any:
    """Read a file of JSON that anybody may have written.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON, in one step."""
    write_text(path, as_json(data))


@dataclass(frozen=True)
class Stamp:
    """A file beside a stage's output that names the inputs of the output: while they match, the stage is skipped.

    Attributes:
        path: the file.
        inputs: the digest of the stage's present inputs.
    """

    path: Path
    inputs: str

    def note(self) -> Any:
        """Return the note of the stage's last run if its inputs were the same, else None."""
        try:
            document = read_json(self.path)
            return document["note"] if document["inputs"] == self.inputs else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, note: Any) -> None:
        """Record that the stage has run, with a note in plain data."""
        write_json(self.path, {"inputs": self.inputs, "note": note})


@contextmanager
def alone(folder: Path, pause: Callable[[], None] = lambda: time.sleep(0.1)) -> Iterator[None]:
    """Hold an inter-process lock on ``folder`` until the block ends; wait for it first.

    Between two tries comes a ``pause``; an exception that it raises ends the wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    told = False
    while not _acquired(lock):
        if not told:
            print(f"  waiting for another process that works in {folder}", flush=True)
            told = True
        pause()
    try:
        yield
    finally:
        lock.release()


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to fill, which takes the place of ``target`` when the block ends well."""
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    yield draft
    # Deleting takes time, in which a local Kaggle may read the folder.
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
