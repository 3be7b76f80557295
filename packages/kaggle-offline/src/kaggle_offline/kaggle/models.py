"""Models on Kaggle: each has one variation for checkpoints, whose versions are looked up, created, deleted.

Kernels can pin the version of a model, and of nothing else among their sources.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any

from kagglesdk.blobs.types.blob_api_service import ApiBlobType
from kagglesdk.models.types.model_api_service import (
    ApiCreateModelInstanceRequest,
    ApiCreateModelInstanceRequestBody,
    ApiCreateModelInstanceVersionRequest,
    ApiCreateModelInstanceVersionRequestBody,
    ApiCreateModelRequest,
    ApiDeleteModelRequest,
    ApiListModelInstancesRequest,
    ApiListModelInstanceVersionFilesRequest,
    ApiListModelInstanceVersionsRequest,
)
from kagglesdk.models.types.model_enums import ModelFramework

from kaggle_offline.errors import KaggleError, NotThereError, StuckError, TakenError
from kaggle_offline.kaggle.calls import MOST_VERSIONS, Calls
from kaggle_offline.kaggle.http_errors import senseless
from kaggle_offline.kaggle.stores import STATUS, VersionState, fill, list_files, make_version, until_processed
from kaggle_offline.kaggle.uploads import Uploads
from kaggle_offline.repository.checkpoints import FRAMEWORK, VARIATION

_FRAMEWORK = ModelFramework.MODEL_FRAMEWORK_OTHER


class Models:
    """The owner's models."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._uploads = Uploads(calls, ApiBlobType.MODEL)
        self.upload = self._uploads.upload

    def ref(self, slug: str) -> str:
        """Return a model's name among a kernel's sources, without the version."""
        return f"{self._calls.owner}/{slug}/{FRAMEWORK}/{VARIATION}"

    def state(self, slug: str) -> VersionState | None:
        """Return the latest version of the owner's model, or None if it does not exist.

        ListModelInstances gives the version in use alone (Kaggle/kaggle-cli#586), so a later one that
        ListModelInstanceVersions has is in processing.
        """
        what = f"model {self.ref(slug)}"

        def look() -> VersionState:
            current = self._variation(slug, what)
            newest = max(self._numbers(slug, what), default=0)
            if current is None and not newest:
                raise NotThereError(f"Kaggle: {what}: no version", forbidden=False, message="")
            if current is None or newest > current.version_number:
                return VersionState(version=newest, notes="", status="processing")
            # The first version has no notes: creating a variation takes none. Its overview has.
            notes = current.version_notes or ""
            if current.version_number == 1:
                notes = f"{notes} {current.overview or ''}".strip()
            # Where Kaggle does not say, the version in use is ready.
            made = current.creation_status
            word = made.status.name if made and made.status else "READY"
            return VersionState(version=current.version_number, notes=notes, status=STATUS.get(word, "processing"))

        return self._calls.lookup(what, look)

    def _variation(self, slug: str, what: str) -> Any:
        """Return the variation for checkpoints, as ListModelInstances describes it; None without one."""
        request = ApiListModelInstancesRequest()
        request.owner_slug, request.model_slug = self._calls.owner, slug

        def look(client: Any) -> Any:
            return client.models.model_api_client.list_model_instances(request)

        def read(page: Any) -> list[Any]:
            return page.instances or []

        for page in self._calls.pages(what, request, look, read):
            for variation in page:
                if variation.slug == VARIATION and variation.framework == _FRAMEWORK:
                    return variation
        return None

    def _numbers(self, slug: str, what: str) -> list[int]:
        """Return the numbers of the versions that Kaggle lists."""
        request = ApiListModelInstanceVersionsRequest()
        request.owner_slug, request.model_slug = self._calls.owner, slug
        request.framework, request.instance_slug = _FRAMEWORK, VARIATION

        def look(client: Any) -> Any:
            return client.models.model_api_client.list_model_instance_versions(request)

        def read(page: Any) -> list[int]:
            versions = page.version_list.versions if page.version_list else None
            return [version.version_number for version in versions or []]

        return list(chain.from_iterable(self._calls.pages(what, request, look, read)))

    def processed(self, slug: str) -> VersionState | None:
        """Return the latest version, once no version is in processing any more; None without one.

        Kaggle shows no failure of a version that is not in use: one that takes too long counts as failed.
        """
        try:
            return until_processed(self._calls, self.ref(slug), partial(self.state, slug))
        except StuckError as error:
            print(f"  {error.problem}: it counts as failed", flush=True)
            state = self.state(slug)
            return replace(state, status="failed") if state and state.status == "processing" else state

    def files(self, slug: str, version: int, *, in_folders: bool) -> dict[str, int]:
        """Return the size in bytes of every file of a version, by name; with those in folders in any case.

        Raises:
            KaggleError: Kaggle does not list them.
        """
        del in_folders
        what = f"files of {self.ref(slug)}/{version}"
        request = ApiListModelInstanceVersionFilesRequest()
        request.owner_slug, request.model_slug = self._calls.owner, slug
        request.framework, request.instance_slug, request.version_number = _FRAMEWORK, VARIATION, version

        def look(client: Any) -> Any:
            return client.models.model_api_client.list_model_instance_version_files(request)

        def read(page: Any) -> dict[str, int]:
            return {file.name: file.size for file in page.files or []}

        return list_files(self._calls, what, request, look, read)

    def create(self, slug: str, digest: str, tokens: Mapping[str, str]) -> None:
        """Create the owner's private model, unless it is there, and its variation with the first version.

        Raises:
            TakenError: the variation is there already.
            KaggleError: Kaggle refuses it.
        """
        self._create_model(slug)
        body = ApiCreateModelInstanceRequestBody()
        body.instance_slug, body.framework = VARIATION, _FRAMEWORK
        body.overview = f"Made by kaggle-offline. The first version is {digest}."
        fill(body, tokens)
        request = ApiCreateModelInstanceRequest()
        request.owner_slug, request.model_slug, request.body = self._calls.owner, slug, body

        def create(client: Any) -> Any:
            return client.models.model_api_client.create_model_instance(request)

        self._create_version(slug, digest, 0, create, tokens)

    def _create_model(self, slug: str) -> None:
        """Create the model; one that is there is kept: a command may have been killed before it made the variation."""
        request = ApiCreateModelRequest()
        request.owner_slug, request.slug, request.title, request.is_private = self._calls.owner, slug, slug, True

        what = f"model {self._calls.owner}/{slug}"

        def create() -> Any:
            with self._calls.open() as client:
                return client.models.model_api_client.create_model(request)

        answer = self._calls.repeat(what, create)
        if answer.error and answer.error_code != HTTPStatus.CONFLICT:
            raise KaggleError(f"Kaggle refuses the {what}: {answer.error}", "Correct it, then run again.")

    def create_version(
        self, slug: str, notes: str, tokens: Mapping[str, str], *, after: int, most: int = MOST_VERSIONS
    ) -> None:
        """Add a version to the owner's model, whose latest is ``after``.

        ``most`` is how many versions of it this command may have made then.
        """
        body = ApiCreateModelInstanceVersionRequestBody()
        body.version_notes = notes
        fill(body, tokens)
        request = ApiCreateModelInstanceVersionRequest()
        request.owner_slug, request.model_slug, request.body = self._calls.owner, slug, body
        request.framework, request.instance_slug = _FRAMEWORK, VARIATION

        def create(client: Any) -> Any:
            return client.models.model_api_client.create_model_instance_version(request)

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
        what = f"model {self.ref(slug)}"
        self._uploads.use_up(set(tokens.values()))

        def act() -> bool:
            with self._calls.open() as client:
                answer = create(client)
            if answer.error:
                refusal = KaggleError
                if answer.error_code == HTTPStatus.CONFLICT:
                    refusal = TakenError
                raise refusal(f"Kaggle refuses the {what}: {answer.error}", "Correct it, then run again.")
            if not answer.url:
                raise senseless(what)
            return True

        make_version(self._calls, self, slug, notes, act, what=what, after=after, most=most)

    def delete(self, slug: str) -> None:
        """Delete the owner's model, if there is one.

        Raises:
            KaggleError: Kaggle refuses it.
        """
        request = ApiDeleteModelRequest()
        request.owner_slug, request.model_slug = self._calls.owner, slug

        def delete(client: Any) -> str:
            return str(client.models.model_api_client.delete_model(request).error or "")

        self._calls.delete(f"model {self._calls.owner}/{slug}", delete)
