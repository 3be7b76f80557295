"""`image.yml`: Kaggle's image as it is now, and the locks for it, as a pull request; GitHub's `gh` is played."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kaggle_local.interpreters import OWN_VERSION
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.runs.image import ImageSpec
from kaggle_local.server import serve
from kaggle_offline.repository.image_manifest import read_image_manifest

from tests.canary import CANARY
from tests.kaggle_offline.conftest import git
from tests.stand_in import TOKENS
from tests.workflows.act import Run, run_workflow, way_to
from tests.workflows.repository import IMAGE, add_competition, commit, copy_repository

# A weekly job, of minutes: no pull request waits for it.
pytestmark = [pytest.mark.xdist_group("image"), pytest.mark.nightly]

# Says that there is no pull request yet, unless one has been created, and notes what it is told.
GH = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
told = pathlib.Path(os.environ["ARTIFACTS"]).with_name("gh.jsonl")
known = told.read_text() if told.exists() else ""
if sys.argv[1:] == ["api", "repos/{owner}/{repo}/pulls?state=open&head={owner}:renew-images"]:
    print(json.dumps([{"number": 7}] if '"create"' in known else []))
else:
    file = sys.argv[-1].removeprefix("body=@")
    body = pathlib.Path(file).read_text()
    entry = {"arguments": sys.argv[1:], "body": body, "token": os.environ["GH_TOKEN"]}
    told.write_text(known + json.dumps(entry) + "\\n")
"""


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKaggle]:
    with serve(tmp_path_factory.mktemp("kaggle"), tokens=TOKENS) as kaggle:
        kaggle.set_image(ImageSpec(python=OWN_VERSION, pins={"packaging": "24.2"}, distributions=("packaging",)))
        yield kaggle


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one small competition, which can be pushed to."""
    folder = tmp_path_factory.mktemp("image")
    clone = copy_repository(folder / "clone")
    shutil.rmtree(clone / "kernels")
    add_competition(clone, "alpha")
    program = folder / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(GH)
    program.chmod(0o755)
    return clone


def go(clone: Path, kaggle: LocalKaggle) -> Run:
    environment = {**way_to(kaggle), "PATH": f"{clone.with_name('bin')}:{os.environ['PATH']}"}
    secrets = {"KAGGLE_API_TOKEN": CANARY, "GITHUB_TOKEN": "of-this-run"}
    folder = clone.with_name("run")
    return run_workflow(clone, "image.yml", "workflow_dispatch", {}, folder, environment=environment, secrets=secrets)


def test_a_changed_image_is_proposed_with_its_locks_and_then_it_is_as_it_was(clone: Path, kaggle: LocalKaggle) -> None:
    name = f"kaggle-gpu-{datetime.now(UTC):%Y-%m}"
    run = go(clone, kaggle)
    assert run.result("propose") == "success", run.log("renew") + run.log("propose")
    assert CANARY not in run.output
    changed = git(clone, "diff", "--name-only", "main", "renew-images").splitlines()
    new = f"requirements/images/{name}.txt"
    assert changed == ["kernels/alpha/submission.toml", "requirements/alpha.txt", new]
    told = json.loads(clone.with_name("run").joinpath("gh.jsonl").read_text())
    assert told["arguments"][:4] == ["pr", "create", "--head", "renew-images"]
    assert told["token"] == "of-this-run"
    for text in (f"### {IMAGE} → {name}", "packaging 26.3 → 24.2 (provided)", "#### the lock of alpha"):
        assert text in told["body"]
        assert text in run.summary("renew")

    # Another time it is the same pull request.
    assert go(clone, kaggle).result("propose") == "success"
    lines = clone.with_name("run").joinpath("gh.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["arguments"][:4] == ["api", "--method", "PATCH", "repos/{owner}/{repo}/pulls/7"]

    # Once it is merged, there is nothing to propose.
    git(clone, "merge", "--quiet", "renew-images")
    assert read_image_manifest(clone / new).has_gpu
    assert f'image = "{name}"' in (clone / "kernels" / "alpha" / "submission.toml").read_text()
    run = go(clone, kaggle)
    assert f"{name}: as it was" in run.log("renew")
    assert "nothing to propose" in run.log("propose")
    assert len(clone.with_name("run").joinpath("gh.jsonl").read_text().splitlines()) == len(lines)


@pytest.mark.nightly
def test_kernels_that_are_pinned_to_their_image_stay_there(clone: Path, kaggle: LocalKaggle) -> None:
    metadata = clone / "kernels" / "alpha" / "kernel-metadata.json"
    document = json.loads(metadata.read_text())
    metadata.write_text(json.dumps(document | {"docker_image_pinning_type": "original"}))
    commit(clone, "Pin")
    run = go(clone, kaggle)
    assert "nothing to propose" in run.log("propose")
