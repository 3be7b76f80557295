"""Paths of inputs that code has written out, which are there under one of Kaggle's two layouts alone."""

import ast
import json
import re
from dataclasses import dataclass

from kaggle_offline.code.cells import CELL_MAGIC, HELP, MAGIC, logical_lines, parse, parsed, without_magics

# Where inputs are, and a folder there, under the old layout or the new: then a slug, and what is within it.
_INPUTS = re.compile(r"(?:/kaggle|(?:\.\./)+)/?input(?=/|$|['\"])")
_INPUT = re.compile(
    rf"{_INPUTS.pattern}/(?:competitions/|c/|(?P<kind>datasets|notebooks|models)/(?P<owner>[\w-]+)/)?"
    r"(?P<slug>(?!(?:competitions|c|datasets|notebooks|models)(?:/|$))[a-z0-9][\w-]*)"
)
# Code that searches for inputs wherever they are.
_SEARCHES = ("os.walk(", ".rglob(", "**")

# Calls that tell whether there is something at a path.
_TESTS = ("exists", "lexists", "isdir", "isfile", "is_dir", "is_file")


@dataclass(frozen=True, kw_only=True)
class InputPath:
    """A path of an input that is written out.

    Attributes:
        line: where, counted from 1.
        slug: of the dataset or competition; empty where it does not stand there whole.
        kind: ``datasets``, ``notebooks`` or ``models``, where the path says so; else empty.
        owner: whose that is.
        text: the code that has it.
        instead: what to write; empty where that has to be thought about.
    """

    line: int
    slug: str
    kind: str = ""
    owner: str = ""
    text: str
    instead: str


def input_paths(code: str, tested: frozenset[str] = frozenset()) -> list[InputPath]:
    """The paths of inputs that code has written out, in the order of their lines; ``tested`` as in `tested_names`."""
    return [path for path, _ in _input_literals(code, tested)]


def with_inputs_found(code: str, tested: frozenset[str] = frozenset()) -> str:
    """The code with those paths as what `InputPath.instead` says, where it says so and the code stays Python."""
    lines = [line.encode() for line in code.split("\n")]
    for path, node in reversed(_input_literals(code, tested)):
        if path.instead:
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            end = lines[last][node.end_col_offset :]
            lines[first : last + 1] = [lines[first][: node.col_offset] + path.instead.encode() + end]
    replaced = b"\n".join(lines).decode()
    return replaced if parse(replaced) is not None else code


def tested_names(code: str) -> frozenset[str]:
    """The names of what code asks whether it is there: it does without, which `find_input` would not."""
    tree = parse(code)
    asked = [part for node in ast.walk(tree) if _is_test(node) for part in ast.walk(node)] if tree else []
    return frozenset(part.id for part in asked if isinstance(part, ast.Name))


def magics_with_inputs(code: str) -> list[str]:
    """IPython's own lines in which an input's path is written out, and those of cells for another than Python."""
    is_foreign = CELL_MAGIC.match(code) is not None
    return [
        line.strip()
        for _, line in logical_lines(code)
        if (is_foreign or MAGIC.match(line) or HELP.match(line)) and _INPUTS.search(line)
    ]


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _TESTS


def _input_literals(code: str, tested: frozenset[str] = frozenset()) -> list[tuple[InputPath, ast.expr]]:
    tree = parse(code)
    if tree is None:
        return []
    source = code if parsed(code) else without_magics(code)
    skipped = {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}
    # An f-string, with all that it holds, is one literal.
    formats = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    skipped |= {id(part) for node in formats for part in ast.walk(node) if part is not node}
    uncertain = _uncertain(tree, tested)
    searches = any(word in source for word in _SEARCHES)
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        segment = ast.get_source_segment(source, node) or ""
        text = node.value if isinstance(node, ast.Constant) else segment
        if not isinstance(text, str) or not _INPUTS.search(text):
            continue
        match = _INPUT.search(text)
        if match is None:
            if not searches:
                found.append((InputPath(line=node.lineno, slug="", text=segment, instead=""), node))
            continue
        is_whole = text[match.end() :][:1] in ("", "/", "'", '"')
        instead = _with_constant(text, match) if isinstance(node, ast.Constant) else _with_format(segment, match)
        path = InputPath(
            line=node.lineno,
            slug=match["slug"] if is_whole else "",
            kind=match["kind"] or "",
            owner=match["owner"] or "",
            text=segment,
            instead=instead if is_whole and id(node) not in uncertain else "",
        )
        found.append((path, node))
    return sorted(found, key=lambda pair: (pair[0].line, pair[1].col_offset))


def _uncertain(tree: ast.AST, tested: frozenset[str]) -> set[int]:
    """The literals, by `id`, of paths that need not be there: asked for, named in ``tested``, or one of several."""
    nodes: list[ast.AST] = []
    for node in ast.walk(tree):
        if _is_test(node):
            nodes.append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            nodes += [node.value] if any(isinstance(t, ast.Name) and t.id in tested for t in targets) else []
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            texts = [part.value for part in node.elts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            slugs = {match["slug"] if (match := _INPUT.search(text)) else text for text in texts}
            nodes += node.elts if len(slugs) > 1 else []
    return {id(part) for node in nodes for part in ast.walk(node)}


def _with_constant(text: str, match: re.Match[str]) -> str:
    """An f-string that says the same of a text that begins with an input's path."""
    if match.start() != 0:
        return ""
    rest = json.dumps(text[match.end() :], ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
    return f"f\"{{find_input('{match['slug']}')}}{rest}\""


def _with_format(segment: str, match: re.Match[str]) -> str:
    """The f-string with the path's beginning found; empty where it is not at the f-string's own beginning."""
    begin = re.match(r"[rR]?[fF][rR]?('''|\"\"\"|'|\")", segment)
    if begin is None or match.start() != begin.end():
        return ""
    inner = "'" if begin[1].startswith('"') else '"'
    return f"{begin[0]}{{find_input({inner}{match['slug']}{inner})}}{segment[match.end() :]}"
