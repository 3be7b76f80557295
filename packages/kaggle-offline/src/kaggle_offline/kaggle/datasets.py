"""Datasets on Kaggle: looked up, created, given versions, deleted."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kagglesdk.blobs.types.blob_api_service import ApiBlobType
from kagglesdk.datasets.types.dataset_api_service import (
    ApiCreateDatasetRequest,
    ApiCreateDatasetVersionRequest,
    ApiCreateDatasetVersionRequestBody,
    ApiDeleteDatasetRequest,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
    ApiListDatasetFilesRequest,
    ApiListTreeDatasetFilesRequest,
)

from kaggle_offline.errors import KaggleError, TakenError, TransientError
from kaggle_offline.kaggle.calls import MOST_VERSIONS, Calls
from kaggle_offline.kaggle.http_errors import senseless
from kaggle_offline.kaggle.stores import STATUS, VersionState, fill, list_files, make_version, until_processed
from kaggle_offline.kaggle.uploads import Uploads


class Datasets:
    """The owner's datasets."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._uploads = Uploads(calls, ApiBlobType.DATASET)
        self.upload = self._uploads.upload

    def ref(self, slug: str) -> str:
        """Return a dataset's name among a kernel's sources."""
        return f"{self._calls.owner}/{slug}"

    def state(self, slug: str, *, ask_status: bool = False) -> VersionState | None:
        """Return the latest version of the owner's dataset, or None if it does not exist.

        With ``ask_status`` the status is also that of a version in processing that is not listed yet.
        """
        ref = self.ref(slug)
        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = self._calls.owner, slug

        def look() -> VersionState:
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
            return VersionState(
                version=number,
                notes=notes,
                status=STATUS.get(word) or self._status(slug),
            )

        return self._calls.lookup(f"dataset {ref}", look)

    def processed(self, slug: str) -> VersionState | None:
        """Return the same, once no version of it is in processing any more: none is overlooked then.

        Raises:
            KaggleError: its processing takes too long.
        """
        return until_processed(self._calls, self.ref(slug), partial(self.state, slug, ask_status=True))

    def _status(self, slug: str) -> str:
        """Return the state of the latest version's processing."""
        request = ApiGetDatasetStatusRequest()
        request.owner_slug, request.dataset_slug = self._calls.owner, slug
        with self._calls.open() as client:
            word = client.datasets.dataset_api_client.get_dataset_status(request).status.name
        return STATUS.get(word, "processing")

    def files(self, slug: str, version: int, *, in_folders: bool) -> dict[str, int]:
        """Return the size in bytes of every file of a version, by name.

        ListDatasetFiles may leave files in folders out (Kaggle/kaggle-cli#370); kagglehub asks for the tree.

        Args:
            slug: of the dataset.
            version: its number.
            in_folders: ask for the files in folders, too.

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

        found = list_files(self._calls, what, request, look, read)
        return found | self._files_in_folders(slug, version) if in_folders else found

    def _files_in_folders(self, slug: str, version: int) -> dict[str, int]:
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
        self._uploads.use_up(set(tokens.values()))

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

        make_version(self._calls, self, slug, notes, act, what=what, after=after, most=most)

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
