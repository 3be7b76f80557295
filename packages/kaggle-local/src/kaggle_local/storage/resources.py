"""Datasets, models and their variations: resources with an owner and, except for models, versions."""

import json
import re
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from kaggle_local.storage.database import Database, now, plain
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
    """One snapshot of a resource. Status: ``processing``, ``ready`` or ``failed``, for ``reason``.

    ``resource`` is the resource's number, which a later one of the same name does not have; ``ready`` is when its
    processing has succeeded.
    """

    resource: int
    kind: Kind
    ref: str
    number: int
    notes: str
    content: Content
    status: str
    reason: str
    total_bytes: int
    replaces_all: bool
    created: datetime
    ready: datetime | None
    folder: Path

    def files(self) -> list[tuple[str, int]]:
        """Return the name, relative to the version, and size of every file, sorted; empty unless ready."""
        found = (p for p in self.folder.rglob("*") if p.is_file()) if self.status == "ready" else ()
        return sorted((p.relative_to(self.folder).as_posix(), p.stat().st_size) for p in found)


_VERSIONS = "SELECT r.kind, r.ref, v.* FROM versions AS v JOIN resources AS r ON r.id = v.resource"
_LATEST = "(SELECT MAX(number) FROM versions WHERE resource = r.id)"
_LATEST_READY = "(SELECT MAX(number) FROM versions WHERE resource = r.id AND status = 'ready')"
_PLAIN = ("resource", "kind", "ref", "number", "notes", "status", "reason", "total_bytes")
_FOLDERS: Mapping[str, str] = {"dataset": "datasets", "variation": "models"}


def variation_ref(source: str) -> str:
    """Return the name of a variation, ``owner/model/framework/slug``, with the framework as it stands in paths."""
    parts = source.split("/")
    return "/".join([*parts[:2], *(re.sub(r"[^a-z0-9]", "", part.lower()) for part in parts[2:3]), *parts[3:]])


def split_source(source: str, parts: int) -> tuple[str, str]:
    """Return a name of so many parts, and the version that may follow it."""
    fields = source.split("/")
    return "/".join(fields[:parts]), "/".join(fields[parts:])


class Resources:
    """The resources of a storage; their files lie in ``datasets/<ref>/<number>`` and ``models/<ref>/<number>``."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        # A version must not become visible while its resource is being deleted.
        self._lock = threading.Lock()

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
                _insert_version(db, int(cursor.lastrowid or 0), *first_version)
        return self.get(kind, ref)

    def get(self, kind: Kind, ref: str) -> Resource | None:
        """Return the resource of that name."""
        rows = self._database.rows("SELECT * FROM resources WHERE kind = ? AND ref = ?", kind, ref)
        return _resource(rows[0]) if rows else None

    def by_id(self, number: int) -> Resource | None:
        """Return the resource with that number."""
        rows = self._database.rows("SELECT * FROM resources WHERE id = ?", number)
        return _resource(rows[0]) if rows else None

    def all(self, kind: Kind) -> list[tuple[Resource, Version | None]]:
        """Return every resource of a kind with the version in use, or the latest; the newest first; in one query."""
        rows = self._database.rows(
            "SELECT r.*, v.* FROM resources AS r LEFT JOIN versions AS v ON v.resource = r.id"  # noqa: S608 - literals
            f" AND v.number = COALESCE({_LATEST_READY}, {_LATEST})"
            " WHERE r.kind = ? ORDER BY COALESCE(v.created, '') DESC, r.id DESC",
            kind,
        )
        found = []
        for row in rows:
            version = None if row["number"] is None else self._version(row)
            found.append((_resource(row), version))
        return found

    def update(self, resource: Resource) -> None:
        """Record a changed title, privacy or details."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE resources SET title = ?, private = ?, details = ? WHERE id = ?",
                (resource.title, resource.private, json.dumps(dict(resource.details)), resource.id),
            )

    def of_title(self, kind: Kind, owner: str, title: str) -> str | None:
        """Return the name of the owner's resource of that kind with that title."""
        rows = self._database.rows(
            "SELECT ref FROM resources WHERE kind = ? AND owner = ? AND title = ?", kind, owner, title
        )
        return rows[0]["ref"] if rows else None

    def delete(self, resource: Resource) -> None:
        """Have a resource gone, with its versions and, of a model, its variations."""
        with self._lock:
            with self._database.transaction() as db:
                db.execute("DELETE FROM resources WHERE id = ?", (resource.id,))
                if resource.kind == "model":
                    db.execute(
                        "DELETE FROM resources WHERE kind = 'variation' AND substr(ref, 1, ?) = ?",
                        (len(resource.ref) + 1, f"{resource.ref}/"),
                    )
            self._files.remove(self._files.root / _FOLDERS.get(resource.kind, "models") / resource.ref)

    def add_version(
        self,
        resource: Resource,
        notes: str,
        content: Content,
        *,
        replaces_all: bool = False,
        number: int | None = None,
    ) -> Version:
        """Record a version that is to be processed, by default the next; once it is ready, it may be the only one."""
        with self._database.transaction() as db:
            number = _insert_version(db, resource.id, notes, content, replaces_all=replaces_all, wanted=number)
        return next(v for v in self.versions(resource.kind, resource.ref) if v.number == number)

    def publish(self, version: Version, folder: Path, total_bytes: int) -> None:
        """Have a folder be the version's files, and the version ready; nothing if it was deleted meanwhile."""
        with self._lock:
            current = self.versions(version.kind, version.ref)
            if (version.resource, version.number) not in [(v.resource, v.number) for v in current]:
                return
            self._files.put(folder, version.folder)
            self._finish(version, "ready", "", total_bytes)
        if version.replaces_all:
            for old in current:
                if old.number < version.number:
                    self.delete_version(old)

    def fail(self, version: Version, reason: str) -> None:
        """Record that processing has failed."""
        self._finish(version, "failed", reason, 0)

    def _finish(self, version: Version, status: str, reason: str, total_bytes: int) -> None:
        ready = now() if status == "ready" else None
        with self._database.transaction() as db:
            db.execute(
                "UPDATE versions SET status = ?, reason = ?, total_bytes = ?, ready = ?"
                " WHERE resource = ? AND number = ?",
                (
                    status,
                    plain(reason),
                    total_bytes,
                    ready,
                    version.resource,
                    version.number,
                ),
            )

    def versions(self, kind: Kind, ref: str) -> list[Version]:
        """Return every version of a resource, oldest first."""
        rows = self._database.rows(f"{_VERSIONS} WHERE r.kind = ? AND r.ref = ? ORDER BY v.number", kind, ref)
        return [self._version(row) for row in rows]

    def in_use_or_latest(self, resource: Resource) -> Version:
        """Return the version in use, or the latest where none is ready."""
        return self.latest_ready(resource.kind, resource.ref) or self.versions(resource.kind, resource.ref)[-1]

    def version(self, kind: Kind, ref: str, number: int) -> Version | None:
        """Return the version with that number."""
        return next((v for v in self.versions(kind, ref) if v.number == number), None)

    def latest_ready(self, kind: Kind, ref: str) -> Version | None:
        """Return the version that is in use: the last one whose processing has succeeded."""
        return next((v for v in reversed(self.versions(kind, ref)) if v.status == "ready"), None)

    def delete_version(self, version: Version) -> None:
        """Have a version gone."""
        with self._lock:
            with self._database.transaction() as db:
                db.execute("DELETE FROM versions WHERE resource = ? AND number = ?", (version.resource, version.number))
            self._files.remove(version.folder)

    def unprocessed(self) -> list[Version]:
        """Return the versions whose processing has not ended, oldest first."""
        rows = self._database.rows(f"{_VERSIONS} WHERE v.status = 'processing' ORDER BY v.created")
        return [self._version(row) for row in rows]

    def drop_orphans(self) -> None:
        """Drop the folders of versions that are not recorded: a server died between the two."""
        for kind, name in _FOLDERS.items():
            known = {self._version(row).folder for row in self._database.rows(f"{_VERSIONS} WHERE r.kind = ?", kind)}
            # owner/slug/number, or owner/model/framework/variation/number
            pattern = "*/*/*" if kind == "dataset" else "*/*/*/*/*"
            for folder in (self._files.root / name).glob(pattern):
                if folder not in known:
                    self._files.remove(folder)

    def _version(self, row: sqlite3.Row) -> Version:
        ready = datetime.fromisoformat(row["ready"]) if row["ready"] else None
        return Version(
            **{key: row[key] for key in _PLAIN},
            replaces_all=bool(row["replaces_all"]),
            content=tuple((path, token) for path, token in json.loads(row["content"])),
            created=datetime.fromisoformat(row["created"]),
            ready=ready,
            folder=self._files.root / _FOLDERS[row["kind"]] / row["ref"] / str(row["number"]),
        )


def _insert_version(
    db: sqlite3.Connection,
    resource: int,
    notes: str,
    content: Content,
    *,
    replaces_all: bool = False,
    wanted: int | None = None,
) -> int:
    """Record the next version, or that of a number; numbers are not used again, whatever is deleted."""
    (next_number,) = db.execute(
        "UPDATE resources SET last_version = max(last_version + 1, ?) WHERE id = ? RETURNING last_version",
        (wanted or 0, resource),
    ).fetchone()
    number = wanted or next_number
    db.execute(
        "INSERT INTO versions (resource, number, notes, content, status, replaces_all, created)"
        " VALUES (?, ?, ?, ?, 'processing', ?, ?)",
        (resource, number, notes, json.dumps(content), replaces_all, now()),
    )
    return int(number)


def _resource(row: sqlite3.Row) -> Resource:
    return Resource(
        **{key: row[key] for key in ("id", "kind", "owner", "ref", "title")},
        private=bool(row["private"]),
        details=json.loads(row["details"]),
    )
