"""Of `doctor`, what reads a kernel's code: what would stop it, or have it find or fetch what is not there."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator

from kaggle_offline.fetching import fetches, other_pip_lines
from kaggle_offline.git import git
from kaggle_offline.hard_coded_paths import input_paths, magics_with_inputs, tested_names
from kaggle_offline.inputs import required_by
from kaggle_offline.notebook import INSTALL, PARAMETERS
from kaggle_offline.source_code import (
    brings,
    distributions_of,
    imported_modules,
    is_known,
    module_written,
    parse,
    pip_installs,
    why_no_python,
)
from kaggle_offline.subject import Code, Finding, Subject, source_root

# What push writes into the cell of parameters.
_PARAMETERS = frozenset({"PACKAGES_DIGEST", "KERNEL_DIGEST", "WEIGHTS"})

# A module's name, or a part of one, as a text.
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

# Where people's own machines, and Colab, have their files.
_OTHER_MACHINE = re.compile(r"/home/\w|/Users/\w|/content/|~/|[A-Za-z]:[\\/]\w")


def _installs(subject: Subject) -> Iterator[Finding]:
    cells = [cell for cell in subject.notebook.cells if cell.cell_type == "code"]
    at = {
        tag: next((n for n, cell in enumerate(cells) if tag in cell.metadata.get("tags", [])), None)
        for tag in (PARAMETERS, INSTALL)
    }
    where, parameters, install = subject.cells[0].where, at[PARAMETERS] or 0, at[INSTALL]
    for name in sorted(_assigned(cells[parameters].source) - _PARAMETERS):
        yield Finding(
            f"{where}: {name} is set in the cell tagged {PARAMETERS}, which push writes anew",
            "Set it in a cell of its own.",
        )
    if install is None:
        if not any("install.py" in code.text for code in subject.cells):
            yield Finding(
                f"{where}: nothing installs the packages",
                'Add a cell that begins with: # %% tags=["install"]; push fills it in.',
            )
        return
    if (parse(cells[install].source) or ast.Module([], [])).body:
        yield Finding(
            f"{where}: there is code in the cell tagged {INSTALL}, which push writes anew",
            "Move it into the next cell.",
        )
    if install < parameters:
        yield Finding(
            f"{where}: the cell tagged {INSTALL} stands before the one tagged {PARAMETERS}, which it needs",
            "Let the parameters be the first.",
        )
    own = {module.module.partition(".")[0] for module in subject.modules}
    for cell in cells[:install]:
        for module in sorted(own & set(imported_modules(parse(cell.source) or ast.Module([], [])))):
            yield Finding(
                f"{where}: imports {module} before it is installed", f"Move it below the cell tagged {INSTALL}."
            )


def _assigned(code: str) -> set[str]:
    nodes = ast.walk(parse(code) or ast.Module([], []))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _syntax(subject: Subject) -> Iterator[Finding]:
    here = ".".join(map(str, sys.version_info[:2]))
    other = f", or if it is right for {subject.image.python}: this machine's {here} cannot rehearse it"
    for code in (*subject.cells, *subject.modules):
        if "\ufffd" in code.text:
            yield Finding(f"{code.where}: holds what is no UTF-8", "Save it as UTF-8.")
        elif (reason := why_no_python(code.text)) is not None:
            yield Finding(
                f"{code.where}: is no Python {here}: {reason}",
                f"Correct it; the kernel would stop there{other if here != subject.image.python else ''}.",
            )


def _reached(subject: Subject) -> list[Code]:
    """The cells, and the modules that they or other such modules import: a package may hold what no kernel runs."""
    found, others = list(subject.cells), {code.module: code for code in subject.modules}
    for code in found:
        for name in sorted(_own_names(code)):
            # To import one is to import what it lies in.
            parts = name.split(".")
            found += filter(None, (others.pop(".".join(parts[:n]), None) for n in range(1, len(parts) + 1)))
    return found


def _own_names(code: Code) -> set[str]:
    """What code imports, or hands to ``python -m``: dotted names, among them those of modules."""
    tree = parse(code.text)
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _imported_from(node, code)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            found.add(node.value)
    return found


def _imported_from(node: ast.ImportFrom, code: Code) -> str:
    """The module that names are imported from, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = code.module.split(".")[: -node.level + (1 if code.where.endswith("/__init__.py") else 0) or None]
    return ".".join([*package, *filter(None, [node.module])])


def _network(subject: Subject) -> Iterator[Finding]:
    require = f"There is no network: take it out, and require it in {subject.where(subject.kernel.package)}."
    for code in subject.cells:
        for line in pip_installs(code.text):
            yield Finding(f"{code.where}: {line.text}", require)
    for code in _reached(subject):
        for text in other_pip_lines(code.text):
            yield Finding(f"{code.where}: {text}", require)
        for _, text in fetches(code.text):
            yield Finding(f"{code.where}: {text} fetches", "There is no network: ship it as a checkpoint or a dataset.")


def _input_paths(subject: Subject) -> Iterator[Finding]:
    reached = _reached(subject)
    tested = frozenset[str]().union(*(tested_names(code.text) for code in reached))
    for code in reached:
        for path in input_paths(code.text, tested):
            if code.module and not path.instead:
                # In the middle of a text it is likelier to be told than opened.
                continue
            slug = repr(path.slug) if path.slug else "…"
            yield Finding(
                f"{code.where}: {path.text} is there under one of Kaggle's two layouts alone",
                f"Write {path.instead or f'find_input({slug}), and what follows'}, "
                "with: from competition_kit.inputs import find_input",
            )
        for line in () if code.module or module_written(code.text) else magics_with_inputs(code.text):
            yield Finding(
                f"{code.where}: {line}: such a path is there under one of Kaggle's two layouts alone",
                "Find the input in Python: from competition_kit.inputs import find_input",
            )


def _other_machines(subject: Subject) -> Iterator[Finding]:
    for code in _reached(subject):
        tree = parse(code.text)
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)} if tree else set()
        for node in ast.walk(tree) if tree else ():
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
            if is_text and _OTHER_MACHINE.match(node.value):  # type: ignore[attr-defined]
                yield Finding(
                    f"{code.where}: {ast.unparse(node)} is a path of another machine than Kaggle's",
                    "Ship it as a checkpoint or a dataset, and find it with find_input.",
                )


def _imports(subject: Subject) -> Iterator[Finding]:
    package = subject.kernel.package
    required = required_by(package)
    if required is None:
        # Only building it would tell.
        return
    own = {path.stem for path in source_root(package).glob("*")}
    own |= {name for name, _ in filter(None, (module_written(code.text) for code in subject.cells))}
    known = {*subject.image.pins, *subject.image.unlisted}
    for code in _reached(subject):
        tree = parse(code.text)
        for module in sorted(imported_modules(tree, needed=True) if tree else ()):
            # What begins so Kaggle gives every kernel; and a notebook is run by IPython.
            there = module.startswith("kaggle_") or (module == "IPython" and not subject.kernel.is_script)
            if there or module in own or brings(required, module):
                continue
            likely = distributions_of(module)[0]
            # A name that is only guessed may be a stranger's.
            name = likely if is_known(module) or likely in known else "the distribution that brings it"
            yield Finding(
                f"{code.where}: imports {module}, which {subject.where(package)} does not require",
                f"Add {name} to the dependencies in its pyproject.toml.",
            )


def _own_modules(subject: Subject) -> Iterator[Finding]:
    """Modules of the package itself that are not there, or would not be in a clone."""
    root, repository = source_root(subject.kernel.package), subject.kernel.repository
    known = {code.module for code in subject.modules}
    packages = {name.rpartition(".")[0] for name in known} | known
    tops = {name.partition(".")[0] for name in known}
    for code in _reached(subject):
        tree = parse(code.text)
        for node in ast.walk(tree) if tree else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [_imported_from(node, code)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.partition(".")[0] in tops and name not in packages:
                    yield Finding(
                        f"{code.where}: imports {name}, which is not in {subject.where(root)}", "Correct the name."
                    )
        if code.module and git(repository, "check-ignore", "--quiet", code.where) is not None:
            yield Finding(
                f"{code.where}: is ignored by Git, so a tag's run would not have it", "Have Git keep it: .gitignore"
            )


def _output(subject: Subject) -> Iterator[Finding]:
    name = subject.kernel.output
    named = re.compile(rf"(?:.*/)?{re.escape(name)}")
    trees = [tree for code in _reached(subject) if (tree := parse(code.text)) is not None]
    texts = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and named.fullmatch(node.value)
    }
    elsewhere = sorted(t for t in texts if t.startswith("/") and not t.startswith(("/kaggle/working/", f"/{name}")))
    if not texts and not any(_syntax(subject)):
        yield Finding(
            f"{subject.settings}: output: no code names {name}",
            f"Have the kernel write /kaggle/working/{name}, or say what it writes.",
        )
    elif texts and len(elsewhere) == len(texts):
        yield Finding(
            f"{subject.settings}: output: {elsewhere[0]} is not where Kaggle looks for it",
            f"Have the kernel write /kaggle/working/{name}.",
        )


CODE_CHECKS: tuple[Callable[[Subject], Iterable[Finding]], ...] = (
    _installs,
    _syntax,
    _network,
    _input_paths,
    _other_machines,
    _imports,
    _own_modules,
    _output,
)
