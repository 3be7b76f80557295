"""``submission.toml``: the settings of a competition, read and checked against ``submission.schema.json``."""

import json
import math
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.errors import ConfigurationError

# Distributions of the image that are never replaced unless submission.toml says otherwise: compiled code there builds
# upon them, or they are too big to ship unasked.
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

SAMPLES = (
    "sample_submission.csv",
    "sampleSubmission.csv",
    "gender_submission.csv",
    "sample_submission.parquet",
    "sample_submission.json",
)
"""The names of Kaggle's sample submissions: the usual one, older competitions', Titanic's, and other formats'."""

MOUNTED = "kaggle:"
"""Begins the place of a wheel in a dataset, as in ``kaggle:owner/slug/name.whl``."""

PLAIN_NAME = re.compile(r"\w[\w .+-]{0,99}")

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "array": "a list",
    "object": "a table",
    "boolean": "true or false",
}

_EXPECTATIONS = {
    "exclusiveMinimum": "must be above {}",
    "minimum": "must be {} or more",
    "exclusiveMaximum": "must be below {}",
    "minLength": "must not be empty",
    "minItems": "must not be empty",
}


@dataclass(frozen=True, kw_only=True)
class CompetitionLimits:
    """The competition's limits on a run: rows of the hidden test set, and the hours in which they are predicted."""

    rows: int
    hours: float


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """A rehearsal on the competition's own data: the rows of train that become the hidden test set, and the metric.

    ``submission.schema.json`` describes each key; ``test``, ``group``, ``id`` and ``gateway`` may be empty.
    """

    train: str
    target: tuple[str, ...]
    metric: str
    test: str = ""
    metric_settings: Mapping[str, Any] = field(default_factory=dict)
    greater_is_better: bool = True
    held_out: float = 0.2
    group: str = ""
    stratify: bool = False
    id: str = ""
    gateway: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FreezeSettings:
    """How packages are chosen, the table ``[freeze]``.

    Attributes:
        protected: patterns of the image's distributions that are never replaced.
        overrides: requirements that take the place of all others on the same distribution, as uv's
            ``override-dependencies``.
        no_deps: canonical names of distributions whose own requirements do not count.
        wheels: wheels of the user's own: paths or patterns in the repository, places in datasets, and addresses.
        indexes: further package indexes: their addresses by their names, as uv's ``index``.
    """

    protected: tuple[str, ...] = PROTECTED
    overrides: tuple[str, ...] = ()
    no_deps: tuple[NormalizedName, ...] = ()
    wheels: tuple[str, ...] = ()
    indexes: Mapping[str, str] = field(default_factory=dict)

    @property
    def overriding(self) -> tuple[str, ...]:
        """Return the overrides, and the distributions whose requirements do not count, in the words of a lock."""
        no_deps = [f"{name} without its dependencies" for name in sorted(self.no_deps)]
        return (*sorted(self.overrides), *no_deps)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Return the datasets, as ``owner/slug``, that have wheels of the user's own."""
        places = [entry.removeprefix(MOUNTED).split("/") for entry in self.wheels if entry.startswith(MOUNTED)]
        return tuple("/".join(parts[:2]) for parts in places)

    @property
    def overridden(self) -> frozenset[NormalizedName]:
        """Return the canonical names of the distributions whose requirements are overridden."""
        return frozenset(canonicalize_name(Requirement(line).name) for line in self.overrides)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a competition; ``submission.schema.json`` describes each.

    ``competition`` is empty where the folder has the competition's name. ``rehearsal`` may be a command.
    """

    competition: str
    package: str
    extras: tuple[str, ...]
    image: str
    checkpoints: str | None
    checkpoints_as: str
    trusted: tuple[str, ...]
    weights: Mapping[str, float]
    output: str
    submit: bool | Literal["named"]
    samples: tuple[str, ...]
    freeze: FreezeSettings
    limits: CompetitionLimits | None
    rehearsal: str | HoldOut
    tolerance: float
    inputs: Mapping[str, str]
    ignored: Mapping[str, str]


def read_settings(path: Path) -> Settings:
    """Read a ``submission.toml``; whether the files that it names exist is not checked.

    Raises:
        ConfigurationError: the file is missing or malformed; the message names the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not found", "Write one; the README shows how.") from None
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", "Correct the file: it must be TOML.") from error
    problem = next(_validator().iter_errors(document), None)
    if problem is not None:
        raise _configuration_error(path, problem)
    rehearsal = document["rehearsal"]
    package, _, extras = document["package"].rstrip("]").partition("[")
    limits = None
    if "limits" in document:
        limits = CompetitionLimits(rows=int(document["limits"]["rows"]), hours=document["limits"]["hours"])
    properties = _schema()["properties"]
    return Settings(
        competition=document.get("competition", ""),
        package=package,
        extras=tuple(name.strip() for name in extras.split(",") if name.strip()),
        image=document["image"],
        checkpoints=document.get("checkpoints"),
        checkpoints_as=document.get("checkpoints_as", properties["checkpoints_as"]["default"]),
        trusted=tuple(document.get("trusted", ())),
        weights=document.get("weights", {}),
        output=document["output"],
        submit=document.get("submit", properties["submit"]["default"]),
        samples=_samples(document),
        freeze=_freeze(path, document.get("freeze", {})),
        limits=limits,
        rehearsal=_rehearsal(path, rehearsal),
        tolerance=rehearsal.get("tolerance", properties["rehearsal"]["properties"]["tolerance"]["default"]),
        inputs=rehearsal.get("inputs", {}),
        ignored=document.get("doctor", {}).get("ignore", {}),
    )


def _freeze(path: Path, table: Mapping[str, Any]) -> FreezeSettings:
    """Return the settings of ``[freeze]``.

    Raises:
        ConfigurationError: an override is not a requirement.
    """
    overrides = table.get("override-dependencies", ())
    for line in overrides:
        try:
            Requirement(line)
        except InvalidRequirement as error:
            where = f"{path}: freeze.override-dependencies: {line!r}"
            raise ConfigurationError(f"{where} is not a requirement", 'As in: "numpy>=2"') from error
    names = [index["name"].lower() for index in table.get("index", ())]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"{path}: freeze.index: two have the same name", "Give each a name of its own.")
    return FreezeSettings(
        protected=tuple(table.get("protected", PROTECTED)),
        overrides=tuple(overrides),
        no_deps=tuple(map(canonicalize_name, table.get("no-deps", ()))),
        wheels=tuple(table.get("wheels", ())),
        indexes={index["name"]: index["url"] for index in table.get("index", ())},
    )


def _rehearsal(path: Path, table: Mapping[str, Any]) -> str | HoldOut:
    """Return the command of ``[rehearsal]``, or what it says instead of one.

    Raises:
        ConfigurationError: it says both, or too little.
    """
    said = {key: value for key, value in table.items() if key not in ("competition", "tolerance", "inputs")}
    if "competition" in table:
        if said:
            raise ConfigurationError(
                f"{path}: rehearsal: both a command and {min(said)}", "Keep competition, or remove it."
            )
        _check_command(path, table["competition"])
        return str(table["competition"])
    for key in ("train", "target", "metric"):
        if key not in said:
            raise ConfigurationError(f"{path}: rehearsal.{key}: missing", f"As in: {_example(['rehearsal', key])}")
    files = said.get("files", {})
    names = [said["train"], *(said[key] for key in ("test", "gateway") if key in said), said["metric"]]
    for name in (*names, *files, *files.values()):
        if str(PurePosixPath(name)) != name or name.startswith("/") or ".." in name.split("/") or "\\" in name:
            raise ConfigurationError(
                f"{path}: rehearsal: {name!r} is not a path within the data", "Write it as in: train/labels.csv"
            )
    if "id" in said and "test" not in said:
        raise ConfigurationError(f"{path}: rehearsal.test: missing", f"As in: {_example(['rehearsal', 'test'])}")
    return HoldOut(**{**said, "target": tuple(said["target"])})


def _samples(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names under which the sample submission is looked for."""
    if "sample" not in document:
        return SAMPLES
    return (document["sample"],) if document["sample"] else ()


@cache
def _schema() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("submission.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> Validator:
    """Return a validator that is stricter than JSON: TOML has infinity and NaN, and ``$`` matches before a newline."""
    types = Draft202012Validator.TYPE_CHECKER.redefine("number", _is_finite)
    strict: type[Validator] = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": _matches_whole}, type_checker=types
    )
    return strict(_schema())


def _is_finite(_: object, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _matches_whole(_: Validator, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value):
        kind = "path" if "/" in pattern else "name"
        yield ValidationError(f"must be a plain {kind}")


def _configuration_error(path: Path, error: ValidationError) -> ConfigurationError:
    keys = [str(key) for key in error.absolute_path if not isinstance(key, int)]
    # jsonschema does not type these: the value of the rule in the schema, and the value that breaks it.
    rule: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = _schema_of(keys)["properties"]
        keys.append(min(set(instance) - set(known)))
        return ConfigurationError(f"{path}: {'.'.join(keys)}: unknown key", f"Known keys: {', '.join(known)}.")
    if error.validator == "required":
        keys.append(min(set(rule) - set(instance)))
        problem = "missing"
    else:
        problem = f"{_shortened(instance)} {_expectation(error, rule)}"
    return ConfigurationError(f"{path}: {'.'.join(keys)}: {problem}", f"As in: {_example(keys)}")


def _expectation(error: ValidationError, rule: Any) -> str:
    """Return the requirement on a value, in the words of TOML."""
    if error.validator == "type":
        return f"must be {_TYPES[rule]}"
    if error.validator == "enum":
        words = ", ".join(map(json.dumps, rule)).replace('"', "")
        return f"must be one of {words}"
    known = _EXPECTATIONS.get(str(error.validator))
    return known.format(rule) if known else error.message


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - about a line


def _example(keys: Sequence[str]) -> str:
    """Return an example of a key, as TOML."""
    example = _schema_of(keys)["examples"][0]
    if not isinstance(example, dict):
        return _assignment(keys[-1], example)
    lines = [_assignment(name, value) for name, value in example.items()]
    return f"[{keys[-1]}] with {' and '.join(lines)}"


def _assignment(key: str, value: object) -> str:
    name = key if key.isidentifier() else json.dumps(key)
    return f"{name} = {json.dumps(value)}"


def _schema_of(keys: Sequence[str]) -> dict[str, Any]:
    """Return the part of the schema for a key."""
    schema = _schema()
    for key in keys:
        # The number of an entry is not among the keys.
        schema = schema.get("items", schema)
        schema = schema.get("properties", {}).get(key) or schema["additionalProperties"]
    return schema


def _check_command(path: Path, command: str) -> None:
    try:
        if shlex.split(command) and "\0" not in command:
            return
        problem = "not a command"
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError(
        f"{path}: rehearsal.competition: {command!r}: {problem}", f"As in: {_example(['rehearsal', 'competition'])}"
    )
