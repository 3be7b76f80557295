"""Cells of a notebook or script, read without running them: IPython's syntax on top of Python's."""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

# IPython runs these without a % before them; looked for only in cells that are not Python.
_BARE_COMMAND = re.compile(r"\s*(?:cat|cd|conda|cp|ls|mamba|mkdir|mv|pip|pwd|rm|rmdir)(?:\s+[^\s=(].*)?\s*$")
# A cell for another program than Python: it begins with a magic, other than these.
CELL_MAGIC = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun)\b)")
# As many pieces of its syntax IPython itself looks for in a cell (TransformerManager.do_token_transforms).
_MOST_MAGICS = 500
_WRITES_MODULE = re.compile(
    r"\s*%%(?:writefile|file)\s+(?:-a\s+)?(?P<quote>['\"]?)(?P<path>[^\s'\"]+\.py)(?P=quote)[ \t]*(?:#[^\n]*)?\n"
)
_WORKING = ("/kaggle/working/", "./")


def without_magics(code: str) -> str:
    """Return the code without IPython's lines, for Python to parse; all other lines keep their numbers.

    A cell for another program than Python becomes empty.
    """
    if CELL_MAGIC.match(code):
        return ""
    return _without_magics(code)[0]


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
    _, spans = _without_magics(code)
    return [(span.start + 1, "\n".join(lines[span.start : span.stop])) for span in spans]


@lru_cache(maxsize=64)
def _without_magics(code: str) -> tuple[str, tuple[range, ...]]:
    """Replace IPython's lines by ``pass``, as a block may hold nothing else; return the code, and where theirs were.

    IPython finds its syntax among Python's tokens, one piece after the other: what looks like it inside a string
    stays. Its own transformation is not used, since it joins lines.
    """
    # Importing this takes half a second; only cells that are not plain Python need it.
    from IPython.core.inputtransformer2 import TransformerManager, find_end_of_continued_line, make_tokens_by_line

    spans: list[range] = []
    # No Python has a null character, and at one the tokenizer of Python 3.12.1 can end the process's work.
    lines = [f"{line}\n" for line in code.replace("\0", "\ufffd").split("\n")]
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        spans.append(_blank(lines, first, first))
    finders: list[Any] = TransformerManager().token_transformers  # type: ignore[no-untyped-call]
    for _ in range(_MOST_MAGICS):
        try:
            tokens = make_tokens_by_line(lines)
        except (SyntaxError, ValueError):
            break
        piece = _first_piece([finder.find(tokens) for finder in finders], lines)
        if piece is None:
            break
        # Help ends with its question mark, a magic or command with the line that no backslash continues.
        last = max(find_end_of_continued_line(lines, piece.start_line), getattr(piece, "q_line", 0))
        spans.append(_blank(lines, piece.start_line, min(last, len(lines) - 1)))
    if parsed("".join(lines)) is None:
        for number, line in enumerate(lines):
            if _BARE_COMMAND.match(line):
                spans.append(_blank(lines, number, number))
    text = "".join(lines).removesuffix("\n")
    return text, tuple(sorted(spans, key=lambda span: span.start))


def _first_piece(found: Sequence[Any], lines: list[str]) -> Any:
    """Return the first piece that IPython accepts as its syntax; None if it accepts none."""
    pieces = [piece for piece in found if piece is not None]
    for piece in sorted(pieces, key=lambda piece: piece.sortby()):
        try:
            piece.transform(list(lines))
        except SyntaxError:
            continue
        return piece
    return None


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
        with warnings.catch_warnings():
            # Such as "\\d" in a text that is no raw one, once for each look at the code.
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def nodes_of(code: str) -> Iterator[ast.AST]:
    """Yield the nodes of the code's syntax tree; none if it is not Python."""
    tree = parse(code)
    if tree is not None:
        yield from ast.walk(tree)


def parents_in(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """Return the parent of each node of a tree but the first."""
    parents: dict[ast.AST, ast.AST] = {}
    for node in ast.walk(tree):
        parents |= dict.fromkeys(ast.iter_child_nodes(node), node)
    return parents


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


@dataclass(frozen=True, kw_only=True)
class WrittenModule:
    """A file of Python that a cell writes.

    Attributes:
        path: as the cell has it.
        name: of the module, or of the package below the working folder that it is in.
        text: its code.
    """

    path: str
    name: str
    text: str


def module_written(code: str) -> WrittenModule | None:
    """Return the module that a cell writes; None for any other cell."""
    match = _WRITES_MODULE.match(code)
    if match is None:
        return None
    path = match["path"]
    for prefix in _WORKING:
        path = path.removeprefix(prefix)
    parts = PurePosixPath(path).parts
    # A folder elsewhere can only be one of sys.path.
    name = parts[-1] if path.startswith(("/", "..")) else parts[0]
    return WrittenModule(path=match["path"], name=name.removesuffix(".py"), text=code[match.end() :])


def cells_of(code: str) -> list[str]:
    """Return the sources of a notebook's cells, which Kaggle keeps unchanged; a script is one cell.

    Line ends are normalised: Kaggle may return others.
    """
    try:
        cells = ["".join(cell["source"]) for cell in json.loads(code)["cells"]]
    except (ValueError, KeyError, TypeError):
        cells = [code.strip()]
    return [cell.replace("\r\n", "\n") for cell in cells]
