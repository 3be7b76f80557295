"""The calls of a gateway in a rerun, as measured."""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "calls.json"


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The calls of a rerun's gateway, in seconds.

    Attributes:
        number: of calls.
        rows: of all calls together.
        start: from the start of the kernel until it listens.
        first: of the first call: without the wait for the kernel's start, with the gateway's search for the server.
        median: of the other calls; of the first if it is the only one.
        slowest: of the other calls; of the first if it is the only one.
        total: of all calls.
        depends_on_order: whether the answer to a row changes if the batch is asked for backwards.
        depends_on_size: whether it changes if half of the batch is asked for.
    """

    number: int
    rows: int
    start: float
    first: float
    median: float
    slowest: float
    total: float
    depends_on_order: bool = False
    depends_on_size: bool = False

    def projected(self, rows: int) -> float:
        """Return the seconds that so many rows would take, with the start, at the rate of all calls but the first."""
        rate = (self.total - self.first) / self.rows
        return self.start + self.first + rate * rows


def write_calls(folder: Path, lines: str, began: float, listening: float) -> None:
    """Write ``calls.json`` with the measures of the calls that `gateway_driver` has noted, at least one.

    Args:
        folder: of the submission.
        lines: of its file.
        began: when the kernel was started, in seconds since 1970.
        listening: when it listened.
    """
    entries = [json.loads(line) for line in lines.splitlines()]
    noted = [entry for entry in entries if isinstance(entry, list)]
    depends = entries[-1] if isinstance(entries[-1], dict) else {}
    # The first call may be over before somebody looks.
    listening = min(listening, noted[0][1])
    seconds = [end - max(start, listening) for start, end, _ in noted]
    others = seconds[1:] or seconds
    calls = Calls(
        number=len(noted),
        rows=sum(rows for _, _, rows in noted),
        start=round(max(0.0, listening - began), 3),
        first=round(seconds[0], 4),
        median=round(statistics.median(others), 4),
        slowest=round(max(others), 4),
        total=round(sum(seconds), 3),
        depends_on_order=depends.get("order", False),
        depends_on_size=depends.get("size", False),
    )
    (folder / _FILE).write_text(json.dumps(asdict(calls)) + "\n", encoding="ascii")


def read_calls(folder: Path) -> Calls | None:
    """Return the calls of the rerun in a submission's folder; None where there was none, or it was not measured."""
    try:
        return Calls(**json.loads((folder / _FILE).read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
