"""``submission.toml``: the settings of a competition, read and checked."""

import json
import math
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

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

# As most competitions call the file that shows how a submission must look.
SAMPLE = "sample_submission.csv"

# By how much a change may worsen the rehearsal's score, in units of the metric.
TOLERANCE = 0.01

# A number of rows, or hours, far beyond any.
_MOST = 10**12

PLAIN_NAME = re.compile(r"\w[\w .+-]{0,99}")
# A folder of packages/, and extras of it.
_PACKAGE = re.compile(r"\w[\w .+-]{0,99}(\[\w[\w., -]{0,99}\])?")

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
    if not (isinstance(sample, str) and PLAIN_NAME.fullmatch(sample or SAMPLE)):
        raise ConfigurationError(
            f"{path}: sample: {sample!r} must be a plain name", f'As in: sample = "{SAMPLE}", or "" for none.'
        )
    rehearsal = document.get("rehearsal")
    if not isinstance(rehearsal, dict):
        raise ConfigurationError(f"{path}: [rehearsal] is missing", "Add it, with the key competition.")
    require_text(path, "rehearsal.competition", rehearsal.get("competition"), 'competition = "python -m …"')
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
        require_text(path, key, document.get(key), example)
        if not (_PACKAGE if key == "package" else PLAIN_NAME).fullmatch(document[key]):
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


def require_text(path: Path, key: str, value: Any, example: str) -> None:
    """See that the value of a key is a text with something in it.

    Raises:
        ConfigurationError: it is not; the message names the key.
    """
    if not isinstance(value, str) or not value:
        problem = "missing" if value is None else f"must be a text, is {json.dumps(value, default=str)}"
        raise ConfigurationError(f"{path}: {key}: {problem}", f"As in: {example}")
