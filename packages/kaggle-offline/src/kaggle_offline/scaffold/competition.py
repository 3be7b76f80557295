"""A new competition from templates: a kernel folder, a package, a rehearsal and tests."""

import json
import keyword
import re
import sys
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from slugify import slugify

from kaggle_offline.code.imports import distributions_of
from kaggle_offline.competition.inference import Kind, Profile
from kaggle_offline.competition.served import gateway_named
from kaggle_offline.competition.sketch import SKETCH
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import as_json, write_text
from kaggle_offline.repository.image_manifest import ImageManifest, image_files, read_image_manifest
from kaggle_offline.repository.kernel_metadata import TITLE_LENGTHS, slug_of_competition
from kaggle_offline.repository.packages import module_of, name_of, package_folders, package_path
from kaggle_offline.repository.submission_toml import SAMPLES, HoldOut
from kaggle_offline.scaffold.adopt import Adopted

_LEARNS_WITH = ("numpy", "pandas", "scikit-learn")
KINDS: Mapping[str, tuple[str, ...]] = {
    "image": (*_LEARNS_WITH, "pillow"),
    "image-folders": (*_LEARNS_WITH, "pillow"),
    "tabular": _LEARNS_WITH,
    "text": _LEARNS_WITH,
    "audio": (*_LEARNS_WITH, "soundfile"),
    "other": (),
}
"""The kinds of competitions, and the requirements that the package of each begins with."""

# The parts that kinds have in common: tables, files that a table lists, images, and learners of columns.
_PARTS: Mapping[Kind, tuple[str, ...]] = {
    "image": ("listed", "pixels", "forests"),
    "image-folders": ("pixels", "forests"),
    "tabular": ("tables",),
    "text": ("tables",),
    "audio": ("listed", "forests"),
    "other": (),
}

# The distributions that a rehearsal is drawn with, of the kinds that have one.
_DRAWS_WITH: Mapping[Kind, tuple[str, ...]] = {"image": ("numpy", "pillow"), "tabular": ("numpy",), "text": ("numpy",)}
DRAWN: tuple[Kind, ...] = ("image", "tabular", "text")
"""The kinds whose data can be made up where Kaggle was not asked."""

_SHARED = "competition-kit"
_KERNEL = Path("kernels", "my-competition")
_TEMPLATES = resources.files("kaggle_offline.scaffold") / "templates"
_EXISTING = _TEMPLATES / "existing"
_SERVED = _TEMPLATES / "served"
# In a clone of this tool's repository, editors find the schema of the settings.
_SCHEMA = "packages/kaggle-offline/src/kaggle_offline/repository/submission.schema.json"
# The kinds that have a baseline in a served competition.
_SERVED_KINDS: tuple[Kind, ...] = ("tabular", "text")
# Characters of a line, as the formatter of this repository has it.
_LINE = 120

_SLUG = re.compile(r"(?=.{2,100}$)[a-z0-9]+(-[a-z0-9]+)*")
# Some have capitals, as MABe-mouse-behavior-detection.
_SLUG_ON_KAGGLE = re.compile(rf"(?i:{_SLUG.pattern})")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of a new competition's parts.

    Attributes:
        competition: the name of the kernel folder; the slug, unless another was chosen.
        slug: of the competition on Kaggle.
        package: the folder in ``packages/``, and the distribution; or the path of a package that is there already.
        module: the name of the package's module; empty if it cannot be told.
        title: of the competition, for people.
        kernel_title: of the kernel.
        has_package: whether the package is there already.
    """

    competition: str
    slug: str
    package: str
    module: str
    title: str
    kernel_title: str
    has_package: bool = False


# Packages of Python's own tests, and of this repository's.
_TESTS = frozenset({"test", "tests"})


def names_of(competition: str, taken: Collection[str] = (), name: str = "") -> Names:
    """Return the names of the parts of a new competition after its slug, or after a name that is shorter.

    Args:
        competition: the slug, or the competition's address on Kaggle.
        taken: names of distributions, and of modules, that its package must not hide.
        name: of the kernel folder; by default the slug, in small letters.

    Raises:
        ConfigurationError: not a valid slug or name.
    """
    slug = slug_of_competition(competition)
    if not _SLUG_ON_KAGGLE.fullmatch(slug):
        raise ConfigurationError(
            f"{slug}: not a competition's slug",
            "It is the last part of the competition's address: 2 to 100 letters, digits and single hyphens.",
        )
    competition = name or slug.lower()
    if not _SLUG.fullmatch(competition):
        raise ConfigurationError(
            f"{competition}: not a name for a kernel folder", "Write 2 to 100 small letters, digits and single hyphens."
        )
    module = competition.replace("-", "_")
    # Names that could not be imported, or would hide others.
    hides = {competition, module, *distributions_of(module)} & {*taken, *_TESTS, *sys.stdlib_module_names}
    if not module.isidentifier() or keyword.iskeyword(module) or hides:
        module = f"competition_{module}"
    title = competition.replace("-", " ").capitalize()
    candidates = (f"{title} offline prediction", f"{title} offline", title, f"{title} kernel", _shortened(title))
    kernel_title = next(text for text in candidates if len(text) in TITLE_LENGTHS)
    return Names(
        competition=competition,
        slug=slug,
        package=module.replace("_", "-"),
        module=module,
        title=title,
        kernel_title=kernel_title,
    )


def with_package(names: Names, repository: Path, package: str) -> Names:
    """Return the names with a package that is there already.

    Raises:
        ConfigurationError: no package is there.
    """
    # A shell completes a path with a slash.
    package = PurePosixPath(package.replace("\\", "/")).as_posix()
    folder = repository / package_path(repository, package)
    is_within = not package.startswith("/") and ".." not in package.split("/")
    if not is_within or not name_of(folder):
        known = ", ".join(path.relative_to(repository).as_posix() for path in package_folders(repository))
        raise ConfigurationError(f"{package}: no package there", f"Packages of this repository: {known or 'none'}.")
    return replace(names, package=package, module=module_of(folder), has_package=True)


def _shortened(title: str) -> str:
    """Return as many whole words of a title as a kernel's title may have."""
    return title[: TITLE_LENGTHS[-1] + 1].rpartition(" ")[0] or title[: TITLE_LENGTHS[-1]]


def image_for_new(repository: Path, *, gpu: bool = False) -> ImageManifest:
    """Return the image that is newest by its name, of those with or without a GPU where there are any."""
    manifests = [read_image_manifest(path) for path in image_files(repository).values()]
    return max(manifests, key=lambda manifest: (manifest.has_gpu == gpu, manifest.name))


def drawn_profile(names: Names, kind: Kind, *, served: bool = False) -> Profile:
    """Return the profile of a competition that Kaggle was not asked about.

    Its data are drawn by its package, or from a sketch where the package is there already. Those of a served
    competition are a time series, drawn from a sketch.

    Raises:
        ConfigurationError: a served competition is to have other data than a table.
    """
    profile = Profile(slug=names.slug, title=names.title, kind=kind, sample="sample_submission.csv")
    if names.has_package and not served:
        sketch = (_EXISTING / SKETCH).read_text(encoding="utf-8")
        profile = profile.with_left(
            f"kernels/{names.competition}: data.json and [rehearsal] are made up; with an account (kaggle auth login) "
            "they come from the competition's own data"
        )
        return replace(profile, kind="tabular", rehearsal=_drawn_rehearsal(_TEMPLATES), sketch=sketch)
    if not served:
        return profile
    if kind != "tabular":
        raise ConfigurationError(
            f"--kind {kind}: the data of a served competition are drawn as a table", "Leave it out."
        )
    gateway = gateway_named(names.module)
    rehearsal = replace(_drawn_rehearsal(_SERVED), gateway=gateway.path)
    return replace(
        profile,
        prediction="numbers",
        id="row_id",
        columns=rehearsal.target,
        output="submission.parquet",
        gateway=gateway,
        rehearsal=rehearsal,
        sketch=(_SERVED / SKETCH).read_text(encoding="utf-8"),
    )


def write_competition(
    repository: Path, names: Names, profile: Profile, image: ImageManifest, adopted: Adopted | None = None
) -> list[Path]:
    """Write a new competition's files; return them, relative to the repository.

    Args:
        repository: where to.
        names: of its parts.
        profile: of the competition.
        image: that the kernel is for.
        adopted: code that is there already and becomes the kernel; by default a baseline does.

    Raises:
        ConfigurationError: one of its folders, or its lock, is there already; or a package that is there would have to
            serve.
    """
    _check_can_be_written(repository, names, profile)
    if profile.gateway and profile.kind not in _SERVED_KINDS:
        profile = replace(profile, kind="other")
    is_drawn = profile.rehearsal is None and profile.kind in DRAWN and not profile.gateway
    if names.has_package:
        files = _files_of_kernel()
    else:
        files = _files(profile, is_drawn=is_drawn, is_adopted=adopted is not None)
    paths = {"my_competition": names.module, "my-competition": names.competition, "my-package": names.package}
    texts = _texts(names, profile, image, adopted)
    written = {_filled(str(path), paths): _filled(text, texts) for path, text in files.items()}
    settings = _settings(names, profile, image, is_drawn=is_drawn, has_schema=(repository / _SCHEMA).is_file())
    written[f"kernels/{names.competition}/submission.toml"] = settings
    if profile.sketch:
        written[f"kernels/{names.competition}/{SKETCH}"] = profile.sketch
    code = f"kernels/{names.competition}/predict.py"
    if adopted is None:
        written[code] = _with_imports_sorted(written[code])
    else:
        written[code] = adopted.code
        metadata = f"kernels/{names.competition}/kernel-metadata.json"
        written[metadata] = as_json({**json.loads(written[metadata]), **adopted.settings})
        own = {f"packages/{names.package}/src/{name}": text for name, text in adopted.modules.items()}
        for path in sorted(own.keys() & written):
            raise ConfigurationError(f"{path}: would be both yours and the rehearsal's", "Rename your module.")
        written |= own
    for path, text in written.items():
        write_text(repository / path, text)
    return sorted(map(Path, written))


def check_new(repository: Path, *paths: str) -> None:
    """Check that paths of a new competition are free.

    Raises:
        ConfigurationError: one already exists.
    """
    for path in paths:
        if (repository / path).exists():
            raise ConfigurationError(f"{path}: already exists", "Choose another name, or move it away.")


def _check_can_be_written(repository: Path, names: Names, profile: Profile) -> None:
    """Check that a new competition's files can be written.

    Raises:
        ConfigurationError: one is there already, or a package that is there would have to serve.
    """
    check_new(repository, *paths_of(names))
    if names.has_package and profile.gateway:
        raise ConfigurationError(
            f"{names.slug}: its kernel answers a gateway, with a package of its own",
            f"Run: {command('new', names.slug)}; then let that package require and call yours.",
        )


def _files_of_kernel() -> dict[Path, str]:
    """Return the templates of a competition whose package is there already, by where they go."""
    files = _read(_TEMPLATES / "kernel", _KERNEL) | _read(_TEMPLATES / "declared" / "kernel", _KERNEL)
    return files | _read(_EXISTING / "kernel", _KERNEL)


def _files(profile: Profile, *, is_drawn: bool, is_adopted: bool) -> dict[Path, str]:
    """Return the templates of a new competition, by where they go."""
    package, tests, kernel = Path("packages", "my-package"), Path("tests", "my_competition"), _KERNEL
    module = package / "src" / "my_competition"
    files = _read(_TEMPLATES / "kernel", kernel) | _read(_TEMPLATES / "package", package)
    kinds = _read(_TEMPLATES / "kinds" / profile.kind, module)
    for part in _PARTS[profile.kind]:
        kinds |= _read(_TEMPLATES / "parts" / part, module)
    drawn = {path: text for path, text in kinds.items() if path.name == "rehearsal.py"}
    of_tests = _TEMPLATES / "tests"
    if not is_drawn:
        of_tests = _TEMPLATES / "declared" / "tests"
        files |= _read(_TEMPLATES / "declared" / "kernel", kernel)
        kinds = {path: text for path, text in kinds.items() if path not in drawn}
        drawn = {}
    if is_adopted:
        del files[module / "predict.py"]
        if drawn:
            files |= _read(_TEMPLATES / "adopted" / "tests", tests)
        return files | drawn
    if profile.gateway:
        of_tests = _SERVED / "tests"
        served = "other" if profile.kind == "other" else "tables"
        kinds |= _read(_SERVED / served, module)
        files |= _read(_SERVED / "kernel", kernel)
    if profile.kind != "other":
        model = _TEMPLATES / "predictions" / f"{profile.prediction}.py"
        files[module / "model.py"] = model.read_text(encoding="utf-8")
    return files | kinds | _read(of_tests, tests)


def _texts(names: Names, profile: Profile, image: ImageManifest, adopted: Adopted | None) -> dict[str, str]:
    """Return what stands in the templates' text for each placeholder."""
    required = {_SHARED}
    kernel_type = "notebook"
    if adopted is None:
        required.update(KINDS[profile.kind])
        if profile.gateway:
            required.add("pandas")
        if profile.output.endswith(".parquet"):
            required.add("pyarrow")
    else:
        required.update(adopted.requirements)
        if profile.rehearsal is None:
            required.update(_DRAWS_WITH.get(profile.kind, ()))
        if adopted.is_script:
            kernel_type = "script"
    lines = [f"\n    {json.dumps(line, ensure_ascii=False)}," for line in sorted(required)]
    rehearsal = profile.rehearsal or _drawn_rehearsal(_TEMPLATES)
    gateway = profile.gateway or gateway_named(names.module)
    files = next(iter(rehearsal.files.items()), ("train/{id}", "test/{id}"))
    texts = {
        "my_competition": names.module,
        "my-competition": names.slug,
        "my-package": names.package,
        "My competition": names.title,
        '"REQUIREMENTS"': "".join([*lines, "\n"]),
        "IMAGE": image.name,
        "KERNEL TITLE": names.kernel_title,
        "KERNEL-SLUG": slugify(names.kernel_title),
        "KERNEL TYPE": kernel_type,
        '"ID NAME"': _code(profile.id),
        '("TARGET NAMES",)': _code_of_tuple("TARGETS", rehearsal.target),
        '("COLUMN NAMES",)': _code_of_tuple("COLUMNS", profile.columns),
        '"SAMPLE TABLE"': _code(profile.sample),
        '"TRAIN TABLE"': _code(rehearsal.train),
        '"TEST TABLE"': _code(rehearsal.test or profile.sample),
        '"TRAIN FILES"': _code(files[0]),
        '"TEST FILES"': _code(files[1]),
        "SERVER_MODULE": gateway.module,
        "SERVER_CLASS": gateway.server,
        '("SERVER PATHS",)': _code_of_tuple("for name in ", gateway.paths),
        "DATA COMMAND": command("data", names.slug),
        "PUSH COMMAND": command("push", names.competition),
        '"RANKED LABELS"': rehearsal.metric.partition("@")[2] or "1",
    }
    if not names.module:
        texts["import my_competition  # noqa: F401 - installed above"] = "# Import your package here."
    if profile.output != "submission.csv":
        texts["/submission.csv"] = f"/{profile.output}"
        texts['"submission.csv"'] = _code(profile.output)
        texts["`submission.csv`"] = f"`{profile.output}`"
    return texts


def _code(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _code_of_tuple(name: str, members: Sequence[str]) -> str:
    """Return a tuple as the formatter writes it: on one line if it fits, else on one for each member."""
    line = ", ".join(map(_code, members))
    if len(members) == 1:
        line += ","
    if len(f"{name} = ({line})") <= _LINE:
        return f"({line})"
    return "".join(["(\n", *(f"    {_code(member)},\n" for member in members), ")"])


def _settings(names: Names, profile: Profile, image: ImageManifest, *, is_drawn: bool, has_schema: bool) -> str:
    """Return ``submission.toml``; texts of JSON are texts of TOML."""
    import jinja2

    environment = jinja2.Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701 - no page
    environment.filters["json"] = partial(json.dumps, ensure_ascii=False)
    template = environment.from_string((_TEMPLATES / "submission.toml.jinja").read_text(encoding="utf-8"))
    rehearsal = profile.rehearsal or replace(_drawn_rehearsal(_TEMPLATES), target=profile.columns)
    if profile.gateway:
        rehearsal = replace(rehearsal, gateway=profile.gateway.path)
    return template.render(
        names=names,
        profile=profile,
        image=image.name,
        is_drawn=is_drawn,
        schema=has_schema and f"../../{_SCHEMA}",
        is_odd_sample=bool(profile.sample) and profile.sample not in SAMPLES,
        rehearsal=rehearsal,
    )


def _drawn_rehearsal(templates: Traversable) -> HoldOut:
    """Return the tables and columns that are drawn; a rehearsal that cannot be told is begun with a package's."""
    settings = tomllib.loads((templates / "drawn.toml").read_text(encoding="utf-8"))
    return HoldOut(**{**settings, "target": tuple(settings["target"])})


def paths_of(names: Names) -> tuple[str, ...]:
    """Return the folders that are made for a new competition, and its lock."""
    paths = f"kernels/{names.competition}", f"requirements/{names.competition}.txt"
    return paths if names.has_package else (*paths, f"packages/{names.package}", f"tests/{names.module}")


def _read(folder: Traversable, into: Path) -> dict[Path, str]:
    """Return the text of every file below a folder of templates, by where it is to go."""
    found: dict[Path, str] = {}
    for entry in folder.iterdir():
        if entry.name == "__pycache__":
            continue
        if entry.is_dir():
            found |= _read(entry, into / entry.name)
        else:
            found[into / entry.name] = entry.read_text(encoding="utf-8")
    return found


def _filled(text: str, replacements: Mapping[str, str]) -> str:
    # In one pass: a value may look like a placeholder.
    return re.sub("|".join(map(re.escape, replacements)), lambda match: replacements[match[0]], text)


def _with_imports_sorted(code: str) -> str:
    """Return the code with each run of ``from`` lines in order, which the names that were filled in may have upset."""
    lines = code.splitlines(keepends=True)
    for first, line in enumerate(lines):
        after = next((n for n in range(first, len(lines)) if not lines[n].startswith("from ")), len(lines))
        if line.startswith("from "):
            lines[first:after] = sorted(lines[first:after])
    return "".join(lines)
