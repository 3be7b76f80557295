"""Settings of a local Kaggle: permissions, names, unpacking; each can be switched off."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import BehaviourError
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.server import serve

from tests.kaggle_local.kernels import (
    ask,
    finished,
    printed,
    processed,
    published,
    refusal,
    run_script,
    settings_of,
    uploaded,
)
from tests.kaggle_local.storage.test_archives import zipped
from tests.serving import serving

ASK = """
import urllib.request
try:
    print(urllib.request.urlopen("{address}", timeout=5).status)
except OSError as error:
    print(type(error).__name__)
"""

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


def test_a_kernel_is_as_private_as_its_latest_version(local: LocalKaggle) -> None:
    run_script(local, "open('out.txt', 'w').write('first')", is_private=False)
    run_script(local, "raise SystemExit(1)", is_private=True)
    methods: dict[str, dict[str, Any]] = {
        "GetKernel": {"userName": USERNAME, "kernelSlug": "my-kernel", "versionLabel": "v1"},
        "DownloadKernelOutput": {"ownerSlug": USERNAME, "kernelSlug": "my-kernel", "versionNumber": 1},
    }
    for method, body in methods.items():
        assert ask(local, f"kernels.KernelsApiService/{method}", "somebody", **body).status_code == 403, method
        assert ask(local, f"kernels.KernelsApiService/{method}", **body).ok, method


def test_what_is_deleted_during_its_processing_does_not_come_back(storage: Path) -> None:
    with serve(storage, behaviour=Behaviour(processing_seconds=1)) as local:
        files = [{"token": uploaded(local, "old.txt", b"old")}]
        create = "datasets.DatasetApiService/CreateDataset"
        ask(local, create, ownerSlug=USERNAME, slug="my-data", title="My data", files=files)
        ask(local, "datasets.DatasetApiService/DeleteDataset", ownerSlug=USERNAME, datasetSlug="my-data")
        files = [{"token": uploaded(local, "new.txt", b"new")}]
        ask(local, create, ownerSlug=USERNAME, slug="my-data", title="My data", files=files)
        assert processed(local, 1).files() == [("new.txt", 3)]


def test_versions_of_many_at_once_are_all_processed(local: LocalKaggle) -> None:
    published(local, {"first.txt": b"x"})

    def create(number: int) -> int:
        body = {"versionNotes": "", "files": [{"token": uploaded(local, f"{number}.txt", b"x")}]}
        method = "datasets.DatasetApiService/CreateDatasetVersion"
        return ask(local, method, ownerSlug=USERNAME, datasetSlug="my-data", body=body).status_code

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(create, range(30))) == {200}
    assert {processed(local, number).status for number in range(1, 32)} == {"ready"}


def test_a_mounted_version_outlives_its_deletion(local: LocalKaggle) -> None:
    published(local, {"file.txt": b"x"})
    source = (
        f"import os, time\nfolder = '/kaggle/input/datasets/{USERNAME}/my-data'\n"
        "print(os.listdir(folder), flush=True)\ntime.sleep(2)\nprint(os.listdir(folder))"
    )
    settings = settings_of(kernel_type="script", datasets=[f"{USERNAME}/my-data"])
    version = local.storage.kernels.add_version(USERNAME, "my-kernel", "", source, settings)
    local.worker.run(version)
    while not (live := local.worker.live_log(version, 0)) or not live[0]:
        time.sleep(0.01)
    ask(local, "datasets.DatasetApiService/DeleteDataset", ownerSlug=USERNAME, datasetSlug="my-data")
    assert printed(finished(local)).splitlines() == ["['file.txt']"] * 2
    assert not (local.storage.root / "datasets" / USERNAME / "my-data").exists()


@pytest.mark.parametrize(
    ("setting", "content"),
    [
        ({"unpacked_files": 1}, {"a": b"1", "b": b"2"}),
        ({"unpacked_bytes": 10}, {"a": bytes(100)}),
        ({"unpacked_depth": 0}, {"a": b"1"}),
    ],
)
def test_what_archives_unpack_to_is_limited(setting: dict[str, int], content: dict[str, bytes], storage: Path) -> None:
    archive = zipped(**content)
    with serve(storage, behaviour=Behaviour(**setting)) as local:  # type: ignore[arg-type]
        assert published(local, {"some.zip": archive}).status == "failed"
    with serve(storage) as local:
        assert published(local, {"some.zip": archive}, "other-data").status == "ready"


def test_a_second_version_can_be_let_in_during_the_first(storage: Path) -> None:
    with serve(storage, behaviour=Behaviour(one_at_a_time=False, processing_seconds=1)) as local:
        files = [{"token": uploaded(local, "a.txt", b"x")}]
        service, names = "datasets.DatasetApiService", {"ownerSlug": USERNAME, "title": "My data"}
        ask(local, f"{service}/CreateDataset", **names, slug="my-data", files=files)
        body = {"versionNotes": "", "files": files}
        assert ask(local, f"{service}/CreateDatasetVersion", **names, datasetSlug="my-data", body=body).ok
        assert processed(local, 2).status == "ready"


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("competitions.CompetitionApiService/GetSubmission", {"ref": 2**70}),
        ("datasets.DatasetApiService/CreateDatasetVersion", {"ownerSlug": USERNAME, "datasetSlug": "my-data"}),
        ("datasets.DatasetApiService/UpdateDatasetMetadata", {"ownerSlug": USERNAME, "datasetSlug": "my-data"}),
        ("blobs.BlobApiService/StartBlobUpload", {"name": "a.txt", "contentLength": "abc"}),
        ("blobs.BlobApiService/StartBlobUpload", {"name": "ü" * 200, "contentLength": 1}),
        ("datasets.DatasetApiService/CreateDataset", {"ownerSlug": "../..", "slug": "my-data", "title": "My data"}),
    ],
)
def test_what_makes_no_sense_is_the_clients_mistake(method: str, body: dict[str, Any], local: LocalKaggle) -> None:
    published(local, {"file.txt": b"x"})
    answer = ask(local, method, **body)
    assert answer.status_code == 400
    assert refusal(answer)


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
        for name in ("../b.txt", ".", "..", ""):
            refused = ask(local, "blobs.BlobApiService/StartBlobUpload", name=name, contentLength=1)
            assert refused.status_code == 400
        for slug in (".", "..", "a/b"):
            method = "datasets.DatasetApiService/CreateDataset"
            assert ask(local, method, ownerSlug=USERNAME, slug=slug, title="D").status_code == 400
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
    assert "datasets.DatasetApiService/NoSuchMethod" in refusal(answer)
    assert requests.post(f"{local.url}/api/v1/x.Y/Z", data="{", timeout=10).status_code == 501


def test_who_asks_is_known(local: LocalKaggle) -> None:
    url = f"{local.url}/api/v1/datasets.DatasetApiService/ListDatasets"
    assert requests.post(url, json={}, timeout=10).json().get("datasets", []) == [], "nothing is public"
    delete = url.replace("ListDatasets", "DeleteDataset")
    assert requests.post(delete, json={}, timeout=10).status_code == 401
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


@pytest.mark.parametrize(
    ("allowed", "asks", "answer"), [(True, True, "200"), (True, False, "URLError"), (False, True, "URLError")]
)
def test_a_kernel_gets_a_network_if_it_asks_and_a_setting_allows_it(
    allowed: bool, asks: bool, answer: str, storage: Path, tmp_path: Path
) -> None:
    with serving(tmp_path) as address, serve(storage, behaviour=Behaviour(network=allowed)) as local:
        source = ASK.format(address=address)
        assert printed(run_script(local, source, enable_internet=asks)) == f"{answer}\n"
