"""The records: SQLite, used by one process and many threads."""

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kaggle_local.errors import NO_SPACE_LEFT, StorageError, free_space

SCHEMA_VERSION = 5

_SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE uploads (
    token TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL
);
CREATE TABLE resources (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, owner TEXT NOT NULL, ref TEXT NOT NULL,
    title TEXT NOT NULL, private INTEGER NOT NULL, details TEXT NOT NULL,
    last_version INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, ref)
);
CREATE TABLE versions (
    resource INTEGER NOT NULL REFERENCES resources (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    notes TEXT NOT NULL, content TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    total_bytes INTEGER NOT NULL DEFAULT 0, replaces_all INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL, ready TEXT,
    PRIMARY KEY (resource, number)
);
CREATE TABLE kernels (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, slug TEXT NOT NULL, title TEXT NOT NULL,
    UNIQUE (owner, slug)
);
CREATE TABLE kernel_versions (
    kernel INTEGER NOT NULL REFERENCES kernels (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    source TEXT NOT NULL, settings TEXT NOT NULL, image TEXT NOT NULL, inputs TEXT NOT NULL DEFAULT '[]',
    status TEXT NOT NULL, failure TEXT NOT NULL DEFAULT '', created TEXT NOT NULL, PRIMARY KEY (kernel, number)
);
CREATE TABLE competitions (slug TEXT PRIMARY KEY, folder TEXT NOT NULL, hosted TEXT NOT NULL);
CREATE TABLE submissions (
    ref INTEGER PRIMARY KEY AUTOINCREMENT, competition TEXT NOT NULL, source TEXT NOT NULL,
    file_name TEXT NOT NULL, description TEXT NOT NULL, submitter TEXT NOT NULL, status TEXT NOT NULL,
    score REAL, private_score REAL, reason TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '',
    created TEXT NOT NULL
);
"""


# The lowest byte of an extended error code is the primary code (https://www.sqlite.org/rescode.html).
_PRIMARY = 0xFF


class Database:
    """The records below one storage.

    Raises:
        StorageError: the file is not a database, is damaged, or has another version.
        OSError: the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA foreign_keys = ON")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            # Damage anywhere shows now, not when a command is halfway.
            (state,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
        except sqlite3.DatabaseError as error:
            self.close()
            if lacks_space(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            if getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_IOERR:
                # A quota, for one: nothing that emptying the storage would be the answer to.
                raise OSError(errno.EIO, str(error), str(path)) from error
            raise StorageError(f"{path}: {error}", f"Run: kaggle-local reset --storage {path.parent}") from error
        if version not in (0, SCHEMA_VERSION):
            self.close()
            raise StorageError(
                f"{path.parent}: written by another version of the local Kaggle",
                f"Run: kaggle-local reset --storage {path.parent}, which empties it.",
            )

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the statements that take effect together or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return the rows that a query finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def lacks_space(error: BaseException) -> bool:
    """Tell whether a disk, or a quota of it, was full."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def no_space(root: Path) -> str:
    """Say that the disk of a storage is full, and how much is free there."""
    return f"{NO_SPACE_LEFT} {root}, where {free_space(root)}"


def plain(text: str) -> str:
    """Return a text that can be recorded, whatever a file was called that it names."""
    return text.encode(errors="backslashreplace").decode()


def now() -> str:
    """Return the time, as records have it."""
    return datetime.now(UTC).isoformat()


def age_of(moment: datetime) -> float:
    """Return the seconds since a moment."""
    return (datetime.now(UTC) - moment).total_seconds()
