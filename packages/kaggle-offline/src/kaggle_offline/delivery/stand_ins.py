"""The inputs that a rehearsal needs beside the competition: folders stand in for what others have on Kaggle."""

from typing import TYPE_CHECKING, cast

from kaggle_offline.competition.data_folder import files_of
from kaggle_offline.errors import ConfigurationError, RehearsalError
from kaggle_offline.files import digest_of_data
from kaggle_offline.repository.kernel_folder import KernelFolder

if TYPE_CHECKING:
    from kaggle_local.local_kaggle import LocalKaggle
    from kaggle_local.storage.stand_ins import SourceKind


def provide_inputs(kernel: KernelFolder, local: "LocalKaggle") -> str:
    """Have the folders of ``[rehearsal.inputs]`` be inputs of the local Kaggle; return the digest of their files.

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
        if source not in sources:
            raise ConfigurationError(
                f"{where}: rehearsal.inputs: {source}: not among the sources of kernel-metadata.json",
                "Write it as it stands there, or remove the line.",
            )
        digest = digest_of_data(files_of(folder))
        local.stand_in(sources[source], source, folder, digest)
        state.append([source, digest])
    missing = [f"{kind} {source}" for source, kind in sources.items() if not local.has_source(kind, source)]
    if missing:
        _, _, first = missing[0].partition(" ")
        raise RehearsalError(
            f"kernel-metadata.json names inputs that the local Kaggle does not have: {', '.join(missing)}",
            f'Let a folder stand in for each, in submission.toml: [rehearsal.inputs] "{first}" = "data/…"',
        )
    return digest_of_data(state)


def _sources(kernel: KernelFolder) -> "dict[str, SourceKind]":
    """Return the kinds of the inputs of others by their names; `push` publishes the rest."""
    found: dict[str, SourceKind] = {}
    for kind, sources in kernel.metadata.sources.items():
        if kind != "competition":
            found |= dict.fromkeys(sources, cast("SourceKind", kind))
    return found
