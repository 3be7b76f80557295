"""The inputs that a rehearsal needs beside the competition: folders stand in for what others have on Kaggle."""

import re
from typing import TYPE_CHECKING, cast

from kaggle_offline.competition.data_folder import files_of
from kaggle_offline.errors import ConfigurationError, RehearsalError
from kaggle_offline.files import digest_of_data
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.upstreams import upstreams_of

# The names of inputs, with the version that some have.
_OWNED = r"[\w-]+/[\w.-]+"
_FORMS = {
    "dataset": re.compile(rf"{_OWNED}(?:/(?:versions/)?\d+)?"),
    "kernel": re.compile(rf"{_OWNED}(?:/\d+)?"),
    "model": re.compile(rf"{_OWNED}/[\w.-]+/[\w.-]+(?:/\d+)?"),
}

if TYPE_CHECKING:
    from kaggle_local.local_kaggle import LocalKaggle
    from kaggle_local.storage.stand_ins import SourceKind


def provide_inputs(kernel: KernelFolder, local: "LocalKaggle") -> str:
    """Copy the folders of ``[rehearsal.inputs]`` into the local Kaggle as inputs; return the digest of their files.

    Raises:
        ConfigurationError: one of them is not a folder, or ``kernel-metadata.json`` does not name its input.
        RehearsalError: the local Kaggle does not have an input that ``kernel-metadata.json`` names.
    """
    where = kernel.folder / "submission.toml"
    sources = _sources(kernel)
    state = []
    for source, name in kernel.settings.inputs.items():
        folder = kernel.repository / name
        if not folder.is_dir():
            raise ConfigurationError(
                f"{where}: rehearsal.inputs: {source}: {folder}: not a folder", "Correct it, or put the files there."
            )
        kinds = [kind for kind, named in sources if named == source]
        if source in upstreams_of(kernel.repository, kernel.competition):
            raise ConfigurationError(
                f"{where}: rehearsal.inputs: {source}: a kernel of this repository, which is run itself",
                "Remove the line.",
            )
        if not kinds:
            raise ConfigurationError(
                f"{where}: rehearsal.inputs: {source}: not among the sources of kernel-metadata.json",
                "Copy the source's name from kernel-metadata.json, or remove the line.",
            )
        digest = digest_of_data(files_of(folder))
        for kind in kinds:
            local.stand_in(kind, source, folder, digest)
        state.append([source, digest])
    missing = []
    for kind, source in sources:
        # The folder of a line that was removed from the settings does not count.
        forgotten = source not in kernel.settings.inputs and local.is_stand_in(kind, source)
        if forgotten or not local.has_source(kind, source):
            missing.append(f"{kind} {source}")
    if missing:
        _, _, first = missing[0].partition(" ")
        raise RehearsalError(
            f"kernel-metadata.json names inputs that the local Kaggle does not have: {', '.join(missing)}",
            f'Let a folder stand in for each, in submission.toml: [rehearsal.inputs] "{first}" = "data/…"',
        )
    return digest_of_data(state)


def _sources(kernel: KernelFolder) -> "list[tuple[SourceKind, str]]":
    """Return the inputs of others, each with its kind; `push` publishes the rest, and pushes upstream kernels.

    Raises:
        ConfigurationError: one has no such name.
    """
    found: list[tuple[SourceKind, str]] = []
    own = upstreams_of(kernel.repository, kernel.competition)
    for kind, sources in kernel.metadata.sources.items():
        if kind == "competition":
            continue
        for source in sources:
            if not _FORMS[kind].fullmatch(source):
                raise ConfigurationError(
                    f"{kernel.folder / 'kernel-metadata.json'}: {kind}_sources: {source!r} names none",
                    "Write owner/slug, or owner/model/framework/variation/version for a model.",
                )
            if kind == "kernel" and source in own:
                continue
            found.append((cast("SourceKind", kind), source))
    return found
