"""Paths of inputs in code: each exists under only one of Kaggle's two mount layouts."""

import ast
import json
import re
from dataclasses import dataclass

from kaggle_offline.code.cells import CELL_MAGIC, logical_lines, magics, nodes_of, parse, parsed, without_magics

# The folder of inputs, and an input in it under the old or the new layout: its slug, then a path within it.
_INPUTS = re.compile(r"(?:/kaggle|(?:\.\./)+)/?input(?=/|$|['\"])")
_KINDS = {"d": "datasets", "m": "models"}
_INPUT = re.compile(
    rf"{_INPUTS.pattern}/(?:competitions/|c/|(?P<kind>datasets|notebooks|models|d|m)/(?P<owner>[\w-]+)/)?"
    # A name with a dot is a folder if a path follows it, else a file.
    r"(?P<slug>(?!(?:competitions|c|datasets|notebooks|models|d|m)(?:/|$))[A-Za-z0-9][\w-]*(?:\.[\w.-]*(?=/))?)"
)
# After a model's slug: framework, variation and version.
_VARIATION = re.compile(r"/([\w.-]+/[\w.-]+/[0-9]+)(?=/|$|['\"])")
# Code that searches for inputs wherever they are; it may also have a pattern with two stars.
_SEARCHES = ("os.walk(", ".rglob(")
# Calls that download an input, and the kinds of those.
_DOWNLOADS = {"kagglehub.model_download": "models", "kagglehub.dataset_download": "datasets"}
_HANDLE = re.compile(r"(?P<owner>[\w-]+)/(?P<slug>[\w.-]+)(?:/(?P<variation>[\w.-]+/[\w.-]+/[0-9]+))?")

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
        variation: of a model, its framework, variation and version, with slashes; else empty.
        text: the code that has it.
        instead: what to write; empty where that has to be thought about.
        is_download: whether the code downloads it, instead of reading a path.
    """

    line: int
    slug: str
    kind: str = ""
    owner: str = ""
    variation: str = ""
    text: str
    instead: str
    is_download: bool = False


def input_paths(code: str, tested: frozenset[str] = frozenset()) -> list[InputPath]:
    """Return the paths of inputs in code, in the order of their lines; ``tested`` comes from `tested_names`."""
    return [path for path, _ in _input_literals(code, tested)]


def with_inputs_found(code: str, tested: frozenset[str] = frozenset()) -> str:
    """Return the code with those paths as what `InputPath.instead` says, where it says so and the code stays Python."""
    lines = [line.encode() for line in _lines(code)]
    for path, node in reversed(_input_literals(code, tested)):
        if path.instead:
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            end = lines[last][node.end_col_offset :]
            lines[first : last + 1] = [lines[first][: node.col_offset] + path.instead.encode() + end]
    replaced = b"".join(lines).decode()
    return replaced if parse(replaced) is not None else code


def tested_names(code: str) -> frozenset[str]:
    """Return the names of the paths whose existence code tests: it can do without them, and `find_input` raises.

    Functions that test what they are given are among the names.
    """
    names: set[str] = set()
    for node in nodes_of(code):
        if _is_test(node):
            names |= _names_in(node)
        elif isinstance(node, ast.FunctionDef):
            tested = [_names_in(part) for part in ast.walk(node) if _is_test(part)]
            if set[str]().union(*tested) & {argument.arg for argument in node.args.args}:
                names.add(node.name)
    return frozenset(names)


def _names_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def magics_with_inputs(code: str) -> list[str]:
    """Return IPython's lines with the path of an input, and such lines of cells for another program than Python."""
    lines = logical_lines(code) if CELL_MAGIC.match(code) else magics(code)
    return [line.strip() for _, line in lines if _INPUTS.search(line)]


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _TESTS


def _input_literals(code: str, tested: frozenset[str] = frozenset()) -> list[tuple[InputPath, ast.expr]]:
    """Return the paths and downloads of inputs, each with the expression that has it."""
    tree = parse(code)
    if tree is None:
        return []
    source = code if parsed(code) else without_magics(code)
    lines = _lines(source)
    skipped = _not_literals(tree)
    uncertain = _uncertain(tree, tested)
    searches = any(word in source for word in _SEARCHES) or _has_pattern(tree)
    found: list[tuple[InputPath, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            download = _download(node, lines)
            if download:
                found.append((download, node))
        if id(node) in skipped or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        segment = _segment(lines, node)
        if not _INPUTS.search(segment):
            continue
        path = _input_path(node, segment, searches=searches, is_certain=id(node) not in uncertain)
        if path is not None:
            found.append((path, node))
    return sorted(found, key=lambda pair: (pair[0].line, pair[1].col_offset))


def _has_pattern(tree: ast.AST) -> bool:
    """Tell whether a text of the code has two stars, as patterns of files in any folder do."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return any(isinstance(text, str) and "**" in text for text in texts)


def _download(call: ast.Call, lines: list[str]) -> InputPath | None:
    """Return the input that a call of kagglehub downloads; None for any other call, or if the version is not said."""
    kind = _DOWNLOADS.get(ast.unparse(call.func)) if isinstance(call.func, ast.Attribute) else None
    first = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if kind is None or not isinstance(first, ast.Constant):
        return None
    handle = _HANDLE.fullmatch(str(first.value))
    if handle is None or (kind == "models") != bool(handle["variation"]):
        return None
    rest = f"/{handle['variation']}" if handle["variation"] else ""
    return InputPath(
        line=call.lineno,
        slug=handle["slug"],
        kind=kind,
        owner=handle["owner"],
        variation=handle["variation"] or "",
        text=_segment(lines, call),
        instead=f"f\"{{find_input('{handle['slug']}')}}{rest}\"",
        is_download=True,
    )


def _lines(code: str) -> list[str]:
    """Return the lines of code with their ends, as Python counts them: a carriage return ends one, too."""
    return re.findall(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+$", code)


def _segment(lines: list[str], node: ast.expr) -> str:
    """Return a node's source, as `ast.get_source_segment` does, which splits all of the code each time."""
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    end = node.end_col_offset or 0
    if first == last:
        return lines[first].encode()[node.col_offset : end].decode()
    inner = lines[first + 1 : last]
    return "".join([lines[first].encode()[node.col_offset :].decode(), *inner, lines[last].encode()[:end].decode()])


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
    kind = _KINDS.get(match["kind"] or "", match["kind"] or "")
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
    found = _VARIATION.match(text, match.end()) if kind == "models" else None
    variation = found[1] if found else ""
    return InputPath(
        line=node.lineno,
        slug=match["slug"],
        kind=kind,
        owner=owner,
        variation=variation,
        text=segment,
        instead=instead,
    )


def _uncertain(tree: ast.AST, tested: frozenset[str]) -> set[int]:
    """Return the literals, by `id`, of paths that may be missing: tested ones, alternatives, values of tested names."""
    nodes: list[ast.AST] = []
    for node in ast.walk(tree):
        if _is_test(node) or (isinstance(node, ast.Call) and ast.unparse(node.func) in tested):
            nodes.append(node)
        elif isinstance(node, ast.IfExp):
            nodes += [node.body, node.orelse]
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
