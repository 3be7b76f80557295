"""Kernels: each version is a source with settings, and the one run of it."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kaggle_local.runs.image import ImageSpec
from kaggle_local.storage.database import Database, now, plain
from kaggle_local.storage.files import Files
from kaggle_local.storage.images import Images


@dataclass(frozen=True, kw_only=True)
class Input:
    """An input of a run: one version of a resource or of another kernel's output, for good."""

    kind: str
    ref: str
    number: int


@dataclass(frozen=True, kw_only=True)
class KernelVersion:
    """One version of a kernel and its run.

    Status: ``queued``, ``running``, ``complete``, ``error`` or ``cancelled``; ``saved`` for one that is not to run.

    ``settings`` are those of the push; ``image`` is the one that was in use then, which it runs in, and is
    rerun in; ``inputs`` are those of the run.
    """

    kernel_id: int
    owner: str
    slug: str
    title: str
    number: int
    source: str
    settings: dict[str, Any]
    image: ImageSpec
    inputs: tuple[Input, ...]
    status: str
    failure: str
    created: datetime
    folder: Path

    @property
    def ref(self) -> str:
        """Its kernel's name, ``owner/slug``."""
        return f"{self.owner}/{self.slug}"

    @property
    def output_folder(self) -> Path:
        """The output of the run; it is there once the run has ended."""
        return self.folder / "output"

    def output(self) -> list[tuple[str, Path]]:
        """Return the name and path of every file that the run left; none until it has ended."""
        root = self.output_folder
        found = root.rglob("*") if self.status not in ("queued", "running") else ()
        return sorted((p.relative_to(root).as_posix(), p) for p in found if p.is_file())

    def log(self) -> str:
        """Return the log of the finished run, a JSON array of events."""
        path = self.folder / "log.json"
        return path.read_text(encoding="utf-8") if path.exists() else ""


_VERSIONS = (
    "SELECT k.id AS kernel_id, k.owner, k.slug, k.title, v.* FROM kernel_versions AS v JOIN kernels AS k"
    " ON k.id = v.kernel"
)


class Kernels:
    """The kernels of a storage; ``kernels/<owner>/<slug>/<number>`` has the files of a run."""

    def __init__(self, database: Database, files: Files, images: Images) -> None:
        self._database = database
        self._files = files
        self._images = images

    def slug_of_title(self, owner: str, title: str) -> str | None:
        """Return the slug of the owner's kernel with that title."""
        rows = self._database.rows("SELECT slug FROM kernels WHERE owner = ? AND title = ?", owner, title)
        return rows[0]["slug"] if rows else None

    def ref_of_id(self, number: int) -> str | None:
        """Return the name of the kernel with that number."""
        rows = self._database.rows("SELECT owner, slug FROM kernels WHERE id = ?", number)
        return f"{rows[0]['owner']}/{rows[0]['slug']}" if rows else None

    def add_version(
        self, owner: str, slug: str, title: str, source: str, settings: dict[str, Any], *, runs: bool = True
    ) -> KernelVersion:
        """Record a version, which is to be run or only saved, and its kernel if it is the first."""
        status = "queued" if runs else "saved"
        with self._database.transaction() as db:
            db.execute("INSERT OR IGNORE INTO kernels (owner, slug, title) VALUES (?, ?, ?)", (owner, slug, title))
            db.execute(
                "INSERT INTO kernel_versions (kernel, number, source, settings, image, status, created)"
                " SELECT k.id, COALESCE(MAX(v.number), 0) + 1, ?, ?, ?, ?, ?"
                " FROM kernels AS k LEFT JOIN kernel_versions AS v ON v.kernel = k.id"
                " WHERE k.owner = ? AND k.slug = ? GROUP BY k.id",
                (
                    source,
                    json.dumps(settings),
                    json.dumps(self._images.in_use().to_json()),
                    status,
                    now(),
                    owner,
                    slug,
                ),
            )
            version = self.get(owner, slug)
        assert version is not None  # it has just been added
        return version

    def is_recorded(self, version: KernelVersion) -> bool:
        """Tell whether a version was not deleted meanwhile."""
        known = self.get(version.owner, version.slug, version.number)
        return known is not None and known.kernel_id == version.kernel_id

    def start(self, version: KernelVersion, inputs: list[Input]) -> None:
        """Record that the run has begun, and its inputs."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE kernel_versions SET status = 'running', inputs = ? WHERE kernel = ? AND number = ?",
                (json.dumps([vars(i) for i in inputs]), version.kernel_id, version.number),
            )

    def finish(self, version: KernelVersion, status: str, failure: str) -> None:
        """Record the end of the run."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE kernel_versions SET status = ?, failure = ? WHERE kernel = ? AND number = ?",
                (status, plain(failure), version.kernel_id, version.number),
            )

    def get(self, owner: str, slug: str, number: int | None = None) -> KernelVersion | None:
        """Return a version of a kernel; the latest by default."""
        rows = self._database.rows(
            f"{_VERSIONS} WHERE k.owner = ? AND k.slug = ? AND (? IS NULL OR v.number = ?)"
            " ORDER BY v.number DESC LIMIT 1",
            owner,
            slug,
            number,
            number,
        )
        return self._version(rows[0]) if rows else None

    def latest_complete(self, owner: str, slug: str) -> KernelVersion | None:
        """Return the last version that ran through: what another kernel sees as this one's output."""
        rows = self._database.rows(
            f"{_VERSIONS} WHERE k.owner = ? AND k.slug = ? AND v.status = 'complete' ORDER BY v.number DESC LIMIT 1",
            owner,
            slug,
        )
        return self._version(rows[0]) if rows else None

    def all(self) -> list[KernelVersion]:
        """Return the latest version of every kernel, the newest first."""
        latest = "v.number = (SELECT MAX(number) FROM kernel_versions WHERE kernel = k.id)"
        rows = self._database.rows(f"{_VERSIONS} WHERE {latest} ORDER BY v.created DESC")
        return [self._version(row) for row in rows]

    def unfinished(self) -> list[KernelVersion]:
        """Return the versions whose run has not ended."""
        rows = self._database.rows(f"{_VERSIONS} WHERE v.status IN ('queued', 'running') ORDER BY v.created")
        return [self._version(row) for row in rows]

    def delete(self, version: KernelVersion) -> None:
        """Have a version's kernel gone, with all its versions."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM kernels WHERE id = ?", (version.kernel_id,))
        self._files.remove(version.folder.parent)

    def drop_orphans(self) -> None:
        """Drop the folders of versions that are not recorded."""
        known = {self._version(row).folder for row in self._database.rows(_VERSIONS)}
        for folder in (self._files.root / "kernels").glob("*/*/*"):
            if folder not in known:
                self._files.remove(folder)

    def _version(self, row: sqlite3.Row) -> KernelVersion:
        keys = ("kernel_id", "owner", "slug", "title", "number", "source", "status", "failure")
        return KernelVersion(
            **{key: row[key] for key in keys},
            settings=json.loads(row["settings"]),
            image=ImageSpec.from_json(json.loads(row["image"])),
            inputs=tuple(Input(**fields) for fields in json.loads(row["inputs"])),
            created=datetime.fromisoformat(row["created"]),
            folder=self._files.root / "kernels" / row["owner"] / row["slug"] / str(row["number"]),
        )
