"""Cells of a notebook or script, read without running them: IPython's syntax on top of Python's."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

# IPython runs these without a % before them; looked for only in cells that are not Python.
_BARE_COMMAND = re.compile(r"\s*(?:cat|cd|cp|ls|mkdir|mv|pwd|rm|rmdir)(?:\s+[^\s=(].*)?\s*$")
# A cell for another program than Python: it begins with a magic, other than these.
CELL_MAGIC = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun)\b)")
_WRITES_MODULE = re.compile(r"\s*%%writefile\s+(?:-a\s+)?(?:\./)?(\w+)\.py[ \t]*\n")


def without_magics(code: str) -> str:
    """Return the code without IPython's lines, for Python to parse; all other lines keep their numbers.

    A cell for another program than Python becomes empty.
    """
    if CELL_MAGIC.match(code):
        return ""
    return "\n".join(_without_magics(code.split("\n"))[0])


def magics(code: str) -> list[tuple[int, str]]:
    """Return IPython's lines with their numbers, from 1; lines that a backslash continues are one.

    A cell that is Python has none; of one for another program it is the first.
    """
    if parsed(code) is not None:
        return []
    lines = code.split("\n")
    if CELL_MAGIC.match(code):
        first = code[: code.index("%%")].count("\n")
        return [(first + 1, lines[first])]
    _, spans = _without_magics(lines)
    return [(span.start + 1, "\n".join(lines[span.start : span.stop])) for span in spans]


def _without_magics(lines: list[str]) -> tuple[list[str], list[range]]:
    """Replace IPython's lines by ``pass``, as a block may hold nothing else; return the lines, and where theirs were.

    IPython finds its syntax among Python's tokens, one piece after the other: what looks like it inside a string
    stays. Its own transformation is not used, since it joins lines.
    """
    # Half a second, which only cells that are not Python cost.
    from IPython.core.inputtransformer2 import (
        TransformerManager,
        find_end_of_continued_line,
        make_tokens_by_line,
    )

    spans: list[range] = []
    ended = [f"{line}\n" for line in lines]
    first = next((number for number, line in enumerate(ended) if line.strip()), 0)
    if ended[first].lstrip().startswith("%%"):
        spans.append(_blank(ended, first, first))
    finders: list[Any] = TransformerManager().token_transformers  # type: ignore[no-untyped-call]
    while True:
        try:
            tokens = make_tokens_by_line(ended)
        except SyntaxError:
            break
        found = [finder.find(tokens) for finder in finders]
        found = [piece for piece in found if piece is not None]
        if not found:
            break
        first = min(piece.start_line for piece in found)
        last = min(find_end_of_continued_line(ended, first), len(ended) - 1)
        spans.append(_blank(ended, first, last))
    if parsed("".join(ended)) is None:
        for number, line in enumerate(ended):
            if _BARE_COMMAND.match(line):
                spans.append(_blank(ended, number, number))
    return [line.removesuffix("\n") for line in ended], sorted(spans, key=lambda span: span.start)


def _blank(lines: list[str], first: int, last: int) -> range:
    lines[first] = f"{indent(lines[first])}pass\n"
    for number in range(first + 1, last + 1):
        lines[number] = "\n"
    return range(first, last + 1)


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
