"""Uploads as Google's resumable protocol has them, which the official client speaks."""

import socket
import time
from collections.abc import Callable

import pytest
import requests
from kaggle_local.local_kaggle import USERNAME, LocalKaggle

from tests.kaggle_local.kernels import published

CONTENT = bytes(range(256)) * 40

Start = Callable[..., str]


@pytest.fixture
def start(local: LocalKaggle) -> Start:
    """Announce an upload; return the address to put it to."""

    def start(name: str = "file.bin", size: int = len(CONTENT), status: int = 200) -> str:
        answer = requests.post(
            f"{local.url}/api/v1/blobs.BlobApiService/StartBlobUpload",
            json={"type": "DATASET", "name": name, "contentLength": size},
            headers={"Authorization": f"Bearer {local.token}"},
            timeout=10,
        )
        assert answer.status_code == status, answer.text
        return str(answer.json().get("createUrl"))

    return start


def put(url: str, data: bytes, content_range: str | None = None) -> requests.Response:
    headers = {"Content-Range": content_range} if content_range else {}
    return requests.put(url, data=data, headers=headers, timeout=10)


def test_an_interrupted_upload_is_resumed(local: LocalKaggle, start: Start) -> None:
    url, total = start(), len(CONTENT)
    assert put(url, b"", f"bytes */{total}").status_code == 308
    half = put(url, CONTENT[:5000], f"bytes 0-4999/{total}")
    assert half.status_code == 308
    assert half.headers["Range"] == "bytes=0-4999"
    assert put(url, b"", f"bytes */{total}").headers["Range"] == "bytes=0-4999"
    assert put(url, CONTENT[5000:], f"bytes 5000-{total - 1}/{total}").status_code == 200
    assert put(url, b"", f"bytes */{total}").status_code == 200
    upload = local.storage.uploads.get(url.rpartition("/")[2])
    assert upload is not None
    assert upload.path.read_bytes() == CONTENT


def test_what_does_not_fit_is_refused(start: Start) -> None:
    url, total = start(), len(CONTENT)
    assert put(url, CONTENT + b"x").status_code == 400
    assert put(url, CONTENT, "bytes 0-9/10").status_code == 400
    assert put(url, CONTENT, "nonsense").status_code == 400
    assert put(url, CONTENT[:10], f"bytes 0-3/{total}").status_code == 400, "the range is shorter than what came"
    assert put(url, CONTENT[9000:], f"bytes 9000-{total - 1}/{total}").status_code == 308, "a gap is not filled"
    assert put(f"{url}x", CONTENT).status_code == 404


def test_an_empty_file_arrives(start: Start) -> None:
    assert put(start(size=0), b"").status_code == 200
    assert put(start(size=0), b"", "bytes */0").status_code == 200, "it has all that it needs"


@pytest.mark.parametrize("name", ["a@b", "a&b", "../escape", "a/b", "", "..", "nul\0"])
def test_names_that_kaggle_refuses(name: str, start: Start) -> None:
    start(name=name, status=400)


def test_what_is_published_cannot_be_changed_through_its_upload(local: LocalKaggle, start: Start) -> None:
    url = start()
    address = ("127.0.0.1", int(local.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=10) as stalled:
        head = f"PUT /uploads/{url.rpartition('/')[2]} HTTP/1.1\r\n"
        stalled.sendall(f"{head}Host: localhost\r\nContent-Length: {len(CONTENT)}\r\n\r\nhalf".encode())
        while (upload := local.storage.uploads.get(url.rpartition("/")[2])) is None or not upload.path.exists():
            time.sleep(0.01)
        assert put(url, CONTENT).status_code == 409, "one writer at a time"
    while put(url, CONTENT).status_code == 409:
        time.sleep(0.01)
    assert put(url, bytes(len(CONTENT))).status_code == 200
    assert upload.path.read_bytes() == CONTENT, "what is complete is not written again"


def test_pages_are_asked_for_by_token(local: LocalKaggle) -> None:
    published(local, {f"{n}.txt": b"x" for n in range(5)})

    def listed(token: str) -> requests.Response:
        return requests.post(
            f"{local.url}/api/v1/datasets.DatasetApiService/ListDatasetFiles",
            json={"ownerSlug": USERNAME, "datasetSlug": "my-data", "pageSize": 2, "pageToken": token},
            headers={"Authorization": f"Bearer {local.token}"},
            timeout=10,
        )

    names, token = [], ""
    while True:
        page = listed(token).json()
        names += [file["name"] for file in page["datasetFiles"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == [f"{n}.txt" for n in range(5)]
    for nonsense in ("x", "-5", "1.5"):
        assert listed(nonsense).status_code == 400
