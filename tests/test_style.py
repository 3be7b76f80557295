"""The mechanical rules of docs/style.md hold in pages, docstrings, comments and messages."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation import REPOSITORY

# How no sentence begins, and phrases that no message has.
BEGINNINGS = re.compile(r"(?:What|Of|Whether)\b")
PHRASES = re.compile(r"\b(?:is none|has no more|is not to be had|not to be had)\b")

CODE = sorted(
    path
    for folder in ("packages", "tests", "benchmarks", "kernels")
    for path in (REPOSITORY / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
CODE.append(REPOSITORY / "noxfile.py")
PAGES = sorted([*(REPOSITORY / "docs").glob("*.md"), *REPOSITORY.glob("*.md")])


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Texts that stand alone: docstrings of modules, classes, functions and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def comments(code: str) -> Iterator[str]:
    """Comments; those on lines that follow each other are one."""
    block, last = "", 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("# ")
            if block and line != last + 1:
                yield block
                block = ""
            block, last = f"{block} {text}".strip(), line
    yield block


def sentences(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        yield from re.split(r"(?<=[.!?])\s+", paragraph.strip())


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_no_docstring_or_comment_begins_with_a_clause(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    texts = [*(inspect.cleandoc(str(node.value)) for node in docstrings(ast.parse(code))), *comments(code)]
    assert [s for text in texts for s in sentences(text) if BEGINNINGS.match(s)] == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "style.md"], ids=name_of)
def test_no_sentence_of_a_page_begins_with_a_clause(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"(?m)^(?:[-#>*]|\d+\.)+\s+|\|", "\n\n", text)
    assert [s for s in sentences(text) if BEGINNINGS.match(s.lstrip("*`[# "))] == []


@pytest.mark.parametrize("path", [p for p in CODE if (REPOSITORY / "packages") in p.parents], ids=name_of)
def test_no_message_uses_words_that_pip_and_git_do_not(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node) for node in docstrings(tree)}
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in told]
    assert [text for text in texts if isinstance(text, str) and PHRASES.search(text)] == []
