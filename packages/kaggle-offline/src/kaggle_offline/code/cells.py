"""Cells of a notebook or script, read without running them: what IPython adds to Python, and what is left of it."""

import ast
import json
import re
from collections.abc import Iterator

# An own line of IPython's.
MAGIC = re.compile(r"\s*(?:[\w, ]+=\s*)?(?:!|%{1,2}(?=\w))")
# IPython's help, and what it takes without a sign before it; they are looked for where a cell is no Python else.
HELP = re.compile(
    r"\s*(?:\?{1,2}[\w.]+|%{0,2}[\w.]+\?{1,2}|(?:cat|cd|cp|ls|mkdir|mv|pwd|rm|rmdir)(?:\s+[^\s=(].*)?)\s*$"
)
# A cell that begins so is handed to another than Python, but for these.
CELL_MAGIC = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun)\b)")
_WRITES_MODULE = re.compile(r"\s*%%writefile\s+(?:-a\s+)?(?:\./)?(\w+)\.py[ \t]*\n")


def without_magics(code: str) -> str:
    """The code without IPython's own lines, so that Python can parse it; all others stay where they are.

    A cell that is handed to another program than Python becomes empty.
    """
    if CELL_MAGIC.match(code):
        return ""
    lines = code.split("\n")
    for first, line in logical_lines(code):
        if MAGIC.match(line) or HELP.match(line):
            # A block may hold nothing else.
            lines[first - 1] = f"{indent(line)}pass"
            for number in range(first, first + line.count("\n")):
                lines[number] = ""
    return "\n".join(lines)


def parse(code: str) -> ast.Module | None:
    """The code's syntax tree; None where it is no Python, IPython's own lines aside."""
    return parsed(code) or parsed(without_magics(code))


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of code that is Python as it stands; else None."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def indent(line: str) -> str:
    """The blanks that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def why_no_python(code: str) -> str | None:
    """The line, counted from 1, and the reason for which code is no Python; None where it is."""
    if parse(code) is not None:
        return None
    try:
        ast.parse(without_magics(code))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or "too deep"
    return None


def logical_lines(code: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that a backslash continues as one, with the line's end within."""
    lines = code.split("\n")
    number = 0
    while number < len(lines):
        first, line = number, lines[number]
        while line.rstrip().endswith("\\") and number + 1 < len(lines):
            number += 1
            line = f"{line}\n{lines[number]}"
        yield first + 1, line
        number += 1


def module_written(code: str) -> tuple[str, str] | None:
    """The module that a cell writes, by name and text; None of any other cell."""
    match = _WRITES_MODULE.match(code)
    return (match[1], code[match.end() :]) if match else None


def cells_of(code: str) -> list[str]:
    """The sources of a notebook's cells, which is what Kaggle keeps of it as it is; a script is one cell.

    Source that comes back with other ends of lines is the same source.
    """
    try:
        cells = ["".join(cell["source"]) for cell in json.loads(code)["cells"]]
    except (ValueError, KeyError, TypeError):
        cells = [code.strip()]
    return [cell.replace("\r\n", "\n") for cell in cells]
