"""Checks of a kernel's code: errors that would stop it, inputs that it would not find, and uses of the network."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator

from kaggle_offline.artifacts.pack import dataset_slug
from kaggle_offline.artifacts.render import INSTALL, PARAMETERS
from kaggle_offline.code.cells import CELL_MAGIC, module_written, why_no_python
from kaggle_offline.code.imports import (
    ELSEWHERE,
    distributions_of,
    finds_elsewhere,
    imported_modules,
    is_known,
    modules_gone,
    provider,
)
from kaggle_offline.code.input_paths import input_paths, magics_with_inputs
from kaggle_offline.code.network_access import fetches, text_constants
from kaggle_offline.code.pip_commands import other_pip_lines, pip_installs
from kaggle_offline.code.shell_commands import commands
from kaggle_offline.code.tested_paths import tested_names, tried
from kaggle_offline.doctor.served_checks import is_served
from kaggle_offline.doctor.subject import Finding, Subject, imported_from
from kaggle_offline.repository.packages import required_by, source_root

# The names that push writes into the cell of parameters.
_PARAMETERS = frozenset({"PACKAGES_DIGEST", "KERNEL_DIGEST", "WEIGHTS"})

# Where people's own machines, and Colab, have their files.
_RUNS_PYTHON = re.compile(r"\bpython3?\b|\.py\b")
_OTHER_MACHINE = re.compile(r"/home/\w|/Users/\w|/content/|~/|[A-Za-z]:[\\/]\w")


def _installs(subject: Subject) -> Iterator[Finding]:
    cells = subject.cells
    where = cells[0].where
    parameters = _cell_tagged(subject, PARAMETERS) or 0
    install = _cell_tagged(subject, INSTALL)
    nodes = ast.walk(cells[parameters].tree)
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for name in sorted(assigned - _PARAMETERS):
        yield Finding(
            f"{where}: {name} is set in the cell tagged {PARAMETERS}, which push replaces",
            "Set it in a cell of its own.",
        )
    if install is None:
        if not any("install.py" in code.text for code in cells):
            yield Finding(
                f"{where}: no cell installs the packages",
                'Add a cell that begins with: # %% tags=["install"]; push fills it in.',
            )
        return
    if cells[install].tree.body:
        yield Finding(
            f"{where}: code in the cell tagged {INSTALL}, which push replaces",
            "Move it into the next cell.",
        )
    if install < parameters:
        yield Finding(
            f"{where}: the cell tagged {INSTALL} comes before the one tagged {PARAMETERS}, which it needs",
            "Put the parameters first.",
        )
    own = {module.module.partition(".")[0] for module in subject.modules}
    for cell in cells[:install]:
        for module in sorted(own & set(imported_modules(cell.tree))):
            yield Finding(
                f"{where}: imports {module} before it is installed", f"Move it below the cell tagged {INSTALL}."
            )


def _cell_tagged(subject: Subject, tag: str) -> int | None:
    """Return the number of the first cell with a tag."""
    for number, cell in enumerate(subject.cells):
        if tag in cell.tags:
            return number
    return None


def _syntax(subject: Subject) -> Iterator[Finding]:
    here = ".".join(map(str, sys.version_info[:2]))
    cure = "Correct it; the kernel would stop there."
    if here != subject.image.python:
        cure = f"Correct it; if it is valid in {subject.image.python}, this machine's {here} cannot rehearse it."
    for code in (*subject.cells, *subject.modules):
        if "\ufffd" in code.text:
            yield Finding(f"{code.where}: not valid UTF-8", "Save it as UTF-8.")
            continue
        reason = why_no_python(code.text)
        if reason is not None:
            yield Finding(f"{code.where}: not valid Python {here}: {reason}", cure)


def _network(subject: Subject) -> Iterator[Finding]:
    require = f"Kernels have no network: remove it, and require it in {subject.where(subject.kernel.package)}."
    for code in subject.reached:
        for line in pip_installs(code.text):
            yield Finding(f"{code.where}: {line.text}", require)
    constants: dict[str, str] = {}
    for code in subject.reached:
        constants |= text_constants(code.text)
    for code in subject.reached:
        for text in other_pip_lines(code.text):
            yield Finding(f"{code.where}: {text}", require)
        for _, text in fetches(code.text, constants):
            yield Finding(
                f"{code.where}: {text} downloads", "Kernels have no network: ship it as a checkpoint or a dataset."
            )


def _input_paths(subject: Subject) -> Iterator[Finding]:
    tested: set[str] = set()
    for code in subject.reached:
        tested |= tested_names(code.text)
    for code in subject.reached:
        written = module_written(code.text)
        text = code.text
        if written:
            text = written.text
        for path in input_paths(text, frozenset(tested)):
            if path.is_download or path.is_found or (code.module and not path.instead):
                # In the middle of a text, a module more likely mentions the path than opens it.
                continue
            slug = repr(path.slug) if path.slug else "…"
            cure = f"Write {path.instead or f'find_input({slug}) and the rest of the path'}"
            if path.may_be_missing:
                cure = f"Call find_input({slug}) in a try: without the input, it raises FileNotFoundError"
            where = f"{code.where}: {written.path}" if written else code.where
            yield Finding(
                f"{where}: {path.text} exists under only one of Kaggle's two mount layouts",
                f"{cure}; from competition_kit.inputs import find_input",
            )
        if code.module or written:
            continue
        for line in magics_with_inputs(code.text):
            yield Finding(
                f"{code.where}: {line}: the path exists under only one of Kaggle's two mount layouts",
                "Find the input in Python: from competition_kit.inputs import find_input",
            )


def _other_machines(subject: Subject) -> Iterator[Finding]:
    for code in subject.reached:
        prose = {id(node.value) for node in ast.walk(code.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(code.tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
            if is_text and _OTHER_MACHINE.match(node.value):  # type: ignore[attr-defined]
                yield Finding(
                    f"{code.where}: {ast.unparse(node)}: a path that Kaggle's machines do not have",
                    "Ship it as a checkpoint or a dataset, and find it with find_input.",
                )


def _imports(subject: Subject) -> Iterator[Finding]:
    package = subject.kernel.package
    required = required_by(package)
    if required is None:
        # Only building the package would tell.
        return
    own = {path.stem for path in source_root(package).glob("*")}
    for cell in subject.cells:
        written = module_written(cell.text)
        if written:
            own.add(written.name)
    known = {*subject.image.pins, *subject.image.unlisted}
    elsewhere = ""
    has_kernels = bool(subject.kernel.metadata.sources.get("kernel"))
    if has_kernels or finds_elsewhere(code.text for code in subject.reached):
        elsewhere = ELSEWHERE
    for code in subject.reached:
        for module in sorted(imported_modules(code.tree, needed=True)):
            # Kaggle gives every kernel the modules that begin with kaggle_, and runs notebooks with IPython.
            there = module.startswith("kaggle_") or (module == "IPython" and not subject.kernel.is_script)
            if there or module in own or provider(required, module, known):
                continue
            likely = distributions_of(module)[0]
            # A guessed name may be somebody else's distribution.
            name = likely if is_known(module) or likely in known else "its distribution"
            yield Finding(
                f"{code.where}: imports {module}, which {subject.where(package)} does not require{elsewhere}",
                f"Add {name} to the dependencies in its pyproject.toml.",
            )
        # A rehearsal on an older Python than the image's would not fail.
        for module, since in modules_gone(code.tree, subject.image.python).items():
            if module not in own and not provider(required | known, module):
                yield Finding(
                    f"{code.where}: imports {module}, removed in Python {since}",
                    f"Use the replacement that What's New in Python {since} names, or require "
                    f"{distributions_of(module)[0]}.",
                )


def _inputs(subject: Subject) -> Iterator[Finding]:
    """Find calls of `find_input` with a name that no input has."""
    kernel = subject.kernel
    slugs = {kernel.on_kaggle, dataset_slug(kernel.competition, "packages")}
    if kernel.checkpoints:
        slugs.add(dataset_slug(kernel.competition, "models"))
    for sources in kernel.metadata.sources.values():
        slugs |= {source.split("/")[1] for source in sources if "/" in source}
    known = ", ".join(sorted(slugs))
    for code in subject.reached:
        for call in _find_input_calls(code.tree):
            slug = call.args[0] if call.args else call.keywords[0].value
            if isinstance(slug, ast.Constant) and str(slug.value).partition("/")[0] not in slugs:
                yield Finding(
                    f"{code.where}: {ast.unparse(call)}: not among the inputs: {known}",
                    f"Correct it, or add the input to {subject.metadata}.",
                )


def _find_input_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield calls of competition_kit's function with one argument, which raise without the input, outside of a try."""
    if any(isinstance(node, ast.FunctionDef) and node.name == "find_input" for node in ast.walk(tree)):
        return
    in_try = tried(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in in_try or len(node.args) + len(node.keywords) != 1:
            continue
        if ast.unparse(node.func) in ("find_input", "inputs.find_input", "competition_kit.inputs.find_input"):
            yield node


def _own_modules(subject: Subject) -> Iterator[Finding]:
    """Find modules of the package itself that do not exist, or that a clone would not have."""
    root = source_root(subject.kernel.package)
    known = {code.module for code in subject.modules}
    packages = {name.rpartition(".")[0] for name in known} | known
    tops = {name.partition(".")[0] for name in known}
    for code in subject.reached:
        for node in ast.walk(code.tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [imported_from(node, code)]
            for name in names:
                if name.partition(".")[0] in tops and name not in packages:
                    yield Finding(
                        f"{code.where}: imports {name}: not found in {subject.where(root)}", "Correct the name."
                    )
        if code.module:
            yield from subject.ignored(code.where)


def _may_be_written(subject: Subject) -> bool:
    """Tell whether a text without its ending, a cell that is not Python, or another program may name the output."""
    name = subject.kernel.settings.output
    stem = re.compile(rf"(?:.*/)?{re.escape(name.partition('.')[0])}")
    for code in subject.reached:
        texts = [node.value for node in ast.walk(code.tree) if isinstance(node, ast.Constant)]
        if any(isinstance(text, str) and stem.fullmatch(text) for text in texts):
            return True
        is_other = bool(CELL_MAGIC.match(code.text)) and name in code.text
        if is_other or any(_RUNS_PYTHON.search(each.command) for each in commands(code.text)):
            return True
    return False


def _output(subject: Subject) -> Iterator[Finding]:
    if is_served(subject):
        return
    name = subject.kernel.settings.output
    named = re.compile(rf"(?:.*/)?{re.escape(name)}")
    texts: set[str] = set()
    for code in subject.reached:
        constants = [node.value for node in ast.walk(code.tree) if isinstance(node, ast.Constant)]
        texts |= {value for value in constants if isinstance(value, str) and named.fullmatch(value)}
    absolute = [text for text in texts if text.startswith("/")]
    elsewhere = sorted(text for text in absolute if not text.startswith(("/kaggle/working/", f"/{name}")))
    if not texts and not _may_be_written(subject) and not any(_syntax(subject)):
        yield Finding(
            f"{subject.settings}: output: no code names {name}",
            f"Write /kaggle/working/{name} in the kernel, or correct output.",
        )
    elif texts and len(elsewhere) == len(texts):
        yield Finding(
            f"{subject.settings}: output: {elsewhere[0]} is outside /kaggle/working",
            f"Write /kaggle/working/{name} in the kernel.",
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
