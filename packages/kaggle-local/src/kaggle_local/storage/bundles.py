"""Archives of whole folders, made when somebody downloads everything."""

import tarfile
import time
import zipfile
from pathlib import Path

from kaggle_local.storage.files import Files, size_of


class Bundles:
    """The archives of a storage: files of their own, so that an interrupted download can be resumed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._root = files.root / "bundles"

    def make(self, folder: Path, name: str) -> Path:
        """Return all files of a folder as one archive, ``.zip`` or ``.tar.gz`` by its name; made once."""
        target = self._root / name
        if not target.exists():
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            with self._files.scratch() as draft:
                pack = _zip if name.endswith(".zip") else _tar
                pack(draft, [(path, path.relative_to(folder).as_posix()) for path in files])
                self._files.put(draft, target)
        return target

    def make_of_text(self, text: str, member: str, name: str) -> Path:
        """Return a zip with one file of that text, in place of an earlier one."""
        target = self._root / name
        with self._files.scratch() as draft:
            with zipfile.ZipFile(draft, "w") as archive:
                archive.writestr(member, text)
            self._files.put(draft, target)
        return target

    def drop(self) -> int:
        """Drop them all; return their bytes."""
        freed = size_of(self._root)
        self._files.remove(self._root)
        return freed


def _zip(target: Path, files: list[tuple[Path, str]]) -> None:
    # Stored: checkpoints and images hardly compress, and the attempt takes time.
    with zipfile.ZipFile(target, "w", strict_timestamps=False) as archive:
        for path, name in files:
            archive.write(path, name)


def _tar(target: Path, files: list[tuple[Path, str]]) -> None:
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for path, name in files:
            with path.open("rb") as file:
                # Not by path: two names of one blob would be packed as a file and a link to it.
                member = tarfile.TarInfo(name)
                member.size, member.mtime = path.stat().st_size, int(time.time())
                archive.addfile(member, file)
