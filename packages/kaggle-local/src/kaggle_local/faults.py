"""What goes wrong on demand, so that any client's behaviour under it can be tested."""

import threading
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from kaggle_local.errors import FaultError

Reset = Literal["before", "after"]
Bad = Literal["failed", "stuck"]

_PLACES = ("upload", "download", "processing", "run")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which something goes wrong, a number of times.

    Attributes:
        on: a method such as ``datasets.DatasetApiService/CreateDataset``, ``*`` for any, ``upload`` or
            ``download`` for the bytes of files, ``processing`` for that of versions, ``run`` for kernels'.
        times: how often, from now on.
        status: an HTTP status to answer instead of doing it.
        retry_after: seconds in that answer's ``Retry-After``.
        delay: seconds to wait before anything else.
        reset: the connection is reset before the effect, or after it.
        keep_bytes: of an upload this many bytes are taken, then the connection is reset.
        outcome: of a processing or a run: it fails, or never ends.
    """

    on: str
    times: int = 1
    status: int | None = None
    retry_after: int | None = None
    delay: float = 0.0
    reset: Reset | None = None
    keep_bytes: int | None = None
    outcome: Bad | None = None

    def __post_init__(self) -> None:
        """Refuse what would never come about.

        Raises:
            FaultError: a value is not of its kind, or does not go with the place.
        """
        if "/" not in self.on and self.on not in ("*", *_PLACES):
            raise FaultError(f"no place is called {self.on!r}", f"Known are a method, * and {', '.join(_PLACES)}.")
        for name, known in (("reset", get_args(Reset)), ("outcome", get_args(Bad))):
            if getattr(self, name) not in (None, *known):
                raise FaultError(f"{name}: {getattr(self, name)!r}", f"Known are {', '.join(known)}.")
        if (self.outcome is not None) != (self.on in ("processing", "run")):
            raise FaultError(f"{self.on}: outcome {self.outcome}", "Processing and runs have one, nothing else has.")
        if self.keep_bytes is not None and self.on != "upload":
            raise FaultError(f"{self.on}: keep_bytes", "Only an upload can be cut off.")


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
        """The next fault for a method or a place, which has then come about once; ``size`` is that of the request."""
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
        """How the next processing or run is to end, if not by itself."""
        fault = self.take(place)
        return fault.outcome if fault else None


def read_faults(document: Any) -> list[Fault]:
    """Faults from plain data: a list of objects with the attributes of `Fault`.

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
        if not isinstance(entry["on"], str):
            raise FaultError(f"on: {entry['on']!r}", "It must be a text.")
        for name in ("times", "status", "retry_after", "delay", "keep_bytes"):
            value = entry.get(name, 1)
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise FaultError(f"{name}: {value!r}", "It must be a number.")
        faults.append(Fault(**entry))
    return faults
