"""A competition's data: downloaded from Kaggle, the rest of them if there was a download before."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from kaggle_local.errors import free_space
from tqdm import tqdm

from kaggle_offline.competition.data_folder import IMAGES, RECORD
from kaggle_offline.errors import ConfigurationError, KaggleError, NoSpaceError
from kaggle_offline.files import read_json, write_json
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.competitions import DataFile

# Each file is a call of its own, which mostly waits.
_AT_A_TIME = 8
# Files between two notes of those that are whole: a killed download goes on from the last.
_BETWEEN_NOTES = 100


def fetch_data(
    client: KaggleClient, competition: str, folder: Path, *, only: Sequence[str] = (), images: int | None = None
) -> None:
    """Download the files of a competition that are not there, or have changed on Kaggle since.

    Args:
        client: asks for them.
        competition: the slug.
        folder: where they go.
        only: patterns of names; by default all files.
        images: the most images of each folder; by default all.

    Raises:
        ConfigurationError: a pattern matches no file.
        NoSpaceError: the disk has less space than the files need.
        KaggleError: Kaggle refuses, or does not answer.
    """
    files = client.competitions.data_files(competition)
    chosen = _choose(files, only, images)
    known = _read_record(folder)
    missing = [file for file in chosen if not _is_there(folder, file, known)]
    changed = [file for file in missing if file.name in known]
    size = sum(file.size for file in missing)
    print(
        f"{competition}: {len(files)} files, {_bytes(sum(file.size for file in files))}; to download: {len(missing)}, "
        f"{_bytes(size)}",
        flush=True,
    )
    for file in changed:
        print(f"  {file.name}: changed on Kaggle, or here")
    folder.mkdir(parents=True, exist_ok=True)
    if size > shutil.disk_usage(folder).free:
        raise NoSpaceError(f"{folder}: {_bytes(size)} are needed, and {free_space(folder)}")
    _fetch(client, competition, folder, missing, known)
    print(f"  {folder}: {len(chosen)} files are there")


def _fetch(
    client: KaggleClient,
    competition: str,
    folder: Path,
    files: Sequence[DataFile],
    known: Mapping[str, Sequence[object]],
) -> None:
    """Download files, several at a time; note each that is whole, so that the same command goes on."""
    record = dict(known)

    def fetch(file: DataFile) -> DataFile:
        if not client.competitions.fetch_data_file(competition, file.name, folder / file.name):
            raise KaggleError(
                f"{competition}: {file.name}: listed, and not to be downloaded", "Run the same command again."
            )
        return file

    total = sum(file.size for file in files)
    with tqdm(desc="  all files", total=total, unit="B", unit_scale=True, delay=2, leave=False, disable=None) as bar:
        threads = ThreadPoolExecutor(_AT_A_TIME)
        waiting = [threads.submit(fetch, file) for file in files]
        try:
            for number, done in enumerate(as_completed(waiting), start=1):
                file = done.result()
                bar.update(file.size)
                record[file.name] = _entry(folder, file)
                if number % _BETWEEN_NOTES == 0:
                    write_json(folder / RECORD, record)
        finally:
            threads.shutdown(cancel_futures=True)
            for done in waiting:
                if not done.cancelled() and done.exception() is None:
                    record[done.result().name] = _entry(folder, done.result())
            write_json(folder / RECORD, record)


def _entry(folder: Path, file: DataFile) -> list[object]:
    """Return the version of a file that is here: its size and time on Kaggle, and its size here."""
    return [*astuple(file)[1:], (folder / file.name).stat().st_size]


def _choose(files: Sequence[DataFile], only: Sequence[str], images: int | None) -> list[DataFile]:
    """Return the files that are wanted, sorted by name.

    Raises:
        ConfigurationError: a pattern matches no file.
        KaggleError: a name leads out of the folder.
    """
    for file in files:
        path = PurePosixPath(file.name)
        if path.is_absolute() or ".." in path.parts or not file.name or re.search(r"[\\:\0]", file.name):
            raise KaggleError(f"{file.name!r}: a name of Kaggle's that leads out of the folder", "Report it to Kaggle.")
    for pattern in only:
        if not any(fnmatch(file.name, pattern) for file in files):
            names = ", ".join(sorted(file.name for file in files)[:5])
            raise ConfigurationError(f"--only {pattern}: matches no file", f"Files there: {names}.")
    found, counts = [], Counter[PurePosixPath]()
    for file in sorted(files, key=lambda file: file.name):
        path = PurePosixPath(file.name)
        if only and not any(fnmatch(file.name, pattern) for pattern in only):
            continue
        if images is not None and path.suffix.lower() in IMAGES:
            counts[path.parent] += 1
            if counts[path.parent] > images:
                continue
        found.append(file)
    return found


def _read_record(folder: Path) -> dict[str, list[object]]:
    """Return size and time on Kaggle, and size here, of the files that were downloaded, by name."""
    try:
        return {str(name): list(entry) for name, entry in read_json(folder / RECORD).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _is_there(folder: Path, file: DataFile, known: Mapping[str, Sequence[object]]) -> bool:
    path = folder / file.name
    return path.is_file() and known.get(file.name) == _entry(folder, file)


def _bytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size >= 10**9 else f"{size / 1e6:,.2f} MB"
