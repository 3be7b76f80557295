"""What is set of a local Kaggle: permissions, names, unpacking; each can be switched off."""

from pathlib import Path

import pytest
import requests
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import BehaviourError
from kaggle_local.server import USERNAME, LocalKaggle, serve

from tests.kaggle_local.kernels import ask, published, run_script, uploaded

OF_DATASET = ("GetDataset", "GetDatasetStatus", "GetDatasetMetadata", "ListDatasetFiles", "DownloadDataset")


def test_what_is_private_is_its_owners_alone(local: LocalKaggle) -> None:
    published(local, {"file.txt": b"x"})
    run_script(local, "")
    dataset = {"ownerSlug": USERNAME, "datasetSlug": "my-data"}
    for method in OF_DATASET:
        name = f"datasets.DatasetApiService/{method}"
        assert ask(local, name, **dataset).ok, method
        assert ask(local, name, "somebody", **dataset).status_code == 403, method
    kernel = {"userName": USERNAME, "kernelSlug": "my-kernel"}
    for method in ("GetKernel", "GetKernelSessionStatus", "ListKernelFiles", "ListKernelSessionOutput"):
        name = f"kernels.KernelsApiService/{method}"
        assert ask(local, name, **kernel).ok, method
        assert ask(local, name, "somebody", **kernel).status_code == 403, method
    stream = f"{local.url}/api/v1/kernels/logs/stream/{USERNAME}/my-kernel"
    assert requests.get(stream, headers={"Authorization": "Bearer local-somebody"}, timeout=10).status_code == 403
    mounted = ask(
        local,
        "kernels.KernelsApiService/SaveKernel",
        "somebody",
        slug="somebody/their-kernel",
        newTitle="Their kernel",
        text="",
        language="python",
        kernelType="script",
        datasetDataSources=[f"{USERNAME}/my-data"],
        kernelDataSources=[f"{USERNAME}/my-kernel"],
    ).json()
    assert mounted["invalidDatasetSources"] == [f"{USERNAME}/my-data"]
    assert mounted["invalidKernelSources"] == [f"{USERNAME}/my-kernel"]


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("datasets.DatasetApiService/DeleteDataset", {"ownerSlug": USERNAME, "datasetSlug": "my-data"}),
        (
            "datasets.DatasetApiService/CreateDatasetVersion",
            {"ownerSlug": USERNAME, "datasetSlug": "my-data", "body": {"versionNotes": "", "files": []}},
        ),
        (
            "datasets.DatasetApiService/UpdateDatasetMetadata",
            {"ownerSlug": USERNAME, "datasetSlug": "my-data", "settings": {"title": "Stolen data"}},
        ),
        (
            "datasets.DatasetApiService/CreateDataset",
            {"ownerSlug": USERNAME, "slug": "more-data", "title": "More data"},
        ),
        ("models.ModelApiService/CreateModel", {"ownerSlug": USERNAME, "slug": "a-model", "title": "A model"}),
        (
            "kernels.KernelsApiService/SaveKernel",
            {"slug": f"{USERNAME}/a-kernel", "newTitle": "A kernel", "language": "python", "kernelType": "script"},
        ),
    ],
)
def test_nobody_changes_what_is_anothers(method: str, body: dict[str, object], local: LocalKaggle) -> None:
    published(local, {"file.txt": b"x"})
    resource = local.storage.resources.get("dataset", f"{USERNAME}/my-data")
    assert resource is not None
    local.storage.resources.update(type(resource)(**{**vars(resource), "private": False}))
    assert ask(local, method, "somebody", **body).status_code == 403


def test_permissions_names_and_unpacking_can_be_switched_off(storage: Path) -> None:
    lenient = Behaviour(permissions=False, strict_names=False, unpack=False)
    with serve(storage, behaviour=lenient) as local:
        version = published(local, {"some.zip": b"not unpacked"})
        assert version.files() == [("some.zip", 12)]
        assert ask(
            local, "datasets.DatasetApiService/GetDataset", "somebody", ownerSlug=USERNAME, datasetSlug="my-data"
        ).ok
        named = ask(local, "blobs.BlobApiService/StartBlobUpload", name="a@b.txt", contentLength=1)
        assert named.ok
        assert ask(local, "blobs.BlobApiService/StartBlobUpload", name="../b.txt", contentLength=1).status_code == 400
        created = ask(
            local,
            "datasets.DatasetApiService/CreateDataset",
            ownerSlug=USERNAME,
            slug="my_d",
            title="D",
            files=[{"token": uploaded(local, "a.txt", b"x")}],
        )
        assert created.json()["status"] == "ok"


@pytest.mark.parametrize(
    ("slug", "title"),
    [("short", "A good title"), ("With-Capitals", "A good title"), ("my_data", "A good title"), ("good-slug", "Short")],
)
def test_slugs_and_titles_that_kaggle_refuses(slug: str, title: str, local: LocalKaggle) -> None:
    files = [{"token": uploaded(local, "a.txt", b"x")}]
    method = "datasets.DatasetApiService/CreateDataset"
    assert ask(local, method, ownerSlug=USERNAME, slug=slug, title=title, files=files).status_code == 400


def test_versions_are_made_of_whole_uploads(local: LocalKaggle) -> None:
    method = "datasets.DatasetApiService/CreateDataset"
    half = ask(local, "blobs.BlobApiService/StartBlobUpload", name="a.txt", contentLength=5).json()["token"]
    whole = uploaded(local, "b.txt", b"x")
    for files in ([], [{"token": half}], [{"token": "unknown"}], [{"token": whole}, {"token": whole}]):
        assert ask(local, method, ownerSlug=USERNAME, slug="my-data", title="My data", files=files).status_code == 400
    directories = [{"name": "..", "files": [{"token": whole}], "directories": []}]
    named = ask(local, method, ownerSlug=USERNAME, slug="my-data", title="My data", directories=directories)
    assert named.status_code == 400
    assert local.storage.resources.all("dataset") == []


def test_a_method_that_is_not_there_is_named(local: LocalKaggle) -> None:
    answer = ask(local, "datasets.DatasetApiService/NoSuchMethod")
    assert answer.status_code == 501
    assert "datasets.DatasetApiService/NoSuchMethod" in answer.json()["message"]
    assert requests.post(f"{local.url}/api/v1/x.Y/Z", data="{", timeout=10).status_code == 501


def test_who_asks_is_known(local: LocalKaggle) -> None:
    url = f"{local.url}/api/v1/datasets.DatasetApiService/ListDatasets"
    assert requests.post(url, json={}, timeout=10).status_code == 401
    assert requests.post(url, json={}, headers={"Authorization": "Bearer nonsense"}, timeout=10).status_code == 401
    assert requests.post(url, json={}, auth=(USERNAME, f"local-{USERNAME}"), timeout=10).ok


@pytest.mark.parametrize(
    "path",
    [
        "datasets/kaggler/my-data/1/../../../../kaggle.db",
        "kernels/../kaggle.db",
        "../kaggle.db",
        "kaggle.db",
        "secret",
        "uploads/x",
        "images/x",
        "competitions/leaves/../solution.csv",
        "competitions/nowhere/x",
        "",
    ],
)
def test_downloads_lead_nowhere_else(path: str, local: LocalKaggle, competition: Path) -> None:
    local.host(competition)
    signature = local.storage.signature(path)
    with requests.Session() as session:
        request = requests.Request("GET", local.url).prepare()
        request.url = f"{local.url}/download/{signature}/{path.replace('..', '%2e%2e')}"
        assert session.send(request, timeout=10).status_code == 404


def test_only_links_that_the_api_gave_are_followed(local: LocalKaggle) -> None:
    published(local, {"file.txt": b"secret"})
    body = {"ownerSlug": USERNAME, "datasetSlug": "my-data", "fileName": "file.txt"}
    answer = ask(local, "datasets.DatasetApiService/DownloadDataset", **body)
    assert answer.content == b"secret"
    assert requests.get(answer.url, timeout=10).content == b"secret"
    signature = answer.url.split("/download/")[1].split("/")[0]
    for other in (answer.url.replace(signature, "0" * len(signature)), answer.url.replace("file.txt", "other.txt")):
        assert requests.get(other, timeout=10).status_code == 403


def test_settings_are_read_from_texts() -> None:
    changed = Behaviour().changed(["processing_seconds=2.5", "old_layout=true", "memory_bytes=1000"])
    assert changed == Behaviour(processing_seconds=2.5, old_layout=True, memory_bytes=1000)
    for setting in ("surprise=1", "old_layout=1", "memory_bytes=much", "memory_bytes=-1", "memory_bytes"):
        with pytest.raises(BehaviourError):
            Behaviour().changed([setting])
