"""Output that cannot steer the reader's terminal or the workflow run.

Logs, file names and messages come from kernels and from Kaggle. Whatever prints them, it goes through here.
"""

import io
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO
from unicodedata import category

# GitHub's runner obeys a line that starts with `::`, white space aside, and `##[` anywhere in a line
# (actions/runner, src/Runner.Common/ActionCommand.cs).
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Codes of ECMA-48, 8.3.117.
_STYLES = {"bad": "1;31", "good": "1;32", "strong": "1"}
_COMMAND = re.compile(r"^(\s*:)(?=:)|(##)(?=\[)")


def printable(text: str) -> str:
    """Return a text that came from elsewhere without the characters that steer a terminal."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    is_harmless = character.isprintable() or character in "\n\t" or category(character) == "Zs"
    return character if is_harmless else _REPLACEMENT


class _SafeStream(io.TextIOBase):
    """Writes to another stream what `printable` leaves, and no line that GitHub's runner would obey.

    Carriage returns pass, for progress bars; the text after one is checked like a new line, as the runner does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        # The part of the line that decides the meaning of the next characters.
        self._line = ""

    def write(self, text: str) -> int:
        """Write a text, which may be part of a line."""
        with self._lock:
            for piece in re.split(r"(?<=[\r\n])", text):
                line = self._line + piece
                self._stream.write(_safe(line)[len(_safe(self._line)) :])
                self._line = _what_counts(line)
        return len(text)

    def write_styled(self, text: str, style: str) -> None:
        """Write a text in a style of `print_styled`, of which the text itself has no part."""
        self._stream.write(f"\x1b[{_STYLES[style]}m")
        self.write(text)
        self._stream.write("\x1b[0m")

    def flush(self) -> None:
        # Python closes this one when nobody has it any more, which flushes it; the other may be closed before.
        if not self._stream.closed:
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The other stream's, which progress bars ask for."""
        return self._stream.encoding


def _what_counts(line: str) -> str:
    if line.endswith(("\r", "\n")):
        return ""
    begun = line.lstrip()
    return begun if begun in ("", ":") else f"x{line[-2:]}"


def _safe(line: str) -> str:
    """Return a line, or the beginning of one, such that more of it begins with the same."""
    end = "\r" if line.endswith("\r") else ""
    return _COMMAND.sub(r"\g<0> ", printable(line.removesuffix("\r"))) + end


def print_styled(text: str, style: str, *, file: TextIO | None = None, end: str = "\n") -> None:
    """Print a text in a style, if `safe_output` is in place, the stream is a terminal, and ``NO_COLOR`` is not set.

    Args:
        text: may come from elsewhere.
        style: ``bad``, ``good`` or ``strong``.
        file: standard output by default.
        end: printed after the text, without the style.
    """
    stream = file or sys.stdout
    # https://no-color.org: any value but an empty one.
    is_plain = os.environ.get("NO_COLOR", "") != "" or os.environ.get("TERM") == "dumb"
    if isinstance(stream, _SafeStream) and stream.isatty() and not is_plain:
        stream.write_styled(text, style)
        text = ""
    print(text, end=end, file=stream, flush=True)


@contextmanager
def safe_output() -> Iterator[None]:
    """Neutralize all that is written to standard output and standard error until the block ends.

    Raises:
        SystemExit: an unexpected exception was raised; its traceback is neutralized, too.
    """
    for stream in (sys.stdout, sys.stderr):
        # A kernel can print characters that the terminal cannot encode.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with redirect_stdout(_SafeStream(sys.stdout)), redirect_stderr(_SafeStream(sys.stderr)):
        try:
            yield
        except Exception:  # noqa: BLE001 - printed
            traceback.print_exc()
            sys.exit(1)
