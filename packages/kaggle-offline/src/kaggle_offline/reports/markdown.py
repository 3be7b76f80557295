"""Markdown: text that is shown as it is, without any effect of its characters, and tables."""

import html
import re
from collections.abc import Sequence


def fenced(text: str) -> str:
    """Return a text in a fence of more backticks than it has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def in_cell(text: str) -> str:
    """Escape a text for a cell of a table, or for one line."""
    return re.sub(r"([\\`*_\[\]~|])", r"\\\1", html.escape(text, quote=False)).replace("\n", "<br>")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
