"""``kernel-metadata.json``: a kernel's settings on Kaggle, read and checked."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slugify import slugify

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import COPY_IT, link_outside, read_json
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.submission_toml import PLAIN_NAME

# The kinds of a kernel's inputs; each has its list in kernel-metadata.json.
SOURCES = ("dataset", "competition", "kernel", "model")

# The lengths of a kernel's title.
TITLE_LENGTHS = range(5, 51)

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
"""The keys that ``kernel-metadata.json`` may have."""


@dataclass(frozen=True, kw_only=True)
class KernelMetadata:
    """A kernel's settings on Kaggle; kaggle-cli's docs/kernels_metadata.md describes each.

    Attributes:
        document: the file as it is, with keys that only Kaggle knows.
        id: owner and slug, with a slash between them.
        title: the kernel's title.
        code_file: the name of the notebook or script.
        kernel_type: "notebook" or "script".
        is_private: None where the file does not say.
        enable_gpu: whether the kernel asks for a GPU.
        enable_tpu: whether it asks for a TPU.
        machine_shape: the accelerator by name, or empty.
        docker_image: the image by name or digest, or empty.
        docker_image_pinning_type: "original", "latest" or empty.
        sources: the inputs of each of `SOURCES`.
    """

    document: Mapping[str, Any]
    id: str
    title: str
    code_file: str
    kernel_type: str
    is_private: bool | None
    enable_gpu: bool
    enable_tpu: bool
    machine_shape: str
    docker_image: str
    docker_image_pinning_type: str
    sources: Mapping[str, tuple[str, ...]]

    def with_source(self, kind: str, source: str) -> "KernelMetadata":
        """Return the same with an input of one of `SOURCES`, once."""
        sources = tuple(dict.fromkeys([*self.sources[kind], source]))
        document = {**self.document, f"{kind}_sources": list(sources)}
        return replace(self, document=document, sources={**self.sources, kind: sources})


def read_metadata(path: Path, competition: str) -> KernelMetadata:
    """Read a competition's ``kernel-metadata.json`` and check it.

    Raises:
        ConfigurationError: it is missing or malformed; the message names the key.
    """
    try:
        metadata = read_json(path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not found", "Run `kaggle kernels init` for one to start from.") from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", "Correct the file: it must be JSON.") from error
    if not isinstance(metadata, dict):
        raise ConfigurationError(f"{path}: not an object", "It must be JSON in braces.")
    for key, example in _METADATA_TEXTS.items():
        _require_text(path, key, metadata.get(key), example)
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
    competitions = metadata.get("competition_sources")
    if not isinstance(competitions, list) or competition not in competitions:
        raise ConfigurationError(
            f"{path}: competition_sources: {json.dumps(competitions)}",
            f"It must be {json.dumps([competition])}, with further competitions if the kernel reads them.",
        )
    fixed = {"language": "python", "enable_internet": False}
    for key, value in fixed.items():
        if metadata.get(key) != value or type(metadata[key]) is not type(value):
            raise ConfigurationError(
                f"{path}: {key}: {json.dumps(metadata.get(key))}",
                f"It must be {json.dumps(value)} for an offline submission.",
            )
    _check_types(path, metadata)
    _check_code(path, metadata["code_file"])
    return KernelMetadata(
        document=metadata,
        id=metadata["id"],
        title=metadata["title"],
        code_file=metadata["code_file"],
        kernel_type=metadata["kernel_type"],
        is_private=metadata.get("is_private"),
        enable_gpu=metadata.get("enable_gpu", False),
        enable_tpu=metadata.get("enable_tpu", False),
        machine_shape=metadata.get("machine_shape", ""),
        docker_image=metadata.get("docker_image", ""),
        docker_image_pinning_type=metadata.get("docker_image_pinning_type", ""),
        sources={kind: tuple(metadata.get(f"{kind}_sources", ())) for kind in SOURCES},
    )


# Such as https://www.kaggle.com/competitions/titanic/data, or /c/titanic as in older links.
_ADDRESS = re.compile(r"^(?:https?://)?(?:www\.)?kaggle\.com/(?:competitions|c)/([^/?#]+).*$")


def slug_of_competition(text: str) -> str:
    """Return the slug of a competition, which may be given as its address."""
    return _ADDRESS.sub(r"\1", text)


def pin_of(metadata: KernelMetadata, image: ImageManifest) -> dict[str, str]:
    """Return the settings that pin a kernel to its image; none where the kernel has others, or would lose its TPU.

    ``original`` keeps a kernel on the image that it names (kaggle-cli, docs/kernels_metadata.md). With a pinned image
    a kernel gets no TPU (Kaggle/kaggle-cli issue 1197).
    """
    has_others = metadata.docker_image or metadata.docker_image_pinning_type == "latest"
    if has_others or not image.docker_image or metadata.enable_tpu or is_tpu(metadata.machine_shape):
        return {}
    return {"docker_image": image.docker_image, "docker_image_pinning_type": "original"}


def sources_of(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the sources of all kinds in a ``kernel-metadata.json``."""
    found: set[str] = set()
    for kind in SOURCES:
        found.update(document.get(f"{kind}_sources", []))
    return frozenset(found)


def _require_text(path: Path, key: str, value: object, example: str) -> None:
    if value is None:
        raise ConfigurationError(f"{path}: {key}: missing", f"As in: {example}")
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{path}: {key}: {json.dumps(value)} must be a text", f"As in: {example}")


def _check_code(path: Path, name: str) -> None:
    code = path.parent / name
    if not (PLAIN_NAME.fullmatch(name) and code.is_file()):
        raise ConfigurationError(f"{path}: code_file: {name}: not found", "Name a file in the same folder.")
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


# Kaggle replaces these without a word (kaggle 2.2.5, ``_RETIRED_ACCELERATORS``).
_RETIRED = {
    "nvidiateslap100": "runs on NvidiaTeslaT4 instead",
    "tpuv38": "runs on TpuV5E8 instead",
    "tpu1vmv38": "runs on TpuV5E8 instead",
    "tpuv232": "runs on the CPU instead",
    "tpuv2256": "runs on the CPU instead",
}
# Competitions grant these to their participants (kaggle-cli, docs/kernels.md).
_GRANTED = ("nvidial4x1", "nvidiah100", "nvidiartxpro6000")


def is_gpu(machine_shape: str) -> bool:
    """Tell whether an accelerator is a GPU."""
    return machine_shape.strip().casefold().startswith("nvidia")


def is_tpu(machine_shape: str) -> bool:
    """Tell whether an accelerator is a TPU."""
    return machine_shape.strip().casefold().startswith("tpu")


def warning_about_retired(machine_shape: str) -> str:
    """Return a warning about an accelerator that Kaggle replaces, or an empty text."""
    shape = machine_shape.strip().casefold()
    return f"{machine_shape} is retired: the kernel {_RETIRED[shape]}" if shape in _RETIRED else ""


def warning_about_granted(machine_shape: str) -> str:
    """Return a warning about an accelerator that some competitions grant, or an empty text."""
    if machine_shape.strip().casefold() not in _GRANTED:
        return ""
    return f"only some competitions grant {machine_shape}: check that yours does"
