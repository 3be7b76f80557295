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

# No sentence begins with these, no message has these phrases, and no function's docstring begins with a noun.
BEGINNINGS = re.compile(r"(?:What|Of|Whether)\b")
NOUNS = re.compile(r"(?:The|A|An|Every|All|Each|Those|How|Where|Which|Whose|Who|Why|Name|Path|Size)\b")
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


SOURCES = [path for path in CODE if "src" in path.parts and "templates" not in path.parts]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_function_s_docstring_begins_with_a_verb(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
        if not is_property and NOUNS.match(ast.get_docstring(node) or ""):
            found.append(node.name)
    assert found == []


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_comprehension_has_one_for_one_if_and_two_lines(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, COMPREHENSIONS):
            is_nested = any(isinstance(inner, COMPREHENSIONS) for inner in ast.walk(node) if inner is not node)
            conditions = sum(len(generator.ifs) for generator in node.generators)
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if is_nested or len(node.generators) > 1 or conditions > 1 or lines > 2:
                found.append(node.lineno)
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_conditional_expression_stands_alone(path: Path) -> None:
    found = []
    for parent in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(parent, ast.Assign | ast.AnnAssign | ast.Return):
            continue
        found += [child.lineno for child in ast.iter_child_nodes(parent) if isinstance(child, ast.IfExp)]
    assert found == []
