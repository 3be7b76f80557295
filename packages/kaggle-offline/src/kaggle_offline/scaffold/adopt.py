"""A notebook or script that is there already, made into a kernel that installs and finds what it needs offline.

jupytext is imported where a notebook is read: it takes most of a second.
"""

import json
import re
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kaggle_offline.artifacts.render import INSTALL, PARAMETERS
from kaggle_offline.code.cells import indent, module_written, parse
from kaggle_offline.code.imports import distributions_of, imported_modules, is_known
from kaggle_offline.code.input_paths import InputPath, input_paths, magics_with_inputs, tested_names, with_inputs_found
from kaggle_offline.code.network_access import fetches
from kaggle_offline.code.pip_commands import other_pip_lines, pip_installs, without_pip
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import read_json

# The style checks of this repository do not apply to code that comes from elsewhere.
_STYLE = "# ruff: noqa\n# fmt: off\n"
_MODULE_STYLE = f"# mypy: ignore-errors\n{_STYLE}"

_CELL_LINE = re.compile(r"^# ?%%", re.MULTILINE)
_PLOTS = re.compile(r"^\s*%matplotlib\b", re.MULTILINE)

# The keys of a kernel's metadata that say what it sees and runs on, and those that a path in the code tells, too.
_SOURCES = ("dataset_sources", "kernel_sources", "model_sources")
_SOURCES_OF_KIND = {"datasets": "dataset_sources", "notebooks": "kernel_sources"}

_PARAMETERS = '# What this kernel was made of; `push` fills it in.\nPACKAGES_DIGEST = ""'
_INSTALL = "# `push` writes here what installs the packages that Kaggle's image lacks."
_FIND = "from competition_kit.inputs import find_input"


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """Code that was there already, made a kernel.

    Attributes:
        code: the kernel, in percent format.
        is_script: whether it is to be run as a script; else as a notebook.
        requirements: what its package is to require.
        modules: text of the modules that it imports from beside it, by path.
        settings: of its metadata, as far as they were there: ``enable_gpu``, and other sources than the competition.
        done: what was changed, a line for each.
        left: what has to be looked at, a line for each.
    """

    code: str
    is_script: bool
    requirements: tuple[str, ...]
    modules: dict[str, str]
    settings: dict[str, Any]
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
    if not any(cell.source.strip() for cell in cells):
        raise ConfigurationError(f"{path}: there is no code in it", "Name one that has some.")
    notes = _Notes(competition, _settings(path, notebook))
    tested = frozenset[str]().union(*(tested_names(cell.source) for cell in cells))
    for cell in cells:
        # A line that begins a cell in percent format, within one; and what a style check would take away.
        code = _without_installs(_CELL_LINE.sub("#: %%", cell.source).rstrip(), notes)
        cell.source = _with_blocks_kept(_with_inputs(code, tested, notes))
    modules = _local_modules(path.parent, [cell.source for cell in cells])
    notes.done += [f"{name}: in the package now" for name in modules]
    made = dict(filter(None, (module_written(cell.source) for cell in cells)))
    for name, text in (*modules.items(), *((f"{name}.py", text) for name, text in made.items())):
        notes.left += [f"{name}: {_by_hand(found)}" for found in input_paths(text)]
    texts = [*(cell.source for cell in cells), *modules.values(), *made.values()]
    own = {Path(name).parts[0].removesuffix(".py") for name in modules} | set(made)
    imported, unknown = _distributions(texts, own, frozenset(known) | frozenset(notes.pinned))
    notes.done += [f"{name}: a requirement, as it is imported" for name in imported if name not in notes.pinned]
    elsewhere = ", unless it lies where sys.path is told to look" if any("sys.path" in text for text in texts) else ""
    notes.left += [
        f"{module}: add what brings it to the dependencies in the package's pyproject.toml{elsewhere}"
        for module in unknown
    ]
    if any(re.search(r"\bdef find_input\b", text) for text in texts):
        notes.left.append(
            "find_input is a function of yours: give it another name, as one of that name finds the inputs"
        )
    if any(cell.get("attachments") for cell in notebook.cells):
        notes.left.append("pictures that are attached to its Markdown are not in the kernel")
    new = nbformat.v4.new_code_cell
    first = [new(_PARAMETERS, metadata={"tags": [PARAMETERS]}), new(_INSTALL, metadata={"tags": [INSTALL]})]
    if any("find_input(" in cell.source for cell in cells):
        first.append(new(_FIND))
    notebook.cells = [*first, *notebook.cells]
    notebook.metadata = {"jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all"}}
    return Adopted(
        code=_STYLE + "\n" + jupytext.writes(notebook, fmt="py:percent"),
        is_script=path.suffix == ".py",
        requirements=tuple({name: notes.pinned.get(name, name) for name in [*imported, *notes.pinned]}.values()),
        modules={name: _MODULE_STYLE + text for name, text in modules.items()},
        settings=notes.settings,
        done=tuple(dict.fromkeys(notes.done)),
        left=tuple(dict.fromkeys(notes.left)),
    )


class _Notes:
    """The findings of a walk through cells: what was done, what is left, what is required and seen."""

    def __init__(self, competition: str, settings: dict[str, Any]) -> None:
        self.competition = competition
        self.settings = settings
        self.pinned: dict[str, str] = {}
        self.done = [f"{key}: {json.dumps(value)}, as it was" for key, value in settings.items()]
        self.left: list[str] = []
        for key in _SOURCES:
            self._rehearse_with(settings.get(key, []))

    def see(self, found: InputPath) -> None:
        """Note the input that a path is in, if that is another than the competition and what is known."""
        known = {str(ref).split("/")[1] for key in _SOURCES for ref in self.settings.get(key, []) if "/" in str(ref)}
        if found.slug in (self.competition, "", *known):
            return
        key, ref = _SOURCES_OF_KIND.get(found.kind, ""), f"{found.owner}/{found.slug}"
        if key:
            self.settings[key] = [*self.settings.get(key, []), ref]
            self.done.append(f"{key}: {ref}, as a path says")
            self._rehearse_with([ref])
        else:
            self.left.append(f"{found.slug} is an input, too: name it in kernel-metadata.json, with its owner")

    def _rehearse_with(self, refs: Iterable[str]) -> None:
        self.left += [f"{ref}: to rehearse with it, your own Kaggle has to have one of that name" for ref in refs]


def _without_installs(code: str, notes: _Notes) -> str:
    """A cell's code without the lines by which pip installs; what else fetches is left, and noted."""
    for install in pip_installs(code):
        for text in install.requirements:
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            # One that is pinned says more than one that is not, wherever it stands.
            if requirement.specifier or requirement.url or name not in notes.pinned:
                notes.pinned[name] = text
        notes.done += [f"{r}: a requirement now, was: {install.text}" for r in install.requirements]
        notes.left += [f"{other}: ship it another way than by: {install.text}" for other in install.other]
        notes.left += [f"{option} says what no requirement can, in: {install.text}" for option in install.options]
    notes.left += [f"there is no network for: {line}" for line in other_pip_lines(code)]
    notes.left += [f"there is no network for: {text}" for _, text in fetches(code)]
    if not module_written(code):
        notes.left += [f"find the input in another way than by: {line}" for line in magics_with_inputs(code)]
    return without_pip(code)


def _with_inputs(code: str, tested: frozenset[str], notes: _Notes) -> str:
    """A cell's code with the inputs found whose paths it has written out; what is left of them is noted."""
    if parse(code) is None:
        notes.left.append(f"a cell is no Python, and was not looked into: {code.strip().splitlines()[0]}")
    replaced = with_inputs_found(code, tested)
    for found in input_paths(code, tested):
        if found.instead and replaced != code:
            notes.done.append(f"{found.text} is {found.instead} now, under either of Kaggle's layouts")
        else:
            notes.left.append(_by_hand(found))
        notes.see(found)
    return replaced


def _settings(path: Path, notebook: Any) -> dict[str, Any]:
    """Return a kernel's settings: of the metadata beside the code (``kaggle kernels pull -m``), and of the notebook."""
    settings: dict[str, Any] = {}
    try:
        metadata = read_json(path.parent / "kernel-metadata.json")
        if metadata["code_file"] == path.name:
            settings = {key: metadata[key] for key in ("enable_gpu", *_SOURCES) if metadata.get(key)}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if notebook.metadata.get("kaggle", {}).get("isGpuEnabled") is True:
        settings["enable_gpu"] = True
    return settings


def _with_blocks_kept(code: str) -> str:
    """The code with something in blocks that hold nothing but IPython's lines, which are comments in percent format."""
    if "\n" not in code or parse(code) is None:
        return code
    lines = code.split("\n")
    kept = []
    for number, line in enumerate(lines):
        kept.append(line)
        opens = number > 0 and lines[number - 1].rstrip().endswith(":")
        if opens and re.match(r"\s+[!%]", line):
            kept.append(f"{indent(line)}pass")
    return "\n".join(kept)


def _by_hand(found: InputPath) -> str:
    begin = f"find_input({found.slug!r})" if found.slug else "find_input, of the competition or dataset that it is in"
    return f"{found.text}: begin it with {begin}"


def _read(path: Path) -> Any:
    import jupytext
    import nbformat

    if path.suffix not in (".ipynb", ".py"):
        raise ConfigurationError(f"{path}: neither a notebook (.ipynb) nor a script (.py)", "Name one that is.")
    try:
        if path.suffix == ".ipynb":
            notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)
            nbformat.validate(notebook)
        else:
            # A comment there stays one.
            form = {"extension": ".py", "format_name": "percent", "comment_magics": False}
            notebook = jupytext.reads(_read_module(path).removeprefix("\ufeff"), fmt=form)
    except ConfigurationError:
        raise
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not there", "Name a notebook or a script.") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", "Name a notebook or a script.") from error
    except Exception as error:  # nbformat raises what its validators do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}", "Open it in Jupyter and save it again."
        ) from error
    spec = notebook.metadata.get("kernelspec", {}), notebook.metadata.get("language_info", {})
    language = str(spec[0].get("language") or spec[1].get("name") or "python")
    if language.lower() not in ("python", "ipython"):
        raise ConfigurationError(f"{path}: is written in {language}", "Only Python can become a kernel here.")
    return notebook


def _local_modules(folder: Path, sources: Sequence[str]) -> dict[str, str]:
    """The modules in a folder that code imports, and those that they import, by path relative to it."""
    found: dict[str, str] = {}
    waiting = list(sources)
    while waiting:
        tree = parse(waiting.pop())
        for module in imported_modules(tree) if tree else ():
            package = folder / module
            files = [folder / f"{module}.py"] if (folder / f"{module}.py").is_file() else []
            # With or without an __init__.py; a folder of data is none.
            if not files and package.is_dir() and any(package.glob("*.py")):
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
    # Modules that Kaggle gives every kernel come in no distribution.
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
