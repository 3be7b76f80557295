"""Versions of datasets and models, which Kaggle keeps alike: their state, and the calls that make them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kagglesdk.datasets.types.dataset_api_service import ApiDatasetNewFile, ApiUploadDirectoryInfo

from kaggle_offline.errors import StuckError
from kaggle_offline.kaggle.calls import MOST_VERSIONS, Calls, shows


@dataclass(frozen=True, kw_only=True)
class VersionState:
    """The latest version of a dataset or model. Status: ``ready``, ``failed`` or ``processing``.

    ``notes`` are the version's, with the description of the dataset or model where it is the first.
    """

    version: int
    notes: str
    status: str

    def shows(self, digest: str) -> bool:
        """Tell whether the notes hold a digest, or as much of it as Kaggle has kept."""
        return shows(self.notes, digest)


STATUS = {"READY": "ready", "FAILED": "failed", "DELETED": "failed"}
"""Kaggle's words for a version whose processing has ended."""


class Store(Protocol):
    """The owner's datasets, or the owner's models; each is known by its slug."""

    def ref(self, slug: str) -> str:
        """Return its name among a kernel's sources."""

    def state(self, slug: str) -> VersionState | None:
        """Return its latest version, or None if it does not exist."""

    def processed(self, slug: str) -> VersionState | None:
        """Return the same, once no version of it is in processing any more.

        Raises:
            KaggleError: its processing takes too long.
        """

    def files(self, slug: str, version: int, *, in_folders: bool) -> dict[str, int]:
        """Return the size in bytes of every file of a version, by name, which has slashes in a folder.

        Without ``in_folders`` those in folders may be missing.

        Raises:
            KaggleError: Kaggle does not list them.
        """

    def upload(self, folder: Path, names: Sequence[str]) -> dict[str, str]:
        """Upload files of a folder; return the tokens that name them in a version, by name.

        Raises:
            KaggleError: one did not arrive whole.
        """

    def create(self, slug: str, digest: str, tokens: Mapping[str, str]) -> None:
        """Create it, private, with its first version.

        Raises:
            TakenError: there is one already.
            KaggleError: Kaggle refuses it.
        """

    def create_version(
        self, slug: str, notes: str, tokens: Mapping[str, str], *, after: int, most: int = MOST_VERSIONS
    ) -> None:
        """Add a version, when the latest is ``after``; ``most`` is how many this command may have made then.

        Raises:
            KaggleError: Kaggle refuses it.
        """


def until_processed(calls: Calls, ref: str, look: Callable[[], VersionState | None]) -> VersionState | None:
    """Return what ``look`` returns, once that is not a version in processing.

    Raises:
        StuckError: the processing takes too long.
    """
    state = look()
    if state is None or state.status != "processing":
        return state

    def ended() -> VersionState | None:
        state = look()
        return state if state and state.status != "processing" else None

    seconds = calls.waits.patience.processing
    state = calls.waits.until(f"processing {ref.split('/')[1]}", ended, seconds=seconds)
    if state is None:
        raise StuckError(
            f"{ref}: still in processing after {seconds / 60:.0f} minutes",
            "Run the same command again to go on waiting; if it never ends, look at its page on Kaggle.",
        )
    return state


def list_files(
    calls: Calls, what: str, request: Any, look: Callable[[Any], Any], read: Callable[[Any], dict[str, int]]
) -> dict[str, int]:
    """Return the files of all pages of a version's listing, as ``read`` understands them.

    Raises:
        KaggleError: Kaggle does not list them.
    """

    def list_all() -> dict[str, int]:
        request.page_token = ""
        found: dict[str, int] = {}
        for files in calls.pages(what, request, look, read):
            found |= files
        return found

    return calls.fresh(what, list_all)


def make_version(
    calls: Calls, store: Store, slug: str, notes: str, make: Callable[[], bool], *, what: str, after: int, most: int
) -> None:
    """Make a version once, whatever becomes of the answer.

    Args:
        calls: of the account.
        store: has the version.
        slug: of the dataset or model.
        notes: of the version, by which it is known.
        make: makes the call.
        what: the call makes.
        after: the latest version before it.
        most: how many versions this command may have made then.
    """

    def is_there() -> bool | None:
        state = store.processed(slug)
        return True if state and state.version > after and state.shows(notes) else None

    calls.once(what, make, is_there, most=most, expected=f"a version after {after} with the notes {notes}")


def fill(version: Any, tokens: Mapping[str, str]) -> None:
    """Set the files and folders of a version, as kagglehub 1.0.3 does (``gcs_upload``, ``datasets_helpers``).

    Args:
        version: a request of the SDK's, or a folder in one.
        tokens: of uploads, by the names of their files, which have slashes in a folder.
    """
    folders: dict[str, dict[str, str]] = {}
    right_in_it = []
    for name, token in tokens.items():
        folder, slash, rest = name.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = token
        else:
            right_in_it.append(token)
    version.files = new_files(right_in_it)
    directories = []
    for name, inner in folders.items():
        directory = ApiUploadDirectoryInfo()
        directory.name = name
        fill(directory, inner)
        directories.append(directory)
    version.directories = directories


def new_files(tokens: list[str]) -> list[Any]:
    """Return the files of a version, as the SDK wants them, of the tokens of uploads."""
    files = []
    for token in tokens:
        file = ApiDatasetNewFile()
        file.token = token
        files.append(file)
    return files
