"""Properties of the workflows that no run on one machine and no linter would notice: who gets the token, who waits for
whom."""

import re
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from tests.kaggle_offline.conftest import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))
WAITS = {"group": "tag-${{ github.ref_name }}", "queue": "max"}
WHOLE = {"fetch-depth": 0, "filter": "blob:limit=1m", "persist-credentials": False}
MERGE = {"fetch-depth": "${{ github.event_name == 'pull_request' && 2 || 0 }}", "persist-credentials": False}
ALONE = {"persist-credentials": False}
LFS = {"lfs": True}
FEW = {"filter": "blob:limit=1m"}


def workflow(name: str) -> dict[Any, Any]:
    document = yaml.safe_load((FOLDER / name).read_text())
    assert isinstance(document, dict)
    return document


def steps(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(job, step) for job, content in workflow(name)["jobs"].items() for step in content["steps"]]


def sessions(name: str) -> dict[str, list[str]]:
    """The commands of each job."""
    found: dict[str, list[str]] = {}
    for job, step in steps(name):
        if "run" in step:
            commands = re.findall(r"(?:nox -s|kaggle-offline) (.+)", step["run"])
            found.setdefault(job, []).extend(commands or [step["run"]])
    return found


def test_there_is_a_test_for_each() -> None:
    assert FILES == ["checks.yml", "image.yml", "nightly.yml", "pull-request.yml", "release.yml", "submit.yml"]


def test_every_job_that_runs_a_command_of_this_repository_sets_up_alike() -> None:
    for name in FILES:
        for job, content in workflow(name)["jobs"].items():
            used = [step.get("uses", "") for step in content["steps"]]
            runs = any(re.match("(if|nox|kaggle-offline)\\b", step.get("run", "")) for step in content["steps"])
            assert used.count("$/.github/actions/set-up") == runs, f"{name}: {job}"
    action = yaml.safe_load((REPOSITORY / ".github" / "actions" / "set-up" / "action.yml").read_text())
    first, *others = action["runs"]["steps"]
    assert first["with"] == {"enable-cache": False}
    assert all(step["shell"] == "bash" for step in others)


@pytest.mark.parametrize("name", FILES)
def test_every_secret_is_given_to_the_steps_that_need_it_alone(name: str) -> None:
    given = {}
    for _, step in steps(name):
        secrets = {variable for variable, value in step.get("env", {}).items() if "secrets." in str(value)}
        if secrets:
            given[step["name"]] = secrets
    wanted = {
        "submit.yml": {
            "Push": {"KAGGLE_API_TOKEN", "WANDB_API_KEY"},
            "Submit": {"KAGGLE_API_TOKEN", "WANDB_API_KEY", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"},
        },
        "image.yml": {"Capture the images": {"KAGGLE_API_TOKEN"}},
    }
    assert given == wanted.get(name, {})
    assert (FOLDER / name).read_text().count("secrets.") == sum(map(len, given.values()))


@pytest.mark.parametrize("name", FILES)
def test_every_job_has_an_end_and_is_named_and_none_may_fail_unseen(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    assert "continue-on-error" not in (FOLDER / name).read_text()
    for job in document["jobs"].values():
        assert {"name", "permissions", "timeout-minutes", "runs-on"} <= set(job)
        assert job.get("strategy", {"fail-fast": False})["fail-fast"] is False


def test_a_tag_submits_one_run_after_the_other() -> None:
    document = workflow("submit.yml")
    # YAML reads `on` as a truth.
    assert set(document[True]) == {"push", "workflow_call"}
    assert document[True]["push"] == {"tags": ["submit-**"]}
    assert document[True]["workflow_call"]["secrets"]["KAGGLE_API_TOKEN"]["required"] is False
    assert document["concurrency"] == WAITS
    submit = document["jobs"]["submit"]
    assert submit["concurrency"] == {"group": "competition-${{ matrix.chain }}", "queue": "max"}
    assert submit["environment"] == "kaggle"
    assert submit["if"] == "needs.plan.outputs.competitions != '[]'"
    trackers = {name for name in submit["env"] if name.startswith(("MLFLOW_", "WANDB_"))}
    assert {name: submit["env"][name] for name in trackers} == {name: f"${{{{ vars.{name} }}}}" for name in trackers}
    others = {name: value for name, value in submit["env"].items() if name not in trackers}
    assert others == {"COMPETITION": "${{ matrix.competition }}", "KAGGLE_TARGET": "kaggle"}
    assert sessions("submit.yml") == {
        "plan": ['plan "$GITHUB_REF_NAME"'],
        "submit": [
            'freeze "$COMPETITION"',
            'push --minutes 90 "$COMPETITION"',
            'submit --minutes 230 "$COMPETITION"',
        ],
    }
    checkouts = [step["with"] for _, step in steps("submit.yml") if step["name"] == "Check out"]
    assert checkouts == [WHOLE, ALONE | LFS]


@pytest.mark.parametrize(("name", "last"), [("pull-request.yml", "passed"), ("checks.yml", "checked")])
def test_a_pull_request_waits_for_everything(name: str, last: str) -> None:
    jobs = workflow(name)["jobs"]
    assert {"pull_request": None, "merge_group": None}.items() <= workflow(name)[True].items()
    assert set(jobs[last]["needs"]) == set(jobs) - {last}
    assert jobs[last]["if"] == "always()"
    (step,) = jobs[last]["steps"]
    assert step["if"] == "contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled')"


def test_a_pull_request_is_rehearsed_and_checked() -> None:
    document = workflow("pull-request.yml")
    assert set(document[True]) == {"pull_request", "merge_group", "workflow_call"}
    assert document["jobs"]["predict"]["if"] == "needs.plan.outputs.competitions != '[]'"
    assert sessions("pull-request.yml") == {
        "plan": ['plan --since "$BASE"'],
        "predict": ['predict --since "$BASE" "$COMPETITION"'],
        "passed": ["exit 1"],
    }
    checkouts = {job: step["with"] for job, step in steps("pull-request.yml") if step["name"] == "Check out"}
    assert checkouts == {"plan": MERGE | FEW, "predict": MERGE | LFS}
    assert sessions("checks.yml") == {
        "lint": ["lint"],
        "tests": ["tests"],
        "workflows": ["workflows"],
        "checked": ["exit 1"],
    }
    checkouts = {job: step["with"] for job, step in steps("checks.yml") if step["name"] == "Check out"}
    assert checkouts == {"lint": ALONE, "tests": ALONE | LFS, "workflows": ALONE}


def test_a_release_is_built_where_nothing_can_be_published() -> None:
    jobs = workflow("release.yml")["jobs"]
    assert sessions("release.yml") == {"build": ['release -- "$GITHUB_REF_NAME"']}
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"] == "release"
    assert not [step for step in jobs["publish"]["steps"] if "run" in step]
    *_, publish = jobs["publish"]["steps"]
    assert publish["with"]["attestations"] is True


def test_what_locks_cannot_write_and_what_writes_does_not_lock() -> None:
    jobs = workflow("image.yml")["jobs"]
    assert jobs["renew"]["permissions"] == {"contents": "read"}
    assert jobs["propose"]["permissions"] == {"contents": "write", "pull-requests": "write"}
    renewal = ["image -- recapture", "image -- rederive", "image -- renew"]
    assert sessions("image.yml") == {"renew": renewal, "propose": ["propose"]}


def test_the_night_runs_everything_on_every_python_and_the_benchmarks() -> None:
    document = workflow("nightly.yml")
    assert document["jobs"]["tests"]["strategy"]["matrix"] == {"python": ["3.11", "3.12", "3.13", "3.14"]}
    assert sessions("nightly.yml") == {"tests": ["tests workflows -- --everything"], "benchmarks": ["bench"]}


def test_dependabot_leaves_the_locks_of_competitions_alone() -> None:
    document = yaml.safe_load((REPOSITORY / ".github" / "dependabot.yml").read_text())
    (pip,) = (update for update in document["updates"] if update["package-ecosystem"] == "pip")
    for kernel in (REPOSITORY / "kernels").iterdir():
        lock = f"requirements/{kernel.name}.txt"
        assert any(fnmatch(lock, pattern) for pattern in pip["exclude-paths"]), f"add {lock} to exclude-paths"
    assert not any(fnmatch("requirements/dev.txt", pattern) for pattern in pip["exclude-paths"])
