"""The sources of a rehearsal: the competition's data, or the sketch of them, and the host's metric."""

from pathlib import Path

from kaggle_offline.competition.patterns import is_pattern
from kaggle_offline.competition.sketch import SKETCH
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.submission_toml import HoldOut


def data_of(kernel: KernelFolder, rehearsal: HoldOut) -> Path | None:
    """Return the folder of the competition's data; None where they are absent and there is a sketch.

    Raises:
        ConfigurationError: there is neither.
    """
    tables = [kernel.data / name for name in (rehearsal.train, rehearsal.test) if name and not is_pattern(name)]
    if sample_of(kernel, kernel.data) and all(path.is_file() for path in tables):
        return kernel.data
    if (kernel.folder / SKETCH).is_file():
        return None
    raise ConfigurationError(
        f"{kernel.data}: the competition's data are not there, nor is {kernel.folder / SKETCH}",
        f"Run: nox -s data -- {kernel.on_kaggle}",
    )


def sample_of(kernel: KernelFolder, folder: Path) -> str:
    """Return the name of the sample submission in a folder; empty if there is none."""
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
