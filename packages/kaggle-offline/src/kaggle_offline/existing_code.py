"""A notebook or script that is there already, made into a kernel that installs and finds what it needs offline.

jupytext is imported where a notebook is read: it takes most of a second.
"""

import re
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.notebook import INSTALL, PARAMETERS
from kaggle_offline.source_code import (
    InputPath,
    distributions_of,
    imported_modules,
    input_paths,
    is_known,
    magics_with_inputs,
    other_pip_lines,
    parse,
    pip_installs,
    with_inputs_found,
    without_pip,
)

# What the tools of this repository say of style is not said of code that comes from elsewhere.
_STYLE = "# ruff: noqa\n# fmt: off\n"
_MODULE_STYLE = f"# mypy: ignore-errors\n{_STYLE}"

_CELL_LINE = re.compile(r"^# ?%%", re.MULTILINE)
_PLOTS = re.compile(r"^\s*%matplotlib\b", re.MULTILINE)

_PARAMETERS = '# What this kernel was made of; `push` fills it in.\nPACKAGES_DIGEST = ""'
_INSTALL = "# `push` writes here what installs the packages that Kaggle's image lacks."
_FIND = "from competition_kit.inputs import find_input"


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What code that is there already comes to.

    Attributes:
        code: the kernel, in percent format.
        is_script: whether it is to be run as a script; else as a notebook.
        requirements: what its package is to require.
        modules: text of the modules that it imports from beside it, by path.
        done: what was changed, a line for each.
        left: what has to be looked at, a line for each.
    """

    code: str
    is_script: bool
    requirements: tuple[str, ...]
    modules: dict[str, str]
    done: tuple[str, ...]
    left: tuple[str, ...]


def adopt(path: Path, competition: str, known: Iterable[str]) -> Adopted:
    """Read a notebook (``.ipynb``) or script (``.py``) and make it a kernel; the file stays as it is.

    Lines by which pip installs become requirements, imports too; modules beside it go into the package; paths
    of inputs are found under either of Kaggle's layouts.

    Args:
        path: the file.
        competition: the slug of the competition that it is for.
        known: names of distributions that the image has: of several that a module may come in, one of them is meant.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    import jupytext
    import nbformat

    notebook = _read(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    done, left = [], []
    pinned: dict[str, str] = {}
    for cell in cells:
        # A line that begins a cell in percent format, within one.
        cell.source = _CELL_LINE.sub("#: %%", cell.source)
        for install in pip_installs(cell.source):
            pinned |= {canonicalize_name(Requirement(r).name): r for r in install.requirements}
            done += [f"{r}: a requirement now, was: {install.text}" for r in install.requirements]
            left += [f"{other}: ship it another way than by: {install.text}" for other in install.other]
        left += [f"there is no network for: {line}" for line in other_pip_lines(cell.source)]
        left += [f"find the input in another way than by: {line}" for line in magics_with_inputs(cell.source)]
        cell.source = without_pip(cell.source)
        if parse(cell.source) is None:
            left.append(f"a cell is no Python, and was not looked into: {cell.source.strip().splitlines()[0]}")
        replaced = with_inputs_found(cell.source)
        for found in input_paths(cell.source):
            if found.instead and replaced != cell.source:
                done.append(f"{found.text} is {found.instead} now, under either of Kaggle's layouts")
            else:
                left.append(_by_hand(found))
            if found.slug not in (competition, ""):
                left.append(f"{found.slug} is an input, too: name it in kernel-metadata.json, with its owner")
        cell.source = replaced
    modules = _local_modules(path.parent, [cell.source for cell in cells])
    done += [f"{name}: in the package now" for name in modules]
    left += [f"{name}: {_by_hand(found)}" for name, text in modules.items() for found in input_paths(text)]
    sources = [*(cell.source for cell in cells), *modules.values()]
    own = {Path(name).parts[0].removesuffix(".py") for name in modules}
    imported, unknown = _distributions(sources, own, frozenset(known) | frozenset(pinned))
    done += [f"{name}: a requirement, as it is imported" for name in imported if name not in pinned]
    left += [f"{module}: add what brings it to the dependencies in the package's pyproject.toml" for module in unknown]
    new = nbformat.v4.new_code_cell
    first = [new(_PARAMETERS, metadata={"tags": [PARAMETERS]}), new(_INSTALL, metadata={"tags": [INSTALL]})]
    if any("find_input(" in cell.source for cell in cells):
        first.append(new(_FIND))
    notebook.cells = [*first, *notebook.cells]
    notebook.metadata = {"jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all"}}
    return Adopted(
        code=_STYLE + "\n" + jupytext.writes(notebook, fmt="py:percent"),
        is_script=path.suffix == ".py",
        requirements=tuple({name: pinned.get(name, name) for name in [*imported, *pinned]}.values()),
        modules={name: _MODULE_STYLE + text for name, text in modules.items()},
        done=tuple(done),
        left=tuple(dict.fromkeys(left)),
    )


def _by_hand(found: InputPath) -> str:
    begin = f"find_input({found.slug!r})" if found.slug else "find_input, of what it is in"
    return f"{found.text}: begin it with {begin}"


def _read(path: Path) -> Any:
    import jupytext
    import nbformat

    if path.suffix not in (".ipynb", ".py"):
        raise ConfigurationError(f"{path}: neither a notebook (.ipynb) nor a script (.py)", "Name one that is.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".ipynb":
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
            return notebook
        # What is a comment there stays one.
        return jupytext.reads(text, fmt={"extension": ".py", "format_name": "percent", "comment_magics": False})
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not there", "Name a notebook or a script.") from None
    except Exception as error:  # nbformat raises what its validators do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}", "Open it in Jupyter and save it again."
        ) from error


def _local_modules(folder: Path, sources: Sequence[str]) -> dict[str, str]:
    """The modules in a folder that code imports, and those that they import, by path relative to it."""
    found: dict[str, str] = {}
    waiting = list(sources)
    while waiting:
        tree = parse(waiting.pop())
        for module in imported_modules(tree) if tree else ():
            package = folder / module
            files = [folder / f"{module}.py"] if (folder / f"{module}.py").is_file() else []
            if not files and (package / "__init__.py").is_file():
                files = [path for path in sorted(package.rglob("*.py")) if not _is_hidden(path.relative_to(folder))]
            for file in files:
                name = file.relative_to(folder).as_posix()
                if name not in found:
                    found[name] = _read_module(file)
                    waiting.append(found[name])
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _read_module(path: Path) -> str:
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}", "Save it as UTF-8.") from error


def _distributions(sources: Sequence[str], own: set[str], known: frozenset[str]) -> tuple[list[str], list[str]]:
    """The distributions that code imports, and the modules of which nobody knows what brings them; both sorted.

    ``own`` are its own modules, ``known`` the names of distributions that the image has, or that pip was told of.
    """
    trees = [tree for tree in map(parse, sources) if tree is not None]
    modules = {module for tree in trees for module in imported_modules(tree, needed=True)}
    found, unknown = set(), []
    # What Kaggle gives every kernel comes in no distribution.
    for module in sorted(name for name in modules - own - {"competition_kit"} if not name.startswith("kaggle_")):
        candidates = distributions_of(module)
        likeliest = next((name for name in candidates if name in known), None)
        if likeliest or is_known(module):
            found.add(likeliest or candidates[0])
        else:
            unknown.append(module)
    if any(_PLOTS.search(source) for source in sources):
        found.add("matplotlib")
    return sorted(found), unknown
