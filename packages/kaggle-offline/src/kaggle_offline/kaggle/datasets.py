"""Datasets on Kaggle: looked up, created, given versions, deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiCreateDatasetVersionRequest,
    ApiCreateDatasetVersionRequestBody,
    ApiDatasetNewFile,
    ApiDeleteDatasetRequest,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiListDatasetFilesRequest,
    ApiListTreeDatasetFilesRequest,
    ApiUploadDirectoryInfo,
)

from kaggle_offline.errors import KaggleError, NotThereError, TakenError, TransientError
from kaggle_offline.kaggle.begun_uploads import BegunUploads
from kaggle_offline.kaggle.calls import MOST_VERSIONS, Calls, shows
from kaggle_offline.kaggle.http_errors import senseless
from kaggle_offline.kaggle.transfers import Upload


@dataclass(frozen=True, kw_only=True)
class DatasetState:
    """A dataset's latest version. Status: ``ready``, ``failed`` or ``processing``.

    ``notes`` are the version's, with the dataset's description where it is the first.
    """

    version: int
    notes: str
    status: str

    def shows(self, digest: str) -> bool:
        """Tell whether the notes hold a digest, or as much of it as Kaggle has kept."""
        return shows(self.notes, digest)


_DATASET_STATUS = {"READY": "ready", "FAILED": "failed", "DELETED": "failed"}


def fill(version: Any, tokens: Mapping[str, str]) -> None:
    """Set the files and folders of a dataset version, as kagglehub 1.0.3 does (``gcs_upload``, ``datasets_helpers``).

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
    """Return the files of a dataset version, as the SDK wants them, of the tokens of uploads."""
    files = []
    for token in tokens:
        file = ApiDatasetNewFile()
        file.token = token
        files.append(file)
    return files


class Datasets:
    """The owner's datasets."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._begun = BegunUploads(calls.owner)

    def state(self, slug: str, *, ask_status: bool = False) -> DatasetState | None:
        """Return the latest version of the owner's dataset, or None if it does not exist.

        With ``ask_status`` the status is also that of a version in processing that is not listed yet.
        """
        ref = f"{self._calls.owner}/{slug}"
        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = self._calls.owner, slug

        def look() -> DatasetState:
            with self._calls.open() as client:
                dataset = client.datasets.dataset_api_client.get_dataset(request)
            if dataset.ref.casefold() != ref.casefold():
                raise senseless(f"dataset {ref}")
            versions = {v.version_number: v for v in dataset.versions or []}
            # The current version is the one in use; a newer one may be in processing.
            number = max([*versions, dataset.current_version_number, 1])
            notes = (versions[number].version_notes or "") if number in versions else ""
            # The first version has no notes of ours: creating a dataset takes none. Its description has.
            if number == 1:
                notes = f"{notes} {dataset.description or ''}".strip()
            listed = (versions[number].status or "").upper() if number in versions else ""
            word = "" if ask_status else listed
            return DatasetState(
                version=number,
                notes=notes,
                status=_DATASET_STATUS.get(word) or self._status(slug),
            )

        return self._calls.lookup(f"dataset {ref}", look)

    def processed(self, slug: str) -> DatasetState | None:
        """Return the same, once no version of it is in processing any more: none is overlooked then.

        Raises:
            KaggleError: its processing takes too long.
        """
        state = self.state(slug, ask_status=True)
        if state is None or state.status != "processing":
            return state

        def look() -> DatasetState | None:
            state = self.state(slug, ask_status=True)
            return state if state and state.status != "processing" else None

        seconds = self._calls.waits.patience.processing
        state = self._calls.waits.until(f"processing {slug}", look, seconds=seconds)
        if state is None:
            raise KaggleError(
                f"{self._calls.owner}/{slug}: still in processing after {seconds / 60:.0f} minutes",
                "Run the same command again to go on waiting; if it never ends, look at its page on Kaggle.",
            )
        return state

    def _status(self, slug: str) -> str:
        """Return the state of the latest version's processing."""
        request = ApiGetDatasetStatusRequest()
        request.owner_slug, request.dataset_slug = self._calls.owner, slug
        with self._calls.open() as client:
            word = client.datasets.dataset_api_client.get_dataset_status(request).status.name
        return _DATASET_STATUS.get(word, "processing")

    def files(self, slug: str, version: int) -> dict[str, int]:
        """Return the size in bytes of every file of a version, by name; those in folders may be missing.

        Raises:
            KaggleError: Kaggle does not list them.
        """
        request = ApiListDatasetFilesRequest()
        request.owner_slug, request.dataset_slug, request.dataset_version_number = self._calls.owner, slug, version

        def look(client: Any) -> Any:
            return client.datasets.dataset_api_client.list_dataset_files(request)

        what = f"files of {self._calls.owner}/{slug}"

        def read(page: Any) -> dict[str, int]:
            if page.error_message:
                # A listing with an error is not an empty listing.
                raise TransientError(f"Kaggle: {what}: {page.error_message}")
            return {file.name: file.total_bytes for file in page.dataset_files or []}

        def list_all() -> dict[str, int]:
            request.page_token = ""
            found: dict[str, int] = {}
            for files in self._calls.pages(what, request, look, read):
                found |= files
            return found

        return self._calls.fresh(what, list_all)

    def files_in_folders(self, slug: str, version: int) -> dict[str, int]:
        """Return the size in bytes of every file in the folders of a version, by name.

        ListDatasetFiles may leave them out (Kaggle/kaggle-cli#370); kagglehub asks for the tree.

        Raises:
            KaggleError: Kaggle does not list them.
        """
        what = f"folders of {self._calls.owner}/{slug}"
        found: dict[str, int] = {}
        waiting = [""]
        while waiting:
            request = ApiListTreeDatasetFilesRequest()
            request.owner_slug, request.dataset_slug, request.dataset_version_number = self._calls.owner, slug, version
            path = waiting.pop()
            request.path = path or None

            def look(client: Any, request: Any = request) -> Any:
                return client.datasets.dataset_api_client.list_tree_dataset_files(request)

            def read(page: Any) -> Any:
                return page

            for page in self._calls.pages(what, request, look, read):
                prefix = f"{path}/" if path else ""
                waiting += [f"{prefix}{directory.name}" for directory in page.directories or []]
                found |= {f"{prefix}{file.name}": file.total_bytes for file in page.files or []}
        return found

    def upload(self, path: Path) -> str:
        """Upload a file, or the rest of it after a killed command; return the token that names it in a dataset version.

        Raises:
            KaggleError: it did not arrive whole.
        """
        what = f"upload of {path.name}"
        request = ApiStartBlobUploadRequest()
        request.type = ApiBlobType.DATASET
        request.name = path.name
        request.content_length = path.stat().st_size
        request.last_modified_epoch_seconds = int(path.stat().st_mtime)

        def start() -> tuple[str, str]:
            with self._calls.open() as client:
                answer = client.blobs.blob_api_client.start_blob_upload(request)
            if not (answer.token and answer.create_url):
                raise senseless(what)
            return answer.token, answer.create_url

        check = partial(self._calls.waits.check, what)
        seconds = self._calls.waits.patience.answer
        begun = self._begun.find(path)
        if begun:
            token, link = begun
            upload = Upload(path, link, seconds, check)
            if upload.goes_on():
                self._calls.repeat(what, upload.send)
                return token
        for last in (False, True):
            token, link = self._calls.repeat(what, start)
            self._begun.keep(path, token, link)
            try:
                self._calls.repeat(what, Upload(path, link, seconds, check).send)
            except NotThereError:
                # The link has expired.
                if last:
                    raise
            else:
                break
        return token

    def create(self, slug: str, digest: str, tokens: Mapping[str, str]) -> None:
        """Create the owner's private dataset with its first version.

        Raises:
            TakenError: there is one already; Kaggle says so of a title that is another dataset's, too.
            KaggleError: Kaggle refuses it.
        """
        request = ApiCreateDatasetRequest()
        request.owner_slug, request.slug, request.title = self._calls.owner, slug, slug
        request.license_name = "unknown"
        request.is_private = True
        request.description = f"Made by kaggle-offline. The first version is {digest}."
        fill(request, tokens)

        def create(client: Any) -> Any:
            return client.datasets.dataset_api_client.create_dataset(request)

        self._create_version(slug, digest, 0, create, tokens)

    def create_version(
        self, slug: str, notes: str, tokens: Mapping[str, str], *, after: int, most: int = MOST_VERSIONS
    ) -> None:
        """Add a version to the owner's dataset, whose latest is ``after``.

        ``most`` is how many versions of it this command may have made then.
        """
        body = ApiCreateDatasetVersionRequestBody()
        body.version_notes = notes
        fill(body, tokens)
        request = ApiCreateDatasetVersionRequest()
        request.owner_slug, request.dataset_slug, request.body = self._calls.owner, slug, body

        def create(client: Any) -> Any:
            return client.datasets.dataset_api_client.create_dataset_version(request)

        self._create_version(slug, notes, after, create, tokens, most=most)

    def _create_version(
        self,
        slug: str,
        notes: str,
        after: int,
        create: Callable[[Any], Any],
        tokens: Mapping[str, str],
        *,
        most: int = MOST_VERSIONS,
    ) -> None:
        what = f"dataset {self._calls.owner}/{slug}"
        # A version uses them up, even if its answer is lost.
        self._begun.drop(set(tokens.values()))

        def act() -> bool:
            with self._calls.open() as client:
                answer = create(client)
            if answer.error:
                # For a version, it is about its files.
                refusal = KaggleError if after else TakenError
                raise refusal(f"Kaggle refuses {what}: {answer.error}", "Correct it, then run again.")
            if (answer.status or "").lower() != "ok":
                raise senseless(what)
            return True

        def is_there() -> bool | None:
            state = self.processed(slug)
            return True if state and state.version > after and state.shows(notes) else None

        self._calls.once(what, act, is_there, most=most, expected=f"a version after {after} with the notes {notes}")

    def delete(self, slug: str) -> None:
        """Delete the owner's dataset, if there is one.

        Raises:
            KaggleError: Kaggle refuses it.
        """
        request = ApiDeleteDatasetRequest()
        request.owner_slug, request.dataset_slug = self._calls.owner, slug

        def delete(client: Any) -> str:
            return str(client.datasets.dataset_api_client.delete_dataset(request).error or "")

        self._calls.delete(f"dataset {self._calls.owner}/{slug}", delete)
