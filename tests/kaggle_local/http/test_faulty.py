"""Faults on demand: each kind, as a client meets it."""

import time
from pathlib import Path
from typing import Any

import pytest
import requests
from kaggle_local.errors import FaultError
from kaggle_local.faults import Fault, read_faults
from kaggle_local.local_kaggle import USERNAME, LocalKaggle

from tests.kaggle_local.kernels import ask, processed, published, uploaded

CREATE = "datasets.DatasetApiService/CreateDataset"
GET = "datasets.DatasetApiService/GetDataset"


def create(local: LocalKaggle) -> requests.Response:
    files = [{"token": uploaded(local, "a.txt", b"x")}]
    return ask(local, CREATE, ownerSlug=USERNAME, slug="my-data", title="My data", files=files)


def test_a_status_comes_so_often_and_for_that_method_alone(local: LocalKaggle) -> None:
    local.faults.add(Fault(on=CREATE, status=503, times=2), Fault(on=CREATE, status=429, retry_after=7))
    assert ask(local, "datasets.DatasetApiService/ListDatasets").ok
    answers = [create(local) for _ in range(4)]
    assert [a.status_code for a in answers] == [503, 503, 429, 200]
    assert [a.headers.get("Retry-After") for a in answers] == [None, None, "7", None]
    assert answers[0].json()["error"]["code"] == 503
    assert len(local.storage.resources.all("dataset")) == 1


def test_any_method_can_be_meant_and_faults_can_be_cleared(local: LocalKaggle) -> None:
    local.faults.add(Fault(on="*", status=500, times=100))
    assert ask(local, GET).status_code == 500
    assert create(local).status_code == 500
    local.faults.clear()
    assert create(local).ok


@pytest.mark.parametrize(("when", "effect"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset_before_or_after_the_effect(when: Any, effect: int, local: LocalKaggle) -> None:
    local.faults.add(Fault(on=CREATE, reset=when))
    with pytest.raises(requests.ConnectionError):
        create(local)
    assert len(local.storage.resources.all("dataset")) == effect


def test_an_answer_can_be_late(local: LocalKaggle) -> None:
    local.faults.add(Fault(on=GET, delay=1.0))
    started = time.monotonic()
    ask(local, GET)
    assert time.monotonic() - started >= 1.0
    local.faults.add(Fault(on=GET, delay=5.0))
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{local.url}/api/v1/{GET}", json={}, timeout=0.5)


def test_an_answer_can_be_wrong_or_empty(local: LocalKaggle) -> None:
    local.faults.add(Fault(on=CREATE, body='["no"]'), Fault(on=CREATE, body=""))
    assert create(local).json() == ["no"]
    empty = create(local)
    assert (empty.status_code, empty.content) == (200, b"")
    assert local.storage.resources.all("dataset") == [], "neither did anything"


def test_an_answer_can_be_stale_for_the_same_request(local: LocalKaggle) -> None:
    published(local, {"a.txt": b"x"})
    local.faults.add(Fault(on=GET, stale=True, times=3))
    mine, other = {"ownerSlug": USERNAME, "datasetSlug": "my-data"}, {"ownerSlug": USERNAME, "datasetSlug": "nothing"}
    before = ask(local, GET, **mine).json()
    published(local, {"a.txt": b"y"})
    assert ask(local, GET, **mine).json() == before
    assert ask(local, GET, **other).status_code == 404
    assert ask(local, GET, **mine).json()["currentVersionNumber"] == 2


def test_an_upload_is_cut_off_and_can_be_resumed(local: LocalKaggle) -> None:
    content = bytes(range(256)) * 4000
    started = ask(local, "blobs.BlobApiService/StartBlobUpload", name="a.bin", contentLength=len(content)).json()
    local.faults.add(Fault(on="upload", keep_bytes=300_000))
    with pytest.raises(requests.ConnectionError):
        requests.put(started["createUrl"], data=content, timeout=30)
    upload = local.storage.uploads.get(started["token"])
    assert upload is not None
    while upload.received != 300_000:
        time.sleep(0.01)
    headers = {"Content-Range": f"bytes 300000-{len(content) - 1}/{len(content)}"}
    assert requests.put(started["createUrl"], data=content[300_000:], headers=headers, timeout=30).ok
    assert upload.path.read_bytes() == content


def test_the_official_client_resumes_an_upload_that_was_cut_off(
    local: LocalKaggle, kaggle_api: Any, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large.bin").write_bytes(bytes(range(256)) * 40_000)
    (tmp_path / "data" / "dataset-metadata.json").write_text(
        f'{{"id": "{USERNAME}/my-data", "title": "My data", "licenses": [{{"name": "unknown"}}]}}'
    )
    local.faults.add(Fault(on="upload", status=503), Fault(on="upload", keep_bytes=2_000_000))
    kaggle_api.dataset_create_new(str(tmp_path / "data"), quiet=True)
    version = processed(local, 1)
    assert (version.folder / "large.bin").read_bytes() == bytes(range(256)) * 40_000


def test_downloads_can_fail(local: LocalKaggle) -> None:
    published(local, {"a.txt": b"abc"})
    body = {"ownerSlug": USERNAME, "datasetSlug": "my-data", "fileName": "a.txt"}
    url = ask(local, "datasets.DatasetApiService/DownloadDataset", **body).url
    local.faults.add(Fault(on="download", status=500))
    assert requests.get(url, timeout=10).status_code == 500
    assert requests.get(url, timeout=10).text == "abc"


def test_processing_fails_or_never_ends(local: LocalKaggle) -> None:
    local.faults.add(Fault(on="processing", outcome="failed"))
    failed = published(local, {"a.txt": b"x"})
    assert (failed.status, failed.files()) == ("failed", [])
    local.faults.add(Fault(on="processing", outcome="stuck"))
    resource = local.storage.resources.get("dataset", failed.ref)
    assert resource is not None
    stuck = local.storage.resources.add_version(resource, "", [("a.txt", uploaded(local, "a.txt", b"x"))])
    local.worker.process(stuck)
    assert published(local, {"a.txt": b"x"}).number == 3, "the next one is not held up"
    found = local.storage.resources.version("dataset", failed.ref, 2)
    assert found is not None
    assert found.status == "processing"


def test_other_processes_ask_for_faults_over_http(local: LocalKaggle) -> None:
    url = f"{local.url}/local/faults"
    assert requests.put(url, json=[{"on": GET, "status": 418}], timeout=10).ok
    assert ask(local, GET).status_code == 418
    assert requests.put(url, json=[{"on": GET, "status": 418}], timeout=10).ok
    assert requests.delete(url, timeout=10).ok
    assert ask(local, GET).status_code == 404
    refused = requests.put(url, json=[{"on": "nowhere"}], timeout=10)
    assert refused.status_code == 400
    assert "nowhere" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        ["x"],
        [{"status": 500}],
        [{"on": "upload", "surprise": 1}],
        [{"on": "upload", "times": "often"}],
        [{"on": "upload", "outcome": "failed"}],
        [{"on": "run"}],
        [{"on": "run", "outcome": "late"}],
        [{"on": "x/Y", "keep_bytes": 1}],
        [{"on": "x/Y", "reset": "during"}],
        [{"on": 1, "status": 500}],
        [{"on": "foo/bar", "status": 500}],
        [{"on": "upload", "status": 500, "times": 0}],
        [{"on": "upload", "status": 500, "times": 1.5}],
        [{"on": "upload", "status": 99}],
        [{"on": "upload", "status": 204}],
        [{"on": "upload", "status": 1000}],
        [{"on": "upload"}],
        [{"on": "upload", "retry_after": 5}],
        [{"on": "upload", "delay": float("inf")}],
        [{"on": "upload", "reset": "after", "status": 500}],
        [{"on": "processing", "outcome": "failed", "status": 503}],
    ],
)
def test_faults_that_could_not_come_about_are_refused(document: Any) -> None:
    with pytest.raises(FaultError):
        read_faults(document)
