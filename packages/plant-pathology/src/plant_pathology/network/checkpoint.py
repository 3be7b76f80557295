"""Checkpoints: a network's weights, and all that is needed to use them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plant_pathology.labels import LABELS

SCHEMA = 1
UNKNOWN = "unknown"

# The largest side of an image that a network sees, in pixels; more is a mistake.
_LARGEST_SIDE = 4096
SUFFIXES = frozenset({".ckpt", ".pt", ".pth"})


class CheckpointError(ValueError):
    """A file is not a checkpoint of this competition, or an incomplete one; the message has a hint."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The metadata of a checkpoint.

    Attributes:
        backbone: name of a timm model.
        image_size: (height, width) that the network sees, in pixels.
        mean: of each channel, red, green, blue, from 0 to 1: subtracted from the pixels.
        std: of each channel; the pixels are divided by it.
        labels: in the order of the network's outputs.
        thresholds: the probability that each label has to exceed.
        commit: of the code that it was trained with.
        data: the digest of the images that it was trained on.
    """

    backbone: str
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    commit: str = UNKNOWN
    data: str = UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint: its metadata, and the network's weights by name."""

    metadata: Metadata
    weights: dict[str, Tensor]


def list_checkpoints(path: Path) -> list[Path]:
    """Return the checkpoints of a folder, sorted by name; or the one file that ``path`` is."""
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file() and not p.name.startswith("."))


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as `read_checkpoint` reads it: plain values and tensors, so that reading runs no code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    torch.save(
        {"schema": SCHEMA, "metadata": asdict(checkpoint.metadata), "state_dict": checkpoint.weights},
        draft,
    )
    draft.replace(path)


def read_checkpoint(path: Path, given: Mapping[str, Any] | None = None) -> Checkpoint:
    """Read a checkpoint onto the CPU, running no code from the file.

    Args:
        path: what `write_checkpoint` or Lightning wrote.
        given: values of `Metadata` that a checkpoint of another origin lacks; they win over its own.

    Raises:
        FileNotFoundError: file not found.
        CheckpointError: the file is not a checkpoint, is incomplete, or has other labels.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises what unpickling and zip files raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: not a checkpoint that can be loaded without running code from it ({reason}). "
            "Save its state_dict alone, with torch.save."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not a checkpoint: it holds a {type(content).__name__}, not a state_dict.")
    # A file that torch.save made of a bare state_dict is its own.
    weights = _weights(path, content.get("state_dict", content))
    hyperparameters = content.get("hyper_parameters")
    own = content.get("metadata", hyperparameters)
    known = dict(own) if isinstance(own, dict) else {}
    known.update(given or {})
    return Checkpoint(metadata=_metadata(path, known), weights=weights)


def _weights(path: Path, state: Any) -> dict[str, Tensor]:
    """Return the network's weights, without the name of the attribute that a LightningModule had it under."""
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise CheckpointError(f"{path}: not a checkpoint: it has no state_dict of tensors.")
    odd = [name for name, value in state.items() if not isinstance(name, str) or value.layout != torch.strided]
    if odd or any(value.is_meta or value.is_quantized for value in state.values()):
        raise CheckpointError(f"{path}: not a checkpoint: its state_dict has no plain tensors by name.")
    infinite = [name for name, value in state.items() if not value.to(torch.complex128).isfinite().all()]
    if infinite:
        raise CheckpointError(
            f"{path}: {infinite[0]} is not finite: the training diverged. Take an earlier checkpoint."
        )
    prefixes = {name.partition(".")[0] for name in state}
    if len(prefixes) == 1 and all("." in name for name in state):
        return {name.partition(".")[2]: value for name, value in state.items()}
    return state


def _metadata(path: Path, known: Mapping[str, Any]) -> Metadata:
    names = [field.name for field in fields(Metadata)]
    lacking = [name for name in names if name not in known]
    if lacking:
        options = " ".join(f"--{name.replace('_', '-')} …" for name in lacking)
        raise CheckpointError(
            f"{path}: it does not say its {', '.join(lacking)}. "
            f"Write one that does: python -m plant_pathology.import_checkpoint {path} NEW.ckpt {options}"
        )
    values: dict[str, Any] = {name: known[name] for name in names if name in known}
    # A checkpoint of Lightning's may have lists.
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    try:
        metadata = Metadata(**values)
        _check(metadata)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: invalid metadata: {error}") from error
    return metadata


def _check(metadata: Metadata) -> None:
    if tuple(metadata.labels) != LABELS:
        raise ValueError(f"labels are {', '.join(map(str, metadata.labels))}, not {', '.join(LABELS)}")
    for name in ("backbone", "commit", "data"):
        if not isinstance(getattr(metadata, name), str):
            raise TypeError(f"{name} is {getattr(metadata, name)!r}, not a text")
    lengths = {"image_size": 2, "mean": 3, "std": 3, "thresholds": len(LABELS)}
    for name, length in lengths.items():
        values = getattr(metadata, name)
        if not (isinstance(values, tuple) and len(values) == length and all(map(_is_number, values))):
            raise ValueError(f"{name} is {values!r}, not {length} numbers from 0")
    if not all(isinstance(side, int) and 0 < side <= _LARGEST_SIDE for side in metadata.image_size):
        raise ValueError(f"image_size is {metadata.image_size}: both must be above 0, and at most {_LARGEST_SIDE}")
    if not all(metadata.std):
        raise ValueError(f"std is {metadata.std}: all must be above 0")
    if max(*metadata.thresholds, *metadata.mean) > 1:
        raise ValueError(f"thresholds are {metadata.thresholds}, mean is {metadata.mean}: none may be above 1")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
