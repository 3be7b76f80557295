"""``kernels/<competition>/``: a competition's files that people write, read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaggle_offline.errors import ConfigurationError, UnknownCompetitionError
from kaggle_offline.files import names_below
from kaggle_offline.git import git
from kaggle_offline.repository.image_manifest import image_file
from kaggle_offline.repository.kernel_metadata import KernelMetadata, read_metadata
from kaggle_offline.repository.packages import package_path
from kaggle_offline.repository.submission_toml import PLAIN_NAME, Settings, read_settings
from kaggle_offline.repository.upstreams import with_upstreams


@dataclass(frozen=True, kw_only=True)
class KernelFolder:
    """A competition's kernel folder.

    Attributes:
        competition: the name of the folder, which is the competition's slug unless the settings name another.
        repository: the root of the repository.
        settings: ``submission.toml``.
        metadata: ``kernel-metadata.json``.
    """

    competition: str
    repository: Path
    settings: Settings
    metadata: KernelMetadata

    @property
    def on_kaggle(self) -> str:
        """The competition's slug on Kaggle."""
        return self.settings.competition or self.competition

    @property
    def data(self) -> Path:
        """Where `kaggle-offline data` puts the competition's data."""
        return self.repository / "data" / self.on_kaggle

    @property
    def folder(self) -> Path:
        """``kernels/<competition>``."""
        return self.repository / "kernels" / self.competition

    @property
    def code(self) -> Path:
        """The notebook or script, in percent format."""
        return self.folder / self.metadata.code_file

    @property
    def package(self) -> Path:
        """The folder of the project's package."""
        return self.repository / package_path(self.repository, self.settings.package)

    @property
    def image(self) -> Path:
        """The image manifest's file."""
        return image_file(self.repository, self.settings.image)

    @property
    def checkpoints(self) -> Path | None:
        """The folder whose files are published for the kernel; None without one."""
        name = self.settings.checkpoints
        return self.folder / name if name and "/" not in name else None

    @property
    def lock(self) -> Path:
        """The lock: the distributions that are shipped, pinned and hashed."""
        return self.repository / "requirements" / f"{self.competition}.txt"

    @property
    def build(self) -> Path:
        """Where everything that is made goes."""
        return self.repository / "build" / self.competition

    @property
    def built_wheels(self) -> Path:
        """Where wheels are that kaggle.com has built for the image."""
        return self.folder / "wheels" / self.settings.image

    @property
    def rehearsed_wheels(self) -> Path:
        """Where wheels are that the local Kaggle has built instead; they are never pushed to kaggle.com."""
        return self.build / "built" / self.settings.image

    @property
    def slug(self) -> str:
        """The kernel's slug."""
        return self.metadata.id.partition("/")[2]

    @property
    def is_script(self) -> bool:
        """Tell whether Kaggle runs the code as a script; else as a notebook."""
        return self.metadata.kernel_type == "script"


def find_repository(start: Path) -> Path:
    """Return the nearest folder, from ``start`` upwards, that has ``kernels/``.

    Raises:
        ConfigurationError: no such folder has it.
    """
    for folder in (start, *start.parents):
        if (folder / "kernels").is_dir():
            return folder
    raise ConfigurationError(
        f"{start}: no kernels/ here or above",
        "Change into your repository; in one without kernels/, run: kaggle-offline init COMPETITION",
    )


def git_root(start: Path) -> Path:
    """Return the root of the Git repository that a folder is in.

    Raises:
        ConfigurationError: it is in none.
    """
    root = git(start, "rev-parse", "--show-toplevel")
    if root is None:
        raise ConfigurationError(f"{start}: not in a Git repository", "Run: git init")
    return Path(root)


def list_competitions(repository: Path) -> list[str]:
    """Return the names of all kernel folders, sorted."""
    return sorted(p.parent.name for p in (repository / "kernels").glob("*/submission.toml"))


def read_kernel_folder(repository: Path, competition: str) -> KernelFolder:
    """Read a competition's kernel folder and check it.

    Raises:
        UnknownCompetitionError: folder not found.
        ConfigurationError: a file is missing or malformed; the message names the key.
    """
    # Kaggle's addresses do not tell capitals apart, and some competitions have them.
    same = [name for name in list_competitions(repository) if name.casefold() == competition.casefold()]
    competition = competition if competition in same or not same else same[0]
    folder = repository / "kernels" / competition
    if not PLAIN_NAME.fullmatch(competition) or not folder.is_dir():
        raise UnknownCompetitionError(
            f"kernels/{competition}: no such competition folder",
            f"There are: {', '.join(list_competitions(repository)) or 'none'}.",
        )
    settings = read_settings(folder / "submission.toml")
    metadata = read_metadata(folder / "kernel-metadata.json", settings.competition or competition)
    if settings.checkpoints and "/" in settings.checkpoints:
        metadata = metadata.with_source("model", settings.checkpoints)
    for dataset in settings.freeze.datasets:
        metadata = metadata.with_source("dataset", dataset)
    result = KernelFolder(competition=competition, repository=repository, settings=settings, metadata=metadata)
    _check_paths(result)
    return result


def _check_paths(kernel: KernelFolder) -> None:
    """Check that the folders and checkpoints that ``submission.toml`` names exist.

    Raises:
        ConfigurationError: one does not; the message names the key.
    """
    path = kernel.folder / "submission.toml"
    for key, folder in (("package", kernel.package), ("checkpoints", kernel.checkpoints)):
        if folder is not None and not folder.is_dir():
            raise ConfigurationError(f"{path}: {key}: {folder}: not found", f"Correct {key}, or create the folder.")
    if kernel.settings.checkpoints and kernel.checkpoints is None:
        # The files are on Kaggle alone.
        return
    existing = set(names_below(kernel.checkpoints)) if kernel.checkpoints else set[str]()
    for key, names in (("weights", kernel.settings.weights), ("trusted", kernel.settings.trusted)):
        missing = sorted(set(names) - existing)
        if missing:
            raise ConfigurationError(
                f"{path}: {key}: {missing[0]} is not among the checkpoints", "Name files of the checkpoints' folder."
            )


def read_kernel_folders(repository: Path, names: Sequence[str], *, upstreams: bool = False) -> list[KernelFolder]:
    """Read the kernel folders of some competitions, by default of all.

    With ``upstreams`` also those whose output they read, each after those that it reads.

    Raises:
        UnknownCompetitionError: a folder is not found, or there are no folders.
        ConfigurationError: a file is missing or malformed; the message names the key.
    """
    names = names or list_competitions(repository)
    if not names:
        raise UnknownCompetitionError(f"{repository / 'kernels'}: no competition there", "Make a folder for one.")
    kernels = [read_kernel_folder(repository, name) for name in names]
    if not upstreams:
        return kernels
    known = {kernel.competition: kernel for kernel in kernels}
    ordered = with_upstreams(repository, known)
    return [known.get(name) or read_kernel_folder(repository, name) for name in ordered]
