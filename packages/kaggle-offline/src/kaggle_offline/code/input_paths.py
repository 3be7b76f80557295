"""Paths of inputs in code: each exists under only one of Kaggle's two mount layouts."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kaggle_offline.code.cells import CELL_MAGIC, logical_lines, magics, parents_in, parse, parsed, without_magics
from kaggle_offline.code.shell_commands import SAYS
from kaggle_offline.code.tested_paths import TESTS, uncertain

# The folder of inputs, and an input in it under the old or the new layout: its slug, then a path within it.
_INPUTS = re.compile(r"(?:/kaggle|(?:\.\./)+)/?input(?=/|$|['\"])")
_KINDS = {"c": "competitions", "d": "datasets", "m": "models"}
_INPUT = re.compile(
    rf"{_INPUTS.pattern}/"
    r"(?:(?P<plain>competitions|c)/|(?P<kind>datasets|notebooks|models|d|m)/(?P<owner>[\w-]+)/)?"
    # A name with a dot is a folder if a path follows it, else a file.
    r"(?P<slug>(?!(?:competitions|c|datasets|notebooks|models|d|m)(?:/|$))[A-Za-z0-9][\w-]*(?:\.[\w.-]*(?=/))?)"
)
# After a model's slug: framework, variation and version.
_VARIATION = re.compile(r"/([\w.-]+/[\w.-]+/[0-9]+)(?=/|$|['\"])")
# A utility script, whose folder is one of sys.path.
_UTILITY_SCRIPT = re.compile(r"/kaggle/usr/lib/(?:notebooks/(?P<owner>[\w-]+)/)?(?P<slug>[\w-]+)")
# Calls that search a folder, wherever in it something is, or list it: that of all inputs is there under both layouts.
_LOOKS_INTO = ("walk", "rglob", "glob", "iglob", "listdir", "scandir", "iterdir")
# Calls that download an input, and the kinds of those.
_DOWNLOADS = {"kagglehub.model_download": "models", "kagglehub.dataset_download": "datasets"}
_HANDLE = re.compile(r"(?P<owner>[\w-]+)/(?P<slug>[\w.-]+)(?:/(?P<variation>[\w.-]+/[\w.-]+/[0-9]+))?")

# The part of a path that depends on the layout.
_PLACE = re.compile(r"/(?:competitions|(?:datasets|notebooks|models)/[\w-]+)/")


@dataclass(frozen=True, kw_only=True)
class InputPath:
    """A path of an input that is written out.

    Attributes:
        line: where, counted from 1.
        slug: of the dataset or competition; empty where it does not stand there whole.
        kind: ``competitions``, ``datasets``, ``notebooks`` or ``models``, where the path says so; else empty.
        owner: whose that is.
        variation: of a model, its framework, variation and version, with slashes; else empty.
        text: the code that has it.
        instead: what to write; empty where that has to be thought about.
        is_download: whether the code downloads it, instead of reading a path.
        may_be_missing: whether the code tests for it, or has others to take instead.
        is_found: whether the code finds it under both layouts as it is.
    """

    line: int
    slug: str
    kind: str = ""
    owner: str = ""
    variation: str = ""
    text: str
    instead: str
    is_download: bool = False
    may_be_missing: bool = False
    is_found: bool = False


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


def magics_with_inputs(code: str) -> list[str]:
    """Return IPython's lines with the path of an input, and such lines of cells for another program than Python."""
    lines = logical_lines(code) if CELL_MAGIC.match(code) else magics(code)
    return [line.strip() for _, line in lines if _INPUTS.search(line)]


def inputs_in(text: str) -> list[InputPath]:
    """Return the inputs that the lines of a shell name."""
    found = [_input_at(match, text, text, 1) for match in _INPUT.finditer(text)]
    return [path for path in found if path.slug]


def _input_literals(code: str, tested: frozenset[str] = frozenset()) -> list[tuple[InputPath, ast.expr]]:
    """Return the paths and downloads of inputs, each with the expression that has it."""
    tree = parse(code)
    if tree is None:
        return []
    source = code if parsed(code) else without_magics(code)
    lines = _lines(source)
    parents = parents_in(tree)
    skipped = _not_literals(tree)
    optional = uncertain(tree, tested)
    looks = _looks_into_inputs(tree)
    found: list[tuple[InputPath, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            download = _download(node, lines)
            if download:
                found.append((download, node))
        if id(node) in skipped or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        segment = _segment(lines, node)
        if "kaggle/usr/lib" in segment and isinstance(node, ast.Constant):
            found += [(script, node) for script in _utility_scripts(node, segment)]
        if not _INPUTS.search(segment) or _is_said(node, parents):
            continue
        path = _input_path(node, segment, is_certain=id(node) not in optional)
        if path is not None and not (looks and _is_bare(node, parents)):
            found.append((path, node))
    pairs = sorted(found, key=lambda pair: (pair[0].line, pair[1].col_offset))
    both = _under_both_layouts(pairs, parents)
    return [(_found_as_it_is(path, is_so=id(node) in both), node) for path, node in pairs]


def _found_as_it_is(path: InputPath, *, is_so: bool) -> InputPath:
    return replace(path, instead="", is_found=True) if is_so else path


def _is_said(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Tell whether a text is a part of what a call prints, of an error, or of an assertion's message."""
    while node in parents:
        child, node = node, parents[node]
        if isinstance(node, ast.keyword) and node.arg == "help":
            return True
        if isinstance(node, ast.Call):
            # Any other call may open it: print(open("…").read())
            return child is not node.func and bool(SAYS.search(ast.unparse(node.func)))
        if isinstance(node, ast.Assert) and child is node.msg:
            return True
        if isinstance(node, ast.stmt):
            return False
    return False


def _is_bare(node: ast.Constant | ast.JoinedStr, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Tell whether a text is the folder of all inputs, or a pattern in it, and no path is made of it on the spot."""
    text = node.value if isinstance(node, ast.Constant) else ""
    if not isinstance(text, str) or not (text.endswith(("input", "input/")) or "**" in text):
        return False
    parent = parents.get(node)
    if isinstance(parent, ast.Call) and ast.unparse(parent.func).endswith("Path"):
        parent = parents.get(parent)
    joins = isinstance(parent, ast.BinOp | ast.JoinedStr)
    return not joins and not (isinstance(parent, ast.Call) and ast.unparse(parent.func).endswith("join"))


def _looks_into_inputs(tree: ast.AST) -> bool:
    """Tell whether code searches folders, lists them, or tests whether there are any inputs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (*_LOOKS_INTO, *TESTS):
            return True
    return False


def _under_both_layouts(pairs: Sequence[tuple[InputPath, ast.expr]], parents: Mapping[ast.AST, ast.AST]) -> set[int]:
    """Return the literals, by `id`, of paths that a statement has for each of the layouts."""
    places: dict[tuple[int, str], list[tuple[str, int]]] = {}
    for path, node in pairs:
        rest = _PLACE.sub("/", path.text)
        statement: ast.AST = node
        while statement in parents and not isinstance(statement, ast.stmt):
            statement = parents[statement]
        places.setdefault((id(statement), rest), []).append((path.text, id(node)))
    found: set[int] = set()
    for alternatives in places.values():
        if len({text for text, _ in alternatives}) > 1:
            found |= {number for _, number in alternatives}
    return found


def _utility_scripts(node: ast.Constant, segment: str) -> Iterator[InputPath]:
    """Yield the utility script that a path of `sys.path` names."""
    match = _UTILITY_SCRIPT.search(str(node.value))
    if match:
        owner = match["owner"] or ""
        yield InputPath(
            line=node.lineno,
            slug=match["slug"],
            kind="notebooks",
            owner=owner,
            text=segment,
            instead="",
            is_found=True,
        )


def _download(call: ast.Call, lines: list[str]) -> InputPath | None:
    """Return the input that a call of kagglehub downloads; None for any other call, or if the version is not said."""
    kind = _DOWNLOADS.get(ast.unparse(call.func)) if isinstance(call.func, ast.Attribute) else None
    first = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if kind is None or not isinstance(first, ast.Constant):
        return None
    handle = _HANDLE.fullmatch(str(first.value))
    if handle is None or (kind == "models") != bool(handle["variation"]):
        return None
    framework, slash, variation = (handle["variation"] or "").partition("/")
    # Kaggle mounts a framework by its slug: TensorFlow2 is tensorflow2.
    rest = f"/{framework.lower()}{slash}{variation}" if framework else ""
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
    begin = lines[first].encode()[node.col_offset :].decode()
    return "".join([begin, *inner, lines[last].encode()[:end].decode()])


def _not_literals(tree: ast.AST) -> set[int]:
    """Return the nodes, by `id`, that are not literals of their own: docstrings, and the parts of f-strings."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node) if part is not node}
    return skipped


def _input_path(node: ast.Constant | ast.JoinedStr, segment: str, *, is_certain: bool) -> InputPath | None:
    """Return the path of an input that a literal holds; None without one.

    Args:
        node: the literal.
        segment: its source.
        is_certain: whether the code needs the path.
    """
    text = node.value if isinstance(node, ast.Constant) else segment
    if not isinstance(text, str) or not _INPUTS.search(text):
        return None
    match = _INPUT.search(text)
    if match is None:
        return InputPath(line=node.lineno, slug="", text=segment, instead="", may_be_missing=not is_certain)
    found = _input_at(match, text, segment, node.lineno)
    if not found.slug or not is_certain:
        return replace(found, may_be_missing=not is_certain)
    instead = _with_constant(text, match) if isinstance(node, ast.Constant) else _with_format(segment, match)
    return replace(found, instead=instead)


def _input_at(match: re.Match[str], text: str, segment: str, line: int) -> InputPath:
    """Return the input that a match of `_INPUT` in a text names; its slug is empty if it goes on with a value."""
    kind = match["kind"] or match["plain"] or ""
    kind = _KINDS.get(kind, kind)
    slug = match["slug"]
    if re.match(r"[^\s/'\":;,)]", text[match.end() :]):
        slug = ""
    variation = ""
    if kind == "models" and (found := _VARIATION.match(text, match.end())):
        variation = found[1]
    return InputPath(
        line=line,
        slug=slug,
        kind=kind,
        owner=match["owner"] or "",
        variation=variation,
        text=segment,
        instead="",
    )


def _with_constant(text: str, match: re.Match[str]) -> str:
    """Return an f-string in the place of a text that begins with an input's path; empty if it begins otherwise."""
    # Half of a pair of surrogates cannot be written into a file.
    if match.start() != 0 or any("\ud800" <= character <= "\udfff" for character in text):
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
