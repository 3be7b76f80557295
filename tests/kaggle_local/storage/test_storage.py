"""The storage outlives its server, and serves one at a time."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import StorageError
from kaggle_local.interpreters import OWN_VERSION
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.runs.image import ImageSpec, _entries_of
from kaggle_local.server import collect_garbage, serve
from kaggle_local.storage import FileSource, Storage
from kaggle_local.storage.database import Database

from tests.kaggle_local.kernels import (
    finished,
    printed,
    processed,
    published,
    run_script,
    scored,
    settings_of,
    uploaded,
    write_competition_of_files,
)

REF = f"{USERNAME}/my-data"


def test_two_servers_do_not_share_a_storage(local: LocalKaggle) -> None:
    with pytest.raises(StorageError, match="in use"), serve(local.storage.root):
        pass


def test_what_a_dead_server_left_is_done_at_the_next_start(storage: Path) -> None:
    left = Storage(storage)
    left.uploads.add("token", "file.txt", 2)
    (storage / "uploads" / "token").write_text("hi")
    details = {"subtitle": "", "description": "", "license": "", "keywords": []}
    content = [("file.txt", "token")]
    left.resources.add("dataset", REF, title="", private=True, details=details, first_version=("", content))
    left.kernels.add_version(USERNAME, "my-kernel", "", "print(1)", settings_of(kernel_type="script"))
    (storage / "drafts" / "half").mkdir()
    left.close()
    with serve(storage) as local:
        assert finished(local).status == "complete"
        version = processed(local, 1)
        assert (version.status, version.files()) == ("ready", [("file.txt", 2)])
        assert not (storage / "drafts" / "half").exists()


def test_a_version_with_a_broken_archive_fails_and_shows_nothing(local: LocalKaggle) -> None:
    version = published(local, {"broken.zip": b"hi"})
    assert version.status == "failed"
    assert "broken.zip" in version.reason
    assert version.files() == []


def test_a_reason_that_is_no_text_is_recorded_all_the_same(local: LocalKaggle, tmp_path: Path) -> None:
    link = tarfile.TarInfo("\udcff")
    link.type, link.linkname = tarfile.SYMTYPE, "within"
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(link)
    version = published(local, {"x.tar": (tmp_path / "x.tar").read_bytes()})
    assert version.status == "failed"
    assert "is a link" in version.reason


def test_a_version_that_replaces_all_leaves_newer_ones_alone(storage: Path) -> None:
    with serve(storage, behaviour=Behaviour(processing_seconds=1)) as local:
        published(local, {"a.txt": b"1"})
        resource = local.storage.resources.get("dataset", REF)
        assert resource is not None
        for name, replaces_all in (("b.txt", True), ("c.txt", False)):
            content = [(name, uploaded(local, name, b"x"))]
            version = local.storage.resources.add_version(resource, "", content, replaces_all=replaces_all)
            local.worker.process(version)
        assert processed(local, 3).status == "ready"
        assert [v.number for v in local.storage.resources.versions("dataset", REF)] == [2, 3]


def test_a_transaction_that_fails_leaves_nothing(storage: Path) -> None:
    storage.mkdir(exist_ok=True)
    database = Database(storage / "kaggle.db")
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as db:
        db.executemany("INSERT INTO uploads VALUES (?, 'n', 1)", [("t",), ("t",)])
    assert database.rows("SELECT * FROM uploads") == []
    database.close()


def test_the_same_content_is_stored_once(local: LocalKaggle) -> None:
    content = bytes(range(256)) * 1000
    first = published(local, {"a.bin": content, "folder/b.bin": content})
    second = published(local, {"c.bin": content}, "other-data")
    run = run_script(
        local, "import shutil; shutil.copy('/kaggle/input/datasets/kaggler/my-data/a.bin', 'd.bin')", datasets=[REF]
    )
    paths = [first.folder / "a.bin", first.folder / "folder/b.bin", second.folder / "c.bin"]
    paths += [dict(run.output())["d.bin"], *(local.storage.root / "uploads").iterdir()]
    assert len(paths) == 7
    assert len({path.stat().st_ino for path in paths}) == 1
    assert {path.read_bytes() for path in paths} == {content}


def test_garbage_is_what_nothing_needs(storage: Path) -> None:
    with serve(storage) as local:
        kept = published(local, {"kept.bin": b"k" * 5000})
        gone = published(local, {"gone.bin": b"g" * 7000}, "other-data")
        local.storage.bundles.make(kept.folder, "some.zip")
        resource = local.storage.resources.get("dataset", gone.ref)
        assert resource is not None
        local.storage.resources.delete(resource)
        fresh = uploaded(local, "fresh.bin", b"f" * 3000)
        for path in (storage / "uploads").iterdir():
            if path.name != fresh:
                os.utime(path, (0, 0))
        (storage / "datasets" / USERNAME / "orphan" / "1").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "kaggle_local", "gc", "--storage", str(storage)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "MB are free now" in done.stdout
    assert (kept.folder / "kept.bin").read_bytes() == b"k" * 5000
    assert [p.stat().st_size for p in (storage / "blobs").glob("*/*")] == [5000]
    assert [p.name for p in (storage / "uploads").iterdir()] == [fresh], "one that may yet be published stays"
    assert not (storage / "bundles").exists()
    assert not (storage / "datasets" / USERNAME / "orphan" / "1").exists()


@pytest.mark.nightly
def test_a_storage_can_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(Path("here")) as local:
        published(local, {"file.txt": b"x"})
        assert run_script(local, "open('out.txt', 'w').write('x')", datasets=[REF]).status == "complete"
        local.storage.images.use(ImageSpec(python="3", pins={}, distributions=("one", "that", "is", "not", "built")))
    images = sorted((tmp_path / "here" / "images").iterdir())
    (tmp_path / "here" / "images" / "old").mkdir()
    assert run_cli("gc", "--storage", "here").returncode == 0
    assert sorted((tmp_path / "here" / "images").iterdir()) == images, "the one of a kernel's latest version stays"


def test_reset_empties_a_storage_and_nothing_else(storage: Path, tmp_path: Path) -> None:
    with serve(storage) as local:
        published(local, {"file.txt": b"x"})
        refused = run_cli("reset", "--storage", str(storage), "--yes")
        assert refused.returncode == 2
        assert "in use" in refused.stderr
    assert "Nothing was deleted" in run_cli("reset", "--storage", str(storage)).stdout
    assert "is empty" in run_cli("reset", "--storage", str(storage), "--yes").stdout
    with serve(storage) as local:
        assert local.storage.resources.all("dataset") == []
    assert sorted(p.name for p in (storage / "blobs").iterdir()) == []
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precious").write_text("x")
    refused = run_cli("reset", "--storage", str(tmp_path / "home"), "--yes")
    assert "not the storage of a local Kaggle" in refused.stderr
    assert (tmp_path / "home" / "precious").exists()


def test_no_other_folder_is_taken_for_a_storage(tmp_path: Path) -> None:
    for name in ("drafts", "images", "datasets/a/b/c"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "precious").write_text("x")
    (tmp_path / "mine" / "lock").write_text("of something else")
    for command in (["gc"], ["reset", "--yes"], ["serve", "--port", "0"]):
        refused = run_cli(*command, "--storage", str(tmp_path / "mine"))
        assert refused.returncode == 2, command
        assert "Traceback" not in refused.stderr
    assert len(list((tmp_path / "mine").rglob("precious"))) == 3
    assert run_cli("gc", "--storage", str(tmp_path / "nowhere")).returncode == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_a_kernel_has_sealed_does_not_stop_the_server(storage: Path) -> None:
    Storage(storage).close()
    (storage / "drafts" / "left" / "sealed").mkdir(parents=True)
    (storage / "drafts" / "left" / "sealed").chmod(0)
    Storage(storage).close()
    assert list((storage / "drafts").iterdir()) == []


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaggle_local", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_serve_prints_what_points_the_client_here_and_ends_on_interrupt(storage: Path) -> None:
    command = [sys.executable, "-m", "kaggle_local", "serve", "--storage", str(storage), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(5)]
        server.terminate()
        assert server.wait(timeout=20) == 0
    assert lines[1:] != []
    assert lines[1] == "export KAGGLE_API_ENVIRONMENT=LOCALHOST\n"
    assert lines[2].startswith("export HTTP_PROXY=http://127.0.0.1:")
    assert lines[3] == f"export KAGGLE_API_TOKEN=local-{USERNAME}\n"
    exported = {word.partition("=")[0] for line in lines[1:4] for word in line.split()[1:]}
    said, _, names = lines[4].partition(" unset ")
    assert said == "# To undo that:"
    assert set(names.split()) == exported


@pytest.mark.nightly
@pytest.mark.parametrize("there", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_serve_builds_an_image_of_a_manifest(*, there: bool, storage: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "image.txt"
    # Another version for each: images are shared.
    python, version = (OWN_VERSION, "2.0.0") if there else ("3.99", "2.1.0")
    manifest.write_text(
        f"# image: small\n# python: {python}.1\niniconfig=={version}\ntqdm==4.67.1\npackaging==24.2+x\n"
    )
    command = ["--image", str(manifest), "--install", "iniconfig", "--storage", str(storage), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "kaggle_local", "serve", *command], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        if not there:
            assert server.stdout.readline().startswith(f"# Python 3.99 not found: kernels run on {OWN_VERSION} ")
        assert server.stdout.readline() == f"# Building an image for Python {OWN_VERSION}: tqdm, iniconfig\n"
        assert server.stdout.readline().startswith("# The official client")
        server.terminate()
        assert server.wait(timeout=20) == 0
    with serve(storage) as local:
        ran = run_script(local, "import iniconfig, importlib.metadata; print(importlib.metadata.version('iniconfig'))")
        assert printed(ran) == f"{version}\n"


def test_serve_explains_what_is_in_its_way(local: LocalKaggle, tmp_path: Path) -> None:
    port = local.url.rpartition(":")[2]
    malformed = tmp_path / "malformed.txt"
    malformed.write_text("# python: 3.12\nnumpy>=2\n")
    for arguments, named in (
        (["--storage", str(local.storage.root)], "in use"),
        (["--storage", str(tmp_path / "other"), "--port", port], f"port {port}"),
        (["--storage", "/dev/null/storage", "--port", "0"], "/dev/null/storage"),
        (["--storage", str(tmp_path / "third"), "--port", "0", "--competition", str(tmp_path)], "competition.toml"),
        (["--storage", str(tmp_path / "fourth"), "--set", "surprise=1"], "surprise"),
        (["--storage", str(tmp_path / "sixth"), "--install", "numpy"], "no image manifest is given"),
        (["--storage", str(tmp_path / "sixth"), "--image", str(tmp_path)], str(tmp_path)),
        (["--storage", str(tmp_path / "sixth"), "--image", str(malformed)], "'numpy>=2' is not a pin"),
        (["--storage", str(tmp_path / "fifth"), "--set", "old_layout=perhaps"], "old_layout=true or false"),
    ):
        result = run_cli("serve", *arguments)
        assert result.returncode == 2
        assert named in result.stderr
        assert "Traceback" not in result.stderr


def test_a_broken_database_is_named(storage: Path) -> None:
    (storage / "kaggle.db").write_text("no database, and long enough to be looked at as one" * 40)
    with pytest.raises(StorageError, match=r"kaggle\.db"):
        Storage(storage)


def test_a_storage_of_another_version_says_what_to_do(storage: Path) -> None:
    with contextlib.closing(sqlite3.connect(storage / "kaggle.db")) as db:
        db.execute("PRAGMA user_version = 1")
    with pytest.raises(StorageError, match="kaggle-local reset"):
        Storage(storage)
    (storage / "lock").touch()
    assert run_cli("reset", "--storage", str(storage), "--yes").returncode == 0
    Storage(storage).close()


def test_a_dataset_is_there_with_its_first_version_or_not_at_all(storage: Path) -> None:
    opened = Storage(storage)

    def add(notes: str) -> object:
        return opened.resources.add(
            "dataset", REF, title="", private=True, details={}, first_version=(notes, [("file", "token")])
        )

    assert add("first") is not None
    assert add("again") is None
    assert [v.notes for v in opened.resources.versions("dataset", REF)] == ["first"]
    opened.close()


def test_damage_in_the_middle_of_the_records_shows_at_the_start(storage: Path) -> None:
    with serve(storage) as local:
        for number in range(300):
            local.storage.kernels.add_version(
                "kaggler", f"kernel-{number}", "", f"print({number})", settings_of(kernel_type="script")
            )
    content = bytearray((storage / "kaggle.db").read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    (storage / "kaggle.db").write_bytes(content)
    with pytest.raises(StorageError, match=r"kaggle\.db"), serve(storage):
        pass


RECORDS = (b"", b"null", b"{}", b'{"distributions": 3}', b"\xff")


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, *(pytest.param(each, marks=pytest.mark.nightly) for each in RECORDS)]
)
def test_a_damaged_record_of_the_image_is_named(content: bytes, storage: Path) -> None:
    with serve(storage) as local:
        local.set_image(ImageSpec(python=OWN_VERSION, pins={}, distributions=()))
    (storage / "image.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"image\.json: not the record of an image\nDelete the file"):
        collect_garbage(storage)


def test_a_full_disk_is_not_answered_with_a_reset(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_to_a_full_disk(path: Path, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(path, **options)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr("sqlite3.connect", connect_to_a_full_disk)
    with pytest.raises(OSError, match="No space left on device") as caught, serve(storage):
        pass
    assert str(caught.value.filename).endswith("kaggle.db")


def test_what_lacked_space_is_scored_again_at_the_next_start(storage: Path, tmp_path: Path) -> None:
    competition = write_competition_of_files(tmp_path / "digits", "digits", {1: 3})

    def fail(*_: object) -> float:
        raise OSError(errno.ENOSPC, "No space left on device")

    with serve(storage) as local, pytest.MonkeyPatch.context() as patch:
        local.host(competition)
        patch.setattr("kaggle_local.worker.score", fail)
        token = uploaded(local, "submission.csv", b"id,digit\n1,3\n")
        ref = local.storage.submissions.add("digits", FileSource(token=token), "submission.csv", "", "kaggler")
        local.worker.score(ref)
        assert "no space left" in scored(local, ref).reason
    with serve(storage) as local:
        assert scored(local, ref).score == 1.0


def test_a_half_deleted_image_is_built_anew(storage: Path) -> None:
    spec = ImageSpec(python=OWN_VERSION, pins={}, distributions=())
    with serve(storage) as local:
        image = local.set_image(spec)
        assert local.has_image(spec)
    (victim,) = image.folder.glob("lib/python*/site-packages/ipykernel")
    shutil.rmtree(victim)
    # As in another process.
    _entries_of.cache_clear()
    with serve(storage) as local:
        assert not local.has_image(spec)
        local.set_image(spec)
        assert victim.is_dir()
        assert "ran" in printed(run_script(local, "print('ran')"))
