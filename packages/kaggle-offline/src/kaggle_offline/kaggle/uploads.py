"""Uploads of files for versions of datasets and models; the next command goes on with what a killed one has begun."""

import json
import os
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest
from platformdirs import user_cache_path

from kaggle_offline.errors import KaggleError, NotThereError
from kaggle_offline.files import read_json
from kaggle_offline.kaggle.calls import Calls
from kaggle_offline.kaggle.http_errors import senseless
from kaggle_offline.kaggle.transfers import Upload

# The number of files that are uploaded at a time (kagglehub 1.0.3, ``MAX_PARALLEL_UPLOADS``).
_AT_A_TIME = 8

_SECONDS = 6 * 24 * 3600


class Uploads:
    """Uploads files.

    Args:
        calls: of the account.
        kind: of what gets the files: a dataset or a model.
    """

    def __init__(self, calls: Calls, kind: ApiBlobType) -> None:
        self._calls = calls
        self._kind = kind
        self._begun = BegunUploads(calls.owner, kind.name)

    def upload(self, folder: Path, names: Sequence[str]) -> dict[str, str]:
        """Upload files of a folder, some at a time; of those that a killed command has begun, upload the rest.

        Returns:
            The tokens that name them in a version, by name.

        Raises:
            KaggleError: one did not arrive whole.
        """
        stopped = threading.Event()
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            uploads = {name: threads.submit(self._upload, folder / name, stopped) for name in names}
            try:
                wait(uploads.values(), return_when=FIRST_EXCEPTION)
                failed = [upload for upload in uploads.values() if upload.done() and upload.exception()]
                for upload in failed:
                    upload.result()
                return {name: upload.result() for name, upload in uploads.items()}
            except BaseException:
                # Ctrl-C, too, does not wait for gigabytes.
                stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _upload(self, path: Path, stopped: threading.Event) -> str:
        """Upload a file, unless another has failed; return its token."""
        what = f"upload of {path.name}"

        def check() -> None:
            if stopped.is_set():
                raise KaggleError(f"{what}: given up", "Run the same command again, it goes on from here.")
            self._calls.waits.check(what)

        def start() -> tuple[str, str]:
            check()
            return self._start(path, what)

        def send(upload: Upload) -> None:
            check()
            upload.send()

        seconds = self._calls.waits.patience.answer
        token, link = self._begun.find(path) or ("", "")
        upload = Upload(path, link, seconds, check)
        if link and upload.goes_on():
            self._calls.repeat(what, partial(send, upload))
            return token
        for last in (False, True):
            token, link = self._calls.repeat(what, start)
            self._begun.keep(path, token, link)
            try:
                self._calls.repeat(what, partial(send, Upload(path, link, seconds, check)))
            except NotThereError:
                # The link has expired.
                if last:
                    raise
            else:
                break
        return token

    def _start(self, path: Path, what: str) -> tuple[str, str]:
        """Return the token and the link of a new upload."""
        request = ApiStartBlobUploadRequest()
        request.type = self._kind
        request.name = path.name
        request.content_length = path.stat().st_size
        request.last_modified_epoch_seconds = int(path.stat().st_mtime)
        with self._calls.open() as client:
            answer = client.blobs.blob_api_client.start_blob_upload(request)
        if not (answer.token and answer.create_url):
            raise senseless(what)
        return answer.token, answer.create_url

    def use_up(self, tokens: Collection[str]) -> None:
        """Forget the uploads of these tokens: a version uses them up, even if its answer is lost."""
        self._begun.drop(tokens)


class BegunUploads:
    """The uploads that an account has begun, and that no version has yet.

    The official client keeps them in the same way (kaggle 2.2.5, ``ResumableFileUpload``): in a folder that only its
    user can read, as who has the link can write there, and for six days, as an upload must be complete within a week.

    Args:
        owner: of the account.
        kind: of what gets the files.
    """

    def __init__(self, owner: str, kind: str) -> None:
        self._owner = owner
        self._kind = kind
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
        key = repr((self._owner, self._kind, str(path.resolve()), state.st_size, state.st_mtime_ns))
        return self._folder / f"{sha256(key.encode()).hexdigest()}.json"
