"""Paths of inputs in code: each exists under only one of Kaggle's two mount layouts."""

import ast
import json
import re
from dataclasses import dataclass

from kaggle_offline.code.cells import CELL_MAGIC, logical_lines, magics, nodes_of, parse, parsed, without_magics

# The folder of inputs, and an input in it under the old or the new layout: its slug, then a path within it.
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
    """Return the paths of inputs in code, in the order of their lines; ``tested`` comes from `tested_names`."""
    return [path for path, _ in _input_literals(code, tested)]


def with_inputs_found(code: str, tested: frozenset[str] = frozenset()) -> str:
    """Return the code with those paths as what `InputPath.instead` says, where it says so and the code stays Python."""
    lines = [line.encode() for line in code.split("\n")]
    for path, node in reversed(_input_literals(code, tested)):
        if path.instead:
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            end = lines[last][node.end_col_offset :]
            lines[first : last + 1] = [lines[first][: node.col_offset] + path.instead.encode() + end]
    replaced = b"\n".join(lines).decode()
    return replaced if parse(replaced) is not None else code


def tested_names(code: str) -> frozenset[str]:
    """Return the names of the paths whose existence code tests: it can do without them, and `find_input` raises."""
    names: set[str] = set()
    for node in nodes_of(code):
        if _is_test(node):
            names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return frozenset(names)


def magics_with_inputs(code: str) -> list[str]:
    """Return IPython's lines with the path of an input, and such lines of cells for another program than Python."""
    lines = logical_lines(code) if CELL_MAGIC.match(code) else magics(code)
    return [line.strip() for _, line in lines if _INPUTS.search(line)]


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _TESTS


def _input_literals(code: str, tested: frozenset[str] = frozenset()) -> list[tuple[InputPath, ast.expr]]:
    tree = parse(code)
    if tree is None:
        return []
    source = code if parsed(code) else without_magics(code)
    skipped = _not_literals(tree)
    uncertain = _uncertain(tree, tested)
    searches = any(word in source for word in _SEARCHES)
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        segment = ast.get_source_segment(source, node) or ""
        path = _input_path(node, segment, searches=searches, is_certain=id(node) not in uncertain)
        if path is not None:
            found.append((path, node))
    return sorted(found, key=lambda pair: (pair[0].line, pair[1].col_offset))


def _not_literals(tree: ast.AST) -> set[int]:
    """Return the nodes, by `id`, that are not literals of their own: docstrings, and the parts of f-strings."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node) if part is not node}
    return skipped


def _input_path(
    node: ast.Constant | ast.JoinedStr, segment: str, *, searches: bool, is_certain: bool
) -> InputPath | None:
    """Return the path of an input that a literal holds; None without one.

    Args:
        node: the literal.
        segment: its source.
        searches: whether the code searches for its inputs: then a path of the folder of all inputs is fine.
        is_certain: whether the code needs the path.
    """
    text = node.value if isinstance(node, ast.Constant) else segment
    if not isinstance(text, str) or not _INPUTS.search(text):
        return None
    match = _INPUT.search(text)
    if match is None:
        return None if searches else InputPath(line=node.lineno, slug="", text=segment, instead="")
    kind = match["kind"] or ""
    owner = match["owner"] or ""
    # In an f-string, the slug may go on with a value.
    is_whole = text[match.end() :][:1] in ("", "/", "'", '"')
    if not is_whole:
        return InputPath(line=node.lineno, slug="", kind=kind, owner=owner, text=segment, instead="")
    instead = ""
    if is_certain and isinstance(node, ast.Constant):
        instead = _with_constant(text, match)
    elif is_certain:
        instead = _with_format(segment, match)
    return InputPath(line=node.lineno, slug=match["slug"], kind=kind, owner=owner, text=segment, instead=instead)


def _uncertain(tree: ast.AST, tested: frozenset[str]) -> set[int]:
    """Return the literals, by `id`, of paths that may be missing: tested ones, alternatives, values of tested names."""
    nodes: list[ast.AST] = []
    for node in ast.walk(tree):
        if _is_test(node):
            nodes.append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if not names.isdisjoint(tested):
                nodes.append(node.value)
        elif isinstance(node, ast.List | ast.Tuple | ast.Set) and _are_alternatives(node.elts):
            nodes += node.elts
    parts: set[int] = set()
    for node in nodes:
        parts |= {id(part) for part in ast.walk(node)}
    return parts


def _are_alternatives(nodes: list[ast.expr]) -> bool:
    """Tell whether the texts of a list name several inputs, or an input and other texts."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _INPUT.search(node.value)
            name = match["slug"] if match else node.value
            names.add(name)
    return len(names) > 1


def _with_constant(text: str, match: re.Match[str]) -> str:
    """Return an f-string in the place of a text that begins with an input's path; empty if it begins otherwise."""
    if match.start() != 0:
        return ""
    rest = json.dumps(text[match.end() :], ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
    return f"f\"{{find_input('{match['slug']}')}}{rest}\""


def _with_format(segment: str, match: re.Match[str]) -> str:
    """Return an f-string with `find_input` at its beginning; empty if the path is elsewhere in it."""
    begin = re.match(r"[rR]?[fF][rR]?('''|\"\"\"|'|\")", segment)
    if begin is None or match.start() != begin.end():
        return ""
    inner = "'" if begin[1].startswith('"') else '"'
    return f"{begin[0]}{{find_input({inner}{match['slug']}{inner})}}{segment[match.end() :]}"
