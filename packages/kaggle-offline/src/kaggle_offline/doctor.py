"""``doctor``: what would go wrong, found before it does, by reading; nothing is pushed or run."""

import difflib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from kaggle_offline.accelerators import warning_about_retired
from kaggle_offline.checkpoints import list_checkpoints, pointers_among
from kaggle_offline.doctor_of_code import CODE_CHECKS
from kaggle_offline.errors import OfflineError
from kaggle_offline.files import alone, read_json
from kaggle_offline.freeze import lock_kernel
from kaggle_offline.image_manifest import read_image_manifest
from kaggle_offline.kernel_folder import METADATA_KEYS, read_kernel_folder
from kaggle_offline.lock import read_lock
from kaggle_offline.notebook import IMPORTED_EARLY, read_notebook
from kaggle_offline.pack import OWNER, dataset_slug
from kaggle_offline.result import read_result
from kaggle_offline.subject import Check, Code, Finding, Subject, source_root
from kaggle_offline.wheel import read_project_file

# GitHub refuses a file that is larger.
_GITHUB_BYTES = 100 * 2**20

_SECONDS_OF_HOUR = 3600
# Of a session on Kaggle.
_MOST_HOURS = 12

# What a kernel may name besides, by key: its form, and how to say it.
_OWNED = re.compile(r"(?!INSERT)[A-Za-z0-9][\w-]*/[a-z0-9][a-z0-9-]*(/(versions/)?\d+)?")
_SOURCE_FORMS = (
    ("dataset_sources", _OWNED, "owner/slug"),
    ("kernel_sources", _OWNED, "owner/slug"),
    ("model_sources", re.compile(r"[^/\s]+(/[^/\s]+){2,3}(/\d+)?"), "owner/model/framework/variation/version"),
)

# Kaggle's tokens, and credentials that are set in the code.
_SECRET = re.compile(r"KGAT_\w{8}|KAGGLE_(?:KEY|API_TOKEN)['\"]?\]?\s*=\s*['\"]\w")


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
    cells = tuple(
        Code(where=code, text=cell.source, tags=tuple(cell.metadata.get("tags", ())))
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    root = source_root(kernel.package)
    modules = tuple(
        Code(
            where=path.relative_to(repository).as_posix(),
            text=path.read_text(encoding="utf-8", errors="replace"),
            module=".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"),
        )
        for path in sorted(root.rglob("*.py"))
        if path.is_file()
    )
    subject = Subject(kernel=kernel, image=image, cells=cells, modules=modules)
    found: list[Finding] = []
    for check in _CHECKS:
        try:
            found += check(subject)
        except OfflineError as error:
            found.append(_of_error(repository, error))
    return found


def _of_error(repository: Path, error: OfflineError) -> Finding:
    return Finding(error.problem.replace(f"{repository}/", ""), error.cure)


def _names(subject: Subject) -> Iterable[Finding]:
    # Where the longer of the two datasets' names will do, so will the other.
    dataset_slug(subject.kernel.competition, "packages")
    return ()


def _visibility(subject: Subject) -> Iterator[Finding]:
    if subject.kernel.metadata.get("is_private") is not True:
        yield Finding(
            f"{subject.metadata}: is_private: {json.dumps(subject.kernel.metadata.get('is_private'))}",
            "Everybody would see the kernel, which many competitions forbid: set it to true.",
        )


def _sources(subject: Subject) -> Iterator[Finding]:
    for key, form, cure in _SOURCE_FORMS:
        sources = subject.kernel.metadata.get(key, [])
        for source in sources:
            if not form.fullmatch(source) or (source.startswith(f"{OWNER}/") and key != "dataset_sources"):
                yield Finding(f"{subject.metadata}: {key}: {source!r}", f"Write it as {cure}.")
        if len(set(sources)) < len(sources):
            yield Finding(f"{subject.metadata}: {key}: names one twice", "Name each once.")


def _keys(subject: Subject) -> Iterator[Finding]:
    for key in sorted(set(subject.kernel.metadata) - METADATA_KEYS):
        likely = difflib.get_close_matches(key, METADATA_KEYS, 1)
        cure = f"Write {likely[0]}." if likely else "Take it out: Kaggle does not know it."
        yield Finding(f"{subject.metadata}: {key}: unknown key", cure)


def _twins(subject: Subject) -> Iterator[Finding]:
    for path in sorted(subject.kernel.folder.parent.glob("*/kernel-metadata.json")):
        try:
            other = read_json(path)["id"]
        except (OSError, ValueError, KeyError, TypeError):
            # That is a finding of its own competition.
            continue
        if path.parent != subject.kernel.folder and str(other).partition("/")[2] == subject.kernel.slug:
            yield Finding(
                f"{subject.metadata}: id: {subject.where(path)} has the same",
                "One kernel would take the other's place: give each a title and an id of its own.",
            )


def _accelerator(subject: Subject) -> Iterator[Finding]:
    wanted, there = bool(subject.kernel.metadata.get("enable_gpu")), subject.image.has_gpu
    if wanted != there and "accelerator" in subject.image.header:
        yield Finding(
            f"{subject.metadata}: enable_gpu is {json.dumps(wanted)}, but {subject.image.name} is the image "
            f"{'with' if there else 'without'} a GPU",
            "Set it to what the image is for, or name the other image in submission.toml.",
        )


def _machine_shape(subject: Subject) -> Iterator[Finding]:
    warning = warning_about_retired(str(subject.kernel.metadata.get("machine_shape", "")))
    if warning:
        yield Finding(f"{subject.metadata}: machine_shape: {warning}", "Name another, or take the key out.")


def _shared_name(subject: Subject) -> Iterator[Finding]:
    for kind in ("packages", "models"):
        if subject.kernel.slug == dataset_slug(subject.kernel.competition, kind):
            yield Finding(
                f"{subject.metadata}: id: {subject.kernel.slug} is the name of a dataset that push makes",
                "Give the kernel another title and id: kernels and datasets share one set of names.",
            )


def _imported_early(subject: Subject) -> Iterator[Finding]:
    lock = None if subject.kernel.is_script else read_lock(subject.kernel.lock)
    for replaced in lock.replaced if lock else ():
        if replaced.name in IMPORTED_EARLY:
            yield Finding(
                f"{subject.where(subject.kernel.lock)}: replaces {replaced.name}, which a notebook on Kaggle imports "
                "before its first cell and keeps in the image's version",
                "Make the kernel a script: kernel_type in kernel-metadata.json; or require the image's version.",
            )


def _tpu(subject: Subject) -> Iterator[Finding]:
    if subject.kernel.metadata.get("enable_tpu"):
        yield Finding(
            f"{subject.metadata}: enable_tpu is true, and {subject.image.name} is no image of a kernel with a TPU",
            "Set it to false.",
        )


def _newer_image(subject: Subject) -> Iterator[Finding]:
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


def _python(subject: Subject) -> Iterator[Finding]:
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


def _lock(subject: Subject) -> Iterable[Finding]:
    # For another Python nothing can be locked.
    if not any(_python(subject)):
        with alone(subject.kernel.build):
            lock_kernel(subject.kernel, renew=False)
    paths = (subject.kernel.lock, subject.kernel.image)
    return [finding for path in paths for finding in subject.ignored(subject.where(path))]


def _rehearsal(subject: Subject) -> Iterator[Finding]:
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


def _checkpoints(subject: Subject) -> Iterator[Finding]:
    folder, repository = subject.kernel.checkpoints, subject.kernel.repository
    if folder is None:
        return
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield Finding(f"{subject.where(path)}: is a folder, and Kaggle's datasets here are flat", "Move its files up.")
    pointers = [_of_error(repository, error) for error in pointers_among(files)]
    yield from pointers
    if not pointers:
        try:
            list_checkpoints(folder, repository, subject.kernel.trusted)
        except OfflineError as error:
            yield _of_error(repository, error)
    for path in files:
        name = subject.where(path)
        if ignored := list(subject.ignored(name)):
            yield from ignored
        elif path.stat().st_size > _GITHUB_BYTES:
            size = path.stat().st_size / 2**20
            yield Finding(f"{name}: {size:.0f} MiB, and GitHub refuses more than 100", "Keep it with: git lfs track")


def _secrets(subject: Subject) -> Iterator[Finding]:
    cure = "Move them to ~/.kaggle/, and make new ones on Kaggle if they were ever pushed."
    repository = subject.kernel.repository
    lying = [*repository.glob("kaggle*.json"), *repository.glob(".kaggle/*")]
    for folder in (subject.kernel.folder, subject.kernel.package):
        lying += folder.rglob("kaggle*.json")
    for path in sorted(set(lying)):
        yield Finding(f"{subject.where(path)}: credentials lie in the repository", cure)
    for code in (*subject.cells, *subject.modules):
        if _SECRET.search(code.text):
            yield Finding(f"{code.where}: credentials stand in the code", "Take them out, and make new ones on Kaggle.")


def _time(subject: Subject) -> Iterator[Finding]:
    """Proportional to rows: start-up is counted with them, so rather too long than too short."""
    limits, known = subject.kernel.limits, read_result(subject.kernel.build)
    if limits is not None and limits.hours > _MOST_HOURS:
        yield Finding(
            f"{subject.settings}: limits.hours: {limits.hours:g}, and Kaggle gives no kernel more than {_MOST_HOURS}",
            "Write the competition's limit, in hours.",
        )
    output = subject.kernel.build / "output" / subject.kernel.output
    if limits is None or not isinstance(known.get("run", {}).get("seconds"), int | float) or not output.is_file():
        return
    with output.open("rb") as file:
        rows = sum(1 for _ in file) - 1
    seconds = known["run"]["seconds"] / max(rows, 1) * limits.rows
    if rows > 0 and seconds > limits.hours * _SECONDS_OF_HOUR:
        yield Finding(
            f"{subject.settings}: limits: {limits.rows} rows would take {seconds / _SECONDS_OF_HOUR:.1f} hours, as the "
            f"last run took {known['run']['seconds']:.0f} s for {rows}; {limits.hours:g} are allowed",
            "Predict less for each, or rehearse with more rows if most of that was start-up.",
        )


METADATA_CHECKS: tuple[Check, ...] = (
    _names,
    _visibility,
    _keys,
    _sources,
    _twins,
    _accelerator,
    _tpu,
    _machine_shape,
    _shared_name,
    _imported_early,
    _newer_image,
)

PROJECT_CHECKS: tuple[Check, ...] = (_python, _lock, _rehearsal, _checkpoints, _secrets, _time)

# What one raises is its finding.
_CHECKS = (*METADATA_CHECKS, *CODE_CHECKS, *PROJECT_CHECKS)
