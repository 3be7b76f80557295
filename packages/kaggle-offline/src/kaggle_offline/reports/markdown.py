"""Texts as they are, in Markdown: what they hold is shown, not obeyed."""

import html
import re


def fenced(text: str) -> str:
    """A text as it is, in Markdown: fenced by more backticks than it has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def in_cell(text: str) -> str:
    """A text as it is, in Markdown, on one line: also in a cell of a table."""
    return re.sub(r"([\\`*_\[\]~|])", r"\\\1", html.escape(text, quote=False)).replace("\n", "<br>")
