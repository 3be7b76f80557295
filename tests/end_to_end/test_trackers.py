"""A submission is logged to MLflow and W&B, the real ones, and a kernel's W&B run comes out of its sandbox."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.interpreters import OWN_VERSION, UV
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.runs.image import ImageSpec
from kaggle_offline.trackers.programs import is_used

from tests.end_to_end.fault_matrix import PREDICT, TOKEN, copied, kaggle_of
from tests.kaggle_offline.conftest import change_metadata, git, result_of
from tests.sharing import made_once
from tests.wandb_server import API_KEY, WandbServer, serve_wandb

MLFLOW = ("mlflow-skinny==3.17.2", "sqlalchemy==2.1.9", "alembic")
WANDB = "wandb==0.31.0"
# Kaggle's image of October 2026 has this one.
OF_IMAGE = "0.28.1"
PASSWORD = "d4c74594d841139328695756648b6bd6"

TRACKED = """
# %%
import wandb

run = wandb.init(project="trees", id="from-the-kernel")
run.log({"images": len(images)})
"""

# As it looks from outside.
LEFT = """
# %%
left = Path("/kaggle/working/wandb/offline-run-20261130_120000-left/run-left.wandb")
left.parent.mkdir(parents=True)
left.touch()
tile = Path("/kaggle/working/tiles/1.png")
tile.parent.mkdir()
tile.touch()
"""

PUSH_AND_SUBMIT = """
from kaggle_offline.cli import main
from kaggle_offline.delivery.target import PATIENCE
PATIENCE["kaggle"] = PATIENCE["local"]
raise SystemExit(main(["freeze", "push", "submit"]))
"""

RUNS = """
import json, mlflow
runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
found = [{"tags": run.data.tags, "params": run.data.params, "metrics": run.data.metrics} for run in runs]
print(json.dumps([{**each, "name": run.info.run_name} for each, run in zip(found, runs)]))
"""


@pytest.fixture(scope="session")
def trackers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both trackers, to be put beside what is installed."""

    def make(folder: Path) -> None:
        target = ["--target", str(folder), "--python", sys.executable]
        subprocess.run([UV, "pip", "install", "--quiet", *target, *MLFLOW, WANDB], check=True)

    return made_once(tmp_path_factory, "trackers", make)


@pytest.fixture
def repository(prepared: Path, tmp_path: Path) -> Path:
    """A repository with a commit, whose kernel is a script, and whose cross-validation is known."""
    repository = copied(prepared, tmp_path, "first")
    change_metadata(repository, kernel_type="script")
    (repository / "kernels" / "small" / "cross_validation.json").write_text('{"scores": [0.5, 0.7]}')
    git(repository, "init", "--quiet")
    commit(repository)
    return repository


def commit(repository: Path) -> None:
    git(repository, "add", "--all", "kernels", "packages", "requirements")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Change")


@pytest.fixture
def kaggle(prepared: Path, repository: Path, tmp_path: Path) -> Iterator[LocalKaggle]:
    with kaggle_of(tmp_path, prepared, repository) as local:
        yield local


def track(repository: Path, code: str) -> None:
    """Append a cell to the kernel's code."""
    (repository / "kernels" / "small" / "predict.py").write_text(PREDICT + code)


def push_and_submit(repository: Path, *beside: Path, **variables: str) -> str:
    """Push and submit to what stands in for kaggle.com, with folders beside the installed; return what is printed."""
    path = os.pathsep.join([os.environ["PYTHONPATH"], *map(str, beside)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WANDB_"))}
    done = subprocess.run(
        [sys.executable, "-c", PUSH_AND_SUBMIT],
        cwd=repository,
        env={**kept, "PYTHONPATH": path, "HOME": str(repository.parent), "KAGGLE_TARGET": "kaggle", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert TOKEN not in done.stdout
    return done.stdout


def mlflow_runs(trackers: Path, repository: Path) -> list[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": str(trackers)}
    command = [sys.executable, "-W", "ignore", "-c", RUNS]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=True)
    runs: list[dict[str, Any]] = json.loads(done.stdout)
    return runs


@pytest.fixture
def wandb_server() -> Iterator[WandbServer]:
    with serve_wandb() as server:
        yield server


@pytest.mark.usefixtures("kaggle")
def test_a_submission_is_a_run_of_each_tracker(repository: Path, trackers: Path, wandb_server: WandbServer) -> None:
    submitted = git(repository, "rev-parse", "HEAD")
    printed = push_and_submit(repository, trackers, WANDB_BASE_URL=wandb_server.url, WANDB_API_KEY=API_KEY)
    result = result_of(repository / "build" / "small")
    ref, score = result["submission"]["ref"], result["submission"]["score"]
    assert f"  MLflow: logged to experiment small at sqlite:///{repository}/mlflow.db\n" in printed
    assert f"  W&B: logged to {wandb_server.url}/somebody/small/runs/kaggle-{ref}\n" in printed
    assert API_KEY not in printed

    [run] = mlflow_runs(trackers, repository)
    assert run["metrics"] == {"public_score": score, "cross_validation": pytest.approx(0.6)}
    assert run["tags"]["mlflow.source.git.commit"] == submitted
    assert run["tags"]["kaggle.submission"] == ref
    assert submitted.startswith(run["params"]["commit"])
    assert run["params"]["kernel"] == f"canary/small-kernel/{result['kernel']['version']}"
    assert run["params"]["packages"] == f"canary/small-packages/{result['packages']['version']}"
    assert run["params"]["image"] == result["run"]["image"]

    logged = wandb_server.runs[f"kaggle-{ref}"]
    assert logged["commit"] == submitted
    assert logged["summary"]["public_score"] == score
    config = {name: entry["value"] for name, entry in json.loads(logged["config"]).items()}
    assert {name: config[name] for name in run["params"]} == run["params"]


@pytest.mark.nightly
def test_a_run_of_the_kernel_is_synced_and_a_submission_is_not_logged_twice(
    kaggle: LocalKaggle, repository: Path, trackers: Path, wandb_server: WandbServer
) -> None:
    track(repository, TRACKED)
    pins = {"packaging": "24.2", "wandb": OF_IMAGE}
    kaggle.set_image(ImageSpec(python=OWN_VERSION, pins=pins, distributions=("packaging", "wandb")))
    commit(repository)
    submitted = git(repository, "rev-parse", "HEAD")
    ways = {"WANDB_BASE_URL": wandb_server.url, "WANDB_API_KEY": API_KEY}

    wandb_server.refuses = True
    printed = push_and_submit(repository, trackers, **ways)
    ref = result_of(repository / "build" / "small")["submission"]["ref"]
    assert re.search("  W&B: offline-run-.*-from-the-kernel, not synced: ", printed)
    assert "  W&B: not logged: " in printed

    # A later commit is not the one that was submitted.
    commit(repository)
    (repository / "kernels" / "small" / "cross_validation.json").write_text('{"scores": [0.75]}')
    wandb_server.refuses = False
    again = push_and_submit(repository, trackers, **ways)
    assert "is submitted already" in again
    assert re.search("  W&B: offline-run-.*-from-the-kernel, synced\n", again)
    of_kernel = wandb_server.runs["from-the-kernel"]
    assert (of_kernel["project"], of_kernel["summary"]["images"]) == ("trees", 2)

    last = push_and_submit(repository, trackers, **ways)
    assert "from-the-kernel" not in last
    [run] = mlflow_runs(trackers, repository)
    assert run["metrics"]["cross_validation"] == 0.75
    assert run["tags"]["mlflow.source.git.commit"] == submitted
    assert wandb_server.resumed == [f"kaggle-{ref}"]
    logged = wandb_server.runs[f"kaggle-{ref}"]
    assert (logged["commit"], logged["summary"]["cross_validation"]) == (submitted, 0.75)


@pytest.mark.usefixtures("kaggle")
def test_a_tracker_that_cannot_be_reached_costs_no_submission(repository: Path, trackers: Path) -> None:
    track(repository, LEFT)
    # Nothing listens on that port, and W&B has no key.
    address = f"http://somebody:{PASSWORD}@127.0.0.1:1"
    printed = push_and_submit(repository, trackers, MLFLOW_TRACKING_URI=address)
    assert "  W&B: offline-run-20261130_120000-left, not synced: " in printed
    assert "  MLflow: not logged: " in printed
    assert "  W&B: not logged: " in printed
    assert "    → To log the score, run: kaggle-offline submit small\n" in printed
    assert PASSWORD not in printed
    assert "Traceback" not in printed
    assert result_of(repository / "build" / "small")["submission"]["status"] == "complete"


@pytest.mark.usefixtures("kaggle")
def test_without_trackers_there_is_the_kernels_run_and_a_hint(repository: Path) -> None:
    track(repository, LEFT)
    # W&B leaves folders of that name, which are no package.
    (repository / "wandb").mkdir()
    printed = push_and_submit(repository)
    [run] = (repository / "build" / "small" / "output").glob("wandb/offline-run-*/run-left.wandb")
    assert f"  W&B: 1 offline, not synced; to sync, run: wandb sync {run.parent.parent}" in printed
    assert "logged" not in printed
    # The report has no use for it, and a kernel can leave thousands.
    assert not (repository / "build" / "small" / "output" / "tiles").exists()
    assert not (repository / "mlflow.db").exists()


def test_trackers_that_are_not_named_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Any module that is installed will do.
    for names, used in (("", False), ("mlflow wandb", False), ("json", True), ("wandb json", True)):
        monkeypatch.setenv("KAGGLE_OFFLINE_TRACKERS", names)
        assert is_used("json") == used
    monkeypatch.delenv("KAGGLE_OFFLINE_TRACKERS")
    assert is_used("json")
