"""What the local Kaggle keeps: records in SQLite, files in folders beside it.

::

    kaggle.db                               the records
    uploads/<token>                         what was uploaded
    datasets/<owner>/<slug>/<version>/      a version's files, unpacked; there only when whole
    kernels/<owner>/<slug>/<version>/       output/, log.json and notebook.ipynb of a finished run
    submissions/<ref>/                      log.json of the rerun on the hidden test set
    images/                                 environments (see image.py)
"""

import fcntl
import json
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kaggle_local.errors import StorageError

SCHEMA_VERSION = 1

_SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE uploads (
    token TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL
);
CREATE TABLE datasets (
    owner TEXT NOT NULL, slug TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL,
    private INTEGER NOT NULL, PRIMARY KEY (owner, slug)
);
CREATE TABLE dataset_versions (
    owner TEXT NOT NULL, slug TEXT NOT NULL, number INTEGER NOT NULL, notes TEXT NOT NULL,
    tokens TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', created TEXT NOT NULL,
    PRIMARY KEY (owner, slug, number), FOREIGN KEY (owner, slug) REFERENCES datasets (owner, slug)
);
CREATE TABLE kernels (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, slug TEXT NOT NULL, title TEXT NOT NULL, UNIQUE (owner, slug)
);
CREATE TABLE kernel_versions (
    owner TEXT NOT NULL, slug TEXT NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL,
    settings TEXT NOT NULL, inputs TEXT NOT NULL DEFAULT '[]', status TEXT NOT NULL,
    failure TEXT NOT NULL DEFAULT '', created TEXT NOT NULL,
    PRIMARY KEY (owner, slug, number), FOREIGN KEY (owner, slug) REFERENCES kernels (owner, slug)
);
CREATE TABLE competitions (slug TEXT PRIMARY KEY, folder TEXT NOT NULL);
CREATE TABLE submissions (
    ref INTEGER PRIMARY KEY AUTOINCREMENT, competition TEXT NOT NULL, owner TEXT NOT NULL, slug TEXT NOT NULL,
    number INTEGER NOT NULL, file_name TEXT NOT NULL, description TEXT NOT NULL, submitter TEXT NOT NULL,
    status TEXT NOT NULL, score REAL, reason TEXT NOT NULL DEFAULT '', created TEXT NOT NULL
);
"""


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
        """Whether every byte has arrived."""
        return self.path.exists() and self.received == self.size


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a dataset is, whatever its versions hold."""

    owner: str
    slug: str
    title: str
    description: str
    private: bool


@dataclass(frozen=True, kw_only=True)
class DatasetVersion:
    """One snapshot of a dataset. Status: ``processing``, ``ready`` or ``failed``."""

    owner: str
    slug: str
    number: int
    notes: str
    tokens: tuple[str, ...]
    status: str
    reason: str
    created: datetime
    folder: Path

    def files(self) -> list[tuple[str, int]]:
        """Name, relative to the version, and size of every file, sorted; empty until ready."""
        found = (p for p in self.folder.rglob("*") if p.is_file())
        return sorted((p.relative_to(self.folder).as_posix(), p.stat().st_size) for p in found)


@dataclass(frozen=True, kw_only=True)
class KernelVersion:
    """One version of a kernel and its run. Status: ``queued``, ``running``, ``complete`` or ``error``.

    ``settings`` are those of the push; ``inputs`` the dataset versions that the run saw.
    """

    kernel_id: int
    owner: str
    slug: str
    title: str
    number: int
    source: str
    settings: dict[str, Any]
    inputs: tuple[tuple[str, str, int], ...]
    status: str
    failure: str
    created: datetime
    folder: Path

    def output(self) -> list[tuple[str, Path]]:
        """Name and path of every file that the run left."""
        root = self.folder / "output"
        return sorted((p.relative_to(root).as_posix(), p) for p in root.rglob("*") if p.is_file())

    def log(self) -> str:
        """The log of the finished run, a JSON array of events."""
        path = self.folder / "log.json"
        return path.read_text() if path.exists() else ""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A kernel version handed in. Status: ``pending``, ``complete`` or ``error``; ``reason`` is the true one."""

    ref: int
    competition: str
    owner: str
    slug: str
    number: int
    file_name: str
    description: str
    submitter: str
    status: str
    score: float | None
    reason: str
    created: datetime
    folder: Path


class Storage:
    """Everything below one folder, for one process at a time.

    Raises:
        StorageError: another process uses the folder, or it is of another version.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for name in ("", "uploads", "datasets", "kernels", "submissions", "images"):
                (root / name).mkdir(parents=True, exist_ok=True)
            self._lock_file = (root / "lock").open("a+")
        except OSError as error:
            raise StorageError(f"{root}: {error.strerror}", "Choose a folder that can be written to.") from error
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise StorageError(
                f"{root}: in use by another local Kaggle", "Wait for it to end, or stop it, and try again."
            ) from None
        # What a server that died was about to write.
        remove_tree(root / "drafts")
        (root / "drafts").mkdir(exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(root / "kaggle.db", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA foreign_keys = ON")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        except sqlite3.DatabaseError as error:
            self.close()
            raise StorageError(f"{root / 'kaggle.db'}: {error}", "Delete the storage and run again.") from error
        if version not in (0, SCHEMA_VERSION):
            self.close()
            raise StorageError(
                f"{root}: written by another version of the local Kaggle", "Delete the folder and run again."
            )

    def close(self) -> None:
        """Release the folder."""
        self._db.close()
        self._lock_file.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Statements that take effect together or not at all."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # Uploads

    def add_upload(self, token: str, name: str, size: int) -> None:
        """Expect a file of ``size`` bytes."""
        with self.transaction() as db:
            db.execute("INSERT INTO uploads VALUES (?, ?, ?)", (token, name, size))

    def upload(self, token: str) -> Upload | None:
        """The upload with that token."""
        rows = self._rows("SELECT * FROM uploads WHERE token = ?", token)
        return Upload(**rows[0], path=self.root / "uploads" / token) if rows else None

    # Datasets

    def dataset(self, owner: str, slug: str) -> Dataset | None:
        """The dataset of that name."""
        rows = self._rows("SELECT * FROM datasets WHERE owner = ? AND slug = ?", owner, slug)
        return Dataset(**{**dict(rows[0]), "private": bool(rows[0]["private"])}) if rows else None

    def add_dataset(self, dataset: Dataset, notes: str, tokens: list[str]) -> bool:
        """Record a dataset and its first version, which is to be processed; False where it exists."""
        with self.transaction() as db:
            added = db.execute(
                "INSERT OR IGNORE INTO datasets VALUES (:owner, :slug, :title, :description, :private)", vars(dataset)
            )
            if added.rowcount:
                self._add_version(db, (dataset.owner, dataset.slug, 1), notes, tokens)
            return bool(added.rowcount)

    def add_dataset_version(self, owner: str, slug: str, notes: str, tokens: list[str]) -> int:
        """Record a version that is to be processed; return its number."""
        with self.transaction() as db:
            (last,) = db.execute(
                "SELECT COALESCE(MAX(number), 0) FROM dataset_versions WHERE owner = ? AND slug = ?", (owner, slug)
            ).fetchone()
            self._add_version(db, (owner, slug, last + 1), notes, tokens)
            return int(last) + 1

    @staticmethod
    def _add_version(db: sqlite3.Connection, name: tuple[str, str, int], notes: str, tokens: list[str]) -> None:
        db.execute(
            "INSERT INTO dataset_versions (owner, slug, number, notes, tokens, status, created)"
            " VALUES (?, ?, ?, ?, ?, 'processing', ?)",
            (*name, notes, json.dumps(tokens), _now()),
        )

    def finish_dataset_version(self, version: DatasetVersion, status: str, reason: str = "") -> None:
        """Record what processing came to."""
        with self.transaction() as db:
            db.execute(
                "UPDATE dataset_versions SET status = ?, reason = ? WHERE owner = ? AND slug = ? AND number = ?",
                (status, reason, version.owner, version.slug, version.number),
            )

    def dataset_versions(self, owner: str, slug: str) -> list[DatasetVersion]:
        """Every version of a dataset, oldest first."""
        rows = self._rows("SELECT * FROM dataset_versions WHERE owner = ? AND slug = ? ORDER BY number", owner, slug)
        return [self._dataset_version(row) for row in rows]

    def dataset_version(self, owner: str, slug: str, number: int) -> DatasetVersion | None:
        """The version with that number."""
        return next((v for v in self.dataset_versions(owner, slug) if v.number == number), None)

    def unprocessed_versions(self) -> list[DatasetVersion]:
        """Versions whose processing has not ended."""
        rows = self._rows("SELECT * FROM dataset_versions WHERE status = 'processing' ORDER BY created")
        return [self._dataset_version(row) for row in rows]

    def _dataset_version(self, row: sqlite3.Row) -> DatasetVersion:
        fields = dict(row)
        fields["tokens"] = tuple(json.loads(fields["tokens"]))
        fields["created"] = datetime.fromisoformat(fields["created"])
        folder = self.root / "datasets" / fields["owner"] / fields["slug"] / str(fields["number"])
        return DatasetVersion(**fields, folder=folder)

    # Kernels

    def kernel_slug_of_title(self, owner: str, title: str) -> str | None:
        """The slug of the owner's kernel with that title."""
        rows = self._rows("SELECT slug FROM kernels WHERE owner = ? AND title = ?", owner, title)
        return rows[0]["slug"] if rows else None

    def add_kernel_version(self, owner: str, slug: str, title: str, source: str, settings: dict[str, Any]) -> int:
        """Record a version that is to be run, and its kernel if it is the first; return its number."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO kernels (owner, slug, title) VALUES (?, ?, ?)", (owner, slug, title))
            (last,) = db.execute(
                "SELECT COALESCE(MAX(number), 0) FROM kernel_versions WHERE owner = ? AND slug = ?", (owner, slug)
            ).fetchone()
            db.execute(
                "INSERT INTO kernel_versions (owner, slug, number, source, settings, status, created)"
                " VALUES (?, ?, ?, ?, ?, 'queued', ?)",
                (owner, slug, last + 1, source, json.dumps(settings), _now()),
            )
            return int(last) + 1

    def start_kernel_version(self, version: KernelVersion, inputs: list[tuple[str, str, int]]) -> None:
        """Record that the run has begun, and what it sees."""
        with self.transaction() as db:
            db.execute(
                "UPDATE kernel_versions SET status = 'running', inputs = ? WHERE owner = ? AND slug = ? AND number = ?",
                (json.dumps(inputs), version.owner, version.slug, version.number),
            )

    def finish_kernel_version(self, version: KernelVersion, status: str, failure: str) -> None:
        """Record what the run came to."""
        with self.transaction() as db:
            db.execute(
                "UPDATE kernel_versions SET status = ?, failure = ? WHERE owner = ? AND slug = ? AND number = ?",
                (status, failure, version.owner, version.slug, version.number),
            )

    def kernel_version(self, owner: str, slug: str, number: int | None = None) -> KernelVersion | None:
        """A version of a kernel; the latest by default."""
        rows = self._rows(
            _KERNELS + " WHERE owner = ? AND slug = ? AND (? IS NULL OR number = ?) ORDER BY number DESC LIMIT 1",
            owner,
            slug,
            number,
            number,
        )
        return self._kernel_version(rows[0]) if rows else None

    def unfinished_kernel_versions(self) -> list[KernelVersion]:
        """Versions whose run has not ended."""
        rows = self._rows(_KERNELS + " WHERE status IN ('queued', 'running') ORDER BY created")
        return [self._kernel_version(row) for row in rows]

    def _kernel_version(self, row: sqlite3.Row) -> KernelVersion:
        fields = dict(row)
        fields["settings"] = json.loads(fields["settings"])
        fields["inputs"] = tuple((owner, slug, number) for owner, slug, number in json.loads(fields["inputs"]))
        fields["created"] = datetime.fromisoformat(fields["created"])
        folder = self.root / "kernels" / fields["owner"] / fields["slug"] / str(fields["number"])
        return KernelVersion(**fields, folder=folder)

    # Competitions

    def host_competition(self, slug: str, folder: Path) -> None:
        """Host the competition folder under its slug, in place of an earlier one."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO competitions VALUES (?, ?)", (slug, str(folder)))

    def competition_folder(self, slug: str) -> Path | None:
        """The folder of a hosted competition."""
        rows = self._rows("SELECT folder FROM competitions WHERE slug = ?", slug)
        return Path(rows[0]["folder"]) if rows else None

    # Submissions

    def add_submission(
        self, version: KernelVersion, competition: str, file_name: str, description: str, submitter: str
    ) -> int:
        """Record a submission that is to be scored; return its reference."""
        with self.transaction() as db:
            cursor = db.execute(
                "INSERT INTO submissions"
                " (competition, owner, slug, number, file_name, description, submitter, status, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?)",
                (
                    competition,
                    version.owner,
                    version.slug,
                    version.number,
                    file_name,
                    description,
                    submitter,
                    _now(),
                ),
            )
            return int(cursor.lastrowid or 0)

    def finish_submission(self, submission: Submission, score: float | None, reason: str = "") -> None:
        """Record the score, or the true reason why there is none."""
        with self.transaction() as db:
            db.execute(
                "UPDATE submissions SET status = ?, score = ?, reason = ? WHERE ref = ?",
                ("error" if score is None else "complete", score, reason, submission.ref),
            )

    def submissions(self, competition: str, submitter: str) -> list[Submission]:
        """A user's submissions to a competition, newest first."""
        return self._submissions("WHERE competition = ? AND submitter = ? ORDER BY ref DESC", competition, submitter)

    def submission(self, ref: int) -> Submission:
        """The submission with that reference."""
        return self._submissions("WHERE ref = ?", ref)[0]

    def pending_submissions(self) -> list[Submission]:
        """Submissions whose scoring has not ended."""
        return self._submissions("WHERE status = 'pending' ORDER BY ref")

    def _submissions(self, where: str, *values: object) -> list[Submission]:
        rows = self._rows(f"SELECT * FROM submissions {where}", *values)  # noqa: S608 - only literals come here
        return [
            Submission(
                **{**dict(row), "created": datetime.fromisoformat(row["created"])},
                folder=self.root / "submissions" / str(row["ref"]),
            )
            for row in rows
        ]

    # Folders

    @contextmanager
    def draft(self, target: Path) -> Iterator[Path]:
        """A new folder to fill, which becomes ``target`` in one step at the end, or is gone."""
        draft = self.root / "drafts" / os.urandom(8).hex()
        draft.mkdir()
        try:
            yield draft
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_tree(target)
            draft.rename(target)
        finally:
            remove_tree(draft)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, nothing if it is not there.

    With the system's tools: a kernel may have left folders deeper than Python can walk, or read-only.
    """
    if folder.exists():
        for tool in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*tool, "--", folder], check=False, capture_output=True)


_KERNELS = (
    "SELECT kernels.id AS kernel_id, kernels.title, v.* FROM kernel_versions AS v JOIN kernels USING (owner, slug)"
)


def _now() -> str:
    return datetime.now(UTC).isoformat()
