"""The log of a kernel's run, as Kaggle keeps it, and the cause of a failure."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from kaggle_local.terminal import printable

from kaggle_offline.environment import command

LINES = 25
"""How many lines of a log's end an error shows."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """A run's log.

    Attributes:
        seconds: until its last event.
        lines: the output of the run.
    """

    seconds: float
    lines: tuple[str, ...]

    @property
    def exception(self) -> str:
        """The installer's refusal, or the last exception, or an empty text."""
        text = "\n".join(self.lines)
        refusals = re.findall(r"^install\.py: (.*)$", text, re.MULTILINE)
        exceptions = re.findall(
            r"^(?:[\w.]*(?:Error|Exception|Exit|Interrupt|Timeout|Expired)|StopIteration)\b.*$", text, re.MULTILINE
        )
        return next(iter([*refusals, *reversed(exceptions)]), "")

    @property
    def end(self) -> str:
        """The last lines, set off from the text around them."""
        return "\n".join(f"  | {line}" for line in self.lines[-LINES:])

    def misses(self, datasets: Collection[str]) -> bool:
        """Tell whether the run ended as one of ``datasets`` (slugs) was not mounted, or in another version.

        Kaggle can mount the previous version, or nothing, for minutes after a new one is ready (reported live).
        """
        # A model's has framework, variation and version behind it.
        names = "|".join(rf"{re.escape(dataset)}(?:/\S+)?" for dataset in datasets)
        missing = rf"(?:{names}): another version is mounted|(?:{names}) is not among this kernel's inputs"
        return bool(re.search(rf"{missing}|this kernel was made for \S+, but \S+ is mounted", self.exception))


@dataclass(frozen=True)
class Cause:
    """Why a run failed, in words, and what to do about it."""

    text: str
    cure: str


_AGAIN = "Then run freeze and push again."

# The usual causes, by patterns of the last exception or Kaggle's message; the first that fits counts.
_LOCK_ANEW = command("lock", "--upgrade")
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"No module named '([^']+)'|cannot import name '([^']+)'|(\S+): cannot open shared object file",
        "it could not import {}",
        f"Add what provides it to the package's dependencies; if it is there, run: {_LOCK_ANEW}. {_AGAIN}",
    ),
    (
        r"(?i)out ?of ?memory|memoryerror|more memory|to allocate|allocate memory|kernel died|alloc_?failed|bad_alloc",
        "it ran out of memory",
        "Predict in smaller batches, keep less at a time, or read inputs as they are needed. " + _AGAIN,
    ),
    (
        r"(?i)name resolution|network is unreachable|connect ?timeout|connection timed out|establish a new connection",
        "it wanted the network, which it does not have",
        "Ship its downloads: packages as requirements, weights as checkpoints. " + _AGAIN,
    ),
    (
        r"(?i)longer than its limit|time ?-?out|timed out|time limit|max(?:imum)? allowed (?:execution|run)",
        "it ran out of time",
        "Predict less per image, a smaller input or model for instance, or use an accelerator. " + _AGAIN,
    ),
    (
        r"(\S+): another version is mounted|this kernel was made for (\S+), but \S+ is mounted",
        "Kaggle mounted another version than that of {}",
        "Run push again in some minutes: Kaggle mounts a new version late.",
    ),
    (
        r"FileNotFoundError.*/kaggle/input/competitions/[^/']+/([^']+)'",
        "the competition's data lack {}",
        "Correct the name; in a rehearsal, let [rehearsal] write the file: among its files, or by its command. "
        + _AGAIN,
    ),
    (
        r"(?:FileNotFound|NotADirectory)Error.*/kaggle/input|StopIteration|not among this kernel's inputs",
        "it missed an input",
        "Name its inputs in kernel-metadata.json, and find them below /kaggle/input under both layouts. " + _AGAIN,
    ),
)


def cause_of(failure: str, log: RunLog) -> Cause:
    """Return the cause of a failed run: import, memory, network, time or input; else its exception.

    Args:
        failure: Kaggle's message.
        log: of the run.
    """
    # The end of a run says more than its beginning.
    for text in (failure, log.exception):
        for pattern, words, cure in _CAUSES:
            found = re.search(pattern, text)
            if found:
                named = next((group for group in found.groups() if group), "")
                return Cause(words.format(named), cure)
    return Cause(log.exception or failure or "no reason is given", "Correct it, then run freeze and push again.")


def read_log(text: str) -> RunLog:
    """Read a log: a JSON array of events, or whatever text there is."""
    try:
        events = json.loads(text)
        seconds = max((float(event["time"]) for event in events), default=0.0)
        lines = "".join(str(event["data"]) for event in events).splitlines()
    except (ValueError, KeyError, TypeError, RecursionError):
        seconds, lines = 0.0, text.splitlines()
    return RunLog(seconds=seconds, lines=tuple(map(plain, lines)))


def plain(line: str) -> str:
    """Return a line without colours, and without other characters that steer a terminal."""
    return printable(_COLOUR.sub("", line))
