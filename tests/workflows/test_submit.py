"""`submit.yml` on a tag: freeze, push and submit of what has changed, each competition on its own."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.runs.image import ImageSpec
from kaggle_local.server import serve
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.provenance import read_chain

from tests.canary import CANARY, USER
from tests.kaggle_offline.conftest import git
from tests.stand_in import TOKENS
from tests.workflows.act import Run, run_workflow, way_to
from tests.workflows.repository import IMAGE, SEED, add_competition, commit, copy_repository, take_this_python

pytestmark = pytest.mark.xdist_group("submit")

STEPS = {"Freeze", "Push", "Submit"}


@dataclass(frozen=True)
class Place:
    """Where the workflow is run, and the Kaggle that it reaches."""

    clone: Path
    kaggle: LocalKaggle
    folder: Path

    def run(self, tag: str) -> Run:
        """Push a tag, as far as GitHub is concerned."""
        payload, secrets = {"ref": f"refs/tags/{tag}"}, {"KAGGLE_API_TOKEN": CANARY}
        environment = way_to(self.kaggle)
        return run_workflow(
            self.clone, "submit.yml", "push", payload, self.folder, environment=environment, secrets=secrets
        )

    def submissions(self, competition: str) -> list[tuple[str, float | None, str]]:
        """Status, score and tag of what was submitted."""
        found = []
        for submission in self.kaggle.storage.submissions.of_user(competition, USER):
            chain = read_chain(submission.description)
            found.append((submission.status, submission.score, chain.source.tag if chain else ""))
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A clone in which two small competitions are as the last tag had them, and a Kaggle that hosts all."""
    folder = tmp_path_factory.mktemp("submit")
    clone = copy_repository(folder / "clone")
    take_this_python(clone)
    # As somebody who takes this competition over; the other demonstration stays one.
    settings = clone / "kernels" / SEED / "submission.toml"
    settings.write_text(re.sub("(?m)^submit = .*\n", "", settings.read_text()))
    for name in ("alpha", "gamma"):
        add_competition(clone, name)
    git(clone, "tag", "submit-v1")
    manifest = read_image_manifest(clone / "requirements" / "images" / f"{IMAGE}.txt")
    lock = read_lock(clone / "requirements" / f"{SEED}.txt")
    assert lock is not None
    spec = ImageSpec(
        python=manifest.python,
        pins={name: str(version) for name, version in manifest.pins.items()},
        distributions=(*lock.provided, "packaging"),
    )
    with serve(folder / "kaggle", tokens=TOKENS) as kaggle:
        image = kaggle.set_image(spec)
        few = ["--train", "1", "--public", "4", "--hidden", "30", "--size", "300x200"]
        commands = {SEED: ("plant-pathology", ["-m", "plant_pathology.synthetic", *few])}
        commands |= {name: (name, ["-m", f"{name}.competition"]) for name in ("alpha", "gamma")}
        for competition, (package, command) in commands.items():
            hosted = folder / "competitions" / competition
            hosted.parent.mkdir(exist_ok=True)
            environment = {**os.environ, "PYTHONPATH": str(clone / "packages" / package / "src")}
            subprocess.run([str(image.python), *command, str(hosted)], env=environment, check=True)
            kaggle.host(hosted)
        yield Place(clone, kaggle, folder / "run")


@pytest.fixture(scope="module")
def run(place: Place) -> Run:
    """The run of a tag after which the seed and alpha have changed, gamma has not, and another is broken."""
    for path in (
        place.clone / "kernels" / SEED / "predict.py",
        place.clone / "packages" / "alpha" / "src" / "alpha" / "__init__.py",
    ):
        path.write_text(f"{path.read_text()}\n# Changed.\n")
    commit(place.clone, "Change two competitions")
    add_competition(place.clone, "broken")
    settings = place.clone / "kernels" / "broken" / "submission.toml"
    settings.write_text(settings.read_text().replace('output = "submission.csv"', "output = 1"))
    commit(place.clone, "Break one")
    git(place.clone, "tag", "submit-v2")
    return place.run("submit-v2")


def test_what_has_changed_is_submitted_and_scored(run: Run, place: Place) -> None:
    assert run.competitions("submit") == {SEED, "alpha", "broken"}, run.output
    for competition in (SEED, "alpha"):
        steps = run.steps("submit", competition)
        assert {steps[name] for name in STEPS} == {"success"}, run.log("submit", competition)
    ((status, score, tag),) = place.submissions(SEED)
    assert (status, tag) == ("complete", "submit-v2")
    assert score is not None
    assert score > 0.75
    ((status, score, tag),) = place.submissions("alpha")
    assert (status, tag) == ("complete", "submit-v2")
    assert score == pytest.approx(2 / 3, abs=1e-5)


def test_what_has_not_changed_is_not_touched(run: Run, place: Place) -> None:
    assert "as it was at submit-v1: gamma" in run.log("plan")
    assert "only a tag with its name submits it: digit-recognizer" in run.log("plan")
    assert place.submissions("gamma") == []
    assert place.kaggle.storage.kernels.get(USER, "gamma-kernel") is None


def test_what_is_broken_fails_alone_and_says_why(run: Run, place: Place) -> None:
    steps = run.steps("submit", "broken")
    assert steps["Freeze"] == "failure"
    assert "Push" not in steps
    assert run.steps("submit", "broken")["Keep what was built"] == "success"
    assert "output: 1 must be a text" in run.summary("submit", "broken")
    assert run.result("submit") == "failure"
    assert place.kaggle.storage.kernels.get(USER, "broken-kernel") is None


def test_the_summary_is_worth_reading(run: Run) -> None:
    summary = run.summary("submit", SEED)
    for text in (
        f"### {SEED}: 0.",
        f"[{USER}/{SEED}-packages](https://www.kaggle.com/datasets/{USER}/{SEED}-packages/versions/1) version 1",
        f"https://www.kaggle.com/code/{USER}/plant-pathology-2021-offline-prediction",
        f"https://www.kaggle.com/competitions/{SEED}/submissions",
        "MiB of memory at its peak",
        "provided, 3 added, 0 replaced",
        "| simplejpeg |",
    ):
        assert text in summary, summary
    assert "| alpha | changed since submit-v1: packages/alpha/" in run.summary("plan")


def test_what_was_built_is_kept(run: Run, place: Place) -> None:
    kept = place.folder / "artifacts"
    assert {path.name for path in kept.iterdir()} == {f"build-{SEED}", "build-alpha"}, run.output
    assert (kept / "build-alpha" / "result.json").is_file()
    assert (kept / f"build-{SEED}" / "report.html").is_file()


def test_the_token_is_seen_nowhere(run: Run) -> None:
    assert CANARY not in run.output
    # As act shows it where it has kept it from being seen.
    assert "***" not in run.output


@pytest.mark.nightly
@pytest.mark.usefixtures("run")
def test_the_same_tag_once_more_submits_nothing(place: Place) -> None:
    before = {name: place.submissions(name) for name in (SEED, "alpha")}
    again = place.run("submit-v2")
    for competition in (SEED, "alpha"):
        assert again.steps("submit", competition)["Submit"] == "success", again.log("submit", competition)
        assert "is submitted already" in again.log("submit", competition)
    assert {name: place.submissions(name) for name in (SEED, "alpha")} == before


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "tag",
    [
        "submit-$(touch${IFS}$HOME/harm)",
        pytest.param("submit-v3;touch${IFS}$HOME/harm", marks=pytest.mark.nightly),
        pytest.param("submit-v03", marks=pytest.mark.nightly),
    ],
)
def test_any_other_tag_is_refused_and_does_no_harm(tag: str, place: Place) -> None:
    git(place.clone, "tag", tag)
    refused = place.run(tag)
    git(place.clone, "tag", "--delete", tag)
    assert refused.steps("plan")["Read the tag"] == "failure"
    assert "not a tag that submits" in refused.log("plan")
    assert "submit-v3 (every competition that has changed) or submit-&lt;competition&gt;-v3" in refused.summary("plan")
    assert refused.competitions("submit") == set()
    assert not list(place.folder.rglob("harm"))
