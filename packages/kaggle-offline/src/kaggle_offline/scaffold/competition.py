"""A new competition from templates: a kernel folder, a package, a rehearsal and tests."""

import json
import keyword
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from slugify import slugify

from kaggle_offline.code.imports import distributions_of
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import as_json, write_text
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_metadata import TITLE_LENGTHS, slug_of_competition
from kaggle_offline.scaffold.adopt import Adopted

KINDS = {
    "image": ("numpy", "pandas", "pillow", "scikit-learn"),
    "tabular": ("numpy", "pandas", "scikit-learn"),
    "text": ("numpy", "pandas", "scikit-learn"),
}
"""The kinds of competitions, and the requirements that the package of each begins with."""

# The distributions that a rehearsal draws with.
_DRAWS_WITH = {"image": ("numpy", "pillow"), "tabular": ("numpy",), "text": ("numpy",)}
_SHARED = "competition-kit"

_SLUG = re.compile(r"(?=.{2,100}$)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of a new competition's parts.

    Attributes:
        competition: the slug that Kaggle has for it.
        package: the folder in ``packages/``, and the distribution.
        module: the name of the package's module.
        title: of the competition, for people.
        kernel_title: of the kernel.
    """

    competition: str
    package: str
    module: str
    title: str
    kernel_title: str


# Packages of Python's own tests, and of this repository's.
_TESTS = frozenset({"test", "tests"})


def names_of(competition: str, taken: Collection[str] = ()) -> Names:
    """Return the name the parts of a new competition after its slug.

    Args:
        competition: the slug, or the competition's address on Kaggle.
        taken: names of distributions, and of modules, that its package must not hide.

    Raises:
        ConfigurationError: not a valid slug.
    """
    competition = slug_of_competition(competition)
    if not _SLUG.fullmatch(competition):
        raise ConfigurationError(
            f"{competition}: not a competition's slug",
            "It is the last part of the competition's address: 2 to 100 small letters, digits and single hyphens.",
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
        package=module.replace("_", "-"),
        module=module,
        title=title,
        kernel_title=kernel_title,
    )


def _shortened(title: str) -> str:
    """Return as many whole words of a title as a kernel's title may have."""
    return title[: TITLE_LENGTHS[-1] + 1].rpartition(" ")[0] or title[: TITLE_LENGTHS[-1]]


def image_for_new(repository: Path, *, gpu: bool = False) -> ImageManifest:
    """Return the image that is newest by its name, of those with or without a GPU where there are any.

    Raises:
        ConfigurationError: no image manifest found.
    """
    manifests = [read_image_manifest(path) for path in sorted((repository / "requirements" / "images").glob("*.txt"))]
    if not manifests:
        raise ConfigurationError("requirements/images: no image there", "Run: nox -s image -- capture NAME")
    return max(manifests, key=lambda manifest: (manifest.has_gpu == gpu, manifest.name))


def write_competition(
    repository: Path, names: Names, kind: str, image: ImageManifest, adopted: Adopted | None = None
) -> list[Path]:
    """Write a new competition's files; return them, relative to the repository.

    Args:
        repository: where to.
        names: of its parts.
        kind: one of `KINDS`.
        image: that the kernel is for.
        adopted: code that is there already and becomes the kernel; by default a baseline does.

    Raises:
        ConfigurationError: one of its folders, or its lock, is there already.
    """
    for path in paths_of(names):
        if (repository / path).exists():
            raise ConfigurationError(f"{path}: there already", "Choose another name, or move it away.")
    required = {_SHARED}
    kernel_type = "notebook"
    if adopted is None:
        required.update(KINDS[kind])
    else:
        required.update(_DRAWS_WITH[kind], adopted.requirements)
        kernel_type = "script" if adopted.is_script else "notebook"
    lines = [f"\n    {json.dumps(line, ensure_ascii=False)}," for line in sorted(required)]
    replacements = {
        "my_competition": names.module,
        "my-competition": names.competition,
        "my-package": names.package,
        "My competition": names.title,
        '"REQUIREMENTS"': "".join([*lines, "\n"]),
        "IMAGE": image.name,
        "KERNEL TITLE": names.kernel_title,
        "KERNEL-SLUG": slugify(names.kernel_title),
        "KERNEL TYPE": kernel_type,
    }
    templates = resources.files("kaggle_offline.scaffold") / "templates"
    package, tests = Path("packages", "my-package"), Path("tests", "my_competition")
    module = package / "src" / "my_competition"
    files = _read(templates / "kernel", Path("kernels", "my-competition")) | _read(templates / "package", package)
    kinds = _read(templates / "kinds" / kind, module)
    if adopted is None:
        files |= kinds | _read(templates / "tests", tests)
    else:
        files |= {path: text for path, text in kinds.items() if path.name == "rehearsal.py"}
        del files[module / "predict.py"]
        files |= _read(templates / "adopted" / "tests", tests)
    written = {_filled(str(path), replacements): _filled(text, replacements) for path, text in files.items()}
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


def paths_of(names: Names) -> tuple[str, ...]:
    """Return the folders of a new competition, and its lock."""
    folders = f"kernels/{names.competition}", f"packages/{names.package}", f"tests/{names.module}"
    return (*folders, f"requirements/{names.competition}.txt")


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
