"""``doctor``: what would go wrong, found before it does, by reading; nothing is pushed or run."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from kaggle_offline.checkpoints import list_checkpoints
from kaggle_offline.errors import OfflineError
from kaggle_offline.files import alone
from kaggle_offline.freeze import lock_kernel
from kaggle_offline.git import git
from kaggle_offline.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.inputs import required_by
from kaggle_offline.kernel_folder import KernelFolder, read_kernel_folder
from kaggle_offline.notebook import INSTALL, read_notebook
from kaggle_offline.pack import dataset_slug
from kaggle_offline.result import read_result
from kaggle_offline.source_code import (
    distributions_of,
    fetches,
    imported_modules,
    input_paths,
    other_pip_lines,
    parse,
    pip_installs,
)
from kaggle_offline.wheel import read_project_file

# GitHub refuses a file that is larger.
_GITHUB_BYTES = 100 * 2**20

# What Git has in place of a file whose content is elsewhere.
_POINTER = b"version https://git-lfs.github.com/spec/"

_SECONDS_OF_HOUR = 3600


@dataclass(frozen=True)
class Finding:
    """What would go wrong, with the file or name, and what to do about it."""

    problem: str
    cure: str


@dataclass(frozen=True, kw_only=True)
class _Code:
    """A piece of code: where it lies, for messages, and its text; of a notebook each cell is one."""

    where: str
    text: str


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is examined of a competition: its folder, read, its image, and what code it has."""

    kernel: KernelFolder
    image: ImageManifest
    notebook: Any
    cells: tuple[_Code, ...] = field(repr=False)
    modules: tuple[_Code, ...] = field(repr=False)

    @property
    def settings(self) -> str:
        """``submission.toml``, for messages."""
        return self.where(self.kernel.folder / "submission.toml")

    @property
    def metadata(self) -> str:
        """``kernel-metadata.json``, for messages."""
        return self.where(self.kernel.folder / "kernel-metadata.json")

    def where(self, path: Path) -> str:
        """A path, for messages."""
        return path.relative_to(self.kernel.repository).as_posix()


def examine(repository: Path, competition: str) -> list[Finding]:
    """All that is found of a competition; what cannot be read is one finding, and ends it.

    Raises:
        UnknownCompetitionError: there is no such competition.
    """
    try:
        kernel = read_kernel_folder(repository, competition)
        image = read_image_manifest(kernel.image)
        notebook = read_notebook(kernel.code)
    except OfflineError as error:
        if not (repository / "kernels" / competition).is_dir():
            raise
        return [_of_error(repository, error)]
    code = kernel.code.relative_to(repository).as_posix()
    cells = tuple(_Code(where=code, text=cell.source) for cell in notebook.cells if cell.cell_type == "code")
    paths = sorted(path for path in source_root(kernel.package).rglob("*.py") if path.is_file())
    modules = tuple(
        _Code(where=path.relative_to(repository).as_posix(), text=path.read_text(encoding="utf-8", errors="replace"))
        for path in paths
    )
    subject = _Subject(kernel=kernel, image=image, notebook=notebook, cells=cells, modules=modules)
    found: list[Finding] = []
    for check in _CHECKS:
        try:
            found += check(subject)
        except OfflineError as error:
            found.append(_of_error(repository, error))
    return found


def source_root(package: Path) -> Path:
    """Where the modules of a package lie."""
    return package / "src" if (package / "src").is_dir() else package


def _of_error(repository: Path, error: OfflineError) -> Finding:
    return Finding(error.problem.replace(f"{repository}/", ""), error.cure)


def _names(subject: _Subject) -> Iterable[Finding]:
    # Where the longer of the two datasets' names will do, so will the other.
    dataset_slug(subject.kernel.competition, "packages")
    return ()


def _visibility(subject: _Subject) -> Iterator[Finding]:
    if subject.kernel.metadata.get("is_private") is not True:
        yield Finding(
            f"{subject.metadata}: is_private: {json.dumps(subject.kernel.metadata.get('is_private'))}",
            "Everybody would see the kernel, which many competitions forbid: set it to true.",
        )


def _sources(subject: _Subject) -> Iterator[Finding]:
    for key, parts in (("dataset_sources", (2,)), ("kernel_sources", (2,)), ("model_sources", (4, 5))):
        for source in subject.kernel.metadata.get(key, []):
            words = source.split("/")
            if len(words) not in parts or not all(words):
                form = "owner/slug" if parts == (2,) else "owner/model/framework/variation/version"
                yield Finding(f"{subject.metadata}: {key}: {source!r}", f"Write it as {form}.")


def _accelerator(subject: _Subject) -> Iterator[Finding]:
    wanted, there = bool(subject.kernel.metadata.get("enable_gpu")), subject.image.has_gpu
    if wanted != there and "accelerator" in subject.image.header:
        yield Finding(
            f"{subject.metadata}: enable_gpu is {json.dumps(wanted)}, but {subject.image.name} is the image "
            f"{'with' if there else 'without'} a GPU",
            "Set it to what the image is for, or name the other image in submission.toml.",
        )


def _newer_image(subject: _Subject) -> Iterator[Finding]:
    manifests = [read_image_manifest(path) for path in sorted(subject.kernel.image.parent.glob("*.txt"))]
    kind = (subject.image.has_gpu, subject.image.is_local)
    dated = [m for m in manifests if (m.has_gpu, m.is_local) == kind and m.header.get("date")]
    newest = max(dated, key=lambda m: m.header["date"], default=subject.image)
    if subject.image.header.get("date", "9") < newest.header.get("date", ""):
        yield Finding(
            f"{subject.settings}: image: {subject.image.name} is of {subject.image.header['date']}, and "
            f"{newest.name} of {newest.header['date']} is there",
            f'Kaggle has moved on: image = "{newest.name}", then nox -s lock.',
        )


def _installs(subject: _Subject) -> Iterator[Finding]:
    tagged = any(INSTALL in cell.metadata.get("tags", []) for cell in subject.notebook.cells)
    if not tagged and not any("install.py" in code.text for code in subject.cells):
        yield Finding(
            f"{subject.cells[0].where}: nothing installs the packages",
            'Add a cell that begins with: # %% tags=["install"]; push fills it in.',
        )


def _syntax(subject: _Subject) -> Iterator[Finding]:
    for code in (*subject.cells, *subject.modules):
        if parse(code.text) is None:
            first = next(iter(code.text.strip().splitlines()), "")
            yield Finding(f"{code.where}: is no Python, from {first!r} on", "Correct it; the kernel would stop there.")


def _reached(subject: _Subject) -> Iterator[_Code]:
    """The cells, and the modules that they or other such modules name: a package may hold what no kernel runs."""
    waiting, others = list(subject.cells), list(subject.modules)
    while waiting:
        code = waiting.pop()
        yield code
        for module in list(others):
            name = Path(module.where).stem.replace("__init__", Path(module.where).parent.name)
            if re.search(rf"(?:\.|\bimport\b.*\b){re.escape(name)}\b", code.text):
                others.remove(module)
                waiting.append(module)


def _network(subject: _Subject) -> Iterator[Finding]:
    for code in subject.cells:
        for line in pip_installs(code.text):
            yield Finding(
                f"{code.where}: {line.text}",
                f"There is no network: take it out, and require it in {subject.where(subject.kernel.package)}.",
            )
        for text in other_pip_lines(code.text):
            yield Finding(f"{code.where}: {text}", "There is no network: require what it installs.")
    for code in _reached(subject):
        for _, text in fetches(code.text):
            yield Finding(f"{code.where}: {text} fetches", "There is no network: ship it as a checkpoint or a dataset.")


def _input_paths(subject: _Subject) -> Iterator[Finding]:
    for code in (*subject.cells, *subject.modules):
        for path in input_paths(code.text):
            if code in subject.modules and not path.instead:
                # In the middle of a text it is likelier to be told than opened.
                continue
            instead = path.instead or f"find_input({path.slug!r}), and what follows"
            yield Finding(
                f"{code.where}: {path.text} is there under one of Kaggle's two layouts alone",
                f"Write {instead}, with: from competition_kit.inputs import find_input",
            )


def _imports(subject: _Subject) -> Iterator[Finding]:
    package = subject.kernel.package
    required = required_by(package)
    if required is None:
        # Only building it would tell.
        return
    own = {path.stem for path in source_root(package).glob("*")}
    for code in (*subject.cells, *subject.modules):
        tree = parse(code.text)
        for module in sorted(imported_modules(tree, needed=True) if tree else ()):
            # What begins so Kaggle gives every kernel.
            there = module in own or module.startswith("kaggle_")
            if not there and required.isdisjoint(distributions_of(module)):
                yield Finding(
                    f"{code.where}: imports {module}, which {subject.where(package)} does not require",
                    f"Add {distributions_of(module)[0]} to the dependencies in its pyproject.toml.",
                )


def _python(subject: _Subject) -> Iterator[Finding]:
    project = read_project_file(subject.kernel.package).get("project")
    text = str(project.get("requires-python", "")) if isinstance(project, dict) else ""
    where = subject.where(subject.kernel.package / "pyproject.toml")
    try:
        fits = SpecifierSet(text).contains(f"{subject.image.python}.99")
    except InvalidSpecifier:
        yield Finding(f"{where}: requires-python: {text!r}", 'Write it as in: requires-python = ">=3.11"')
        return
    if not fits:
        yield Finding(
            f"{where}: requires-python is {text}, and {subject.image.name} has {subject.image.python}",
            "Allow the image's Python.",
        )


def _lock(subject: _Subject) -> Iterable[Finding]:
    # For another Python nothing can be locked.
    if not any(_python(subject)):
        with alone(subject.kernel.build):
            lock_kernel(subject.kernel, renew=False)
    return ()


def _output(subject: _Subject) -> Iterator[Finding]:
    name = subject.kernel.output
    if not any(name in code.text for code in (*subject.cells, *subject.modules)):
        yield Finding(
            f"{subject.settings}: output: no code names {name}",
            f"Have the kernel write /kaggle/working/{name}, or say what it writes.",
        )


def _rehearsal(subject: _Subject) -> Iterator[Finding]:
    words = shlex.split(subject.kernel.rehearsal)
    if words[:2] == ["python", "-m"] and len(words) > 2:  # noqa: PLR2004
        module = Path(*words[2].split("."))
        # Or of a neighbour that it requires.
        roots = [source_root(path) for path in subject.kernel.package.parent.iterdir() if path.is_dir()]
        if not any((r / module).with_suffix(".py").is_file() or (r / module / "__main__.py").is_file() for r in roots):
            yield Finding(
                f"{subject.settings}: rehearsal.competition: {words[2]} is not in packages/",
                "Name a module of the package; it is given the folder to write.",
            )


def _checkpoints(subject: _Subject) -> Iterator[Finding]:
    folder, repository = subject.kernel.checkpoints, subject.kernel.repository
    if folder is None:
        return
    files = sorted(path for path in folder.iterdir() if path.is_file())
    pointers = [path for path in files if path.open("rb").read(len(_POINTER)) == _POINTER]
    for path in pointers:
        yield Finding(f"{subject.where(path)}: is Git LFS's pointer, not the file", "Run: git lfs pull")
    if not pointers:
        try:
            list_checkpoints(folder)
        except OfflineError as error:
            yield _of_error(repository, error)
    known = set((git(repository, "ls-files", "-z", "--", str(folder)) or "").split("\0"))
    for path in files:
        name = subject.where(path)
        if git(repository, "check-ignore", "--quiet", str(path)) is not None and name not in known:
            yield Finding(
                f"{name}: is ignored by Git, so a tag's run would not have it", "Have Git keep it: .gitignore"
            )
        elif path.stat().st_size > _GITHUB_BYTES:
            size = path.stat().st_size / 2**20
            yield Finding(f"{name}: {size:.0f} MiB, and GitHub refuses more than 100", "Keep it with: git lfs track")


def _secrets(subject: _Subject) -> Iterator[Finding]:
    for folder in (subject.kernel.folder, subject.kernel.package):
        for path in sorted(folder.rglob("kaggle.json")):
            yield Finding(
                f"{subject.where(path)}: credentials lie in the repository",
                "Move them to ~/.kaggle/, and make new ones on Kaggle if they were ever pushed.",
            )


def _time(subject: _Subject) -> Iterator[Finding]:
    """Proportional to rows: start-up is counted with them, so rather too long than too short."""
    limits, known = subject.kernel.limits, read_result(subject.kernel.build)
    output = subject.kernel.build / "output" / subject.kernel.output
    if limits is None or not isinstance(known.get("run", {}).get("seconds"), int | float) or not output.is_file():
        return
    with output.open("rb") as file:
        rows = sum(1 for _ in file) - 1
    seconds = known["run"]["seconds"] / max(rows, 1) * limits.rows
    if seconds > limits.hours * _SECONDS_OF_HOUR:
        yield Finding(
            f"{subject.settings}: limits: {limits.rows} rows would take {seconds / _SECONDS_OF_HOUR:.1f} hours, as the "
            f"last run took {known['run']['seconds']:.0f} s for {rows}; {limits.hours:g} are allowed",
            "Predict less for each, or rehearse with more rows if most of that was start-up.",
        )


# What one raises is its finding.
_CHECKS: tuple[Callable[[_Subject], Iterable[Finding]], ...] = (
    _names,
    _visibility,
    _sources,
    _accelerator,
    _newer_image,
    _installs,
    _syntax,
    _network,
    _input_paths,
    _imports,
    _python,
    _lock,
    _output,
    _rehearsal,
    _checkpoints,
    _secrets,
    _time,
)
