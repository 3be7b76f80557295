"""Paths that may be missing: code tests for them, or has others to take instead."""

import ast
from collections.abc import Iterator

from kaggle_offline.code.cells import parse

TESTS = ("exists", "lexists", "isdir", "isfile", "is_dir", "is_file")
"""Calls that tell whether there is something at a path."""


def tested_names(code: str) -> frozenset[str]:
    """Return the names of the paths whose existence code tests: it can do without them, and `find_input` raises.

    Among them are attributes, such as ``.model`` for ``CFG.model``; lists of which one is looked for; and functions
    that test what they are given.
    """
    names: set[str] = set()
    for scope in _scopes(parse(code) or ast.Module([], [])):
        own = _tested_in(scope)
        parameters: set[str] = set()
        if isinstance(scope, ast.FunctionDef):
            parameters = {argument.arg for argument in scope.args.args}
            if own & parameters:
                names.add(scope.name)
        names |= own - parameters
    return frozenset(names)


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the module, without its functions, and each function."""
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def _tested_in(scope: ast.AST) -> set[str]:
    """Return the names that a scope tests, those of lists that it goes through with a test included."""
    names: set[str] = set()
    for node in _of_scope(scope):
        if isinstance(node, ast.Call):
            for path in _tested_by(node):
                names |= names_in(path)
        for target, iterated, body in _loops(node):
            if names_in(target) & _tested_or_tried(body):
                names |= names_in(iterated)
    return names


def _of_scope(scope: ast.AST) -> Iterator[ast.AST]:
    waiting = [scope]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.FunctionDef)]


def _loops(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, list[ast.AST]]]:
    """Yield the loops of a statement or a comprehension: target, what it goes through, and what it does."""
    if isinstance(node, ast.For):
        yield node.target, node.iter, list(node.body)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        for generator in node.generators:
            yield generator.target, generator.iter, [node.elt, *generator.ifs]


def _tested_or_tried(body: list[ast.AST]) -> set[str]:
    """Return the names in tests for paths, and in what is tried, below some nodes."""
    names: set[str] = set()
    for part in body:
        for node in ast.walk(part):
            if isinstance(node, ast.Call):
                for path in _tested_by(node):
                    names |= names_in(path)
            elif isinstance(node, ast.Try):
                for statement in node.body:
                    names |= names_in(statement)
    return names


def _tested_by(call: ast.Call) -> list[ast.expr]:
    """Return the expressions whose existence a call tests: of ``os.path.exists(a)`` and ``a.exists()`` it is ``a``."""
    if ast.unparse(call.func).rpartition(".")[2] not in TESTS:
        return []
    if call.args:
        return list(call.args)
    return [call.func.value] if isinstance(call.func, ast.Attribute) else []


def names_in(node: ast.AST) -> set[str]:
    """Return the names of values in code, not those of functions that it calls; of an attribute, ``.name``."""
    functions = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and id(part) not in functions:
            names.add(part.id)
        elif isinstance(part, ast.Attribute) and id(part) not in functions:
            names.add(f".{part.attr}")
    return names


def tried(tree: ast.AST) -> set[int]:
    """Return the nodes, by `id`, of what code tries, or does with errors suppressed."""
    found: set[int] = set()
    for node in ast.walk(tree):
        is_tried = isinstance(node, ast.Try)
        if isinstance(node, ast.With):
            is_tried = any("suppress(" in ast.unparse(item.context_expr) for item in node.items)
        if is_tried:
            for part in node.body:  # type: ignore[attr-defined]
                found |= {id(inner) for inner in ast.walk(part)}
    return found


def uncertain(tree: ast.AST, tested: frozenset[str]) -> set[int]:
    """Return the expressions, by `id`, of paths that may be missing: tested ones, alternatives, values of tested names.

    Args:
        tree: of the code.
        tested: comes from `tested_names`, of all code.
    """
    parts: set[int] = set()
    for node in ast.walk(tree):
        for optional in _optional_in(node, tested):
            parts |= {id(part) for part in ast.walk(optional)}
    return parts


def _optional_in(node: ast.AST, tested: frozenset[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        yield from _tested_by(node)
        if ast.unparse(node.func) in tested:
            yield node
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Assign | ast.For):
        alternatives = node.value if isinstance(node, ast.Assign) else node.iter
        if isinstance(alternatives, ast.List | ast.Tuple) and _are_of_several_machines(alternatives.elts):
            yield alternatives
    for names, value in _assignments(node):
        if not names.isdisjoint(tested):
            yield value
    for target, iterated, body in _loops(node):
        if names_in(target) & _tested_or_tried(body):
            yield iterated


def _assignments(node: ast.AST) -> Iterator[tuple[set[str], ast.AST]]:
    """Yield the names and the value of an assignment; those in a class are tested as attributes of something."""
    statements = node.body if isinstance(node, ast.ClassDef) else [node]
    for statement in statements:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = set[str]().union(*map(names_in, targets))
            if statement is not node:
                names = {f".{name}" for name in names}
            yield names, statement.value


def _are_of_several_machines(nodes: list[ast.expr]) -> bool:
    """Tell whether texts are paths of inputs and other paths, of which a machine has only some."""
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    inputs = [text for text in texts if "/input" in text]
    return bool(inputs) and any("/" in text for text in texts if text not in inputs)
