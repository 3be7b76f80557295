"""`probe` tells what Kaggle does, where it is as assumed and where it is not, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_local.faults import Fault
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.server import serve
from kaggle_offline.observation.answers import Answer, markdown_table

from tests.canary import CANARY, USER
from tests.stand_in import TOKENS, environment_of

QUESTIONS = (
    "file names with + and !",
    "version notes of 71 characters",
    "version notes of 300 characters",
    "the version that is mounted",
    "modules that are imported",
    "sys.path in a first cell",
    "names of the variables",
    "owner/slug/1 in dataset\\_sources",
    "GetKernel without a version while",
    "a run whose dataset gets a new version",
    "GetKernel without a version after",
    "a file that is not in a dataset",
    "files of a competition not entered",
    "a dataset under a taken slug",
)


def probed(repository: Path, **settings: str) -> dict[str, list[str]]:
    """The rows that `kaggle-offline probe` prints, by question, of a local Kaggle with settings."""
    command = [sys.executable, "-m", "kaggle_offline", "probe", "--minutes", "5"]
    told = " ".join(f"{name}={value}" for name, value in settings.items())
    variables = {**os.environ, "KAGGLE_TARGET": "local", "KAGGLE_LOCAL_SETTINGS": told}
    done = subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delete it by hand" not in done.stdout
    return rows_of(done.stdout)


def rows_of(printed: str) -> dict[str, list[str]]:
    lines = printed.partition("Paste this into an issue:")[2].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {
        question: next(row for row in cells if row[0].startswith(question))
        for question in QUESTIONS
        if any(row[0].startswith(question) for row in cells)
    }


@pytest.fixture
def hosting(rehearsed: Path) -> Path:
    """The small repository, whose Kaggle hosts a competition that nobody has entered."""
    folder = rehearsed / "hosted"
    source = str(rehearsed / "packages" / "small" / "src")
    command = [sys.executable, "-m", "small.competition", str(folder)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": source}, check=True)
    (folder / "competition.toml").write_text((folder / "competition.toml").read_text() + "entered = false\n")
    with serve(rehearsed / ".kaggle-local") as local:
        local.host(folder)
    return rehearsed


def nothing_left(local: LocalKaggle) -> bool:
    return local.storage.kernels.all() == [] and local.storage.resources.all("dataset") == []


def test_assumptions_are_confirmed(hosting: Path) -> None:
    rows = probed(hosting)
    assert set(rows) == set(QUESTIONS)
    assert {question: row[-1] for question, row in rows.items()} == dict.fromkeys(QUESTIONS, "as assumed")
    assert "matplotlib" in rows["modules that are imported"][2]
    with serve(hosting / ".kaggle-local") as local:
        assert nothing_left(local)


@pytest.mark.nightly
def test_assumptions_are_refuted(hosting: Path) -> None:
    rows = probed(
        hosting,
        notes_characters="70",
        mount_seconds="3600",
        pins_datasets="false",
        new_version_cancels="true",
        shows_last_complete="true",
    )
    other = {question for question, row in rows.items() if row[-1] == "OTHER"}
    assert other == {
        "version notes of 71 characters",
        "version notes of 300 characters",
        "the version that is mounted",
        "owner/slug/1 in dataset\\_sources",
        "GetKernel without a version while",
        "a run whose dataset gets a new version",
        "GetKernel without a version after",
    }
    assert "return with 70 characters" in rows["version notes of 71 characters"][2]
    assert "CANCEL" in rows["a run whose dataset gets a new version"][2]
    with serve(hosting / ".kaggle-local") as local:
        assert nothing_left(local)


def test_probe_cleans_up_after_a_failure(rehearsed: Path, tmp_path: Path) -> None:
    """The answers until then are shown. Here no kernel can be pushed."""
    with serve(tmp_path / "kaggle", tokens=TOKENS) as local:
        (tmp_path / "kaggle" / "images").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "kaggle_offline", "probe", "--minutes", "1"]
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **environment_of(local),
            "KAGGLE_TARGET": "kaggle",
        }
        local.faults.add(
            # And the answer to the very first creation is lost.
            Fault(on="datasets.DatasetApiService/CreateDataset", reset="after"),
            Fault(on="kernels.KernelsApiService/SaveKernel", status=400, times=1000),
        )
        done = subprocess.run(command, cwd=rehearsed, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 30
        assert set(rows_of(done.stdout)) == set(QUESTIONS[:3])
        assert CANARY not in done.stdout + done.stderr
        assert f"probing as {USER}" in done.stdout
        assert nothing_left(local)


def test_the_table_shows_what_kaggle_says_and_obeys_nothing() -> None:
    hostile = Answer(question="a | b", assumed="<b>", seen="\x1b[31m`x`\n| y |", as_assumed=False)
    (line,) = markdown_table([hostile]).splitlines()[2:]
    assert line.count(" | ") == 3
    assert "\x1b" not in line
    assert "&lt;b&gt;" in line
