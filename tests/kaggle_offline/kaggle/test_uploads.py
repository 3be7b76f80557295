"""An upload goes on at the byte where a killed command has left it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.server import serve
from kaggle_offline.delivery.target import PATIENCE
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.retries import Waits
from kaggle_offline.kaggle.transfers import Upload
from kaggle_offline.kaggle.uploads import BegunUploads


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalKaggle]:
    with serve(tmp_path / "kaggle") as served:
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("KAGGLE_API_TOKEN", served.token)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield served


def client_of(local: LocalKaggle) -> KaggleClient:
    return KaggleClient(Waits(PATIENCE["local"]), local.url)


class KilledError(Exception):
    """Stands for the end of the process."""


def killed_after(client: KaggleClient, pieces: int, path: Path) -> None:
    """Upload until so many pieces are sent."""
    left = iter(range(pieces))

    def check(_: str, __: float = 0) -> None:
        if next(left, None) is None:
            raise KilledError

    client.calls.waits.check = check  # type: ignore[assignment, method-assign]
    with pytest.raises(KilledError):
        client.datasets.upload(path.parent, [path.name])


def test_the_rest_of_a_file_is_sent(local: LocalKaggle, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(3 * 2**20))
    for pieces in (40, 60, 80):
        killed_after(client_of(local), pieces, path)
    ((token, link),) = [BegunUploads("kaggler", "DATASET").find(path) or ("", "")]
    arrived = local.storage.uploads.get(token)
    assert arrived is not None
    assert 0 < arrived.received < path.stat().st_size
    assert client_of(local).datasets.upload(tmp_path, ["model.bin"])["model.bin"] == token
    kept = local.storage.uploads.get(token)
    assert kept is not None
    assert kept.path.read_bytes() == path.read_bytes()
    assert Upload(path, link, 5, lambda: None).goes_on()

    # One that is complete is not sent again, until a version has used it.
    client = client_of(local)
    assert client.datasets.upload(tmp_path, ["model.bin"])["model.bin"] == token
    client.datasets.create("my-models", "sha256:0", {"model.bin": token})
    assert BegunUploads("kaggler", "DATASET").find(path) is None
    assert client.datasets.upload(tmp_path, ["model.bin"])["model.bin"] != token


def test_a_changed_file_a_lost_link_and_another_account_begin_anew(local: LocalKaggle, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"one")
    token = client_of(local).datasets.upload(tmp_path, ["model.bin"])["model.bin"]
    assert BegunUploads("another", "DATASET").find(path) is None
    assert BegunUploads("kaggler", "MODEL").find(path) is None
    path.write_bytes(b"two")
    assert client_of(local).datasets.upload(tmp_path, ["model.bin"])["model.bin"] != token
    BegunUploads("kaggler", "DATASET").keep(path, "lost", f"{local.url}/upload/lost")
    assert client_of(local).datasets.upload(tmp_path, ["model.bin"])["model.bin"] not in (token, "lost")
    BegunUploads("kaggler", "DATASET").keep(path, "elsewhere", "http://127.0.0.1:9/upload")
    assert client_of(local).datasets.upload(tmp_path, ["model.bin"])["model.bin"] != "elsewhere"


def test_only_its_user_can_read_a_link_and_no_longer_than_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.bin"
    path.write_bytes(b"one")
    uploads = BegunUploads("kaggler", "DATASET")
    uploads.keep(path, "token", "https://example.org/link")
    (record,) = (tmp_path / "cache").rglob("*.json")
    assert (record.stat().st_mode & 0o777, record.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert uploads.find(path) == ("token", "https://example.org/link")
    record.write_text("{}")
    assert uploads.find(path) is None
    uploads.keep(path, "token", "https://example.org/link")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600)
    assert uploads.find(path) is None
    uploads.drop(["other"])
    assert not list((tmp_path / "cache").rglob("*.json"))
