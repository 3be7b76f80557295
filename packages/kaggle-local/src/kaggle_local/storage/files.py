"""Files: whole or not there, and each content stored once.

A version's folder holds hard links; the file that they lead to lies under its content's SHA-256 in
``blobs/``. So what is mounted into a kernel is an ordinary folder, the file system counts who still
needs a blob, and one that nothing else links to is garbage.
"""

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READ_ONLY = 0o444


class Files:
    """The folders below one storage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._drafts = root / "drafts"
        self._blobs.mkdir(exist_ok=True)
        # Files that a server was about to write when it died.
        remove_tree(self._drafts)
        self._drafts.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._holders = 0
        self._graves: list[Path] = []

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a place for a new file or folder, which is gone at the end unless it was put somewhere."""
        path = self._drafts / os.urandom(8).hex()
        try:
            yield path
        finally:
            remove_tree(path)

    @contextmanager
    def draft(self, target: Path) -> Iterator[Path]:
        """Yield a new folder to fill, which becomes ``target`` in one step at the end, or is gone."""
        with self.scratch() as folder:
            folder.mkdir()
            yield folder
            self.put(folder, target)

    def put(self, path: Path, target: Path) -> None:
        """Move a file or folder to ``target``, replacing it."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            self.remove(target)
        path.replace(target)

    def remove(self, folder: Path) -> None:
        """Have a folder gone in one step; its files once no run can see them."""
        if folder.exists():
            grave = self._drafts / os.urandom(8).hex()
            folder.rename(grave)
            with self._lock:
                self._graves.append(grave)
        self._bury()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep removed files readable where they are mounted, until the block ends."""
        with self._lock:
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
            self._bury()

    def _bury(self) -> None:
        with self._lock:
            graves = [] if self._holders else self._graves[:]
            self._graves = self._graves if self._holders else []
        for grave in graves:
            remove_tree(grave)

    def keep(self, path: Path) -> None:
        """Make a file a link to the one blob with its content; the first of its kind becomes the blob.

        The file is read once, in pieces, to use little memory.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path.chmod(_READ_ONLY)
        blob = self._blobs / digest[:2] / digest
        blob.parent.mkdir(exist_ok=True)
        try:
            os.link(path, blob)
        except FileExistsError:
            self.link(blob, path)

    def keep_tree(self, folder: Path) -> int:
        """Keep every plain file below a folder; return their bytes."""
        total = 0
        for path, _, names in os.walk(folder):
            for name in names:
                file = Path(path, name)
                status = file.lstat()
                if stat.S_ISREG(status.st_mode):
                    total += status.st_size
                    self.keep(file)
        return total

    def link(self, source: Path, target: Path) -> None:
        """Hard-link ``source`` to ``target`` in one step, replacing it."""
        if target.exists() and target.samefile(source):
            return
        with self.scratch() as draft:
            try:
                os.link(source, draft)
            except OSError as error:
                if error.errno != errno.EMLINK:  # a file can have some ten thousand names
                    raise
                shutil.copy(source, draft)
            draft.replace(target)

    def drop_unused_blobs(self) -> int:
        """Drop every blob that nothing else links to; return the bytes that are free now."""
        freed = 0
        for blob in self._blobs.glob("*/*"):
            status = blob.stat()
            if status.st_nlink == 1:
                freed += status.st_size
                blob.unlink()
        return freed


def size_of(folder: Path) -> int:
    """Return the bytes of the plain files below a folder."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if stat.S_ISREG(p.lstat().st_mode))


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, nothing if it is not there.

    With the system's tools: a kernel may have left folders deeper than Python can walk, or read-only.
    """
    if folder.exists():
        # Folders alone: a file's mode is that of every other link to its blob. By their own names, as
        # whole paths can be too long.
        sealed = ["find", str(folder), "-type", "d", "!", "-perm", "-700"]
        for tool in ([*sealed, "-execdir", "chmod", "u+rwx", "{}", ";"], ["rm", "-rf", "--", str(folder)]):
            subprocess.run(tool, check=False, capture_output=True)
