"""A newcomer's path, as the pages have it: from a fresh clone to scores, and what the clone can do then."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.server import serve
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.repository.image_manifest import read_image_manifest

from tests.documentation import REPOSITORY, commands_of
from tests.kaggle_offline.notebooks import write_notebook
from tests.look_alikes import titanic
from tests.workflows.repository import copy_repository

# They share a clone, in which each goes on where the one before has stopped.
pytestmark = pytest.mark.xdist_group("main job")

DOCS = REPOSITORY / "docs"
COMPETITION = "plant-pathology-2021-fgvc8"
DIGITS = "digit-recognizer"
KERNEL = "kaggler/plant-pathology-2021-offline-prediction"


def nox(clone: Path, *sessions: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nox", "-s", *sessions]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)


def type_in(folder: Path, command: str) -> str:
    """Run a line of a page as a person does, in a shell; return what it prints."""
    somebody = {f"GIT_{who}_{what}": "t@e.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, **somebody},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def result_of(clone: Path, competition: str = COMPETITION) -> dict[str, Any]:
    result = json.loads((clone / "build" / competition / "result.json").read_text())
    assert isinstance(result, dict)
    return result


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit, in which the main job has been run, as the first page has both."""
    folder = tmp_path_factory.mktemp("fresh")
    copy_repository(folder / "origin")
    first, second, *_ = commands_of(DOCS / "first-five-minutes.md")
    assert second in commands_of(REPOSITORY / "README.md")
    type_in(folder, first.replace("https://github.com/OWNER/REPOSITORY", str(folder / "origin")))
    type_in(folder / "kaggle", second)
    return folder / "kaggle"


@contextmanager
def served(clone: Path, *options: str) -> Iterator[dict[str, str]]:
    """`kaggle-local serve` on the clone's storage, and the environment that its output asks for."""
    program = clone / ".nox" / "tools" / "bin" / "kaggle-local"
    command = [str(program), "serve", "--port", "0", *options]
    with subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        words = [word for _ in range(3) for word in server.stdout.readline().split()[1:]]
        try:
            yield {**os.environ, **dict(word.split("=", 1) for word in words)}
        finally:
            server.terminate()


def kaggle(clone: Path, environment: dict[str, str], *arguments: str) -> str:
    """Run the official command line, unmodified."""
    program = clone / ".nox" / "tools" / "bin" / "kaggle"
    result = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_score_is_that_of_a_trained_network(clone: Path) -> None:
    result = result_of(clone)
    assert result["target"] == "local"
    assert result["run"]["status"] == "complete"
    assert result["submission"]["status"] == "complete"
    assert result["submission"]["score"] >= 0.75
    assert result["submission"]["baseline"] <= 0.40
    with (clone / "build" / COMPETITION / "output" / "submission.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert all(row["labels"].strip() for row in rows)
    report = (clone / "build" / COMPETITION / "report.html").read_text()
    assert "data:image/jpeg;base64," in report, "predictions are shown as pictures"


def test_the_digits_are_read(clone: Path) -> None:
    result = result_of(clone, DIGITS)
    assert result["submission"]["score"] >= 0.98
    assert result["submission"]["baseline"] <= 0.2
    assert "models" not in result


def test_what_is_shipped_is_little_and_what_the_image_has_is_not(clone: Path) -> None:
    manifest = json.loads((clone / "build" / COMPETITION / "packages" / "freeze.json").read_text())
    assert manifest["python"] == "3.13"
    assert sum(entry["size"] for entry in manifest["files"]) < 600_000
    assert "torch==2.11.0" in {entry["distribution"] for entry in manifest["provided"]}
    shipped = {entry["distribution"].partition("==")[0] for entry in manifest["files"]} - {""}
    assert shipped == {"plant-pathology", "competition-kit", "simplejpeg"}
    assert subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout == b""


def test_once_more_changes_nothing(clone: Path) -> None:
    before = result_of(clone)
    run = nox(clone, "freeze", "push", "submit")
    assert run.returncode == 0, run.stdout + run.stderr
    after = result_of(clone)
    for name in ("packages", "models"):
        assert after[name] == {**before[name], "uploaded_bytes": 0}
    for name in ("kernel", "run", "submission"):
        assert after[name] == before[name]
    assert run.stdout.count("nothing changed") == 2


def test_the_official_client_sees_it_all(clone: Path, tmp_path: Path) -> None:
    with served(clone) as environment:
        files = kaggle(clone, environment, "datasets", "files", f"kaggler/{COMPETITION}-packages", "--csv")
        assert "freeze.json" in files
        assert "simplejpeg" in files
        assert "COMPLETE" in kaggle(clone, environment, "kernels", "status", KERNEL)
        kaggle(clone, environment, "kernels", "output", KERNEL, "-p", str(tmp_path))
        assert (tmp_path / "submission.csv").read_text().startswith("image,labels\n")
        submissions = kaggle(clone, environment, "competitions", "submissions", COMPETITION, "--csv")
        assert f"{result_of(clone)['submission']['score']:.5f}" in submissions


@pytest.mark.nightly
def test_the_same_submission_works_under_the_old_layout(clone: Path) -> None:
    """The kernel that was pushed, pushed again by hand and submitted where inputs are mounted the old way."""
    kernel = clone / "build" / COMPETITION / "kernel"
    with served(clone, "--set", "old_layout=true") as environment:
        assert "version 2" in kaggle(clone, environment, "kernels", "push", "-p", str(kernel))
        while "RUNNING" in (status := kaggle(clone, environment, "kernels", "status", KERNEL)) or "QUEUED" in status:
            pass
        assert "COMPLETE" in status
        submit = ["competitions", "submit", COMPETITION, "-k", KERNEL, "-v", "2", "-f", "submission.csv", "-m", "old"]
        kaggle(clone, environment, *submit)
        listing = ["competitions", "submissions", COMPETITION, "--csv"]
        while "PENDING" in (submissions := kaggle(clone, environment, *listing)):
            pass
    newest = next(row for row in csv.DictReader(submissions.splitlines()) if row["description"] == "old")
    assert float(newest["publicScore"]) == pytest.approx(result_of(clone)["submission"]["score"], abs=1e-5)


STRICT = {
    "fresh_seconds": 2,
    "processing_seconds": 3,
    "mount_seconds": 3,
    "listing_seconds": 4,
    "busy_seconds": 25,
    "notes_characters": 40,
    "shows_last_complete": "true",
}


@pytest.mark.nightly
def test_both_competitions_pass_on_the_strictest_kaggle(clone: Path) -> None:
    """Everything is new there and shows late, no session is free at first, and the rules are not accepted at first."""
    programs = clone / ".nox" / "tools" / "bin"
    settings = {"KAGGLE_LOCAL_SETTINGS": " ".join(f"{name}={value}" for name, value in STRICT.items())}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(programs / arguments[0]), *arguments[1:]]
        environment = {**os.environ, **settings}
        return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)

    def listed(name: str) -> list[str]:
        return [path.name for path in sorted((clone / ".kaggle-local" / name).glob("*/*/*"))]

    assert run("kaggle-local", "reset", "--yes").returncode == 0
    competitions = [clone / "build" / name / "competition" / "competition.toml" for name in (COMPETITION, DIGITS)]
    texts = [path.read_text() for path in competitions]
    for path, text in zip(competitions, texts, strict=True):
        path.write_text(f"entered = false\n{text}")
    for name in (COMPETITION, DIGITS):
        refused = run("kaggle-offline", "push", name)
        assert refused.returncode == 41, refused.stdout + refused.stderr
        assert f"https://www.kaggle.com/competitions/{name}/rules" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert listed("datasets") == listed("kernels") == []
    for path, text in zip(competitions, texts, strict=True):
        path.write_text(text)
    for name, sessions in ((DIGITS, "CPU session count of 5"), (COMPETITION, "GPU session count of 2")):
        pushed, submitted = run("kaggle-offline", "push", name), run("kaggle-offline", "submit", name)
        assert pushed.returncode == 0, pushed.stdout + pushed.stderr
        assert submitted.returncode == 0, submitted.stdout + submitted.stderr
        assert f"Maximum batch {sessions} reached" in pushed.stdout
    assert set(listed("datasets")) == {"1"}, "nothing was published twice"
    for name in (COMPETITION, DIGITS):
        result = result_of(clone, name)
        assert result["submission"]["score"] > result["submission"]["baseline"]
        assert result["kernel"]["version"] <= 4


def test_against_the_local_image_as_captured_nothing_is_shipped_that_it_has(clone: Path) -> None:
    def run(*arguments: str) -> None:
        program = clone / ".nox" / "tools" / "bin" / "kaggle-offline"
        result = subprocess.run([program, *arguments], cwd=clone, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    settings = clone / "kernels" / COMPETITION / "submission.toml"
    before = settings.read_text()
    captured = clone / "requirements" / "images" / "captured.txt"
    try:
        run("image", "capture", "captured")
        settings.write_text(before.replace('image = "kaggle-gpu-2026-10"', 'image = "captured"'))
        run("lock")
        image = read_image_manifest(captured)
        lock = read_lock(clone / "requirements" / f"{COMPETITION}.txt")
        assert lock is not None
        assert not {pin.name for pin in lock.pins} & set(image.pins)
        assert {"torch", "torchvision", "timm", "numpy", "pandas"} <= set(lock.provided)
        assert {pin.name for pin in lock.pins} == {"simplejpeg"}
    finally:
        subprocess.run(["git", "checkout", "--quiet", "."], cwd=clone, check=True)
        captured.unlink(missing_ok=True)


@pytest.mark.nightly
def test_the_first_page_leads_to_a_competition_of_ones_own(clone: Path) -> None:
    """New, tested, scored, changed, predicted, tagged, submitted."""
    said = {command: type_in(clone, command) for command in commands_of(DOCS / "first-five-minutes.md")[2:]}
    *_, predicted, _, _, planned, last = said.values()
    assert "on the base, " in predicted
    assert "my-first-competition" in planned
    assert "is submitted already" in last
    assert re.search(r"^  score 0\.\d{5} ", last, re.MULTILINE)
    result = result_of(clone, "my-first-competition")
    assert result["source"]["tag"] == "submit-my-first-competition-v1"
    assert result["submission"]["score"] > result["submission"]["baseline"] + 0.2


@pytest.mark.nightly
def test_the_other_pages_can_be_followed(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The page is about a competition on Kaggle; a look-alike stands in for it.
    with serve(clone / ".kaggle-local") as local:
        local.host(titanic(tmp_path / "titanic"))
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    cells = [
        "!pip install -q iniconfig==2.0.0",
        "import pandas as pd",
        "train, test = (pd.read_csv(f'../input/house-of-cards/{name}.csv') for name in ('train', 'test'))",
        "test['target'] = train['target'].mode()[0]\ntest[['id', 'target']].to_csv('submission.csv', index=False)",
    ]
    write_notebook(clone / "notebook.ipynb", cells)
    said = [
        type_in(clone, command)
        for page in ("your-own-competition.md", "existing-notebook.md", "served-competitions.md")
        for command in commands_of(DOCS / page)
    ]
    assert "titanic: no problems found" in "".join(said)
    assert result_of(clone, "titanic")["submission"]["score"] > result_of(clone, "titanic")["submission"]["baseline"]
    assert "packages/leaf-wetness/src/leaf_wetness/rehearsal.py" in "".join(said)
    assert "house-of-cards: no problems found" in "".join(said)
    assert "  gateway: " in said[-1]
    house = result_of(clone, "house-of-cards")
    assert house["submission"]["score"] == house["submission"]["baseline"]


def test_an_empty_test_set_stops_before_anything_is_pushed(clone: Path) -> None:
    """Last, since it breaks the clone's competition."""
    for image in (clone / "build" / COMPETITION / "competition" / "public" / "test_images").iterdir():
        image.unlink()
    before = result_of(clone)
    run = nox(clone, "push", "submit", "--", COMPETITION)
    assert run.returncode != 0
    output = run.stdout + run.stderr
    assert "public/test_images: the folder is empty" in output
    assert "Traceback" not in output
    assert result_of(clone)["packages"] == before["packages"]
    assert "submission" not in result_of(clone)
