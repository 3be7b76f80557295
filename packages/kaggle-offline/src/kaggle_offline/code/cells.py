"""Cells of a notebook or script, read without running them: IPython's syntax on top of Python's."""

import ast
import json
import re
from collections.abc import Iterator

# A line that only IPython understands.
MAGIC = re.compile(r"\s*(?:[\w, ]+=\s*)?(?:!|%{1,2}(?=\w))")
# IPython's help, and its commands without a % before them; looked for only in cells that are not Python.
HELP = re.compile(
    r"\s*(?:\?{1,2}[\w.]+|%{0,2}[\w.]+\?{1,2}|(?:cat|cd|cp|ls|mkdir|mv|pwd|rm|rmdir)(?:\s+[^\s=(].*)?)\s*$"
)
# A cell for another program than Python: it begins with a magic, other than these.
CELL_MAGIC = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun)\b)")
_WRITES_MODULE = re.compile(r"\s*%%writefile\s+(?:-a\s+)?(?:\./)?(\w+)\.py[ \t]*\n")


def without_magics(code: str) -> str:
    """Return the code without IPython's lines, for Python to parse; all other lines keep their numbers.

    A cell for another program than Python becomes empty.
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
    """Return the code's syntax tree without IPython's lines; None if the rest is not Python."""
    return parsed(code) or parsed(without_magics(code))


def parsed(code: str) -> ast.Module | None:
    """Return the syntax tree of code without IPython's lines; None if it is not Python."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def nodes_of(code: str) -> Iterator[ast.AST]:
    """Yield the nodes of the code's syntax tree; none if it is not Python."""
    tree = parse(code)
    if tree is not None:
        yield from ast.walk(tree)


def indent(line: str) -> str:
    """Return the blanks at the beginning of a line."""
    return line[: len(line) - len(line.lstrip())]


def why_no_python(code: str) -> str | None:
    """Return the line, from 1, and the reason why code is not Python; None if it is."""
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
    """Yield lines with their numbers; lines that a backslash continues are one, with the line end inside."""
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
    """Return the name and text of the module that a cell writes; None for any other cell."""
    match = _WRITES_MODULE.match(code)
    return (match[1], code[match.end() :]) if match else None


def cells_of(code: str) -> list[str]:
    """Return the sources of a notebook's cells, which Kaggle keeps unchanged; a script is one cell.

    Line ends are normalised: Kaggle may return others.
    """
    try:
        cells = ["".join(cell["source"]) for cell in json.loads(code)["cells"]]
    except (ValueError, KeyError, TypeError):
        cells = [code.strip()]
    return [cell.replace("\r\n", "\n") for cell in cells]
