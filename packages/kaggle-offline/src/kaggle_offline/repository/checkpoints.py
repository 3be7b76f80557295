"""Checkpoints, as far as one can tell without torch: whether a file is what torch saves."""

import pickletools
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from kaggle_offline.errors import CheckpointError
from kaggle_offline.files import COPY_IT, UNREADABLE_ZIP, is_lfs_pointer, link_outside
from kaggle_offline.repository.pickles import harmful_imports

SUFFIXES = frozenset({".ckpt", ".pt", ".pth"})

# Names of imports that an error shows.
_SHOWN = 3

# Kaggle unpacks these, so the published files would not be the packed ones.
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
# The form of a name that Kaggle takes for a dataset's file.
FILE_NAME = re.compile(r"[\w .()+,=!\[\]{}~-]{1,200}")


def list_checkpoints(folder: Path, repository: Path, trusted: Collection[str] = ()) -> list[Path]:
    """Return the files of the model dataset, sorted, each checkpoint among them seen to be one.

    Args:
        folder: of the checkpoints.
        repository: that the folder is in.
        trusted: names of the files that may run code when they are loaded.

    Raises:
        CheckpointError: the folder has no checkpoint, ``torch.save`` did not write one of them, a file is a Git LFS
            pointer or a link out of the repository, loading it would run code, or Kaggle would not keep it as it is.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for path in files:
        problem = link_outside(path, repository)
        if problem:
            raise CheckpointError(problem, COPY_IT)
    for error in pointers_among(files):
        raise error
    for path in files:
        if path.name.lower().endswith(_ARCHIVES) or not FILE_NAME.fullmatch(path.name):
            reason = "unpacks archives" if FILE_NAME.fullmatch(path.name) else "refuses such a name"
            raise CheckpointError(f"{path}: Kaggle {reason}", "Rename it, or move it out of the folder.")
    checkpoints = [path for path in files if path.suffix in SUFFIXES]
    if not checkpoints:
        raise CheckpointError(
            f"{folder}: no checkpoint ({', '.join(sorted(SUFFIXES))})", "Train one (nox -s train), or copy it there."
        )
    for path in checkpoints:
        _check(path)
    for path in files:
        if path.name not in trusted:
            _refuse_code(path)
    return files


def pointers_among(files: Iterable[Path]) -> Iterator[CheckpointError]:
    """Yield the error for each file that Git LFS has not fetched."""
    for path in files:
        with path.open("rb") as file:
            pointer = is_lfs_pointer(file)
        if pointer:
            yield CheckpointError(f"{path}: a Git LFS pointer, not the file", "Run: git lfs pull")


def _refuse_code(path: Path) -> None:
    names = harmful_imports(path)
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise CheckpointError(
            f"{path}: loading it can run code: it imports {', '.join(names[:_SHOWN])}{more}",
            "Save tensors and plain values alone, as a state_dict is. Or, where you know who made the file, write into "
            f'submission.toml: trusted = ["{path.name}"]',
        )


def _check(path: Path) -> None:
    cure = "Save it with torch.save or Lightning, or take it out of the folder."
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if not pickles:
                raise CheckpointError(f"{path}: not a checkpoint (a zip file that torch did not write)", cure)
            # Read, not run: genops only takes a pickle apart.
            for name in pickles:
                for _ in pickletools.genops(archive.read(name)):
                    pass
            broken = archive.testzip()
    except UNREADABLE_ZIP as error:
        raise CheckpointError(f"{path}: not a checkpoint ({error})", cure) from error
    if broken is not None:
        raise CheckpointError(f"{path}: broken at {broken}", "Copy or train it again.")
