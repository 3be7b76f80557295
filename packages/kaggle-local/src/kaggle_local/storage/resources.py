"""Datasets, models and their variations: what has an owner and, but for models, versions that are snapshots."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from kaggle_local.storage.database import Database, now
from kaggle_local.storage.files import Files

Kind = Literal["dataset", "model", "variation"]

# Path in the version, and the token of the upload that goes there.
Content = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A dataset ``owner/slug``, a model ``owner/slug`` or a variation ``owner/model/framework/slug``.

    ``details`` are what its kind has beside: description, license and so on.
    """

    id: int
    kind: Kind
    owner: str
    ref: str
    title: str
    private: bool
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One snapshot of a resource. Status: ``processing``, ``ready`` or ``failed``, for ``reason``."""

    kind: Kind
    ref: str
    number: int
    notes: str
    content: Content
    status: str
    reason: str
    total_bytes: int
    created: datetime
    folder: Path

    def files(self) -> list[tuple[str, int]]:
        """Name, relative to the version, and size of every file, sorted; empty unless ready."""
        found = (p for p in self.folder.rglob("*") if p.is_file()) if self.status == "ready" else ()
        return sorted((p.relative_to(self.folder).as_posix(), p.stat().st_size) for p in found)


_VERSIONS = "SELECT r.kind, r.ref, v.* FROM versions AS v JOIN resources AS r ON r.id = v.resource"
_FOLDERS: Mapping[str, str] = {"dataset": "datasets", "variation": "models"}


class Resources:
    """The resources of a storage; their files lie in ``datasets/<ref>/<number>`` and ``models/<ref>/<number>``."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def add(
        self,
        kind: Kind,
        ref: str,
        *,
        title: str,
        private: bool,
        details: Mapping[str, Any],
        first_version: tuple[str, Content] | None = None,
    ) -> Resource | None:
        """Record a resource, with its first version (notes and content) where it has any; None where it exists."""
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO resources (kind, owner, ref, title, private, details) VALUES (?, ?, ?, ?, ?, ?)",
                (kind, ref.partition("/")[0], ref, title, private, json.dumps(details)),
            )
            if not cursor.rowcount:
                return None
            if first_version:
                _insert_version(db, int(cursor.lastrowid or 0), 1, *first_version)
        return self.get(kind, ref)

    def get(self, kind: Kind, ref: str) -> Resource | None:
        """The resource of that name."""
        rows = self._database.rows("SELECT * FROM resources WHERE kind = ? AND ref = ?", kind, ref)
        return _resource(rows[0]) if rows else None

    def by_id(self, number: int) -> Resource | None:
        """The resource with that number."""
        rows = self._database.rows("SELECT * FROM resources WHERE id = ?", number)
        return _resource(rows[0]) if rows else None

    def all(self, kind: Kind) -> list[tuple[Resource, Version | None]]:
        """Every resource of a kind with its latest version, the newest first. One query, however many."""
        rows = self._database.rows(
            "SELECT r.*, v.* FROM resources AS r LEFT JOIN versions AS v ON v.resource = r.id"
            " AND v.number = (SELECT MAX(number) FROM versions WHERE resource = r.id)"
            " WHERE r.kind = ? ORDER BY COALESCE(v.created, '') DESC, r.id DESC",
            kind,
        )
        return [(_resource(row), self._version(row) if row["number"] is not None else None) for row in rows]

    def update(self, resource: Resource) -> None:
        """Record a changed title, privacy or details."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE resources SET title = ?, private = ?, details = ? WHERE id = ?",
                (resource.title, resource.private, json.dumps(dict(resource.details)), resource.id),
            )

    def delete(self, resource: Resource) -> None:
        """Have a resource gone, with its versions and, of a model, its variations."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM resources WHERE id = ?", (resource.id,))
            if resource.kind == "model":
                db.execute(
                    "DELETE FROM resources WHERE kind = 'variation' AND substr(ref, 1, ?) = ?",
                    (len(resource.ref) + 1, f"{resource.ref}/"),
                )
        self._files.remove(self._files.root / _FOLDERS.get(resource.kind, "models") / resource.ref)

    def add_version(self, resource: Resource, notes: str, content: Content) -> Version:
        """Record a version that is to be processed."""
        with self._database.transaction() as db:
            (last,) = db.execute(
                "SELECT COALESCE(MAX(number), 0) FROM versions WHERE resource = ?", (resource.id,)
            ).fetchone()
            _insert_version(db, resource.id, last + 1, notes, content)
        return self.versions(resource.kind, resource.ref)[-1]

    def finish_version(self, version: Version, status: str, reason: str = "", *, total_bytes: int = 0) -> None:
        """Record what processing came to; where the version was deleted meanwhile, so are its files."""
        with self._database.transaction() as db:
            found = db.execute(
                "UPDATE versions SET status = ?, reason = ?, total_bytes = ? WHERE number = ?"
                " AND resource = (SELECT id FROM resources WHERE kind = ? AND ref = ?)",
                (status, reason, total_bytes, version.number, version.kind, version.ref),
            ).rowcount
        if not found:
            self._files.remove(version.folder)

    def versions(self, kind: Kind, ref: str) -> list[Version]:
        """Every version of a resource, oldest first."""
        rows = self._database.rows(f"{_VERSIONS} WHERE r.kind = ? AND r.ref = ? ORDER BY v.number", kind, ref)
        return [self._version(row) for row in rows]

    def version(self, kind: Kind, ref: str, number: int) -> Version | None:
        """The version with that number."""
        return next((v for v in self.versions(kind, ref) if v.number == number), None)

    def latest_ready(self, kind: Kind, ref: str) -> Version | None:
        """The version that is in use: the last one whose processing has succeeded."""
        return next((v for v in reversed(self.versions(kind, ref)) if v.status == "ready"), None)

    def delete_version(self, version: Version) -> None:
        """Have a version gone."""
        with self._database.transaction() as db:
            db.execute(
                "DELETE FROM versions WHERE number = ?"
                " AND resource = (SELECT id FROM resources WHERE kind = ? AND ref = ?)",
                (version.number, version.kind, version.ref),
            )
        self._files.remove(version.folder)

    def unprocessed(self) -> list[Version]:
        """Versions whose processing has not ended, oldest first."""
        rows = self._database.rows(f"{_VERSIONS} WHERE v.status = 'processing' ORDER BY v.created")
        return [self._version(row) for row in rows]

    def drop_orphans(self) -> None:
        """Drop the folders of versions that are not recorded: a server died between the two."""
        for kind, name in _FOLDERS.items():
            known = {self._version(row).folder for row in self._database.rows(f"{_VERSIONS} WHERE r.kind = ?", kind)}
            depth = "/".join("*" * (3 if kind == "dataset" else 5))
            for folder in (self._files.root / name).glob(depth):
                if folder not in known:
                    self._files.remove(folder)

    def _version(self, row: sqlite3.Row) -> Version:
        return Version(
            **{key: row[key] for key in ("kind", "ref", "number", "notes", "status", "reason", "total_bytes")},
            content=tuple((path, token) for path, token in json.loads(row["content"])),
            created=datetime.fromisoformat(row["created"]),
            folder=self._files.root / _FOLDERS[row["kind"]] / row["ref"] / str(row["number"]),
        )


def _insert_version(db: sqlite3.Connection, resource: int, number: int, notes: str, content: Content) -> None:
    db.execute(
        "INSERT INTO versions (resource, number, notes, content, status, created) VALUES (?, ?, ?, ?, 'processing', ?)",
        (resource, number, notes, json.dumps(content), now()),
    )


def _resource(row: sqlite3.Row) -> Resource:
    return Resource(
        **{key: row[key] for key in ("id", "kind", "owner", "ref", "title")},
        private=bool(row["private"]),
        details=json.loads(row["details"]),
    )
