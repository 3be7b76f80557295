"""Faults on demand, so that any client's behaviour under them can be tested."""

import re
import threading
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from kaggle_local.errors import FaultError

Reset = Literal["before", "after"]
Bad = Literal["failed", "stuck"]

_PLACES = ("upload", "download", "log", "processing", "run")
_METHOD = re.compile(r"[A-Za-z.]+Service/[A-Za-z]+")
_EFFECTS = ("status", "delay", "reset", "body", "stale", "keep_bytes", "outcome")

# The least that each number may be.
_NUMBERS = {"times": 1, "status": 400, "retry_after": 0, "keep_bytes": 1}
_HIGHEST_STATUS = 599
_LONGEST = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which something goes wrong, a number of times.

    Attributes:
        on: a method such as ``datasets.DatasetApiService/CreateDataset``, ``*`` for any, ``upload`` or
            ``download`` for the bytes of files, ``log`` for the stream of a run's, ``processing`` for that
            of versions, ``run`` for kernels'.
        times: how often, from now on.
        status: an HTTP status to answer instead of doing it.
        retry_after: seconds in that answer's ``Retry-After``.
        delay: seconds to wait before anything else, a status too.
        reset: the connection is reset before the effect, or after it.
        body: the answer, with status 200, instead of doing it; it may be empty.
        stale: the first of these times is as it should be, and the same request is answered with the same
            again the other times, without doing it.
        keep_bytes: of an upload this many bytes are taken, then the connection is reset.
        outcome: of a processing or a run: it fails, or never ends.
    """

    on: str
    times: int = 1
    status: int | None = None
    retry_after: int | None = None
    delay: float = 0.0
    reset: Reset | None = None
    body: str | None = None
    stale: bool = False
    keep_bytes: int | None = None
    outcome: Bad | None = None

    def __post_init__(self) -> None:
        """Refuse a fault that could never happen.

        Raises:
            FaultError: a value is not of its kind, or does not go with the place.
        """
        if not isinstance(self.on, str) or (self.on not in ("*", *_PLACES) and not _METHOD.fullmatch(self.on)):
            raise FaultError(f"no place is called {self.on!r}", f"Known are a method, * and {', '.join(_PLACES)}.")
        for name, least in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise FaultError(f"{name}: {value!r}", f"It must be a whole number, {least} or more.")
        if isinstance(self.delay, bool) or not isinstance(self.delay, int | float) or not 0 <= self.delay <= _LONGEST:
            raise FaultError(f"delay: {self.delay!r}", f"It must be seconds, from 0 to {_LONGEST}.")
        if not isinstance(self.stale, bool) or not isinstance(self.body, str | None):
            raise FaultError(
                f"stale or body: {self.stale!r}, {self.body!r}", "The one is true or false, the other text."
            )
        for name, known in (("reset", get_args(Reset)), ("outcome", get_args(Bad))):
            if getattr(self, name) not in (None, *known):
                raise FaultError(f"{name}: {getattr(self, name)!r}", f"Known are {', '.join(known)}.")
        self._check_effect()

    def _check_effect(self) -> None:
        effects = [name for name in _EFFECTS if getattr(self, name) not in (None, 0.0)]
        if len(effects) != 1 and effects != ["status", "delay"]:
            raise FaultError(f"{self.on}: {' and '.join(effects) or 'no effect'}", f"One of {', '.join(_EFFECTS)}.")
        if ("outcome" in effects) != (self.on in ("processing", "run")):
            raise FaultError(f"{self.on}: {effects[0]}", "Processing and runs have an outcome, nothing else has.")
        if self.keep_bytes is not None and self.on != "upload":
            raise FaultError(f"{self.on}: keep_bytes", "Only an upload can be cut off.")
        if self.status is not None and self.status > _HIGHEST_STATUS:
            raise FaultError(f"status: {self.status}", f"From {_NUMBERS['status']} to {_HIGHEST_STATUS}.")
        if self.retry_after is not None and self.status is None:
            raise FaultError(f"{self.on}: retry_after", "It goes with a status.")


class Faults:
    """The faults that are still to come, in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[list[Any]] = []

    def add(self, *faults: Fault) -> None:
        """Have these come about."""
        with self._lock:
            self._faults += [[fault, fault.times] for fault in faults]

    def clear(self) -> None:
        """Let nothing more go wrong."""
        with self._lock:
            self._faults.clear()

    def take(self, place: str, size: float = 0) -> Fault | None:
        """Return the next fault for a method or a place, and count it; ``size`` is that of the request."""
        with self._lock:
            for entry in self._faults:
                fault: Fault = entry[0]
                if fault.keep_bytes is not None and size <= fault.keep_bytes:
                    continue  # nothing would be cut off
                if fault.on == place or (fault.on == "*" and "/" in place):
                    entry[1] -= 1
                    if entry[1] == 0:
                        self._faults.remove(entry)
                    return fault
        return None

    def outcome(self, place: str) -> Bad | None:
        """Return the simulated end of the next processing or run; empty for its own."""
        fault = self.take(place)
        return fault.outcome if fault else None


def read_faults(document: Any) -> list[Fault]:
    """Return the faults from plain data: a list of objects with the attributes of `Fault`.

    Raises:
        FaultError: it is not that.
    """
    if not isinstance(document, list) or not all(isinstance(entry, Mapping) for entry in document):
        raise FaultError("faults are a list of objects", 'For instance [{"on": "upload", "status": 503}].')
    kinds = {field.name: field for field in fields(Fault)}
    faults = []
    for entry in document:
        unknown = sorted(set(entry) - set(kinds))
        missing = [n for n, f in kinds.items() if f.default is MISSING and n not in entry]
        if unknown or missing:
            raise FaultError(f"a fault has no {(unknown or missing)[0]!r}", f"Its attributes are {', '.join(kinds)}.")
        faults.append(Fault(**entry))
    return faults
