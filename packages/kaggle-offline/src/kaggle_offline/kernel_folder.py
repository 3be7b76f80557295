"""``kernels/<competition>/``: what a person writes for a competition, read and checked."""

import json
import math
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slugify import slugify

from kaggle_offline.errors import ConfigurationError, UnknownCompetitionError
from kaggle_offline.files import COPY_IT, link_outside, read_json

# Of the image, never replaced unless submission.toml says otherwise: what compiled code there builds
# upon, and what is too big to ship unasked.
PROTECTED = (
    "numpy",
    "scipy",
    "pandas",
    "torch",
    "torchvision",
    "torchaudio",
    "torchtext",
    "torch-xla",
    "triton",
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "jaxlib",
    "jax-cuda*",
    "cuda-*",
    "cupy*",
    "nvidia-*",
)

# As most competitions call the file that shows how a submission must look.
SAMPLE = "sample_submission.csv"

# By how much a change may worsen the rehearsal's score, in units of the metric.
TOLERANCE = 0.01

# Of rows, or hours, far beyond any.
_MOST = 10**12

# What a kernel can have as input; each has its list in kernel-metadata.json.
SOURCES = ("dataset", "competition", "kernel", "model")

# Of a kernel.
TITLE_LENGTHS = range(5, 51)

_PLAIN_NAME = re.compile(r"\w[\w .+-]{0,99}")
# A folder of packages/, and extras of it.
_PACKAGE = re.compile(r"\w[\w .+-]{0,99}(\[\w[\w., -]{0,99}\])?")


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """What the competition asks of a run: rows of the hidden test set, and the hours in which they are predicted."""

    rows: int
    hours: float


@dataclass(frozen=True, kw_only=True)
class KernelFolder:
    """A competition's kernel folder.

    Attributes:
        competition: the competition's slug, which names the folder.
        repository: the root of the repository.
        package: the folder of the project's package.
        extras: of the package, that are shipped with it.
        image: the image manifest's file.
        checkpoints: the folder whose files become the model dataset; None where the kernel needs none.
        trusted: names of those files that may run code when they are loaded.
        weights: of some of those files in the mean of what they predict, for the kernel to use.
        output: the file that the kernel hands in.
        sample: the file of the competition's data that shows how such a file must look; empty for none.
        protected: patterns of names that are never replaced in the image.
        limits: what the competition asks of a run, if that is told.
        rehearsal: the command that writes the local Kaggle's competition folder.
        tolerance: by how much a change may worsen the rehearsal's score.
        metadata: ``kernel-metadata.json``.
        code: the notebook or script, in percent format.
    """

    competition: str
    repository: Path
    package: Path
    extras: tuple[str, ...]
    image: Path
    checkpoints: Path | None
    trusted: tuple[str, ...]
    weights: dict[str, float]
    output: str
    sample: str
    protected: tuple[str, ...]
    limits: RunLimits | None
    rehearsal: str
    tolerance: float
    metadata: dict[str, Any]
    code: Path

    @property
    def folder(self) -> Path:
        """``kernels/<competition>``."""
        return self.repository / "kernels" / self.competition

    @property
    def lock(self) -> Path:
        """What is shipped, pinned and hashed."""
        return self.repository / "requirements" / f"{self.competition}.txt"

    @property
    def build(self) -> Path:
        """Where everything that is made goes."""
        return self.repository / "build" / self.competition

    @property
    def slug(self) -> str:
        """The kernel's slug."""
        return str(self.metadata["id"]).partition("/")[2]

    @property
    def is_script(self) -> bool:
        """Whether Kaggle runs the code as a script; else as a notebook."""
        return bool(self.metadata["kernel_type"] == "script")


def find_repository(start: Path) -> Path:
    """The nearest folder, from ``start`` upwards, that has ``kernels/``.

    Raises:
        ConfigurationError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "kernels").is_dir():
            return folder
    raise ConfigurationError(f"{start}: no kernels/ here or above", "Change into your clone of the repository.")


def list_competitions(repository: Path) -> list[str]:
    """The names of all kernel folders, sorted."""
    return sorted(p.parent.name for p in (repository / "kernels").glob("*/submission.toml"))


def read_kernel_folder(repository: Path, competition: str) -> KernelFolder:
    """Read a competition's kernel folder and check it.

    Raises:
        UnknownCompetitionError: there is no such folder.
        ConfigurationError: a file is missing or malformed; the message names the key.
    """
    folder = repository / "kernels" / competition
    if not _PLAIN_NAME.fullmatch(competition) or not folder.is_dir():
        raise UnknownCompetitionError(
            f"kernels/{competition}: no such competition folder",
            f"There are: {', '.join(list_competitions(repository)) or 'none'}.",
        )
    settings = read_settings(folder / "submission.toml")
    metadata = _read_metadata(folder / "kernel-metadata.json", competition)
    package, _, extras = settings["package"].rstrip("]").partition("[")
    result = KernelFolder(
        competition=competition,
        repository=repository,
        package=repository / "packages" / package,
        extras=tuple(name.strip() for name in extras.split(",") if name.strip()),
        image=repository / "requirements" / "images" / f"{settings['image']}.txt",
        checkpoints=folder / settings["checkpoints"] if "checkpoints" in settings else None,
        trusted=tuple(settings.get("trusted", ())),
        output=settings["output"],
        weights=settings.get("weights", {}),
        sample=settings.get("sample", SAMPLE),
        protected=tuple(settings.get("freeze", {}).get("protected", PROTECTED)),
        limits=RunLimits(**settings["limits"]) if "limits" in settings else None,
        rehearsal=settings["rehearsal"]["competition"],
        tolerance=settings["rehearsal"].get("tolerance", TOLERANCE),
        metadata=metadata,
        code=folder / metadata["code_file"],
    )
    for path, key in ((result.package, "package"), (result.checkpoints, "checkpoints")):
        if path is not None and not path.is_dir():
            raise ConfigurationError(
                f"{folder / 'submission.toml'}: {key}: {path} is not there", f"Correct {key}, or make it."
            )
    there = {path.name for path in result.checkpoints.iterdir()} if result.checkpoints else set[str]()
    for key, names in (("weights", set(result.weights)), ("trusted", set(result.trusted))):
        if names - there:
            raise ConfigurationError(
                f"{folder / 'submission.toml'}: {key}: {min(names - there)} is not among the checkpoints",
                "Name the files of that folder.",
            )
    return result


_TEXTS = {
    "package": 'package = "my-package"',
    "image": 'image = "kaggle-gpu-2026-05"',
    "checkpoints": 'checkpoints = "checkpoints"',
    "output": 'output = "submission.csv"',
}
_OPTIONAL = ("checkpoints",)


def read_settings(path: Path) -> dict[str, Any]:
    """Read a ``submission.toml`` and check it, but for whether what it names is there.

    Raises:
        ConfigurationError: it is missing or malformed; the message names the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not there", "Write one; the README says how.") from None
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", "Correct the file: it must be TOML.") from error
    _check_names(path, document)
    sample = document.get("sample", SAMPLE)
    if not (isinstance(sample, str) and _PLAIN_NAME.fullmatch(sample or SAMPLE)):
        raise ConfigurationError(
            f"{path}: sample: {sample!r} must be a plain name", f'As in: sample = "{SAMPLE}", or "" for none.'
        )
    rehearsal = document.get("rehearsal")
    if not isinstance(rehearsal, dict):
        raise ConfigurationError(f"{path}: [rehearsal] is missing", "Add it, with the key competition.")
    _require(path, "rehearsal.competition", rehearsal.get("competition"), 'competition = "python -m …"')
    _check_command(path, rehearsal["competition"])
    tolerance = rehearsal.get("tolerance", TOLERANCE)
    if isinstance(tolerance, bool) or not (isinstance(tolerance, int | float) and 0 <= tolerance < math.inf):
        raise ConfigurationError(
            f"{path}: rehearsal.tolerance: {tolerance!r} must be a number, 0 or more", f"As in: tolerance = {TOLERANCE}"
        )
    freeze = document.get("freeze", {})
    protected = freeze.get("protected", []) if isinstance(freeze, dict) else None
    if not (isinstance(protected, list) and all(isinstance(item, str) for item in protected)):
        raise ConfigurationError(f"{path}: freeze.protected: must be a list of names", 'As in: protected = ["numpy"]')
    trusted = document.get("trusted", [])
    if not (isinstance(trusted, list) and all(isinstance(item, str) for item in trusted)):
        raise ConfigurationError(f"{path}: trusted: must be a list of file names", 'As in: trusted = ["model.ckpt"]')
    _check_weights(path, document.get("weights", {}))
    _check_limits(path, document.get("limits"))
    unknown = {*document} - {*_TEXTS, "sample", "trusted", "weights", "freeze", "limits", "rehearsal"}
    unknown |= {f"rehearsal.{k}" for k in set(rehearsal) - {"competition", "tolerance"}}
    unknown |= {f"freeze.{k}" for k in set(freeze) - {"protected"}}
    if unknown:
        known = [*_TEXTS, "sample", "trusted", "weights", "freeze.protected", "limits.rows", "limits.hours"]
        known += ["rehearsal.competition", "rehearsal.tolerance"]
        raise ConfigurationError(f"{path}: {min(unknown)}: unknown key", f"Known are: {', '.join(known)}.")
    return document


def _check_names(path: Path, document: dict[str, Any]) -> None:
    for key, example in _TEXTS.items():
        if key in _OPTIONAL and key not in document:
            continue
        _require(path, key, document.get(key), example)
        if not (_PACKAGE if key == "package" else _PLAIN_NAME).fullmatch(document[key]):
            raise ConfigurationError(f"{path}: {key}: {document[key]!r} must be a plain name", f"As in: {example}")


def _check_weights(path: Path, weights: Any) -> None:
    if not isinstance(weights, dict):
        raise ConfigurationError(f"{path}: weights: must be a table", 'As in: [weights] and below it "model.ckpt" = 2')
    for name, weight in weights.items():
        if isinstance(weight, bool) or not (isinstance(weight, int | float) and 0 < weight < math.inf):
            raise ConfigurationError(
                f"{path}: weights.{name}: {weight!r} must be a number above 0", f'As in: "{name}" = 2'
            )


def _check_limits(path: Path, limits: Any) -> None:
    cure = "As in: [limits] and below it rows = 5000 and hours = 9"
    if limits is None:
        return
    if not isinstance(limits, dict) or set(limits) != {"rows", "hours"}:
        raise ConfigurationError(f"{path}: limits: must be a table of rows and hours", cure)
    for key, value in limits.items():
        number = int if key == "rows" else int | float
        if isinstance(value, bool) or not (isinstance(value, number) and 0 < value < _MOST):
            raise ConfigurationError(f"{path}: limits.{key}: {value!r} must be a number above 0", cure)


def _check_command(path: Path, command: str) -> None:
    try:
        if shlex.split(command) and "\0" not in command:
            return
        problem = "no command"
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError(f"{path}: rehearsal.competition: {command!r}: {problem}", 'As in: "python -m …"')


def _require(path: Path, key: str, value: Any, example: str) -> None:
    if not isinstance(value, str) or not value:
        problem = "missing" if value is None else f"must be a text, is {json.dumps(value, default=str)}"
        raise ConfigurationError(f"{path}: {key}: {problem}", f"As in: {example}")


_METADATA_TEXTS = {
    "id": '"id": "owner/my-kernel"',
    "title": '"title": "My kernel"',
    "code_file": '"code_file": "predict.py"',
    "language": '"language": "python"',
    "kernel_type": '"kernel_type": "notebook"',
}


_METADATA_OPTIONAL_TEXTS = ("docker_image", "docker_image_pinning_type", "machine_shape")
_METADATA_WORDS = {"docker_image_pinning_type": ("original", "latest"), "kernel_type": ("notebook", "script")}
_METADATA_LISTS = (*(f"{kind}_sources" for kind in SOURCES), "keywords")
_METADATA_FLAGS = ("is_private", "enable_gpu", "enable_tpu")

METADATA_KEYS = frozenset(
    {*_METADATA_TEXTS, *_METADATA_OPTIONAL_TEXTS, *_METADATA_LISTS, *_METADATA_FLAGS, "enable_internet", "id_no"}
)
"""What ``kernel-metadata.json`` may hold."""


def _read_metadata(path: Path, competition: str) -> dict[str, Any]:
    try:
        metadata = read_json(path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not there", "`kaggle kernels init` writes one to start from.") from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", "Correct the file: it must be JSON.") from error
    if not isinstance(metadata, dict):
        raise ConfigurationError(f"{path}: not an object", "It must be JSON in braces.")
    for key, example in _METADATA_TEXTS.items():
        _require(path, key, metadata.get(key), example)
    owner, slash, slug = metadata["id"].partition("/")
    if not (owner and slash and slug) or len(metadata["title"]) not in TITLE_LENGTHS:
        raise ConfigurationError(
            f"{path}: id or title: {metadata['id']!r}, {metadata['title']!r}",
            "The id is owner/slug, the title has 5 to 50 characters.",
        )
    if slugify(metadata["title"]) != slug:
        raise ConfigurationError(
            f"{path}: title: resolves to {slugify(metadata['title'])!r}, but id says {slug!r}",
            "Kaggle takes the slug from the title: make the two agree.",
        )
    fixed = {"language": "python", "enable_internet": False, "competition_sources": [competition]}
    for key, value in fixed.items():
        if metadata.get(key) != value or type(metadata[key]) is not type(value):
            raise ConfigurationError(
                f"{path}: {key}: {json.dumps(metadata.get(key))}",
                f"It must be {json.dumps(value)} for an offline submission.",
            )
    _check_types(path, metadata)
    _check_code(path, metadata["code_file"])
    return metadata


def _check_code(path: Path, name: str) -> None:
    code = path.parent / name
    if not (_PLAIN_NAME.fullmatch(name) and code.is_file()):
        raise ConfigurationError(f"{path}: code_file: {name} is not there", "Name a file that lies beside it.")
    problem = link_outside(code, path.parent.parent.parent)
    if problem:
        raise ConfigurationError(problem, COPY_IT)


def _check_types(path: Path, metadata: dict[str, Any]) -> None:
    for key in _METADATA_LISTS:
        value = metadata.get(key, [])
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise ConfigurationError(f"{path}: {key}: {json.dumps(value)}", 'It must be a list of texts: ["…"].')
    for key in _METADATA_OPTIONAL_TEXTS:
        if not isinstance(metadata.get(key, ""), str):
            raise ConfigurationError(f"{path}: {key}: {json.dumps(metadata[key])}", "It must be a text.")
    for key, values in _METADATA_WORDS.items():
        if metadata.get(key, values[0]) not in values:
            raise ConfigurationError(
                f"{path}: {key}: {json.dumps(metadata[key])}", f"It is one of {', '.join(values)}."
            )
    for key in _METADATA_FLAGS:
        if not isinstance(metadata.get(key, False), bool):
            raise ConfigurationError(f"{path}: {key}: {json.dumps(metadata[key])}", "It must be true or false.")
