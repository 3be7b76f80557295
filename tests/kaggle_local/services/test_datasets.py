"""`kaggle datasets`, each subcommand as a subprocess: the effect is checked, not the exit code alone."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.faults import Fault
from kaggle_local.local_kaggle import USERNAME, LocalKaggle

from tests.kaggle_local.conftest import Kaggle
from tests.kaggle_local.kernels import ask, processed, published

REF = f"{USERNAME}/my-data"


def write_dataset(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    metadata = {
        "id": REF,
        "title": "My data",
        "subtitle": "A subtitle of the right length",
        "description": "What it is",
        "licenses": [{"name": "CC0-1.0"}],
        "keywords": ["leaves"],
    }
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_create_version_status_and_files(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data", one="1", two="22")
    kaggle("datasets", "create", "-p", str(folder))
    assert processed(local, 1).status == "ready"
    assert kaggle("datasets", "status", REF).stdout.strip() == "ready"

    (folder / "one.txt").unlink()
    (folder / "inner").mkdir()
    (folder / "inner" / "four.txt").write_text("4444")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("deeper/three.txt", "333")
    kaggle("datasets", "version", "-p", str(folder), "-m", "second", "--dir-mode", "zip")
    version = processed(local, 2)
    assert version.notes == "second"

    listing = kaggle("datasets", "files", REF, "--csv").stdout
    assert "two.txt,2," in listing
    assert "more/deeper/three.txt,3," in listing, "archives are unpacked"
    assert "inner/four.txt,4," in listing, "a folder that the client has zipped is one again"
    assert "one.txt" not in listing, "a version is a snapshot"
    assert "one.txt,1," in kaggle("datasets", "files", f"{REF}/1", "--csv").stdout, "the old one is still there"
    first = kaggle("datasets", "files", REF, "--csv", "--page-size", "2").stdout
    token = next(line.split(" = ")[1] for line in first.splitlines() if line.startswith("Next Page Token"))
    assert "two.txt" not in first
    assert "two.txt" in kaggle("datasets", "files", REF, "--csv", "--page-size", "2", "--page-token", token).stdout

    again = kaggle("datasets", "create", "-p", str(folder))
    assert "already in use" in again.stdout
    assert len(local.storage.resources.versions("dataset", REF)) == 2


def test_old_versions_can_go(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    first = published(local, {"one.txt": b"1"})
    kaggle(
        "datasets", "version", "-p", str(write_dataset(tmp_path / "data", two="2")), "-m", "", "--delete-old-versions"
    )
    processed(local, 2)
    assert [v.number for v in local.storage.resources.versions("dataset", REF)] == [2]
    assert not first.folder.exists()


def test_list_and_search(local: LocalKaggle, kaggle: Kaggle) -> None:
    for slug in ("my-leaves", "my-trees"):
        published(local, {"file.txt": b"12345"}, slug)
    mine = kaggle("datasets", "list", "--mine", "--csv").stdout
    assert f"{USERNAME}/my-leaves,My data,5," in mine
    assert f"{USERNAME}/my-trees" in mine
    found = kaggle("datasets", "list", "-s", "leaves", "--csv").stdout
    assert "my-leaves" in found
    assert "my-trees" not in found
    assert "my-leaves" not in kaggle("datasets", "list", "--csv", user="somebody").stdout, "they are private"


def test_download_of_a_file_and_of_all(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    content = {"one.bin": bytes(range(256)) * 5000, "inner/two.txt": b"22", "empty": b""}
    published(local, content)
    published(local, {"newer.txt": b"new"})
    kaggle("datasets", "download", f"{REF}/1", "-f", "one.bin", "-p", str(tmp_path / "file"))
    assert (tmp_path / "file" / "one.bin").read_bytes() == content["one.bin"]
    kaggle("datasets", "download", f"{REF}/1", "-p", str(tmp_path / "all"), "--unzip")
    found = {p.relative_to(tmp_path / "all").as_posix(): p for p in (tmp_path / "all").rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == content
    kaggle("datasets", "download", REF, "-p", str(tmp_path / "latest"))
    with zipfile.ZipFile(tmp_path / "latest" / "my-data.zip") as archive:
        assert archive.namelist() == ["newer.txt"]
    kaggle("datasets", "download", REF, "-f", "nowhere.txt", code=1)


def test_an_interrupted_download_goes_on_where_it_stopped(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20000
    published(local, {"large.bin": content})
    target = tmp_path / "large.bin"
    kaggle("datasets", "download", REF, "-f", "large.bin", "-p", str(tmp_path))
    tag = local_etag(local)
    target.write_bytes(content[:1_000_000])
    marker = {"validator": tag, "size": len(content)}
    (tmp_path / "large.bin.kaggle-partial").write_text(json.dumps(marker))
    result = kaggle("datasets", "download", REF, "-f", "large.bin", "-p", str(tmp_path))
    assert target.read_bytes() == content
    assert "Resuming from 1000000 bytes" in result.stdout


def local_etag(local: LocalKaggle) -> str:
    body = {"ownerSlug": USERNAME, "datasetSlug": "my-data", "fileName": "large.bin"}
    return ask(local, "datasets.DatasetApiService/DownloadDataset", **body).headers["ETag"]


def test_metadata_down_and_up(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle("datasets", "create", "-p", str(write_dataset(tmp_path / "data", one="1")))
    processed(local, 1)
    folder = tmp_path / "metadata"
    kaggle("datasets", "metadata", REF, "-p", str(folder))
    path = folder / "dataset-metadata.json"
    document = json.loads(path.read_text())["info"]
    assert (document["title"], document["description"]) == ("My data", "What it is")
    assert document["licenses"] == [{"name": "CC0-1.0"}]
    document |= {"title": "Our data", "isPrivate": False}
    path.write_text(json.dumps(document))
    kaggle("datasets", "metadata", REF, "-p", str(folder), "--update")
    changed = local.storage.resources.get("dataset", REF)
    assert changed is not None
    assert (changed.title, changed.private) == ("Our data", False)
    assert "Our data" in kaggle("datasets", "list", "--csv", user="somebody").stdout, "it is public now"


def test_a_title_is_had_once(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    published(local, {"one.txt": b"1"}, "other-data")
    folder = write_dataset(tmp_path / "data", one="1")
    assert "already in use" in kaggle("datasets", "create", "-p", str(folder)).stdout
    metadata = json.loads((folder / "dataset-metadata.json").read_text())
    (folder / "dataset-metadata.json").write_text(json.dumps({**metadata, "title": "Our data"}))
    kaggle("datasets", "create", "-p", str(folder))
    processed(local, 1)
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    assert "already in use" in kaggle("datasets", "metadata", REF, "-p", str(folder), "--update", code=1).stdout
    resource = local.storage.resources.get("dataset", REF)
    assert resource is not None
    assert resource.title == "Our data"


def test_delete(local: LocalKaggle, kaggle: Kaggle) -> None:
    version = published(local, {"one.txt": b"1"})
    kaggle("datasets", "delete", REF, "--yes", user="somebody", code=1)
    assert local.storage.resources.get("dataset", REF) is not None
    kaggle("datasets", "delete", REF, "--yes")
    assert local.storage.resources.get("dataset", REF) is None
    assert not version.folder.exists()
    assert published(local, {"two.txt": b"2"}).files() == [("two.txt", 1)], "the name is free again"


def test_while_the_first_version_is_in_processing_a_second_is_refused(
    local: LocalKaggle, kaggle: Kaggle, tmp_path: Path
) -> None:
    local.faults.add(Fault(on="processing", outcome="stuck"))
    folder = write_dataset(tmp_path / "data", one="1")
    kaggle("datasets", "create", "-p", str(folder))
    assert kaggle("datasets", "status", REF).stdout.strip() == "blobs_received"
    assert "one.txt" not in kaggle("datasets", "files", REF).stdout
    refused = kaggle("datasets", "version", "-p", str(folder), "-m", "", code=1)
    assert "403 Client Error" in refused.stdout + refused.stderr
    assert [v.number for v in local.storage.resources.versions("dataset", REF)] == [1]


@pytest.mark.parametrize("outcome", ["stuck", "failed"])
def test_until_a_version_is_ready_the_old_one_is_in_use(
    outcome: Any, local: LocalKaggle, kaggle: Kaggle, tmp_path: Path
) -> None:
    published(local, {"old.txt": b"old"})
    local.faults.add(Fault(on="processing", outcome=outcome))
    folder = write_dataset(tmp_path / "data", new="new")
    kaggle("datasets", "version", "-p", str(folder), "-m", "", "--delete-old-versions")
    listing = kaggle("datasets", "files", REF, "--csv").stdout
    assert "old.txt" in listing
    assert "new.txt" not in listing
    assert f"{REF},My data,3," in kaggle("datasets", "list", "--mine", "--csv").stdout
    kaggle("datasets", "download", REF, "--unzip", "-p", str(tmp_path / "down"))
    assert [p.name for p in (tmp_path / "down").iterdir()] == ["old.txt"]
    status = json.loads(kaggle("datasets", "status", REF, "--format", "json").stdout)
    assert status["current_version_number"] == 1


def test_what_was_deleted_does_not_come_back(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    published(local, {"old.txt": b"old"})
    kaggle("datasets", "download", REF, "-p", str(tmp_path / "first"))
    kaggle("datasets", "delete", REF, "--yes")
    published(local, {"new.txt": b"new"})
    kaggle("datasets", "download", REF, "--unzip", "-p", str(tmp_path / "second"))
    assert [p.name for p in (tmp_path / "second").iterdir()] == ["new.txt"]
