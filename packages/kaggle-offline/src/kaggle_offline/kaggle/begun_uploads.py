"""Uploads that a killed command has begun, for the next one to go on with.

The official client keeps them in the same way (kaggle 2.2.5, ``ResumableFileUpload``): in a folder that only its user
can read, as who has the link can write there, and for six days, as an upload must be complete within a week.
"""

import json
import os
import time
from collections.abc import Collection
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from kaggle_offline.files import read_json

_SECONDS = 6 * 24 * 3600


class BegunUploads:
    """The uploads that an account has begun, and that no version has yet.

    Args:
        owner: of the account.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._folder = user_cache_path("kaggle-offline") / "uploads"

    def find(self, path: Path) -> tuple[str, str] | None:
        """Return the token and the link of a file's upload, if the file has not changed since it was begun."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            begun = read_json(self._record(path))
            if begun["time"] > time.time() - _SECONDS:
                return str(begun["token"]), str(begun["link"])
        return None

    def keep(self, path: Path, token: str, link: str) -> None:
        """Keep the token and the link of a file's upload."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        record = self._record(path)
        draft = record.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({"token": token, "link": link, "time": time.time()}, file)
        draft.replace(record)

    def drop(self, tokens: Collection[str]) -> None:
        """Drop the uploads of these tokens, which a version is about to use, and those that are too old."""
        for record in self._folder.glob("*.json"):
            begun: dict[str, Any] = {}
            with suppress(OSError, ValueError):
                begun = read_json(record)
            if begun.get("token") in tokens or begun.get("time", 0) <= time.time() - _SECONDS:
                record.unlink(missing_ok=True)

    def _record(self, path: Path) -> Path:
        state = path.stat()
        key = repr((self._owner, str(path.resolve()), state.st_size, state.st_mtime_ns))
        return self._folder / f"{sha256(key.encode()).hexdigest()}.json"
