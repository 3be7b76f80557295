"""The workflows of a repository that has nothing of this one but what `init` wrote: they call this one's."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.runs.image import ImageSpec
from kaggle_local.server import serve
from kaggle_offline.cli import main
from kaggle_offline.repository.image_manifest import image_file, read_image_manifest
from kaggle_offline.scaffold.repository_files import PLACEHOLDER

from tests.canary import CANARY, SECRETS, USER
from tests.kaggle_offline.commands.test_init import HATCHLING, PROJECT
from tests.kaggle_offline.conftest import git
from tests.stand_in import TOKENS
from tests.wandb_server import API_KEY, serve_wandb
from tests.workflows.act import Run, run_workflow, way_to
from tests.workflows.repository import commit, copy_repository

pytestmark = pytest.mark.xdist_group("other repositories")

NAME, COMMIT = "somebody/kaggle-offline", "1234567890123456789012345678901234567890"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of somebody else, with a competition that was begun and rehearsed there."""
    folder = tmp_path_factory.mktemp("other") / "leaves"
    (folder / "src" / "leaf_tools").mkdir(parents=True)
    (folder / "src" / "leaf_tools" / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(HATCHLING + PROJECT)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "uploadpack.allowFilter", "true")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KAGGLE_TARGET", "local")
        patch.delenv("CI", raising=False)
        assert main(["init", "apples"]) == 0
        assert main(["freeze", "push", "apples"]) == 0
    for path in (folder / ".github" / "workflows").iterdir():
        called, ref, _ = path.read_text().partition("@")
        rest = path.read_text().partition(" # v")[2]
        path.write_text(f"{called.replace(PLACEHOLDER, NAME)}{ref}{COMMIT} # v{rest}")
    commit(folder, "Begin")
    return folder


@pytest.fixture(scope="module")
def kaggle(repository: Path) -> Iterator[LocalKaggle]:
    """A Kaggle that hosts the competition, in the place of kaggle.com."""
    manifest = read_image_manifest(image_file(repository, "kaggle-cpu-2026-10"))
    pins: dict[str, str] = {name: str(version) for name, version in manifest.pins.items()}
    with serve(repository.with_name("kaggle"), tokens=TOKENS) as local:
        local.set_image(ImageSpec(python=manifest.python, pins=pins, distributions=()))
        local.host(repository / "build" / "apples" / "competition")
        yield local


def call(
    repository: Path,
    workflow: str,
    event: str,
    payload: dict[str, object],
    kaggle: LocalKaggle,
    *options: str,
    secrets: dict[str, str] | None = None,
) -> Run:
    tool = repository.with_name("tool")
    if not tool.exists():
        copy_repository(tool)
    return run_workflow(
        repository,
        workflow,
        event,
        payload,
        repository.with_name("run"),
        *options,
        environment=way_to(kaggle),
        secrets={"KAGGLE_API_TOKEN": CANARY, **(secrets or {})},
        called=(f"{NAME}@{COMMIT}", tool),
    )


def test_a_tag_submits_and_a_tracker_is_told(repository: Path, kaggle: LocalKaggle) -> None:
    path = repository / ".github" / "workflows" / "submit.yml"
    # As docs/your-repository.md says.
    path.write_text(f"{path.read_text()}      WANDB_API_KEY: ${{{{ secrets.WANDB_API_KEY }}}}\n")
    git(repository, "tag", "submit-v1")
    payload: dict[str, object] = {"ref": "refs/tags/submit-v1"}
    with serve_wandb() as wandb:
        variables = ("--var", "TRACKERS=wandb==0.31.0", "--var", f"WANDB_BASE_URL={wandb.url}")
        secrets = {"WANDB_API_KEY": API_KEY}
        run = call(repository, "submit.yml", "push", payload, kaggle, *variables, secrets=secrets)
    assert run.result("submit") == "success", run.output
    (submission,) = kaggle.storage.submissions.of_user("apples", USER)
    assert submission.status == "complete"
    assert "### apples: 0." in run.output
    logged = wandb.runs[f"kaggle-{submission.ref}"]
    assert logged["summary"]["public_score"] == pytest.approx(submission.score, abs=1e-5)
    assert json.loads(logged["config"])["tag"]["value"] == "submit-v1"
    assert not any(secret in run.output for secret in (*SECRETS, API_KEY))


@pytest.mark.nightly
def test_a_pull_request_is_rehearsed(repository: Path, kaggle: LocalKaggle) -> None:
    git(repository, "checkout", "--quiet", "-B", "change", "main")
    (repository / "src" / "leaf_tools" / "model.py").touch()
    commit(repository, "Change")
    git(repository, "checkout", "--quiet", "--detach", "main")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "Merge", "change")
    run = call(repository, "pull-request.yml", "pull_request", {"pull_request": {"number": 1}}, kaggle)
    assert run.result("predict") == "success", run.output
    assert "src/leaf_tools/model.py" in run.output
    assert not any(secret in run.output for secret in SECRETS)
