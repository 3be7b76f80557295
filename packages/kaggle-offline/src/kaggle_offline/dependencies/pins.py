"""Pins: one distribution each, where its file comes from, and how it gets into the kernel."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, parse_qsl, urldefrag, urlsplit

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.errors import LockError


class Kind(StrEnum):
    """How a distribution gets into the kernel."""

    WHEEL = "wheel"
    """As the index has it."""
    BUILT = "built"
    """From source, by a wheel that is built here: the index has none."""
    SOURCE = "source"
    """As source, built in the kernel: its wheel would be for this machine alone."""
    BUILDER = "builder"
    """Only while a source is built in the kernel."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A distribution as the lock has it.

    Attributes:
        name: canonical.
        version: as the index has it.
        kind: how it gets into the kernel.
        hashes: SHA-256 of the files that may be taken, in hexadecimal; none for a Git commit.
        url: of a Git commit or an archive (PEP 508); empty for a distribution of the index.
        via: the distributions that require it.
    """

    name: NormalizedName
    version: str
    kind: Kind = Kind.WHEEL
    hashes: tuple[str, ...] = ()
    url: str = ""
    via: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def is_source(self) -> bool:
        """Tell whether what is fetched is a source."""
        return self.kind in (Kind.BUILT, Kind.SOURCE)

    @property
    def is_git(self) -> bool:
        """Tell whether it is a commit, which names its content as a hash does."""
        return self.url.startswith("git+")

    @property
    def subdirectory(self) -> str:
        """Where in the source the project is, if not at its top."""
        return parse_qs(urldefrag(self.url).fragment).get("subdirectory", [""])[0]

    def requirement(self, *, hashes: bool = True) -> str:
        """The line that an installer reads."""
        target = f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"
        options = [f"--hash=sha256:{sha256}" for sha256 in self.hashes] if hashes else []
        return " \\\n    ".join([target, *options])

    def lines(self) -> str:
        """The requirement, and in comments what an installer need not know."""
        notes = {"version": self.version if self.url else "", "kind": self.kind if self.kind != Kind.WHEEL else ""}
        notes["via"] = " ".join(self.via)
        comments = [f"    # {key}: {value}" for key, value in notes.items() if value]
        return "\n".join([self.requirement(), *comments]) + "\n"


def refuse_secrets(what: str, url: str) -> None:
    """Refuse a URL that lets its reader in: what is locked is published.

    Raises:
        LockError: it has credentials, or is malformed.
    """
    try:
        parts = urlsplit(url)
        user = parts.username if "ssh" not in parts.scheme else None
        secret = parts.password or user not in (None, "git") or any(map(_SECRET.search, dict(parse_qsl(parts.query))))
    except ValueError:
        # Not the parser's words, which quote the URL's user and password.
        raise LockError(f"{what}: its URL is malformed", "Correct it.") from None
    if secret:
        raise LockError(
            f"{what}: its URL has credentials, which the lock would publish",
            "Require it without; Git's credential helper or a netrc file lets pip and uv in.",
        )


_SECRET = re.compile("token|key|secret|passw|sig|auth|cred", re.IGNORECASE)
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:==([\w.!+-]+)| @ ([^\s\\]+))(?: \\)?", re.ASCII)
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?")
_NOTE = re.compile(r"    # (version|kind|via): (.+)")


def read_pins(lines: Iterable[str]) -> tuple[Pin, ...]:
    """Read what `Pin.lines` writes.

    Raises:
        ValueError: a line is neither that nor a comment; says which.
    """
    entries: list[dict[str, str]] = []
    for number, line in enumerate(lines, start=1):
        text = line.rstrip()
        if pin := _PIN.fullmatch(text):
            entries.append({"name": pin[1], "version": pin[2] or "", "url": pin[3] or "", "hashes": ""})
        elif entries and (sha256 := _HASH.fullmatch(text)):
            entries[-1]["hashes"] += f" {sha256[1]}"
        elif entries and (note := _NOTE.fullmatch(text)):
            entries[-1][note[1]] = note[2]
        elif text and not text.startswith("#"):
            # Not the line itself: it may be a URL with a password.
            raise ValueError(f"line {number} is not one of a lock")
    return tuple(
        Pin(
            name=canonicalize_name(entry["name"]),
            version=str(Version(entry["version"])),
            kind=Kind(entry.get("kind", Kind.WHEEL)),
            hashes=tuple(entry["hashes"].split()),
            url=entry["url"],
            via=tuple(entry.get("via", "").split()),
        )
        for entry in entries
    )
