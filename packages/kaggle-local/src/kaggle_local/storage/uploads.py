"""Uploads: files on their way here, or arrived and waiting to become part of something."""

import time
from dataclasses import dataclass
from pathlib import Path

from kaggle_local.storage.database import Database

_WAITING_SECONDS = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file on its way here, or arrived."""

    token: str
    name: str
    size: int
    path: Path

    @property
    def received(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """Tell whether every byte has arrived."""
        return self.path.exists() and self.received == self.size


class Uploads:
    """The uploads of a storage, each a file named by its token."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._root = root
        root.mkdir(exist_ok=True)

    def add(self, token: str, name: str, size: int) -> None:
        """Expect a file of ``size`` bytes."""
        with self._database.transaction() as db:
            db.execute("INSERT INTO uploads VALUES (?, ?, ?)", (token, name, size))
        if size == 0:  # it has all that it needs
            (self._root / token).touch()

    def get(self, token: str) -> Upload | None:
        """Return the upload with that token."""
        rows = self._database.rows("SELECT * FROM uploads WHERE token = ?", token)
        return Upload(**rows[0], path=self._root / token) if rows else None

    def drop_old(self, needed: set[str]) -> int:
        """Drop uploads that lie here for a day and are not ``needed``; return the bytes that they had alone."""
        freed = 0
        for path in self._root.iterdir():
            status = path.stat()
            if path.name not in needed and status.st_mtime < time.time() - _WAITING_SECONDS:
                if status.st_nlink == 1:
                    freed += status.st_size
                with self._database.transaction() as db:
                    db.execute("DELETE FROM uploads WHERE token = ?", (path.name,))
                path.unlink()
        return freed
