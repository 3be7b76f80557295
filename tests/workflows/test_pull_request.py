"""`pull-request.yml`: the CPU prediction of what a change touches, and the one check that stands for all."""

from pathlib import Path

import pytest

from tests.canary import SECRETS
from tests.end_to_end.fault_matrix import PREDICT
from tests.kaggle_offline.conftest import git
from tests.workflows.act import Run, run_workflow
from tests.workflows.repository import add_competition, commit, copy_repository

pytestmark = pytest.mark.xdist_group("pull request")

STEP = "Predict on the CPU, here and on the base"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose main branch has two small competitions."""
    clone = copy_repository(tmp_path_factory.mktemp("pull-request") / "clone")
    for name in ("alpha", "beta"):
        add_competition(clone, name)
    return clone


def propose(clone: Path, path: str, text: str) -> None:
    """Check out what GitHub does for a pull request: the merge of a branch that writes a file into main."""
    git(clone, "checkout", "--quiet", "-B", "change", "main")
    (clone / path).parent.mkdir(exist_ok=True)
    (clone / path).write_text(text)
    commit(clone, "Change")
    git(clone, "checkout", "--quiet", "--detach", "main")
    git(clone, "merge", "--quiet", "--no-ff", "--message", "Merge", "change")


def test_a_merge_queue_plans_what_its_group_touches(clone: Path) -> None:
    """Its base is not the first parent where the group has several changes."""
    propose(clone, "kernels/alpha/predict.py", f"{PREDICT}# Changed.\n")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Another of the group")
    payload = {
        "merge_group": {"base_sha": git(clone, "rev-parse", "main"), "head_sha": git(clone, "rev-parse", "HEAD")}
    }
    run = run_workflow(clone, "pull-request.yml", "merge_group", payload, clone.with_name("run"), "--job", "plan")
    assert run.result("plan") == "success", run.output
    assert "alpha" in run.summary("plan").partition("not touched")[0]
    assert "beta" in run.summary("plan").partition("not touched")[2]


def pull_request(clone: Path, job: str) -> Run:
    folder = clone.with_name("run")
    payload = {"pull_request": {"number": 1, "head": {"ref": "change"}, "base": {"ref": "main"}}}
    return run_workflow(clone, "pull-request.yml", "pull_request", payload, folder, "--job", job)


def test_what_is_touched_is_predicted_without_a_secret(clone: Path) -> None:
    better = PREDICT.replace('{name},scab"', """{name},{'healthy' if name == 'z' else 'scab'}\"""")
    propose(clone, "kernels/alpha/predict.py", better)
    run = pull_request(clone, "predict")
    assert run.competitions("predict") == {"alpha"}, run.output
    assert run.steps("predict", "alpha")[STEP] == "success", run.log("predict", "alpha")
    summary = run.summary("predict", "alpha")
    assert summary.startswith("### alpha: 1.00000\n")
    base = git(clone, "rev-parse", "--short=12", "main")
    assert f"| on the base | 0.66667 at {base}, 0.01 worse is tolerated |" in summary
    assert "not touched: beta, digit-recognizer, plant-pathology-2021-fgvc8" in run.summary("plan")
    assert not any(secret in run.output for secret in SECRETS)


@pytest.mark.nightly
def test_a_score_that_falls_fails_it(clone: Path) -> None:
    propose(clone, "kernels/alpha/predict.py", PREDICT.replace("scab", "healthy"))
    run = pull_request(clone, "predict")
    assert run.steps("predict", "alpha")[STEP] == "failure"
    assert run.result("predict") == "failure"
    summary = run.summary("predict", "alpha")
    assert "### alpha: 0.33333" in summary
    assert "worse by 0.33334, where 0.01 is tolerated" in summary


def test_a_folder_named_to_inject_does_no_harm(clone: Path) -> None:
    hostile = '";touch ${HOME}harm;"'
    propose(clone, f"kernels/{hostile}/submission.toml", "")
    run = pull_request(clone, "predict")
    assert run.steps("predict", hostile)[STEP] == "failure", run.output
    assert "no such competition folder" in run.log("predict", hostile)
    assert not list(clone.parent.rglob("*harm"))


# As much of the command line as it takes to see which jobs the required check waits for.
MAIN = """\
import json
import os
import sys
from pathlib import Path

def main():
    verb, *arguments = sys.argv[1:]
    if verb == "plan":
        Path(os.environ["GITHUB_OUTPUT"]).write_text("competitions=" + json.dumps(["a", "b"]) + "\\n")
    return int("FAILING" in (verb, *arguments))
"""


@pytest.mark.parametrize(
    "failing",
    [pytest.param("nothing", marks=pytest.mark.nightly), pytest.param("plan", marks=pytest.mark.nightly), "b"],
)
def test_the_required_check_passes_when_every_job_does(failing: str, tmp_path: Path) -> None:
    clone = copy_repository(tmp_path / "clone")
    program = clone / "packages" / "kaggle-offline" / "src" / "kaggle_offline" / "__main__.py"
    program.write_text(MAIN.replace("FAILING", failing))
    commit(clone, "Stand in")
    run = pull_request(clone, "passed")
    assert run.result("passed") == ("success" if failing == "nothing" else "failure"), run.output
    assert run.competitions("predict") == (set() if failing == "plan" else {"a", "b"})
