"""Kaggle, through its official client: the only place that knows its API.

Values go in and out typed; what the client raises becomes one of the project's errors.
"""

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from kaggle_offline.errors import CredentialsError, KaggleError
from kaggle_offline.kernel_folder import SOURCES

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class DatasetState:
    """A dataset's latest version. Status: ``ready``, ``failed`` or ``processing``.

    ``digest`` is the one in the version's notes, or an empty text.
    """

    version: int
    digest: str
    status: str


@dataclass(frozen=True, kw_only=True)
class KernelState:
    """A kernel's latest version: its notebook, and the datasets, competitions and other sources that it sees."""

    version: int
    source: str
    sources: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands: ``running``, ``complete`` or ``error``, and Kaggle's message if it failed."""

    status: str
    failure: str


@dataclass(frozen=True, kw_only=True)
class SubmissionState:
    """Where a submission stands: ``pending``, ``complete`` or ``error``."""

    ref: str
    description: str
    status: str
    score: float | None
    error: str


class KaggleClient:
    """An authenticated client.

    Args:
        endpoint: where the local Kaggle is; None is kaggle.com. The client authenticates as soon as
            it is imported, so the environment must hold the credentials for that endpoint before.

    Attributes:
        owner: the name of whoever is authenticated.

    Raises:
        CredentialsError: Kaggle does not know who asks.
        KaggleError: Kaggle does not answer.
    """

    def __init__(self, endpoint: str | None = None) -> None:
        if endpoint is not None:
            from kagglesdk import kaggle_env

            kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = endpoint  # noqa: SLF001 - there is no other way
        # The client explains missing credentials at length on import; the error here says it once.
        with contextlib.redirect_stdout(io.StringIO()), _translated("authentication"):
            from kaggle.api.kaggle_api_extended import KaggleApi

            self._api = KaggleApi()
            if endpoint is not None:
                self._api.args = ["--local"]
            try:
                self._api.authenticate()
            except SystemExit:
                raise CredentialsError(
                    "Kaggle: no credentials that it accepts",
                    "Set KAGGLE_API_TOKEN to a token from the API section of your Kaggle settings.",
                ) from None
        self.owner = str(self._api.config_values["username"])

    def _client(self) -> Any:
        return self._api.build_kaggle_client()

    # Datasets

    def dataset(self, slug: str) -> DatasetState | None:
        """The latest version of the owner's dataset, or None where there is no such dataset."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest, ApiGetDatasetStatusRequest

        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = self.owner, slug
        status = ApiGetDatasetStatusRequest()
        status.owner_slug, status.dataset_slug = self.owner, slug
        with self._client() as client:
            try:
                with _translated(f"dataset {self.owner}/{slug}", lookup=True):
                    dataset = client.datasets.dataset_api_client.get_dataset(request)
                    stage = client.datasets.dataset_api_client.get_dataset_status(status).status.name
            except _NotThere:
                return None
        versions = {v.version_number: v.version_notes for v in dataset.versions or []}
        # The current version is the one in use; a newer one may be in processing, and the status is that one's.
        number = max(versions, default=dataset.current_version_number)
        # The first version has no notes of ours: creating a dataset takes none. Its description has.
        text = f"{versions.get(number, '')} {dataset.description if number == 1 else ''}"
        digest = _DIGEST.search(text)
        names = {"READY": "ready", "FAILED": "failed"}
        return DatasetState(
            version=number, digest=digest.group() if digest else "", status=names.get(stage, "processing")
        )

    def dataset_files(self, slug: str, version: int) -> dict[str, int]:
        """Size of every file of a version, by name."""
        from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetFilesRequest

        request = ApiListDatasetFilesRequest()
        request.owner_slug, request.dataset_slug, request.dataset_version_number = self.owner, slug, version
        request.page_size = _PAGE
        files: dict[str, int] = {}
        with self._client() as client, _translated(f"files of {self.owner}/{slug}"):
            while True:
                page = client.datasets.dataset_api_client.list_dataset_files(request)
                files |= {file.name: file.total_bytes for file in page.files}
                if not page.next_page_token:
                    return files
                request.page_token = page.next_page_token

    def upload(self, path: Path) -> str:
        """Upload a file; return the token that names it in a dataset version.

        Raises:
            KaggleError: it did not arrive whole.
        """
        from kaggle.api.kaggle_api_extended import ResumableUploadResult
        from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

        request = ApiStartBlobUploadRequest()
        request.type = ApiBlobType.DATASET
        request.name = path.name
        request.content_length = path.stat().st_size
        request.last_modified_epoch_seconds = int(path.stat().st_mtime)
        with self._client() as client, _translated(f"upload of {path.name}"):
            start = client.blobs.blob_api_client.start_blob_upload(request)
        quiet = not sys.stderr.isatty()
        for attempt in range(_UPLOAD_ATTEMPTS):
            result = self._api.upload_complete(str(path), start.create_url, quiet, resume=attempt > 0)
            if result == ResumableUploadResult.COMPLETE:
                return str(start.token)
            if result != ResumableUploadResult.INCOMPLETE:
                break
        raise KaggleError(f"{path}: the upload did not arrive", "Run the same command again.")

    def create_dataset(self, slug: str, digest: str, tokens: list[str]) -> None:
        """Create the owner's private dataset with its first version."""
        from kagglesdk.datasets.types.dataset_api_service import ApiCreateDatasetRequest

        request = ApiCreateDatasetRequest()
        request.owner_slug, request.slug, request.title = self.owner, slug, slug
        request.license_name = "unknown"
        request.is_private = True
        request.description = f"Made by kaggle-offline. The first version is {digest}."
        request.files = _new_files(tokens)
        with self._client() as client, _translated(f"dataset {self.owner}/{slug}"):
            _check_created(client.datasets.dataset_api_client.create_dataset(request))

    def create_dataset_version(self, slug: str, digest: str, tokens: list[str]) -> None:
        """Add a version to the owner's dataset; its notes are the digest."""
        from kagglesdk.datasets.types.dataset_api_service import (
            ApiCreateDatasetVersionRequest,
            ApiCreateDatasetVersionRequestBody,
        )

        body = ApiCreateDatasetVersionRequestBody()
        body.version_notes = digest
        body.files = _new_files(tokens)
        request = ApiCreateDatasetVersionRequest()
        request.owner_slug, request.dataset_slug, request.body = self.owner, slug, body
        with self._client() as client, _translated(f"dataset {self.owner}/{slug}"):
            _check_created(client.datasets.dataset_api_client.create_dataset_version(request))

    # Kernels

    def kernel(self, slug: str) -> KernelState | None:
        """The latest version of the owner's kernel, or None where there is no such kernel."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = self.owner, slug
        with self._client() as client:
            try:
                with _translated(f"kernel {self.owner}/{slug}", lookup=True):
                    response = client.kernels.kernels_api_client.get_kernel(request)
            except _NotThere:
                return None
        metadata = response.metadata
        sources = [source for kind in SOURCES for source in getattr(metadata, f"{kind}_data_sources") or []]
        return KernelState(
            version=metadata.current_version_number, source=response.blob.source, sources=frozenset(sources)
        )

    def push_kernel(self, folder: Path) -> int:
        """Push a rendered kernel folder; return the version's number.

        Raises:
            KaggleError: Kaggle refuses it, or does not know one of its inputs.
        """
        with _translated(f"push of {folder}"):
            response = self._api.kernels_push(str(folder))
        unknown = [source for kind in SOURCES for source in getattr(response, f"invalid_{kind}_sources") or []]
        if response.error or unknown:
            problem = response.error or f"it does not know {', '.join(unknown)}"
            raise KaggleError(f"Kaggle refuses the kernel: {problem}", "Correct kernel-metadata.json.")
        return int(response.version_number)

    def run(self, slug: str) -> RunState:
        """Where the run of the kernel's latest version stands."""
        with _translated(f"status of {self.owner}/{slug}"):
            response = self._api.kernels_status(f"{self.owner}/{slug}")
        name = response.status.name
        status = "complete" if name == "COMPLETE" else "error" if name in _ENDED_BADLY else "running"
        return RunState(status=status, failure=response.failure_message or "")

    def fetch_output(self, slug: str, folder: Path) -> str:
        """Fetch what the kernel's latest run left into ``folder``; return its log, as Kaggle keeps it."""
        with _translated(f"output of {self.owner}/{slug}"), contextlib.redirect_stdout(io.StringIO()):
            self._api.kernels_output(f"{self.owner}/{slug}", str(folder), force=True)
        log = folder / f"{slug}.log"
        return log.read_text() if log.exists() else ""

    # Submissions

    def submissions(self, competition: str) -> list[SubmissionState]:
        """The owner's submissions to a competition, newest first."""
        with _translated(f"submissions to {competition}"):
            found = self._api.competition_submissions(competition, page_size=_PAGE)
        return [
            SubmissionState(
                ref=str(s.ref),
                description=s.description or "",
                status=s.status.name.lower(),
                score=float(s.public_score) if s.public_score else None,
                error=s.error_description or "",
            )
            for s in found or []
            if s is not None
        ]

    def submit(self, competition: str, slug: str, version: int, file_name: str, description: str) -> str:
        """Hand in a kernel version; return the submission's reference."""
        kernel = f"{self.owner}/{slug}"
        with _translated(f"submission of {kernel} to {competition}"):
            response = self._api.competition_submit_code(
                file_name, description, competition, kernel, version, quiet=True
            )
        return str(response.ref)


_UPLOAD_ATTEMPTS = 5
_ENDED_BADLY = frozenset({"ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED"})


def _new_files(tokens: list[str]) -> list[Any]:
    from kagglesdk.datasets.types.dataset_api_service import ApiDatasetNewFile

    files = []
    for token in tokens:
        file = ApiDatasetNewFile()
        file.token = token
        files.append(file)
    return files


def _check_created(response: Any) -> None:
    if response.error or (response.status or "ok").lower() != "ok":
        raise KaggleError(
            f"Kaggle refuses the dataset: {response.error or response.status}", "Correct it and run again."
        )


class _NotThere(Exception):  # noqa: N818 - an answer, not an error
    """Kaggle has nothing of that name; it says 403 rather than 404 of some things."""


@contextmanager
def _translated(what: str, *, lookup: bool = False) -> Iterator[None]:
    """Turn what the client raises into the project's errors; its messages hold no credential.

    In a ``lookup``, what is not there is an answer: `_NotThere`.
    """
    try:
        yield
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        if code == HTTPStatus.UNAUTHORIZED:
            raise CredentialsError(f"Kaggle: {what}: {error}", "Check the token in KAGGLE_API_TOKEN.") from error
        if lookup and code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise _NotThere from error
        raise KaggleError(
            f"Kaggle: {what}: {error}", "Look at the message, then run the same command again."
        ) from error
    except requests.RequestException as error:
        raise KaggleError(f"Kaggle: {what}: {error}", "Check the network, then run the same command again.") from error
    except ValueError as error:
        raise KaggleError(f"Kaggle's client: {what}: {error}", "Correct what it names.") from error
