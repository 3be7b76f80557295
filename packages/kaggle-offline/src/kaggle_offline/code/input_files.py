"""Files of an input that code reads, as far as their paths are written out: ``find_input("titanic") / "x.csv"``."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kaggle_offline.code.cells import parse
from kaggle_offline.code.shell_commands import SAYS
from kaggle_offline.code.tested_paths import names_in, tested_names, tried, uncertain

# Stands in a value before an input's name: no path has it.
_INPUT = "\0"
_FINDS = ("find_input", "inputs.find_input", "competition_kit.inputs.find_input")
# Calls whose value is the path that they are given, or one of the parts that they are given.
_SAME = ("Path", "PurePath", "PurePosixPath", "str", "fspath")
# Methods of a path that need what is there.
_NEEDS = ("glob", "iterdir", "open", "read_bytes", "read_text", "rglob", "stat")
# In the names that a search or a format fills in.
_FILLED_IN = re.compile(r"[*?\[{%]")


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file or folder of an input that code reads.

    Attributes:
        number: of the piece of code.
        slug: the input's.
        name: its path in the input.
    """

    number: int
    slug: str
    name: str


def input_files(codes: Sequence[str]) -> list[InputFile]:
    """Return the files and folders of inputs that code reads and cannot do without.

    Left out are those that the code tests for, or tries to read; and paths that a
    function makes of its arguments.

    Args:
        codes: pieces of one program, which share their names.
    """
    trees = [parse(code) or ast.Module([], []) for code in codes]
    tested = frozenset[str]().union(*map(tested_names, codes))
    values = _values(trees)
    optional: set[str] = set()
    read: list[tuple[int, str]] = []
    for number, tree in enumerate(trees):
        may_be_missing = uncertain(tree, tested) | tried(tree)
        parents: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(tree):
            parents |= dict.fromkeys(ast.iter_child_nodes(node), node)
        for path, node in _paths(tree, values):
            if id(node) in may_be_missing or _is_name_of(node, tested):
                optional.add(path)
            elif _is_read(node, parents, values):
                read.append((number, path))
    found: list[InputFile] = []
    for number, path in read:
        slug, _, name = path.removeprefix(_INPUT).partition("/")
        name = _whole_part(name)
        if name and path not in optional:
            found.append(InputFile(number=number, slug=slug, name=name))
    return list(dict.fromkeys(found))


def _values(trees: Sequence[ast.Module]) -> Mapping[str, ast.expr]:
    """Return the values of names, and of a class's attributes, that are assigned once in all of the code."""
    assigned: dict[str, list[ast.expr | None]] = {}
    for tree in trees:
        for name, value in _assignments(tree, ""):
            assigned.setdefault(name, []).append(value)
    once = {name: values[0] for name, values in assigned.items() if len(values) == 1}
    return {name: value for name, value in once.items() if value is not None}


def _assignments(body: ast.AST, prefix: str) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names that statements assign, and their values; None for a value that is not one expression."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.ClassDef):
            yield from _assignments(node, f"{node.name}.")
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield prefix + ast.unparse(node.targets[0]), node.value
        elif isinstance(node, ast.AnnAssign):
            yield prefix + ast.unparse(node.target), node.value
        elif isinstance(node, ast.arg):
            yield node.arg, None
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            # A loop assigns it, or one of several targets, or it is added to.
            yield prefix + ast.unparse(node), None
        else:
            yield from _assignments(node, prefix)


def _paths(tree: ast.Module, values: Mapping[str, ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the paths in inputs, parts of others among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            path = _path(node, values)
            if path is not None and path.startswith(_INPUT):
                yield path, node


def _is_name_of(node: ast.expr, tested: frozenset[str]) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and not names_in(node).isdisjoint(tested)


def _is_read(node: ast.expr, parents: Mapping[ast.AST, ast.AST], values: Mapping[str, ast.expr]) -> bool:
    """Tell whether the code needs what is at a path, rather than making another path of it."""
    parent = parents.get(node)
    if isinstance(parent, ast.expr) and _path(parent, values) is not None:
        return False
    if isinstance(parent, ast.keyword):
        parent = parents.get(parent)
    if isinstance(parent, ast.Call):
        return node is not parent.func and not SAYS.search(ast.unparse(parent.func))
    if isinstance(parent, ast.Attribute):
        return parent.attr in _NEEDS
    # A folder, whose file is not written out.
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and node is parent.left


def _path(node: ast.expr, values: Mapping[str, ast.expr], depth: int = 10) -> str | None:
    """Return the text or path that an expression is, as far as it is written out; None for any other.

    Args:
        node: the expression.
        values: those of names.
        depth: how many expressions within each other are looked at: a name may be made of itself.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if depth == 0:
        return None

    def of(*parts: ast.expr) -> list[str | None]:
        return [_path(part, values, depth - 1) for part in parts]

    if isinstance(node, ast.Call) and not node.keywords:
        return _called(ast.unparse(node.func), of(*node.args))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _joined("/", of(node.left, node.right))
    parts: list[ast.expr | None] = [None]
    if isinstance(node, ast.Name | ast.Attribute):
        parts = [values.get(ast.unparse(node))]
    elif isinstance(node, ast.FormattedValue):
        parts = [node.value]
    elif isinstance(node, ast.JoinedStr):
        parts = [*node.values]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    known = [part for part in parts if part is not None]
    return _joined("", of(*known)) if len(known) == len(parts) else None


def _called(function: str, arguments: list[str | None]) -> str | None:
    """Return the path that a call is; None for any other call."""
    if function in _FINDS and len(arguments) == 1:
        return None if arguments[0] is None else f"{_INPUT}{arguments[0]}"
    if arguments and (function.endswith("path.join") or function.rpartition(".")[2] in _SAME):
        return _joined("/", arguments)
    return None


def _joined(between: str, parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return between.join(known) if len(known) == len(parts) else None


def _whole_part(name: str) -> str:
    """Return a path as far as its folders are written out: without what a search or a format fills in."""
    parts: list[str] = []
    for part in PurePosixPath(name).parts:
        if _FILLED_IN.search(part):
            break
        parts.append(part)
    return "/".join(part for part in parts if part != "/")
