"""A package index on loopback: its wheels are written by the tests, and it says when they were uploaded (PEP 691)."""

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

from packaging.utils import canonicalize_name

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def write_wheel(
    name: str,
    version: str,
    *requirements: str,
    tag: str = "py3-none-any",
    files: dict[str, bytes] | None = None,
    python: str = "",
) -> bytes:
    """Return a wheel with a module of its name, or with other files; ``python`` is its Requires-Python."""
    stem = f"{name.replace('-', '_')}-{version}"
    contents = files if files is not None else {f"{name.replace('-', '_')}.py": b""}
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requirements)
    if python:
        metadata += f"Requires-Python: {python}\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for path, content in contents.items():
            wheel.writestr(path, content)
        wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
        wheel.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nTag: {tag}\n")
        records = [*contents, *(f"{stem}.dist-info/{part}" for part in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr(f"{stem}.dist-info/RECORD", "".join(f"{path},,\n" for path in records))
    return buffer.getvalue()


@dataclass
class PackageIndex:
    """The files of an index.

    Attributes:
        url: what `UV_DEFAULT_INDEX` and `PIP_INDEX_URL` are set to.
        files: the content of each file, by its name.
        days: when each was uploaded, such as ``"2024-05-01"``; files without a day have none.
        sizes: that the index states, by name; by default the files' own.
        yanked: the reasons of files that are yanked, by name.
        serves_metadata: whether the index has the wheels' metadata beside them (PEP 658), and serves parts of files.
        asked: the paths that were asked for.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    days: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    yanked: dict[str, str] = field(default_factory=dict)
    serves_metadata: bool = True
    asked: list[str] = field(default_factory=list)

    def add(
        self, name: str, version: str, *requirements: str, day: str = "2026-01-01", tag: str = "py3-none-any"
    ) -> None:
        """Add a wheel."""
        self.add_file(
            f"{name.replace('-', '_')}-{version}-{tag}.whl", write_wheel(name, version, *requirements, tag=tag), day
        )

    def add_file(self, file: str, content: bytes, day: str = "2026-01-01") -> None:
        """Add a file by its name."""
        self.files[file] = content
        self.days[file] = day

    def page(self, name: str) -> dict[str, Any]:
        """The page of a distribution."""
        of_name = [file for file in self.files if canonicalize_name(_name_of(file)) == name]
        return {
            "meta": {"api-version": "1.1"},
            "name": name,
            "versions": [],
            "files": [self._entry(file) for file in of_name],
        }

    def _entry(self, file: str) -> dict[str, Any]:
        content = self.files[file]
        entry = {
            "filename": file,
            "url": f"../../files/{file}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "size": self.sizes.get(file, len(content)),
            "yanked": self.yanked.get(file, False),
            "upload-time": f"{self.days[file]}T12:00:00.000000Z",
        }
        if self.serves_metadata and file.endswith(".whl"):
            entry["core-metadata"] = {"sha256": hashlib.sha256(_metadata_of(content)).hexdigest()}
        return entry


def _name_of(file: str) -> str:
    stem = file.removesuffix(".tar.gz")
    return file.split("-", maxsplit=1)[0] if file.endswith(".whl") else stem.rpartition("-")[0]


def _metadata_of(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        return archive.read(name)


def _span(wanted: str, size: int) -> range | None:
    """Return the part of a file that a header asks for; None for all of it."""
    match = _RANGE.fullmatch(wanted)
    if match is None or not size:
        return None
    if match[1]:
        return range(int(match[1]), min(int(match[2] or size), size - 1) + 1)
    return range(max(0, size - int(match[2])), size)


class _Handler(BaseHTTPRequestHandler):
    """Answers for one self.index."""

    index: PackageIndex
    password: str

    def do_HEAD(self) -> None:
        if self._knows():
            self._answer()

    def do_GET(self) -> None:
        self.index.asked.append(self.path)
        self.wfile.write(self._answer() if self._knows() else b"")

    def _knows(self) -> bool:
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if given.endswith(f":{self.password}") or not self.password:
            return True
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _answer(self) -> bytes:
        kind, _, rest = unquote(self.path).strip("/").partition("/")
        file, dot, _ = rest.rpartition(".metadata")
        content, media_type = b"", "application/octet-stream"
        if kind == "simple" and (page := self.index.page(rest))["files"]:
            content, media_type = json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json"
        elif kind == "files" and dot and self.index.serves_metadata and file in self.index.files:
            content = _metadata_of(self.index.files[file])
        elif kind == "files" and rest in self.index.files:
            content = self.index.files[rest]
        span = _span(self.headers.get("Range", ""), len(content)) if self.index.serves_metadata else None
        if span is None:
            self.send_response(200 if content else 404)
        else:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {span.start}-{span.stop - 1}/{len(content)}")
            content = content[span.start : span.stop]
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def package_index(password: str = "") -> Iterator[PackageIndex]:
    """Serve an index that is empty at first until the block ends, perhaps only to those who know its password."""
    index = PackageIndex()

    handler = type("Handler", (_Handler,), {"index": index, "password": password})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        index.url = f"http://127.0.0.1:{server.server_port}/simple/"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()
