"""Turn an existing notebook or script into a kernel that installs its packages and finds its inputs offline.

jupytext is imported where a notebook is read: the import takes most of a second.
"""

import ast
import json
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kaggle_offline.artifacts.render import INSTALL, PARAMETERS
from kaggle_offline.code.cells import WrittenModule, indent, magics, module_written, nodes_of, parse, parsed
from kaggle_offline.code.imports import (
    ELSEWHERE,
    distributions_of,
    finds_elsewhere,
    imported_modules,
    is_known,
    provider,
)
from kaggle_offline.code.input_paths import InputPath, input_paths, inputs_in, magics_with_inputs, with_inputs_found
from kaggle_offline.code.network_access import fetches, text_constants
from kaggle_offline.code.pip_commands import (
    PipInstall,
    other_pip_lines,
    pip_installs,
    requirement_of,
    stands_alone,
    without_credentials,
    without_pip,
)
from kaggle_offline.code.shell_commands import commands
from kaggle_offline.code.tested_paths import tested_names
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import read_json

# The style checks of this repository do not apply to code that comes from elsewhere.
_STYLE = "# ruff: noqa\n# fmt: off\n"
_MODULE_STYLE = f"# mypy: ignore-errors\n{_STYLE}"

_CELL_LINE = re.compile(r"^([ \t]*)# ?%%", re.MULTILINE)
_PLOTS = re.compile(r"^\s*%matplotlib\b", re.MULTILINE)

# The keys of a kernel's metadata for its inputs, and the keys for the kinds of inputs that a path in the code names.
_SOURCES = ("dataset_sources", "kernel_sources", "model_sources")
_SOURCES_OF_KIND = {"datasets": "dataset_sources", "notebooks": "kernel_sources", "models": "model_sources"}
# The names under which people hand in, and what a competition expects unless its sample has another form.
_OUTPUT = re.compile(r"(?:.*/)?(submission\w*\.(?:csv|parquet|json))")
_USUAL_OUTPUT = "submission.csv"
_COMPETITION = re.compile(r"(?:c|competitions)/")
# The outputs of Kaggle's dependency manager, which kernels have as inputs.
_DEPENDENCIES = "packagemanager/pm-"
_FLAGS = ("enable_gpu", "enable_tpu")

# A magic of a cell for another program.
_CELL_MAGIC = re.compile(r"\s*%%(?P<name>\w+)[ \t]*(?P<line>[^\n]*)\n?(?P<body>.*)", re.DOTALL)
# A script that was a notebook, or is one for jupytext.
_IS_NOTEBOOK = re.compile(r"\bget_ipython\(\)")
_JUPYTEXT = re.compile(r"\A(?:#!.*\n)?# ---\n(?:#.*\n)*?# jupyter:\n")

_VARIABLE = re.compile(r"\{(\w+)\}|\$(\w+)")

# A fence of Markdown that ends a line with text before it: jupytext would look for its end in the next cells.
_FENCE_AFTER_TEXT = re.compile(r"^(?![ \t]*(?:```|~~~))(.*\S)(```|~~~)[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)

_PARAMETERS = '# The origin of this kernel; `push` fills it in.\nPACKAGES_DIGEST = ""'
_INSTALL = "# `push` writes the installation of the packages that Kaggle's image lacks here."
# As many names of changes of a kind are read at a glance.
_SHOWN = 6
_FIND = "from competition_kit.inputs import find_input"


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """An existing notebook or script as a kernel.

    Attributes:
        code: the kernel, in percent format.
        is_script: whether Kaggle runs it as a script; else as a notebook.
        requirements: of its package.
        modules: the text of the modules that it imports from its own folder, by path.
        settings: keys of its metadata that it had already: ``enable_gpu``, and inputs besides the competition.
        done: the changes, a line for each.
        left: the places that need a look, a line for each.
        offline: the code that needs a network, and would fail on Kaggle, a line for each.
    """

    code: str
    is_script: bool
    requirements: tuple[str, ...]
    modules: dict[str, str]
    settings: dict[str, Any]
    done: tuple[str, ...]
    left: tuple[str, ...]
    offline: tuple[str, ...]


def adopt(path: Path, competition: str, known: Iterable[str]) -> Adopted:
    """Turn a notebook (``.ipynb``) or script (``.py``) into a kernel; the file stays unchanged.

    Lines that install with pip become requirements, and so do imports. Modules in its folder move into the package.
    Paths of inputs become calls that find them under either of Kaggle's layouts.

    Args:
        path: the file.
        competition: the competition's slug.
        known: names of the image's distributions: they decide which of several distributions a module comes from.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    import nbformat

    notebook = _read(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not any(cell.source.strip() for cell in cells):
        raise ConfigurationError(f"{path}: no code in it", "Name a notebook or script with code.")
    notes = _Notes(competition, path.parent, known)
    notes.begin(_settings(path, notebook))
    tested: set[str] = set()
    constants: dict[str, str] = {}
    for cell in cells:
        cell.source = _as_written(cell.source, notes)
        tested |= tested_names(cell.source)
        constants |= text_constants(cell.source)
        notes.require(cell.source, constants)
    for cell in cells:
        code = _without_installs(cell.source, notes)
        written = module_written(code)
        if written:
            seen = _file_with_inputs(written, frozenset(tested), notes)
            code = f"{code.removesuffix(written.text)}{seen}"
        else:
            code = seen = _with_inputs(code, frozenset(tested), notes)
        notes.offline += [text for _, text in fetches(seen, constants)]
        cell.source = _with_blocks_kept(code)
    sources = [cell.source for cell in cells]
    notes.look_at_output(sources)
    modules = _local_modules(path.parent, sources)
    requirements = _requirements(sources, modules, frozenset(known), notes)
    if any(cell.get("attachments") for cell in notebook.cells):
        notes.left.append("pictures that are attached to its Markdown are not in the kernel")
    new = nbformat.v4.new_code_cell
    first = [new(_PARAMETERS, metadata={"tags": [PARAMETERS]}), new(_INSTALL, metadata={"tags": [INSTALL]})]
    if any("find_input(" in source for source in sources if not module_written(source)):
        first.append(new(_FIND))
    notebook.cells = [*first, *notebook.cells]
    notebook.metadata = {"jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all"}}
    return Adopted(
        code=_written(path, notebook),
        is_script=path.suffix == ".py" and not _is_notebook(path),
        requirements=requirements,
        modules={name: _MODULE_STYLE + text for name, text in modules.items()},
        settings=notes.settings,
        done=_merged(notes.done, most=_SHOWN),
        left=_merged(notes.left),
        offline=tuple(dict.fromkeys(notes.offline)),
    )


def _merged(lines: Sequence[str], most: int | None = None) -> tuple[str, ...]:
    """Return the lines with those of the same explanation as one, of which at most so many names are shown."""
    names: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        name, _, explanation = line.partition(": ")
        names.setdefault(explanation, []).append(name)
    merged = []
    for explanation, of_it in names.items():
        shown = of_it[:most]
        more = f" and {len(of_it) - len(shown)} others" if len(of_it) > len(shown) else ""
        merged.append(f"{', '.join(shown)}{more}: {explanation}".removesuffix(": "))
    return tuple(merged)


def _written(path: Path, notebook: Any) -> str:
    """Return a notebook in percent format, from which the same cells are read.

    Python for a process of its own, ``%%python``, becomes a call: the format would have it as Python for the kernel.

    Raises:
        ConfigurationError: a cell would be another.
    """
    import jupytext

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _kept_markdown(cell.source)
        magic = _CELL_MAGIC.fullmatch(cell.source) if cell.cell_type == "code" else None
        if magic and not _is_kept(cell):
            name, line, body = (repr(magic[part]) for part in ("name", "line", "body"))
            cell.source = f"get_ipython().run_cell_magic({name}, {line}, {body})"
    text: str = _STYLE + "\n" + jupytext.writes(notebook, fmt="py:percent")
    # The comments above the first cell are one, too.
    read = jupytext.reads(text, fmt="py:percent").cells[1:]
    for cell, other in zip_longest(notebook.cells, read):
        if cell is None or other is None or _content(cell) != _content(other):
            changed = cell or other
            begin = changed.source.strip().partition("\n")[0]
            raise ConfigurationError(
                f"{path}: the cell that begins with {begin!r} would be another in the kernel",
                "Close its quotes and fences, or move what is not Python into a file; then run the same command again.",
            )
    return text


def _content(cell: Any) -> tuple[str, str]:
    return cell.cell_type, cell.source.strip()


def _is_kept(cell: Any) -> bool:
    """Tell whether a cell, and others after it, are read as they are written in percent format."""
    import jupytext
    import nbformat

    # A fence that is not closed is closed by that of another cell.
    fences = ["```", "~~~", *(fence.strip() for fence in _FENCE.findall(cell.source))]
    fenced = nbformat.v4.new_markdown_cell("\n".join(f"{fence}\npass\n{fence}" for fence in fences))
    cells = [cell, nbformat.v4.new_code_cell("pass"), fenced]
    read = jupytext.reads(jupytext.writes(nbformat.v4.new_notebook(cells=cells), fmt="py:percent"), fmt="py:percent")
    return [_content(cell) for cell in read.cells] == [_content(cell) for cell in cells]


def _kept_markdown(text: str) -> str:
    """Return Markdown as it is, or else with its signs escaped and its fences closed, or else without fences."""
    import nbformat

    # Lines that begin so would begin a cell, or lose the sign before them.
    closed = re.sub(r"^([ \t#]*)([%!])", r"\1\\\2", text, flags=re.MULTILINE)
    closed = _FENCE_AFTER_TEXT.sub(r"\1\n\2", closed)
    fences = _FENCE.findall(closed)
    if len(fences) % 2:
        closed = f"{closed}\n{fences[-1].strip()}"
    for candidate in (text, closed):
        if _is_kept(nbformat.v4.new_markdown_cell(candidate)):
            return candidate
    return _FENCE.sub(r"\\\g<0>", closed)


def _requirements(
    sources: Sequence[str], modules: Mapping[str, str], known: frozenset[str], notes: "_Notes"
) -> tuple[str, ...]:
    """Return the requirements of a notebook's cells and modules; note them, and what stays unknown."""
    # A file may be written twice.
    written = list(filter(None, map(module_written, sources)))
    for file, text in modules.items():
        for path in input_paths(text):
            if not path.is_found:
                notes.left.append(f"{file}: {_by_hand(path)}")
            notes.see(path)
    notes.done += [f"{name}: in the package now" for name in modules]
    texts = [*sources, *modules.values(), *(module.text for module in written)]
    own = {Path(name).parts[0].removesuffix(".py") for name in modules} | {module.name for module in written}
    imported, unknown = _distributions(texts, own, known, frozenset(notes.pinned))
    notes.done += [f"{name}: required now, because imported" for name in imported if name not in notes.pinned]
    elsewhere = ""
    if finds_elsewhere(texts) or "kernel_sources" in notes.settings:
        elsewhere = ELSEWHERE
    for module in unknown:
        notes.left.append(f"{module}: add the distribution to the package's pyproject.toml{elsewhere}")
    if any(re.search(r"\bdef find_input\b", text) for text in texts):
        notes.left.append("find_input: rename your function, as the one of competition_kit finds the inputs")
    names = dict.fromkeys([*imported, *notes.pinned])
    return tuple(notes.pinned.get(name, name) for name in names)


class _Notes:
    """The findings of a walk through cells: changes, places that need a look, requirements and inputs."""

    def __init__(self, competition: str, folder: Path, image: Iterable[str]) -> None:
        self.competition = competition
        self.folder = folder
        self.image = frozenset(image)
        self.settings: dict[str, Any] = {}
        self.pinned: dict[str, str] = {}
        self.done: list[str] = []
        self.left: list[str] = []
        self.offline: list[str] = []
        self.constants: Mapping[str, str] = {}

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Note the settings that the kernel has already; drop inputs that are empty, or cannot be had offline."""
        for key, value in settings.items():
            kept = value
            if key == "competition_sources":
                kept = self._competitions(value)
            elif key in _SOURCES:
                kept = self._sources(key, value)
                self._rehearse_with(kept)
            if kept:
                self.settings[key] = kept
                self.done.append(f"{key}: {json.dumps(kept)}, unchanged")
        if self.settings.get("enable_tpu"):
            self.left.append("enable_tpu: no image here is for TPUs: set it to false, or capture that image")

    def require(self, code: str, constants: Mapping[str, str]) -> None:
        """Note the requirements of a cell, which its lines of pip have; one with a version wins, in any order."""
        for install in pip_installs(code):
            for text in _requirements_of(install, self.folder, constants)[0]:
                requirement = Requirement(text)
                name = canonicalize_name(requirement.name)
                known = Requirement(self.pinned.get(name, text))
                if not (requirement.specifier or requirement.url):
                    requirement, known = known, requirement
                requirement.extras |= known.extras
                self.pinned[name] = str(requirement)
        self.constants = constants

    def look_at_output(self, sources: Sequence[str]) -> None:
        """Note the file that the code writes if it is not the usual one; a gateway writes its own."""
        names: set[str] = set()
        for source in sources:
            for node in nodes_of(source):
                text = str(node.value) if isinstance(node, ast.Constant) else ""
                match = _OUTPUT.fullmatch(text) if "/input/" not in text else None
                if match:
                    names.add(match[1])
        if names and _USUAL_OUTPUT not in names:
            self.left.append(
                f"{', '.join(sorted(names))}: the file that it writes: compare it with output in submission.toml"
            )

    def note_options(self, install: PipInstall, requirements: Iterable[str]) -> None:
        """Note the options of pip that decide which version is taken; of a version that is named, they do not."""
        unpinned = [text for text in requirements if not re.search(r"==|@", text)]
        elsewhere = [option for option in install.options if "://" in option]
        if not elsewhere and not (install.options and unpinned):
            return
        of_image = [text for text in unpinned if canonicalize_name(Requirement(text).name) in self.image]
        newest = [text for text in unpinned if text not in of_image]
        advice = ""
        if newest:
            advice += f"; taken in the newest release, so pin: {', '.join(newest)}"
        if of_image:
            advice += f"; taken from the image if they fit: {', '.join(of_image)}"
        self.left.append(f"{', '.join(install.options)}: not possible in a requirement{advice}")

    def _competitions(self, refs: Sequence[str]) -> list[str]:
        """Return the competitions if there are others than the kernel's own."""
        refs = [_COMPETITION.sub("", ref) for ref in refs]
        others = [ref for ref in refs if ref and ref != self.competition]
        how = "another competition: to rehearse with it, host it on the local Kaggle"
        self.left += [f"{ref}: {how}" for ref in others]
        return [self.competition, *others] if others else []

    def _sources(self, key: str, refs: Sequence[str]) -> list[str]:
        """Return the inputs of a kind without those that are dropped."""
        kept = []
        for ref in refs:
            if not ref:
                self.done.append(f"{key}: an empty entry is dropped")
            elif ref.startswith(_DEPENDENCIES):
                how = "of Kaggle's dependency manager, dropped: add its packages to the package's pyproject.toml"
                self.left.append(f"{ref}: {how}")
            else:
                kept.append(ref)
        return kept

    def see(self, found: InputPath) -> None:
        """Note the input that a path is in, unless it is the competition or noted already."""
        refs: list[str] = []
        for key in _SOURCES:
            refs += self.settings.get(key, [])
        slugs = {ref.split("/")[1] for ref in refs if "/" in ref}
        competitions = {self.competition, *self.settings.get("competition_sources", [])}
        if not found.slug or (not found.owner and found.slug in {*slugs, *competitions}):
            return
        if found.kind == "competitions":
            self.settings["competition_sources"] = self._competitions(
                [*self.settings.get("competition_sources", [self.competition]), found.slug]
            )
            self.done.append(f"competition_sources: {found.slug}, because a path names it")
            return
        key = _SOURCES_OF_KIND.get(found.kind, "")
        ref = f"{found.owner}/{found.slug}"
        if found.kind == "models":
            ref = f"{ref}/{found.variation}"
        # A kernel's metadata may name the version.
        if any(f"{each}/".casefold().startswith(f"{ref}/".casefold()) for each in refs):
            return
        if found.owner and found.slug in {*slugs, *competitions} and found.kind != "models":
            self.left.append(f"{found.slug}: several inputs have this name, and find_input finds one: write its path")
        if key and found.owner and not ref.endswith("/"):
            self.settings[key] = [*self.settings.get(key, []), ref]
            self.done.append(f"{key}: {ref}, because a path names it")
            self._rehearse_with([ref])
        else:
            self.left.append(f"{found.slug}: name in kernel-metadata.json as an input, with the owner")

    def _rehearse_with(self, refs: Iterable[str]) -> None:
        how = "for a rehearsal, name a folder with the files below [rehearsal.inputs] in submission.toml"
        self.left += [f"{ref}: {how}" for ref in refs]


def _requirements_of(install: PipInstall, folder: Path, constants: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the requirements that code installs, and its other arguments."""
    requirements, other = list(install.requirements), []
    for word in install.other:
        listed = _requirements_in(folder / word) or _requirements_filled(word, constants)
        requirements += [line for line in listed if requirement_of(line)]
        other += [without_credentials(line) for line in listed if not requirement_of(line)]
        if not listed:
            other.append(word)
    return requirements, other


def _without_installs(code: str, notes: _Notes) -> str:
    """Return a cell's code with pip's lines as comments; note them."""
    for install in pip_installs(code):
        requirements, other = _requirements_of(install, notes.folder, notes.constants)
        if requirements:
            notes.done.append(f"{', '.join(requirements)}: required now, was: {install.text}")
        if other:
            notes.left.append(f"{', '.join(other)}: not a requirement; ship it without: {install.text}")
        notes.note_options(install, requirements)
    notes.offline += other_pip_lines(code)
    left = without_pip(code, notes.pinned)
    if not module_written(left):
        for line in magics_with_inputs(left):
            notes.left.append(f"take the folder from find_input: {line}")
        for command in commands(left):
            for found in inputs_in(command.command):
                notes.see(found)
    return left


def _requirements_filled(word: str, constants: Mapping[str, str]) -> list[str]:
    """Return the requirements of a word in which IPython fills in variables; none if it has no variable."""
    filled = _VARIABLE.sub(lambda match: constants.get(match[1] or match[2], match[0]), word)
    return list(filter(None, map(requirement_of, filled.split()))) if filled != word else []


def _requirements_in(path: Path) -> list[str]:
    """Return the requirements of a requirements file beside the notebook; none if it is something else.

    Lines that are no requirements, such as ``-r base.txt``, are words that no requirement can be.
    """
    if path.suffix != ".txt" or not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ").splitlines():
        text = re.split(r"\s+(?:#|--hash=)|^#", line.strip())[0].strip()
        if text:
            found.append(requirement_of(text) or text)
    return found


def _with_inputs(code: str, tested: frozenset[str], notes: _Notes) -> str:
    """Return a cell's code with calls of `find_input` for the paths of inputs; note the paths that stay."""
    if parse(code) is None:
        notes.left.append(f"not Python, skipped: the cell that begins with {code.strip().splitlines()[0]}")
    return _with_paths_found(code, tested, notes)


def _with_paths_found(code: str, tested: frozenset[str], notes: _Notes, where: str = "") -> str:
    """Return code with calls of `find_input`; note its inputs, and the paths that stay, with the file they are in."""
    replaced = with_inputs_found(code, tested)
    for found in input_paths(code, tested):
        if found.instead and replaced != code:
            notes.done.append(f"{found.text}: found with find_input now, under either of Kaggle's layouts")
        elif not found.is_found:
            notes.left.append(f"{where}{_by_hand(found)}")
        notes.see(found)
    return replaced


def _file_with_inputs(written: WrittenModule, tested: frozenset[str], notes: _Notes) -> str:
    """Return a file that a cell writes, in the same way, with the import of `find_input` if it needs that."""
    replaced = _with_paths_found(written.text, tested, notes, f"{written.path}: ")
    tree = parsed(replaced)
    if replaced == written.text or tree is None:
        return replaced
    body = tree.body
    # The docstring and what comes from the future have to be first.
    if ast.get_docstring(tree, clean=False) is not None:
        body = body[1:]
    body = [node for node in body if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")]
    decorators = getattr(body[0], "decorator_list", [])
    first = min(node.lineno for node in (body[0], *decorators))
    lines = replaced.split("\n")
    return "\n".join([*lines[: first - 1], _FIND, *lines[first - 1 :]])


def _settings(path: Path, notebook: Any) -> dict[str, Any]:
    """Return a kernel's settings, from the metadata beside it (``kaggle kernels pull -m``) and from the notebook."""
    settings: dict[str, Any] = {}
    try:
        metadata = read_json(path.parent / "kernel-metadata.json")
        # `kaggle kernels pull` names a notebook; it may lie there as a script.
        if Path(metadata["code_file"]).stem == path.stem:
            keys = (*_FLAGS, "machine_shape", "competition_sources", *_SOURCES)
            settings = {key: metadata[key] for key in keys if metadata.get(key)}
            for key in ("competition_sources", *_SOURCES):
                refs = settings.pop(key, None)
                if isinstance(refs, list):
                    settings[key] = [ref for ref in refs if isinstance(ref, str)]
            for key in _FLAGS:
                # Some files have the words as texts.
                if str(settings.pop(key, False)).lower() == "true":
                    settings[key] = True
    except (OSError, ValueError, KeyError, TypeError):
        pass
    of_notebook = notebook.metadata.get("kaggle") or {}
    if of_notebook.get("isGpuEnabled") is True:
        settings["enable_gpu"] = True
    if str(of_notebook.get("accelerator")).lower().startswith("tpu"):
        settings["enable_tpu"] = True
    return settings


def _with_blocks_kept(code: str) -> str:
    """Add ``pass`` to blocks of IPython's lines alone, which are comments in percent format."""
    lines = code.split("\n")
    for number, magic in reversed(magics(code)):
        first, last = number - 1, number + magic.count("\n")
        before = indent(lines[first])
        if before and first > 0 and lines[first - 1].rstrip().endswith(":"):
            lines.insert(last, f"{before}pass")
    return "\n".join(lines)


def _as_written(code: str, notes: _Notes) -> str:
    """Return a cell's code as people write it in a notebook: magics as such, and none that begins another cell."""
    code = code.replace("\r\n", "\n").rstrip()
    if parse(code) is None:
        # IPython takes away the blanks before the first line of a cell.
        first = indent(code.lstrip("\n"))
        dedented = re.sub(rf"^{re.escape(first)}", "", code, flags=re.MULTILINE)
        code = dedented if first and parse(dedented) is not None else code
    code = _with_magics(code)
    if _CELL_LINE.search(code):
        # Within a cell, a line that begins a cell in percent format would split it.
        notes.done.append("# %% within a cell: #: %% now, also in a text: such a line would begin a cell")
        code = _CELL_LINE.sub(r"\1#: %%", code)
    return code


def _with_magics(code: str) -> str:
    """Return code with the calls that an exported notebook has for IPython's lines as these lines."""
    tree = parsed(code) if "get_ipython()" in code else None
    if tree is None:
        return code
    lines = code.split("\n")
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and stands_alone(node, lines)]
    for node in sorted(statements, key=lambda node: node.lineno, reverse=True):
        call = node.value
        if not isinstance(call, ast.Call) or not ast.unparse(call.func).startswith("get_ipython()."):
            continue
        words = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        line = _magic(ast.unparse(call.func).removeprefix("get_ipython()."), words)
        # A magic of a cell is all of it.
        fits = "\n" not in line or (line.startswith("%%") and len(tree.body) == 1)
        if line and len(words) == len(call.args) and fits:
            lines[call.lineno - 1 : call.end_lineno] = [f"{indent(lines[call.lineno - 1])}{line}"]
    return "\n".join(lines)


def _magic(method: str, words: Sequence[str]) -> str:
    """Return the line of IPython that does what a call does; empty if no line does it."""
    if method == "system" and len(words) == 1:
        return f"!{words[0]}"
    if method in ("run_line_magic", "magic") and 1 <= len(words) <= 2:  # noqa: PLR2004 - a name and a line
        return f"%{' '.join(words)}"
    if method == "run_cell_magic" and len(words) == 3:  # noqa: PLR2004 - a name, a line and a body
        name, line, body = words
        return f"%%{f'{name} {line}'.strip()}\n{body}".rstrip("\n")
    return ""


def _by_hand(found: InputPath) -> str:
    if found.may_be_missing:
        name = repr(found.slug) if found.slug else "…"
        return f"{found.text}: may be missing: call find_input({name}) in a try, as it raises FileNotFoundError"
    if found.is_download:
        return f"{found.text}: add its version, owner/model/framework/variation/1, so that it becomes an input"
    if found.slug:
        return f"{found.text}: take the folder from find_input({found.slug!r})"
    return f"{found.text}: take the folder from find_input and the name of its competition or dataset"


def _is_notebook(path: Path) -> bool:
    """Tell whether a script was a notebook, or is one for jupytext: its magics would not run in a script."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return bool(_JUPYTEXT.match(text) or _IS_NOTEBOOK.search(text))


def _notebook_of(text: str) -> Any:
    """Return a notebook with what a kernel needs of each cell: Jupyter opens files that no strict check accepts.

    Raises:
        ValueError, LookupError, TypeError: the text is not a notebook.
    """
    import nbformat

    document = json.loads(text)
    if document["nbformat"] < 4:  # noqa: PLR2004 - the first that has cells at the top
        return nbformat.reads(text, as_version=4)
    makers = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
        "raw": nbformat.v4.new_raw_cell,
    }
    cells = []
    for cell in document["cells"]:
        made = makers[cell["cell_type"]]("".join(cell["source"]).replace("\r\n", "\n"))
        if cell.get("attachments"):
            made["attachments"] = cell["attachments"]
        cells.append(made)
    return nbformat.v4.new_notebook(cells=cells, metadata=document.get("metadata", {}))


def _read(path: Path) -> Any:
    import jupytext

    if path.suffix not in (".ipynb", ".py"):
        raise ConfigurationError(f"{path}: neither a notebook (.ipynb) nor a script (.py)", "Name one of them.")
    try:
        if path.suffix == ".ipynb":
            notebook = _notebook_of(path.read_text(encoding="utf-8-sig"))
        else:
            text = _read_module(path).removeprefix("\ufeff")
            # A comment stays a comment, even if it looks like a magic, unless jupytext wrote it.
            form = {"extension": ".py", "format_name": "percent", "comment_magics": bool(_JUPYTEXT.match(text))}
            notebook = jupytext.reads(text, fmt=form)
    except ConfigurationError:
        raise
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not found", "Name a notebook or a script.") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", "Name a notebook or a script.") from error
    except Exception as error:  # nbformat raises what its validators do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}", "Open it in Jupyter and save it again."
        ) from error
    language = notebook.metadata.get("kernelspec", {}).get("language")
    language = language or notebook.metadata.get("language_info", {}).get("name") or "python"
    if str(language).lower() not in ("python", "ipython"):
        raise ConfigurationError(f"{path}: written in {language}, not Python", "Name a notebook in Python.")
    return notebook


def _local_modules(folder: Path, sources: Sequence[str]) -> dict[str, str]:
    """Return the text of the modules in a folder that code imports, directly or not, by relative path."""
    found: dict[str, str] = {}
    waiting = list(sources)
    while waiting:
        tree = parse(waiting.pop())
        modules = imported_modules(tree) if tree else {}
        for module in modules:
            for file in _files_of(folder, module):
                name = file.relative_to(folder).as_posix()
                if name not in found:
                    found[name] = _read_module(file)
                    waiting.append(found[name])
    return found


def _files_of(folder: Path, module: str) -> list[Path]:
    """Return the files of a module or package in a folder; a package need not have an ``__init__.py``."""
    file = folder / f"{module}.py"
    if file.is_file():
        return [file]
    package = folder / module
    if not any(package.glob("*.py")):
        return []  # none, or a folder of data
    return [path for path in sorted(package.rglob("*.py")) if not _is_hidden(path.relative_to(folder))]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _read_module(path: Path) -> str:
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}", "Save it as UTF-8.") from error


def _distributions(
    sources: Sequence[str], own: set[str], image: frozenset[str], installed: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Return the distributions that code imports, and the modules of unknown distributions; both sorted.

    Args:
        sources: the code.
        own: its own modules.
        image: the distributions of the image.
        installed: the distributions of pip's lines.
    """
    modules: set[str] = set()
    for source in sources:
        tree = parse(source)
        if tree is not None:
            modules |= imported_modules(tree, needed=True).keys()
    found = set()
    unknown = []
    # Kaggle gives the modules that begin with kaggle_ to every kernel.
    given = {module for module in modules if module.startswith("kaggle_")} | {"competition_kit", "pip"}
    for module in sorted(modules - own - given):
        likeliest = provider(installed, module, image)
        candidates = distributions_of(module)
        likeliest = likeliest or next((name for name in candidates if name in image), "")
        if likeliest or is_known(module):
            found.add(likeliest or candidates[0])
        else:
            unknown.append(module)
    if any(_PLOTS.search(source) for source in sources):
        found.add("matplotlib")
    return sorted(found), unknown
