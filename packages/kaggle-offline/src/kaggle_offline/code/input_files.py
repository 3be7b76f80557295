"""Files of an input that code reads, as far as their paths are written out: ``find_input("titanic") / "x.csv"``."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

from kaggle_offline.code.cells import parents_in, parse
from kaggle_offline.code.tested_paths import names_in, tested_names, tried, uncertain

# Stands in a value before an input's name: no path has it.
_INPUT = "\0"
# Calls whose value is the path that they are given, or one of the parts that they are given.
_SAME = ("Path", "PurePath", "PurePosixPath", "fspath", "str")
# Calls that need what is at the path that they are given, and methods of a path that need it.
_READS = re.compile(
    r"(?:^|\.)(?:open|load|imread|genfromtxt|loadtxt|glob|iglob|listdir|scandir|walk|read_\w+|\w*File)$"
)
_NEEDS = ("glob", "iterdir", "open", "read_bytes", "read_text", "rglob", "stat")
# In the names that a search or a format fills in.
_FILLED_IN = re.compile(r"[*?\[{%]")
# Kaggle sets it where the kernel runs on the hidden test set.
_RERUN = "KAGGLE_IS_COMPETITION_RERUN"


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

    Left out are those that the code tests for, tries to read, or reads in the rerun alone; and paths that a function
    makes of its arguments, or is given: it may do anything with them.

    Args:
        codes: pieces of one program, which share their names.
    """
    trees = [parse(code) or ast.Module([], []) for code in codes]
    tested = frozenset[str]().union(*map(tested_names, codes))
    values = _values_in(trees)
    optional: set[str] = set()
    read: list[tuple[int, str]] = []
    for number, tree in enumerate(trees):
        may_be_missing = uncertain(tree, tested) | tried(tree) | _in_rerun(tree)
        parents = parents_in(tree)
        for path, node in _paths(tree, values):
            if id(node) in may_be_missing or _is_name_of(node, tested):
                optional.add(path)
            elif _is_read(node, parents, values):
                read.append((number, path))
    found: list[InputFile] = []
    for number, path in read:
        slug, _, name = path.removeprefix(f"{_INPUT}/").partition("/")
        name = _whole_part(name)
        # A path without a name is the input's own.
        tests = {path, *(f"{_INPUT}/{slug}/{folder}" for folder in PurePosixPath(name).parents if folder.name)}
        if name and ".." not in name and tests.isdisjoint(optional):
            found.append(InputFile(number=number, slug=slug, name=name))
    return list(dict.fromkeys(found))


_Known = Mapping[str, ast.expr | None]
"""Names with their values; None for a name that is assigned several times, or something else than an expression."""


@dataclass(frozen=True, kw_only=True)
class _Values:
    """The values of names.

    Attributes:
        everywhere: of those of the program, and of a class's, such as ``CFG.root``.
        inside: of those of the class or function that a node is in, by the node's `id`.
    """

    everywhere: _Known
    inside: Mapping[int, _Known]

    def value_of(self, node: ast.Name | ast.Attribute) -> ast.expr | None:
        """Return what a name stands for where a node names it."""
        name = ast.unparse(node)
        own = self.inside[id(node)]
        return own[name] if name in own else self.everywhere.get(name)


def _values_in(trees: Sequence[ast.Module]) -> _Values:
    """Return the values of names in pieces of one program."""
    everywhere = _known(chain.from_iterable(map(_assignments, trees)))
    inside: dict[int, _Known] = {}
    waiting: list[tuple[ast.AST, _Known]] = [(tree, {}) for tree in trees]
    while waiting:
        node, known = waiting.pop()
        inside[id(node)] = known
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = _known(_assignments(node))
            known = {**known, **own}
            if isinstance(node, ast.ClassDef):
                everywhere |= {f"{node.name}.{name}": value for name, value in own.items()}
        waiting += [(child, known) for child in ast.iter_child_nodes(node)]
    return _Values(everywhere=everywhere, inside=inside)


def _known(assignments: Iterable[tuple[str, ast.expr | None]]) -> dict[str, ast.expr | None]:
    known: dict[str, ast.expr | None] = {}
    for name, value in assignments:
        known[name] = None if name in known else value
    return known


def _assignments(scope: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names that a scope assigns, without the scopes in it, and their values; None for any other value."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.arg):
            yield node.arg, None
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, None
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            # A loop assigns it, or one of several targets, or it is added to.
            yield node.id, None
        else:
            waiting += ast.iter_child_nodes(node)


def _paths(tree: ast.Module, values: _Values) -> Iterator[tuple[str, ast.expr]]:
    """Yield the paths in inputs, parts of others among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            path = _path(node, values)
            if path is not None and path.startswith(_INPUT):
                yield path, node


def _is_name_of(node: ast.expr, tested: frozenset[str]) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and not names_in(node).isdisjoint(tested)


def _is_read(node: ast.expr, parents: Mapping[ast.AST, ast.AST], values: _Values) -> bool:
    """Tell whether the code needs what is at a path, or at one that it makes of it on the spot."""
    parent = parents.get(node)
    if isinstance(parent, ast.expr) and _path(parent, values) is not None:
        return False
    # The file in a folder may not be written out.
    while isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and node is parent.left:
        node, parent = parent, parents.get(parent)
    if isinstance(parent, ast.keyword):
        parent = parents.get(parent)
    if isinstance(parent, ast.Call) and node is not parent.func:
        function = ast.unparse(parent.func)
        return function not in values.everywhere and bool(_READS.search(function))
    return isinstance(parent, ast.Attribute) and parent.attr in _NEEDS


def _path(node: ast.expr, values: _Values, depth: int = 10) -> str | None:
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
    between, parts = _parts(node, values)
    texts: list[str] = []
    for part in parts:
        text = _path(part, values, depth - 1)
        if text is None:
            return None
        texts.append(text)
    return between.join(texts) if texts else None


def _parts(node: ast.expr, values: _Values) -> tuple[str, Sequence[ast.expr]]:
    """Return the parts of a text or path, and what is between them; no parts for any other expression."""
    if isinstance(node, ast.Name | ast.Attribute):
        return "", list(filter(None, [values.value_of(node)]))
    if isinstance(node, ast.FormattedValue):
        return "", [node.value]
    if isinstance(node, ast.JoinedStr):
        return "", node.values
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
        between = "/" if isinstance(node.op, ast.Div) else ""
        return between, [node.left, node.right]
    if isinstance(node, ast.Call) and not node.keywords:
        return "/", _parts_of_call(node)
    return "", []


def _parts_of_call(call: ast.Call) -> Sequence[ast.expr]:
    function = ast.unparse(call.func)
    last = function.rpartition(".")[2]
    if last == "find_input" and len(call.args) == 1:
        return [ast.Constant(_INPUT), *call.args]
    if last == "joinpath" and isinstance(call.func, ast.Attribute):
        return [call.func.value, *call.args]
    return call.args if last in _SAME or function.endswith("path.join") else []


def _whole_part(name: str) -> str:
    """Return a path as far as its folders are written out: without what a search or a format fills in."""
    parts: list[str] = []
    for part in PurePosixPath(name).parts:
        if _FILLED_IN.search(part):
            break
        parts.append(part)
    return "/".join(part for part in parts if part != "/")


def _in_rerun(tree: ast.Module) -> set[int]:
    """Return the nodes, by `id`, of what code does in the rerun alone, or outside of it alone."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and _RERUN in ast.unparse(node.test):
            found |= {id(inner) for inner in ast.walk(node)}
    return found
