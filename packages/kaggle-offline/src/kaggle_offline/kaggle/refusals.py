"""Calls that Kaggle refuses, made to see how: for `probe`, which asks what nobody has reported."""

from typing import Any

from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.competitions import slug_of
from kaggle_offline.kaggle.stores import new_files


def of_missing_file(client: KaggleClient, dataset: str) -> str:
    """Kaggle's answer to a download of a file that the owner's dataset does not have."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug, request.file_name = client.owner, dataset, "missing.txt"

    def download(sdk: Any) -> Any:
        return sdk.datasets.dataset_api_client.download_dataset(request)

    return client.calls.answer_to(download)


def of_competition_not_entered(client: KaggleClient) -> str:
    """Kaggle's answer to a listing of the files of a competition that the account has not entered.

    An empty text where the account has entered all that are listed.
    """
    from kagglesdk.competitions.types.competition_api_service import (
        ApiListCompetitionsRequest,
        ApiListDataFilesRequest,
    )

    names: list[str] = []

    def find(sdk: Any) -> None:
        listed = sdk.competitions.competition_api_client.list_competitions(ApiListCompetitionsRequest())
        names.extend(slug_of(c.ref) for c in listed.competitions or [] if not c.user_has_entered)

    client.calls.answer_to(find)
    if not names:
        return ""
    request = ApiListDataFilesRequest()
    request.competition_name = names[0]

    def list_files(sdk: Any) -> Any:
        return sdk.competitions.competition_api_client.list_data_files(request)

    return client.calls.answer_to(list_files)


def of_taken_slug(client: KaggleClient, dataset: str, token: str) -> str:
    """Kaggle's answer to the creation of a dataset under the name that one of the owner's has.

    ``token`` is that of an uploaded file.
    """
    from kagglesdk.datasets.types.dataset_api_service import ApiCreateDatasetRequest

    request = ApiCreateDatasetRequest()
    request.owner_slug, request.slug, request.title = client.owner, dataset, dataset
    request.license_name, request.is_private, request.files = "unknown", True, new_files([token])

    def create(sdk: Any) -> Any:
        return sdk.datasets.dataset_api_client.create_dataset(request)

    return client.calls.answer_to(create)
