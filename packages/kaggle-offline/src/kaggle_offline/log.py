"""The log of a kernel's run, as Kaggle keeps it: what it says, and why a run failed."""

import json
import re
from dataclasses import dataclass

_LINES = 25


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """A run's log.

    Attributes:
        seconds: until its last event.
        lines: what the run printed.
    """

    seconds: float
    lines: tuple[str, ...]

    @property
    def missing_module(self) -> str:
        """The module that the run could not import, or an empty text."""
        found = re.findall(r"^ModuleNotFoundError: No module named '([^']+)'", "\n".join(self.lines), re.MULTILINE)
        return str(found[-1]) if found else ""

    @property
    def cause(self) -> str:
        """Why the run failed: what was missing, what the installer refused, or the last exception."""
        if self.missing_module:
            return f"it could not import the module {self.missing_module}"
        text = "\n".join(self.lines)
        refusals = re.findall(r"^install\.py: (.*)$", text, re.MULTILINE)
        exceptions = re.findall(r"^[\w.]*(?:Error|Exception|Exit|Interrupt)\b.*$", text, re.MULTILINE)
        return next(iter([*refusals, *reversed(exceptions)]), "")

    @property
    def end(self) -> str:
        """The last lines, set off from what is around them."""
        return "\n".join(f"  | {line}" for line in self.lines[-_LINES:])


def read_log(text: str) -> RunLog:
    """Read a log: a JSON array of events, or whatever text there is."""
    try:
        events = json.loads(text)
        seconds = max((float(event["time"]) for event in events), default=0.0)
        lines = "".join(str(event["data"]) for event in events).splitlines()
    except (ValueError, KeyError, TypeError):
        seconds, lines = 0.0, text.splitlines()
    return RunLog(seconds=seconds, lines=tuple(lines))
