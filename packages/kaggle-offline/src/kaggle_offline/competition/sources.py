"""The sources of a rehearsal: the competition's data, or the sketch of them, and the host's metric."""

from pathlib import Path

from kaggle_offline.competition.patterns import is_pattern
from kaggle_offline.competition.rehearsal import RehearsalData
from kaggle_offline.competition.sketch import SKETCH
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.submission_toml import HoldOut


def data_of(kernel: KernelFolder, rehearsal: HoldOut) -> Path | None:
    """Return the folder of the competition's data; None where they are absent and there is a sketch.

    Raises:
        ConfigurationError: there is neither.
    """
    if not missing_files(kernel, rehearsal):
        return kernel.data
    if (kernel.folder / SKETCH).is_file():
        return None
    raise ConfigurationError(
        f"{kernel.data}: the competition's data are not there, nor is {kernel.folder / SKETCH}",
        f"Run: {command('data', kernel.on_kaggle)}",
    )


def missing_files(kernel: KernelFolder, rehearsal: HoldOut) -> list[str]:
    """Return the tables, and the gateway, that a rehearsal needs and that the competition's data lack."""
    names = [name for name in (rehearsal.train, rehearsal.test, rehearsal.gateway) if name and not is_pattern(name)]
    missing = [name for name in names if not (kernel.data / name).is_file()]
    if not rehearsal.id and not _sample_of(kernel, kernel.data):
        missing.append("the sample submission")
    return missing


def rehearsal_data(kernel: KernelFolder, rehearsal: HoldOut, folder: Path) -> RehearsalData:
    """Return the data of a folder as a rehearsal holds them out: the competition's own, or those that were drawn."""
    where = str(kernel.folder / "submission.toml")
    return RehearsalData(folder=folder, sample=_sample_of(kernel, folder), rehearsal=rehearsal, where=where)


def _sample_of(kernel: KernelFolder, folder: Path) -> str:
    """Return the name of the sample submission in a folder, or an empty text."""
    return next((name for name in kernel.settings.samples if (folder / name).is_file()), "")


def metric_file(kernel: KernelFolder, rehearsal: HoldOut) -> Path | None:
    """Return the host's metric; None for one that is known by name.

    Raises:
        ConfigurationError: it is not there.
    """
    if not rehearsal.metric.endswith(".py"):
        return None
    path = kernel.folder / rehearsal.metric
    if not path.is_file():
        raise ConfigurationError(f"{path}: not there", "Put the host's metric there, or name one of the known metrics.")
    return path
