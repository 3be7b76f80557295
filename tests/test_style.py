"""The mechanical rules of docs/style.md hold in pages, docstrings, comments, messages and code."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.documentation import REPOSITORY

# No sentence begins with these, no message has these phrases, and no function's docstring begins with a noun.
BEGINNINGS = re.compile(r"(?:What|Of|Whether)\b")
PHRASES = re.compile(r"\b(?:is none|has no more|is not to be had|not to be had)\b")
NOUNS = re.compile(r"(?:The|A|An|Every|All|Each|Those|How|Where|Which|Whose|Who|Why|Name|Path|Size)\b")

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

CODE = [REPOSITORY / "noxfile.py"]
for _folder in ("packages", "tests", "benchmarks", "kernels"):
    CODE += [path for path in sorted((REPOSITORY / _folder).rglob("*.py")) if "__pycache__" not in path.parts]
PACKAGES = [path for path in CODE if (REPOSITORY / "packages") in path.parents]
SOURCES = [path for path in PACKAGES if "src" in path.parts and "templates" not in path.parts]
PAGES = sorted([*(REPOSITORY / "docs").glob("*.md"), *REPOSITORY.glob("*.md")])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


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


def offenders(paths: list[Path], check: Callable[[Path], Iterator[object]]) -> list[str]:
    """Return what ``check`` finds in each file, with its name."""
    found = []
    for path in paths:
        found += [f"{path.relative_to(REPOSITORY)}: {item}" for item in check(path)]
    return found


def test_no_docstring_or_comment_begins_with_a_clause() -> None:
    def check(path: Path) -> Iterator[str]:
        texts = [inspect.cleandoc(str(node.value)) for node in docstrings(parsed(path))]
        texts += comments(path.read_text(encoding="utf-8"))
        for text in texts:
            yield from filter(BEGINNINGS.match, sentences(text))

    assert offenders(CODE, check) == []


def test_no_sentence_of_a_page_begins_with_a_clause() -> None:
    def check(path: Path) -> Iterator[str]:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"(?m)^(?:[-#>*]|\d+\.)+\s+|\|", "\n\n", text)
        yield from (sentence for sentence in sentences(text) if BEGINNINGS.match(sentence.lstrip("*`[# ")))

    assert offenders([path for path in PAGES if path.name != "style.md"], check) == []


def test_no_message_uses_words_that_pip_and_git_do_not() -> None:
    def check(path: Path) -> Iterator[str]:
        told = {id(node) for node in docstrings(parsed(path))}
        for node in ast.walk(parsed(path)):
            is_message = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
            if is_message and PHRASES.search(node.value):  # type: ignore[attr-defined]
                yield node.value  # type: ignore[attr-defined]

    assert offenders(PACKAGES, check) == []


def test_a_function_s_docstring_begins_with_a_verb() -> None:
    def check(path: Path) -> Iterator[str]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
                if not is_property and NOUNS.match(ast.get_docstring(node) or ""):
                    yield node.name

    assert offenders(SOURCES, check) == []


def test_a_comprehension_has_one_for_one_if_and_two_lines() -> None:
    def check(path: Path) -> Iterator[int]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, COMPREHENSIONS):
                is_nested = any(isinstance(inner, COMPREHENSIONS) for inner in ast.walk(node) if inner is not node)
                conditions = sum(len(generator.ifs) for generator in node.generators)
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if is_nested or len(node.generators) > 1 or conditions > 1 or lines > 2:
                    yield node.lineno

    assert offenders(SOURCES, check) == []


def test_a_conditional_expression_stands_alone() -> None:
    def check(path: Path) -> Iterator[int]:
        for parent in ast.walk(parsed(path)):
            if not isinstance(parent, ast.Assign | ast.AnnAssign | ast.Return):
                yield from (child.lineno for child in ast.iter_child_nodes(parent) if isinstance(child, ast.IfExp))

    assert offenders(SOURCES, check) == []
