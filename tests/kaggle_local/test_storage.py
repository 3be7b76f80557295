"""The storage outlives its server, and serves one at a time."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_local.errors import StorageError
from kaggle_local.server import USERNAME, LocalKaggle, serve
from kaggle_local.storage import Dataset, Storage

from tests.kaggle_local.kernels import finished, notebook

DATASET = Dataset(owner=USERNAME, slug="my-data", title="My data", description="", private=True)
SETTINGS: dict[str, list[str]] = {"datasets": [], "competitions": []}


def test_two_servers_do_not_share_a_storage(local: LocalKaggle) -> None:
    with pytest.raises(StorageError, match="in use"), serve(local.storage.root):
        pass


def test_what_a_dead_server_left_is_done_at_the_next_start(storage: Path) -> None:
    left = Storage(storage)
    left.add_upload("token", "file.txt", 2)
    (storage / "uploads" / "token").write_text("hi")
    left.add_dataset(DATASET, "notes", ["token"])
    left.add_kernel_version(USERNAME, "my-kernel", "My kernel", json.dumps(notebook("print(1)")), SETTINGS)
    (storage / "drafts" / "half").mkdir()
    left.close()
    with serve(storage) as local:
        assert finished(local).status == "complete"
        (version,) = local.storage.dataset_versions(USERNAME, "my-data")
        assert (version.status, version.files()) == ("ready", [("file.txt", 2)])
        assert not (storage / "drafts" / "half").exists()


def test_a_version_with_a_broken_archive_fails_and_shows_nothing(local: LocalKaggle) -> None:
    local.storage.add_upload("token", "broken.zip", 2)
    (local.storage.root / "uploads" / "token").write_text("hi")
    local.storage.add_dataset(DATASET, "", ["token"])
    local.worker.process(local.storage.dataset_versions(USERNAME, "my-data")[0])
    while (version := local.storage.dataset_versions(USERNAME, "my-data")[0]).status == "processing":
        pass
    assert version.status == "failed"
    assert "broken.zip" in version.reason
    assert version.files() == []


def test_a_transaction_that_fails_leaves_nothing(storage: Path) -> None:
    database = Storage(storage)
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as db:
        db.executemany("INSERT INTO uploads VALUES (?, 'n', 1)", [("t",), ("t",)])
    assert database.upload("t") is None
    database.close()


def test_serve_prints_what_points_the_client_here_and_ends_on_interrupt(storage: Path) -> None:
    command = [sys.executable, "-m", "kaggle_local", "serve", "--storage", str(storage), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(4)]
        server.terminate()
        assert server.wait(timeout=20) == 0
    assert lines[1:] != []
    assert lines[1] == "export KAGGLE_API_ENVIRONMENT=LOCALHOST\n"
    assert lines[2].startswith("export HTTP_PROXY=http://127.0.0.1:")
    assert lines[3] == f"export KAGGLE_API_TOKEN=local-{USERNAME}\n"


def test_serve_explains_what_is_in_its_way(local: LocalKaggle, tmp_path: Path) -> None:
    port = local.url.rpartition(":")[2]
    for arguments, named in (
        (["--storage", str(local.storage.root)], "in use"),
        (["--storage", str(tmp_path / "other"), "--port", port], f"port {port}"),
        (["--storage", "/dev/null/storage", "--port", "0"], "/dev/null/storage"),
        (["--storage", str(tmp_path / "third"), "--port", "0", "--competition", str(tmp_path)], "competition.toml"),
    ):
        command = [sys.executable, "-m", "kaggle_local", "serve", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 2
        assert named in result.stderr
        assert "Traceback" not in result.stderr


def test_a_broken_database_is_named(storage: Path) -> None:
    (storage / "kaggle.db").write_text("no database, and long enough to be looked at as one" * 40)
    with pytest.raises(StorageError, match=r"kaggle\.db"):
        Storage(storage)


def test_a_dataset_is_there_with_its_first_version_or_not_at_all(storage: Path) -> None:
    database = Storage(storage)
    assert database.add_dataset(DATASET, "first", ["token"])
    assert not database.add_dataset(DATASET, "again", ["token"])
    assert [v.notes for v in database.dataset_versions(USERNAME, "my-data")] == ["first"]
    database.close()
