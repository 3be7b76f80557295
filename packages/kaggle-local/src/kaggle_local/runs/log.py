"""The log of a run, as Kaggle keeps it: events with ``stream_name``, ``time`` in seconds and ``data``."""

import json
import subprocess
import threading
import time
from collections import deque
from typing import IO, TypedDict

# Characters of a log that are kept, the last ones, and of one line of it.
MAXIMUM_LOG = 20_000_000
_LINE = 1_000_000

# The cost of an event in memory beside its text.
_EVENT = 250
# Seconds that readers have for the rest.
_PATIENCE = 10
_STREAMS = ("stdout", "stderr")


class Event(TypedDict):
    """One piece of a run's output; ``time`` counts in seconds from its start."""

    stream_name: str
    time: float
    data: str


class RunLog:
    """Collects the output of a run, and can be read meanwhile."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._size = 0
        self._dropped = 0
        self._events: deque[Event] = deque()
        self._readers: list[threading.Thread] = []

    def read(self, process: subprocess.Popen[str], *, events: bool) -> None:
        """Collect a process's output; its standard output has the notebook driver's events, or lines."""
        assert process.stdout is not None
        assert process.stderr is not None
        read = self._read_events if events else self._read_lines
        self._readers = [
            threading.Thread(target=read, args=(process.stdout, "stdout")),
            threading.Thread(target=self._read_lines, args=(process.stderr, "stderr")),
        ]
        for reader in self._readers:
            reader.daemon = True
            reader.start()

    def finish(self) -> None:
        """Wait for the end of the process's output, unless another process holds it open."""
        for reader in self._readers:
            reader.join(timeout=_PATIENCE)

    def since(self, number: int) -> tuple[list[Event], int]:
        """Return the events from a number on, as far as they are kept, and the number of the next one."""
        with self._lock:
            events = list(self._events)[max(0, number - self._dropped) :]
            return events, self._dropped + len(self._events)

    def to_json(self) -> str:
        """Return all events, a line each."""
        return "[" + ",\n".join(json.dumps(event) for event in self.since(0)[0]) + "]\n"

    def add(self, stream_name: str, data: str, seconds: float | None = None) -> None:
        """Keep an event, and drop the oldest where there are too many: memory is the server's."""
        elapsed = time.monotonic() - self._started if seconds is None else seconds
        with self._lock:
            self._events.append({"stream_name": stream_name, "time": round(elapsed, 3), "data": data})
            self._size += len(data) + _EVENT
            while self._size > MAXIMUM_LOG:
                self._size -= len(self._events.popleft()["data"]) + _EVENT
                self._dropped += 1

    def _read_events(self, stream: IO[str], name: str) -> None:
        # The kernel can write here too: any text that is not an event is a line.
        for line in iter(lambda: stream.readline(_LINE), ""):
            try:
                event = json.loads(line)
                stream_name, seconds, data = event["stream_name"], float(event["time"]), event["data"]
                if stream_name not in _STREAMS or not isinstance(data, str):
                    raise ValueError(line)
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                self.add(name, line)
            else:
                self.add(stream_name, data, seconds)

    def _read_lines(self, stream: IO[str], name: str) -> None:
        for line in iter(lambda: stream.readline(_LINE), ""):
            self.add(name, line)
