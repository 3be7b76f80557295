"""Checkpoints and the files beside them: those of known formats are checked, others are shipped as they are."""

import json
import pickletools
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from kaggle_offline.errors import CheckpointError
from kaggle_offline.files import COPY_IT, UNREADABLE_ZIP, is_lfs_pointer, link_outside, names_below
from kaggle_offline.repository.pickles import harmful_imports

# torch.save and Lightning write these: zip files, or pickles of torch before 1.6.
_OF_TORCH = frozenset({".ckpt", ".pt", ".pth"})
_OLD_TORCH = b"\x80"
# The first bytes of a safetensors file are the size of its header (github.com/huggingface/safetensors, Format).
_HEADER_SIZE = 8

FRAMEWORK = "other"
VARIATION = "checkpoints"
"""Where the checkpoints are in a model of their own, ``owner/model/framework/variation``; `find_input` knows it."""

# Names of imports that an error shows.
_SHOWN = 3

# Kaggle unpacks these, so the published files would not be the packed ones.
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
# Hidden files, and what Python leaves.
_HIDDEN = re.compile(r"(?:^|/)(?:\.|__)")
# The form of a name that Kaggle takes for a dataset's file.
FILE_NAME = re.compile(r"[\w .()+,=!\[\]{}~-]{1,200}")


def list_checkpoints(folder: Path, repository: Path, trusted: Collection[str] = ()) -> list[Path]:
    """Return the files of the model dataset, sorted.

    Args:
        folder: of the checkpoints.
        repository: that the folder is in.
        trusted: names of the files that may run code when they are loaded.

    Raises:
        CheckpointError: the folder has no file, a file is damaged, a Git LFS pointer or a link out
            of the repository, loading it would run code, or Kaggle would not keep it as it is.
    """
    files = files_of(folder)
    if not files:
        raise CheckpointError(
            f"{folder}: no file", "Copy the files of your model there, or remove checkpoints from submission.toml."
        )
    for path in files:
        problem = link_outside(path, repository)
        if problem:
            raise CheckpointError(problem, COPY_IT)
    for error in pointers_among(files):
        raise error
    for path in files:
        _check_name(path, folder)
    for path in files:
        _check(path)
    for path in files:
        name = path.relative_to(folder).as_posix()
        if name not in trusted:
            _refuse_code(path, name)
    return files


def files_of(folder: Path) -> list[Path]:
    """Return the files of the checkpoints' folder and of the folders in it, sorted, but for hidden ones."""
    names = [name for name in names_below(folder) if not _HIDDEN.search(name)]
    return [folder / name for name in names]


def pointers_among(files: Iterable[Path]) -> Iterator[CheckpointError]:
    """Yield the error for each file that Git LFS has not fetched."""
    for path in files:
        with path.open("rb") as file:
            pointer = is_lfs_pointer(file)
        if pointer:
            yield CheckpointError(f"{path}: a Git LFS pointer, not the file", "Run: git lfs pull")


def _check_name(path: Path, folder: Path) -> None:
    is_allowed = all(map(FILE_NAME.fullmatch, path.relative_to(folder).parts))
    # Packing writes a file of that name, which is not uploaded.
    is_allowed = is_allowed and path.name != "dataset-metadata.json"
    if is_allowed and not path.name.lower().endswith(_ARCHIVES):
        return
    reason = "refuses such a name"
    if is_allowed:
        reason = "unpacks archives"
    raise CheckpointError(f"{path}: Kaggle {reason}", "Rename it, or move it out of the folder.")


def _refuse_code(path: Path, name: str) -> None:
    names = harmful_imports(path)
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise CheckpointError(
            f"{path}: loading it can run code: it imports {', '.join(names[:_SHOWN])}{more}",
            "Save tensors and plain values alone, as a state_dict is. Or, where you know who made the file, write into "
            f'submission.toml: trusted = ["{name}"]',
        )


def _check(path: Path) -> None:
    """Check a file of a format that is known.

    Raises:
        CheckpointError: it is cut off, or something else.
    """
    if path.suffix == ".safetensors":
        _check_safetensors(path)
    elif path.suffix in _OF_TORCH:
        with path.open("rb") as file:
            is_old = file.read(1) == _OLD_TORCH
        if not is_old:
            _check_of_torch(path)


def _check_safetensors(path: Path) -> None:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            header_size = int.from_bytes(file.read(_HEADER_SIZE), "little")
            header = json.loads(file.read(min(header_size, size)))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        wanted = _HEADER_SIZE + header_size + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})", "Copy or save it again.") from error
    if wanted != size:
        raise CheckpointError(f"{path}: {size:,} bytes, and its header says {wanted:,}", "Copy or download it again.")


def _check_of_torch(path: Path) -> None:
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
