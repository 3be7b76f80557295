"""`data`: all of a competition's files or a part, once, whatever happens on the way."""

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_local.faults import Fault
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_offline.cli import main
from kaggle_offline.competition.data import fetch_data
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.errors import ConfigurationError, EntryError, KaggleError, NoSpaceError
from kaggle_offline.kaggle.client import KaggleClient

DOWNLOADS = "download"


def write_competition(folder: Path, *, entered: bool = True) -> Path:
    """A competition of files, with images in two folders and a table that Kaggle packs."""
    for name, content in (
        ("train.csv", packed("train.csv", b"id,y\n1,0\n")),
        ("model.zip", packed("a.txt", b"a")),
        ("train_images/c.png", b"c"),
        ("train_images/a.PNG", b"a"),
        ("train_images/b.png", b"b"),
        ("test_images/d.png", b"d"),
        ("notes/large.bin", os.urandom(3_000_000)),
    ):
        path = folder / "public" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "solution.csv").write_text("id,y\n1,0\n")
    (folder / "competition.toml").write_text(
        'slug = "leaves"\ntitle = "Leaves"\nmetric = "accuracy"\nid = "id"\ntarget = "y"\nsubmissions = "file"\n'
        f"entered = {str(entered).lower()}\n"
    )
    return folder


def packed(name: str, content: bytes) -> bytes:
    """An archive of one file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, content)
    return target.getvalue()


@pytest.fixture
def hosted(tmp_path: Path, repository: Path) -> Iterator[tuple[KaggleClient, LocalKaggle]]:
    with open_target("local", repository) as target:
        assert isinstance(target, LocalTarget)
        target.local.host(write_competition(tmp_path / "leaves"))
        yield target.client, target.local


def there(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


ALL = [
    ".kaggle-data.json",
    "model.zip",
    "notes/large.bin",
    "test_images/d.png",
    "train.csv",
    "train_images/a.PNG",
    "train_images/b.png",
    "train_images/c.png",
]


def test_all_files_are_downloaded_once(
    hosted: tuple[KaggleClient, LocalKaggle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, local = hosted
    fetch_data(client, "leaves", tmp_path / "data")
    assert there(tmp_path / "data") == ALL
    # Kaggle packs tables; an archive that is one stays.
    assert (tmp_path / "data" / "train.csv").read_text() == "id,y\n1,0\n"
    assert zipfile.is_zipfile(tmp_path / "data" / "model.zip")
    assert "leaves: 7 files, 3.00 MB; to download: 7, 3.00 MB\n" in capsys.readouterr().out

    local.faults.add(Fault(on=DOWNLOADS, status=500, times=100))
    fetch_data(client, "leaves", tmp_path / "data")
    assert "to download: 0, 0.00 MB" in capsys.readouterr().out
    local.faults.clear()

    # A file that has changed on Kaggle, and one that was changed here.
    competition = local.storage.submissions.competition_folder("leaves")
    assert competition is not None
    (competition / "public" / "test_images" / "d.png").write_bytes(b"another")
    (tmp_path / "data" / "train_images" / "b.png").write_bytes(b"mine")
    fetch_data(client, "leaves", tmp_path / "data")
    output = capsys.readouterr().out
    assert "to download: 2" in output
    assert "  test_images/d.png: changed on Kaggle, or here\n" in output
    assert (tmp_path / "data" / "test_images" / "d.png").read_bytes() == b"another"
    assert (tmp_path / "data" / "train_images" / "b.png").read_bytes() == b"b"


def test_a_part_can_be_chosen(hosted: tuple[KaggleClient, LocalKaggle], tmp_path: Path) -> None:
    client, _ = hosted
    fetch_data(client, "leaves", tmp_path / "data", only=["train.csv", "t*_images/*"], images=1)
    assert there(tmp_path / "data") == [".kaggle-data.json", "test_images/d.png", "train.csv", "train_images/a.PNG"]
    with pytest.raises(ConfigurationError, match=r"--only nothing\*: matches no file\nFiles there: model\.zip, "):
        fetch_data(client, "leaves", tmp_path / "data", only=["nothing*"])


def test_a_file_that_was_cut_off_goes_on_where_it_ended(
    hosted: tuple[KaggleClient, LocalKaggle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, local = hosted
    competition = local.storage.submissions.competition_folder("leaves")
    assert competition is not None
    whole = (competition / "public" / "notes" / "large.bin").read_bytes()
    part = tmp_path / "data" / "notes" / "large.bin.part"

    def cut(*_: object) -> None:
        if part.exists() and part.stat().st_size > 0:
            raise ConnectionAbortedError

    monkeypatch.setattr(client.calls.waits, "check", cut)
    with pytest.raises(ConnectionAbortedError):
        fetch_data(client, "leaves", tmp_path / "data", only=["notes/*"])
    monkeypatch.undo()
    begun = part.stat().st_size
    assert 0 < begun < len(whole)
    # The part that is there is not asked for again.
    part.write_bytes(bytes(begun))
    fetch_data(client, "leaves", tmp_path / "data", only=["notes/*"])
    assert (tmp_path / "data" / "notes" / "large.bin").read_bytes() == bytes(begun) + whole[begun:]
    assert there(tmp_path / "data") == [".kaggle-data.json", "notes/large.bin"]


def test_a_failure_leaves_what_is_whole_and_the_same_command_goes_on(
    hosted: tuple[KaggleClient, LocalKaggle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, local = hosted
    local.faults.add(Fault(on="competitions.CompetitionApiService/DownloadDataFile", status=400, times=1))
    with pytest.raises(KaggleError):
        fetch_data(client, "leaves", tmp_path / "data")
    local.faults.clear()
    capsys.readouterr()
    fetch_data(client, "leaves", tmp_path / "data")
    assert "to download: 7" not in capsys.readouterr().out
    assert there(tmp_path / "data") == ALL


def test_too_little_space_is_noticed_before_the_download(
    hosted: tuple[KaggleClient, LocalKaggle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = hosted
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Disk", (), {"free": 1000}))
    with pytest.raises(NoSpaceError, match=r"3\.00 MB are needed, and "):
        fetch_data(client, "leaves", tmp_path / "data")
    assert there(tmp_path / "data") == []


def test_a_competition_must_be_there_and_its_rules_accepted(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_target("local", repository) as target:
        assert isinstance(target, LocalTarget)
        target.local.host(write_competition(tmp_path / "leaves", entered=False))
    monkeypatch.chdir(repository)
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    assert main(["data", "nowhere"]) == EntryError.exit_code
    assert "nowhere: Kaggle shows this account no such competition" in capsys.readouterr().err
    assert main(["data", "leaves"]) == EntryError.exit_code
    problem, link = capsys.readouterr().err.strip().splitlines()
    assert problem.endswith("has not accepted its rules")
    assert link == "  → Accept them: https://www.kaggle.com/competitions/leaves/rules"


def test_the_command_takes_an_address(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_target("local", repository) as target:
        assert isinstance(target, LocalTarget)
        target.local.host(write_competition(tmp_path / "leaves"))
    monkeypatch.chdir(repository)
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    address = "https://www.kaggle.com/competitions/leaves/data"
    assert main(["data", address, "--only", "train.csv"]) == 0
    assert there(repository / "data" / "leaves") == [".kaggle-data.json", "train.csv"]
    with pytest.raises(SystemExit):
        main(["data", address, "--images", "-1"])
