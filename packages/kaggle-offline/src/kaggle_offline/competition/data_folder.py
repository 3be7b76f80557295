"""The folder of a competition's data, as `data` leaves it."""

from pathlib import Path

RECORD = ".kaggle-data.json"
"""The file beside the data that says which version of each was downloaded."""

IMAGES = (".bmp", ".dcm", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SOUNDS = (".wav", ".ogg", ".flac", ".mp3")


def files_of(folder: Path) -> list[tuple[str, int, int]]:
    """Return the name, size and time of every file of the data, sorted: a change of one is seen without reading it."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != RECORD:
            status = path.stat()
            found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return found
