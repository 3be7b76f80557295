"""Files to and from the links that Kaggle gives: uploads that go on where they were cut off, and downloads."""

import errno
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

import requests
from tqdm import tqdm

from kaggle_offline.errors import TransientError

_RANGE = re.compile(r"bytes=0-(\d+)")
_CHUNK = 2**20


class Upload:
    """One file on its way to an upload's link (Google's resumable uploads).

    Args:
        path: the file.
        link: where to; who has it can write there.
        seconds: to wait for a connection, and for each part of an answer.
        check: called now and then while bytes are sent; an exception that it raises ends the upload.
    """

    def __init__(self, path: Path, link: str, seconds: float, check: Callable[[], None]) -> None:
        self._path = path
        self._link = link
        self._seconds = seconds
        self._size = path.stat().st_size
        self._check = check
        self._begun = False

    def goes_on(self) -> bool:
        """Tell whether the link is that of an upload which was begun before; `send` then sends the rest."""
        with suppress(requests.RequestException):
            self._arrived()
            self._begun = True
        return self._begun

    def send(self) -> None:
        """Send the file, or the rest of it; may be called again until it returns.

        Raises:
            TransientError: only a part has arrived.
            requests.RequestException: Kaggle refuses it, or the connection failed.
        """
        start = self._arrived() if self._begun else 0
        self._begun = True
        if start is None:
            return
        headers = {"Content-Range": f"bytes {start}-{self._size - 1}/{self._size}"} if start else {}
        with self._path.open("rb") as file, _progress(file, "read", self._path.name, self._size, start) as body:
            file.seek(start)
            # An empty file has no length to requests, which would send it in chunks.
            data = _Checked(body, self._check) if self._size else b""
            answer = requests.put(self._link, data=data, headers=headers, timeout=self._seconds)
        if not _complete(answer):
            raise TransientError(f"Kaggle: upload of {self._path.name}: only a part has arrived")

    def _arrived(self) -> int | None:
        """Return the number of bytes that Kaggle has; None if it has all of them."""
        headers = {"Content-Range": f"bytes */{self._size}"}
        answer = requests.put(self._link, headers=headers, timeout=self._seconds)
        if _complete(answer):
            return None
        arrived = _RANGE.fullmatch(answer.headers.get("Range", ""))
        start = int(arrived.group(1)) + 1 if arrived else 0
        # All of them, and yet not complete: once more from the beginning.
        return start if start < self._size else 0


def _complete(answer: requests.Response) -> bool:
    answer.raise_for_status()
    return answer.status_code in (HTTPStatus.OK, HTTPStatus.CREATED)


class _Checked:
    """A file to send, with a check before each part."""

    def __init__(self, file: Any, check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    def read(self, size: int = -1) -> Any:
        self._check()
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def save(answer: requests.Response, path: Path, check: Callable[[], None], *, start: int = 0) -> None:
    """Write a file that is being answered, a part at a time, with a check before each.

    Args:
        answer: has the content, or the rest of it.
        path: the file.
        check: an exception that it raises ends the writing.
        start: the bytes that the file has already.

    Raises:
        requests.RequestException: it ends before its time.
        OSError: the disk is full.
    """
    answer.raise_for_status()
    path.parent.mkdir(parents=True, exist_ok=True)
    size = int(answer.headers.get("Content-Length", 0))
    if size > shutil.disk_usage(path.parent).free:
        needed = f"{os.strerror(errno.ENOSPC)}, {size / 1e6:,.1f} MB are needed"
        raise OSError(errno.ENOSPC, needed, str(path))
    mode = "ab" if start else "wb"
    with path.open(mode) as file, _progress(file, "write", path.name, start + size, start) as sink:
        for chunk in answer.iter_content(_CHUNK):
            check()
            sink.write(chunk)


def save_resumably(answer: requests.Response, path: Path, seconds: float, check: Callable[[], None]) -> None:
    """Write a file that is being answered; one that was cut off before goes on where it ended (RFC 9110, 13.1.5).

    Until it is whole, its part and the tag of the part's version lie beside it.

    Args:
        answer: has the content from its beginning.
        path: the file.
        seconds: to wait for a connection, and for each part of an answer.
        check: an exception that it raises ends the writing.

    Raises:
        requests.RequestException: it ends before its time.
        OSError: the disk is full.
    """
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.tag")
    tag = answer.headers.get("ETag", "")
    is_begun = part.is_file() and note.is_file() and note.read_text(encoding="utf-8") == tag != ""
    begun = part.stat().st_size if is_begun else 0
    if begun:
        answer.close()
        headers = {"Range": f"bytes={begun}-", "If-Range": tag}
        with requests.get(answer.url, headers=headers, stream=True, timeout=seconds) as rest:
            # Another answer than a part is the whole, of another version.
            start = begun if rest.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            save(rest, part, check, start=start)
    else:
        part.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(tag, encoding="utf-8")
        save(answer, part, check)
    part.replace(path)
    note.unlink()


def unwrap(path: Path) -> None:
    """Replace a file by its content where Kaggle has packed it: an archive of one file of the same name.

    Kaggle sends larger files of a competition as archives, whatever their name (Kaggle/kaggle-cli,
    ``competition_download_file`` takes the name of the link).
    """
    if path.suffix == ".zip" or not zipfile.is_zipfile(path):
        return
    inside = path.with_name(f"{path.name}.unwrapped")
    with zipfile.ZipFile(path) as archive:
        if archive.namelist() != [path.name]:
            return
        with archive.open(path.name) as packed, inside.open("wb") as file:
            shutil.copyfileobj(packed, file, _CHUNK)
    inside.replace(path)


@contextmanager
def _progress(file: IO[bytes], method: str, name: str, size: int, start: int = 0) -> Iterator[Any]:
    """Yield the file with a progress bar, which a terminal shows after two seconds."""
    options: dict[str, Any] = {"desc": f"  {name}", "total": size or None, "initial": start, "delay": 2}
    with tqdm.wrapattr(file, method, disable=None, leave=False, **options) as wrapped:  # type: ignore[call-overload]
        yield wrapped
