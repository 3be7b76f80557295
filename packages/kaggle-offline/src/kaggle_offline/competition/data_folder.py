"""The folder of a competition's data, as `data` leaves it."""

from pathlib import Path

RECORD = ".kaggle-data.json"
"""The file beside the data that says which version of each was downloaded."""

IMAGES = (".bmp", ".dcm", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SOUNDS = (".wav", ".ogg", ".flac", ".mp3")

# Files of ours: the record, and downloads that are not whole.
_OURS = (RECORD, ".part", ".tag")


def data_files(folder: Path) -> list[Path]:
    """Return the files of the data, sorted, but for the record and downloads that are not whole."""
    return [path for path in sorted(folder.rglob("*")) if not path.name.endswith(_OURS) and path.is_file()]


def files_of(folder: Path) -> list[tuple[str, int, int]]:
    """Return the name, size and time of every file of the data, sorted: a change of one is seen without reading it."""
    found = []
    for path in data_files(folder):
        status = path.stat()
        found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return found
