"""Shell commands in code: IPython's lines, cells that a shell runs, and calls."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kaggle_offline.code.cells import logical_lines, magics, nodes_of

SHELLS = (
    "os.system",
    "os.popen",
    "get_ipython().system",
    "getoutput",
    *(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")),
)
"""Calls that run a command, by the ends of their names."""
SAYS = re.compile(
    r"(?:^|\.)(?:print|warn|warning|info|debug|error|exception|critical|log|\w*(?:Error|Exit|Exception))$"
)
"""Calls that say something of a command or a path, rather than use it, by the ends of their names."""
_SHELL_CELL = re.compile(r"\s*%%(?:bash|sh|script|!)\b")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A shell command in code.

    Attributes:
        line: its number, from 1.
        text: the code.
        command: the shell's part of it.
    """

    line: int
    text: str
    command: str


def commands(code: str) -> list[Command]:
    """Return the shell commands in code: IPython's lines, cells of a shell, calls with a text or a list."""
    found: list[Command] = []
    if _SHELL_CELL.match(code):
        _, *rest = logical_lines(code)
        for number, line in rest:
            text = line.strip()
            if text and not text.startswith("#"):
                found.append(Command(line=number, text=text, command=text))
        return found
    for number, line in magics(code):
        found.append(Command(line=number, text=line.strip(), command=line.partition("!")[2] or line.strip(" %")))
    for node in nodes_of(code):
        if isinstance(node, ast.Call) and node.args and is_called(ast.unparse(node.func), SHELLS):
            found.append(Command(line=node.lineno, text=ast.unparse(node), command=" ".join(words_of(node.args[0]))))
    return sorted(found, key=lambda command: command.line)


def is_called(name: str, ends: tuple[str, ...]) -> bool:
    """Tell whether a dotted name ends with one of some dotted names."""
    return any(name == end or name.endswith(f".{end}") for end in ends)


def words_of(node: ast.expr) -> Iterator[str]:
    """Yield the words of a command, of a list or a text; an expression that is not a text is a word of its own."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.List | ast.Tuple):
        for part in node.elts:
            yield from words_of(part)
    elif isinstance(node, ast.JoinedStr):
        # In an f-string, … stands for a value.
        words = []
        for part in node.values:
            word = str(part.value) if isinstance(part, ast.Constant) else "…"
            words.append(word)
        yield "".join(words)
    else:
        yield ast.unparse(node)
