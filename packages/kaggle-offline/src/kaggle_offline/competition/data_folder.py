"""The folder of a competition's data, as `data` leaves it."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from kaggle_offline.errors import ConfigurationError

RECORD = ".kaggle-data.json"
"""The file beside the data that says which version of each was downloaded."""

IMAGES = (".bmp", ".dcm", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SOUNDS = (".wav", ".ogg", ".flac", ".mp3")


def file_of(pattern: str, row: Mapping[str, str]) -> str:
    """Return the file that belongs to a row, relative to the data, by a pattern such as ``images/{id}.png``.

    Raises:
        ConfigurationError: the row's cells lead out of the data.
    """
    name = pattern.format_map(row)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ConfigurationError(f"{pattern}: {name!r} would lead out of the data", "Correct the row, or the pattern.")
    return name


def files_of(folder: Path) -> list[tuple[str, int, int]]:
    """Return the name, size and time of every file of the data, sorted: a change of one is seen without reading it."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != RECORD:
            status = path.stat()
            found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return found
