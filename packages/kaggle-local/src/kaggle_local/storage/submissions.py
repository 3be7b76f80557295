"""Hosted competitions and their submissions."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kaggle_local.storage.database import Database, now, plain

NO_SPACE = "No space"
"""The class of a failure that is this machine's, not the submission's."""


@dataclass(frozen=True, kw_only=True)
class KernelSource:
    """A submission of a kernel version's output."""

    owner: str
    slug: str
    number: int


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """A submission of an uploaded file."""

    token: str


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The file, or the kernel version, that was handed in. Status: ``pending``, ``complete`` or ``error``.

    ``score`` is that of the public leaderboard; ``private_score`` is None where the solution has no private rows.
    ``reason`` is the true reason of an error. ``kind`` is the class of an
    error.
    """

    ref: int
    competition: str
    source: KernelSource | FileSource
    file_name: str
    description: str
    submitter: str
    status: str
    score: float | None
    private_score: float | None
    reason: str
    kind: str
    created: datetime
    folder: Path


class Submissions:
    """The competitions and submissions of a storage; a submission's log lies in ``submissions/<ref>``."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._root = root

    def host(self, slug: str, folder: Path) -> None:
        """Host the competition folder under its slug, in place of an earlier one."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM competitions WHERE slug = ? COLLATE NOCASE", (slug,))
            db.execute("INSERT INTO competitions VALUES (?, ?, ?)", (slug, str(folder), now()))

    def competition_folder(self, slug: str) -> Path | None:
        """Return the folder of a hosted competition."""
        rows = self._database.rows("SELECT folder FROM competitions WHERE slug = ? COLLATE NOCASE", slug)
        return Path(rows[0]["folder"]) if rows else None

    def competitions(self) -> list[tuple[str, Path, datetime]]:
        """Return the slug, folder and time of hosting of every competition, by slug."""
        rows = self._database.rows("SELECT * FROM competitions ORDER BY slug")
        return [(row["slug"], Path(row["folder"]), datetime.fromisoformat(row["hosted"])) for row in rows]

    def add(
        self, competition: str, source: KernelSource | FileSource, file_name: str, description: str, submitter: str
    ) -> int:
        """Record a submission that is to be scored; return its reference."""
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT INTO submissions (competition, source, file_name, description, submitter, status, created)"
                " VALUES (?, ?, ?, ?, ?, 'pending', ?)",
                (competition, json.dumps(vars(source)), file_name, description, submitter, now()),
            )
            return int(cursor.lastrowid or 0)

    def complete(self, submission: Submission, score: float, private_score: float | None) -> None:
        """Record the scores of the public and the private leaderboard."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE submissions SET status = 'complete', score = ?, private_score = ? WHERE ref = ?",
                (score, private_score, submission.ref),
            )

    def fail(self, submission: Submission, reason: str, kind: str) -> None:
        """Record the true reason of a failure, and its class."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE submissions SET status = 'error', reason = ?, kind = ? WHERE ref = ?",
                (plain(reason), kind, submission.ref),
            )

    def of_user(self, competition: str, submitter: str) -> list[Submission]:
        """Return a user's submissions to a competition, newest first."""
        return self._find("WHERE competition = ? AND submitter = ? ORDER BY ref DESC", competition, submitter)

    def scored(self, competition: str) -> list[Submission]:
        """Return all submissions to a competition that have a score, oldest first."""
        return self._find("WHERE competition = ? AND status = 'complete' ORDER BY ref", competition)

    def pending(self) -> list[Submission]:
        """Return the submissions whose scoring has not ended."""
        return self._find("WHERE status = 'pending' ORDER BY ref")

    def revive(self) -> None:
        """Set submissions that failed for lack of space back to pending: the kernel was not at fault."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE submissions SET status = 'pending', reason = '', kind = '' WHERE status = 'error' AND kind = ?",
                (NO_SPACE,),
            )

    def get(self, ref: int) -> Submission | None:
        """Return the submission with that reference."""
        return next(iter(self._find("WHERE ref = ?", ref)), None)

    def _find(self, where: str, *values: object) -> list[Submission]:
        rows = self._database.rows(f"SELECT * FROM submissions {where}", *values)  # noqa: S608 - only literals come here
        return [self._submission(row) for row in rows]

    def _submission(self, row: sqlite3.Row) -> Submission:
        fields = {key: row[key] for key in row.keys() if key not in ("source", "created")}  # noqa: SIM118 - a Row
        source = json.loads(row["source"])
        origin = FileSource(**source) if "token" in source else KernelSource(**source)
        return Submission(
            **fields,
            source=origin,
            created=datetime.fromisoformat(row["created"]),
            folder=self._root / str(row["ref"]),
        )
