"""Pins: one distribution each, where its file comes from, and how it gets into the kernel."""

import json
import re
from collections.abc import Iterable, Mapping
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
    MOUNTED = "mounted"
    """From another dataset that the kernel names, which has its wheel."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A distribution in the lock.

    Attributes:
        name: canonical.
        version: as the index has it.
        kind: how it gets into the kernel.
        hashes: SHA-256 of the files that may be taken, in hexadecimal; none for a Git commit.
        url: of a Git commit or an archive (PEP 508), or the place of a mounted wheel, ``owner/slug/name.whl``; empty
            for a distribution of the index.
        via: the distributions that require it.
        requires: the requirements of a mounted wheel, which not every machine has.
    """

    name: NormalizedName
    version: str
    kind: Kind = Kind.WHEEL
    hashes: tuple[str, ...] = ()
    url: str = ""
    via: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def is_source(self) -> bool:
        """Tell whether the downloaded file is a source."""
        return self.kind in (Kind.BUILT, Kind.SOURCE)

    @property
    def is_git(self) -> bool:
        """Tell whether it is a commit, which names its content as a hash does."""
        return self.url.startswith("git+")

    @property
    def is_own(self) -> bool:
        """Tell whether it is a wheel outside of any index: of the repository, of a dataset, or one with an address."""
        return self.kind == Kind.MOUNTED or (self.kind == Kind.WHEEL and bool(self.url))

    @property
    def place(self) -> tuple[str, str, str]:
        """Return the owner and the slug of a mounted wheel's dataset, and the wheel's path in it."""
        owner, slug, name = self.url.split("/", 2)
        return owner, slug, name

    @property
    def subdirectory(self) -> str:
        """Where in the source the project is, if not at its top."""
        return parse_qs(urldefrag(self.url).fragment).get("subdirectory", [""])[0]

    def requirement(self, *, hashes: bool = True) -> str:
        """Return the line that an installer reads."""
        target = f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"
        parts = [target]
        if hashes:
            parts += [f"--hash=sha256:{sha256}" for sha256 in self.hashes]
        return " \\\n    ".join(parts)

    def lines(self) -> str:
        """Return the requirement, followed by comments with the fields that an installer ignores."""
        lines = [self.requirement()]
        if self.url:
            lines.append(f"    # version: {self.version}")
        if self.kind != Kind.WHEEL:
            lines.append(f"    # kind: {self.kind}")
        if self.via:
            lines.append(f"    # via: {' '.join(self.via)}")
        if self.requires:
            lines.append(f"    # requires: {json.dumps(self.requires)}")
        return "\n".join(lines) + "\n"


def refuse_secrets(where: str, url: str) -> None:
    """Refuse a URL with credentials: locks are published.

    Raises:
        LockError: the URL has credentials, or is malformed.
    """
    try:
        has_credentials = _has_credentials(url)
    except ValueError:
        # Not the parser's words, which quote the URL's user and password.
        raise LockError(f"{where}: malformed URL", "Correct it.") from None
    if has_credentials:
        raise LockError(
            f"{where}: its URL has credentials, which the lock would publish",
            "Remove them; Git's credential helper or a netrc file gives them to pip and uv.",
        )


def _has_credentials(url: str) -> bool:
    parts = urlsplit(url)
    if parts.password:
        return True
    # The user of an SSH URL is a name, not a secret: ssh://git@…
    if parts.username not in (None, "git") and "ssh" not in parts.scheme:
        return True
    return any(_SECRET.search(name) for name, _ in parse_qsl(parts.query))


_SECRET = re.compile("token|key|secret|passw|sig|auth|cred", re.IGNORECASE)
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:==([\w.!+-]+)| @ ([^\s\\]+))(?: \\)?", re.ASCII)
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?")
_NOTE = re.compile(r"    # (version|kind|via|requires): (.+)")


def read_pins(lines: Iterable[str]) -> tuple[Pin, ...]:
    """Read what `Pin.lines` writes.

    Raises:
        ValueError: a line is neither that nor a comment; says which.
    """
    entries: list[dict[str, str]] = []
    for number, line in enumerate(lines, start=1):
        text = line.rstrip()
        pin, sha256, note = _PIN.fullmatch(text), _HASH.fullmatch(text), _NOTE.fullmatch(text)
        if pin:
            entries.append({"name": pin[1], "version": pin[2] or "", "url": pin[3] or "", "hashes": ""})
        elif sha256 and entries:
            entries[-1]["hashes"] += f" {sha256[1]}"
        elif note and entries:
            entries[-1][note[1]] = note[2]
        elif text and not text.startswith("#"):
            # The line itself is not quoted: it may be a URL with a password.
            raise ValueError(f"line {number} is not a line of a lock")
    return tuple(_pin(entry) for entry in entries)


def _pin(entry: Mapping[str, str]) -> Pin:
    return Pin(
        name=canonicalize_name(entry["name"]),
        version=str(Version(entry["version"])),
        kind=Kind(entry.get("kind", Kind.WHEEL)),
        hashes=tuple(entry["hashes"].split()),
        url=entry["url"],
        via=tuple(entry.get("via", "").split()),
        requires=_requirements(entry.get("requires", "[]")),
    )


def _requirements(text: str) -> tuple[str, ...]:
    lines = json.loads(text)
    if not isinstance(lines, list):
        raise ValueError(f"{text}: not a list of requirements")  # noqa: TRY004 - of a lock, as other malformed lines
    return tuple(map(str, lines))
