"""Checks of a kernel's code: what would stop it, or have it find or fetch something that is not there."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator

from kaggle_offline.artifacts.render import INSTALL, PARAMETERS
from kaggle_offline.code.cells import module_written, why_no_python
from kaggle_offline.code.imports import brings, distributions_of, imported_modules, is_known, modules_gone
from kaggle_offline.code.input_paths import input_paths, magics_with_inputs, tested_names
from kaggle_offline.code.network_access import fetches
from kaggle_offline.code.pip_commands import other_pip_lines, pip_installs
from kaggle_offline.doctor.subject import Finding, Subject, imported_from, source_root
from kaggle_offline.repository.packages import required_by

# The names that push writes into the cell of parameters.
_PARAMETERS = frozenset({"PACKAGES_DIGEST", "KERNEL_DIGEST", "WEIGHTS"})

# Where people's own machines, and Colab, have their files.
_OTHER_MACHINE = re.compile(r"/home/\w|/Users/\w|/content/|~/|[A-Za-z]:[\\/]\w")


def _installs(subject: Subject) -> Iterator[Finding]:
    cells = subject.cells
    at = {tag: next((n for n, cell in enumerate(cells) if tag in cell.tags), None) for tag in (PARAMETERS, INSTALL)}
    where, parameters, install = subject.cells[0].where, at[PARAMETERS] or 0, at[INSTALL]
    nodes = ast.walk(cells[parameters].tree)
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for name in sorted(assigned - _PARAMETERS):
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
    if cells[install].tree.body:
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
        for module in sorted(own & set(imported_modules(cell.tree))):
            yield Finding(
                f"{where}: imports {module} before it is installed", f"Move it below the cell tagged {INSTALL}."
            )


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


def _network(subject: Subject) -> Iterator[Finding]:
    require = f"There is no network: take it out, and require it in {subject.where(subject.kernel.package)}."
    for code in subject.cells:
        for line in pip_installs(code.text):
            yield Finding(f"{code.where}: {line.text}", require)
    for code in subject.reached:
        for text in other_pip_lines(code.text):
            yield Finding(f"{code.where}: {text}", require)
        for _, text in fetches(code.text):
            yield Finding(f"{code.where}: {text} fetches", "There is no network: ship it as a checkpoint or a dataset.")


def _input_paths(subject: Subject) -> Iterator[Finding]:
    tested = frozenset[str]().union(*(tested_names(code.text) for code in subject.reached))
    for code in subject.reached:
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
    for code in subject.reached:
        prose = {id(node.value) for node in ast.walk(code.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(code.tree):
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
    for code in subject.reached:
        for module in sorted(imported_modules(code.tree, needed=True)):
            # Kaggle gives every kernel the modules that begin so; and IPython runs notebooks.
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
        # On an older Python than the image's, no rehearsal would tell.
        for module, since in modules_gone(code.tree, subject.image.python).items():
            if module not in own and not brings(required | known, module):
                yield Finding(
                    f"{code.where}: imports {module}, removed in Python {since}",
                    "Take what its documentation has in its place, under What's New, Removed; "
                    f"or require {distributions_of(module)[0]}.",
                )


def _inputs(subject: Subject) -> Iterator[Finding]:
    """Inputs that are looked for by a name that none has."""
    kernel = subject.kernel
    named = [source for key in ("dataset_sources", "kernel_sources") for source in kernel.metadata.get(key, [])]
    pushed = ("packages", "models") if kernel.checkpoints else ("packages",)
    slugs = {kernel.competition, *(f"{kernel.competition}-{kind}" for kind in pushed)}
    slugs |= {source.split("/")[1] for source in [*named, *kernel.metadata.get("model_sources", [])] if "/" in source}
    for code in subject.reached:
        for call in _find_input_calls(code.tree):
            for slug in (*call.args, *(keyword.value for keyword in call.keywords)):
                if isinstance(slug, ast.Constant) and str(slug.value).partition("/")[0] not in slugs:
                    yield Finding(
                        f"{code.where}: {ast.unparse(call)}: no input has that name; there are: "
                        f"{', '.join(sorted(slugs))}",
                        f"Correct it, or name what it is in {subject.metadata}.",
                    )


def _find_input_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of competition_kit's function that look in the kernel's own inputs, and fail if there is no such."""
    if any(isinstance(node, ast.FunctionDef) and node.name == "find_input" for node in ast.walk(tree)):
        return
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    tried = {id(node) for attempt in tries for part in attempt.body for node in ast.walk(part)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in tried or len(node.args) + len(node.keywords) != 1:
            continue
        if ast.unparse(node.func) in ("find_input", "inputs.find_input", "competition_kit.inputs.find_input"):
            yield node


def _own_modules(subject: Subject) -> Iterator[Finding]:
    """Modules of the package itself that are not there, or would not be in a clone."""
    root = source_root(subject.kernel.package)
    known = {code.module for code in subject.modules}
    packages = {name.rpartition(".")[0] for name in known} | known
    tops = {name.partition(".")[0] for name in known}
    for code in subject.reached:
        for node in ast.walk(code.tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [imported_from(node, code)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.partition(".")[0] in tops and name not in packages:
                    yield Finding(
                        f"{code.where}: imports {name}, which is not in {subject.where(root)}", "Correct the name."
                    )
        if code.module:
            yield from subject.ignored(code.where)


def _output(subject: Subject) -> Iterator[Finding]:
    name = subject.kernel.output
    named = re.compile(rf"(?:.*/)?{re.escape(name)}")
    texts = {
        node.value
        for code in subject.reached
        for node in ast.walk(code.tree)
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
    _inputs,
    _imports,
    _own_modules,
    _output,
)
