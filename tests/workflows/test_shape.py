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
TOKEN = "${{ secrets.KAGGLE_API_TOKEN }}"


def workflow(name: str) -> dict[Any, Any]:
    document = yaml.safe_load((FOLDER / name).read_text())
    assert isinstance(document, dict)
    return document


def steps(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(job, step) for job, content in workflow(name)["jobs"].items() for step in content["steps"]]


def sessions(name: str) -> dict[str, list[str]]:
    """The commands of each job, without those that are every job's."""
    found: dict[str, list[str]] = {}
    for job, step in steps(name):
        if step["name"] not in ("Install nox", "Allow user namespaces") and "run" in step:
            commands = re.findall(r"\.venv/bin/nox -s (.+)", step["run"])
            found.setdefault(job, []).extend(commands or [step["run"]])
    return found


def test_there_is_a_test_for_each() -> None:
    assert FILES == ["image.yml", "nightly.yml", "pull-request.yml", "submit.yml"]


@pytest.mark.parametrize("name", FILES)
def test_the_token_is_given_to_the_steps_that_talk_to_kaggle_alone(name: str) -> None:
    given = {step["name"] for _, step in steps(name) if step.get("env", {}).get("KAGGLE_API_TOKEN") == TOKEN}
    wanted = {"submit.yml": {"Push", "Submit"}, "image.yml": {"Capture the images"}}
    assert given == wanted.get(name, set())
    assert (FOLDER / name).read_text().count("secrets.") == len(given)


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
    assert document[True] == {"push": {"tags": ["submit-**"]}}
    assert document["concurrency"] == WAITS
    submit = document["jobs"]["submit"]
    assert submit["concurrency"] == {"group": "competition-${{ matrix.chain }}", "queue": "max"}
    assert submit["environment"] == "kaggle"
    assert submit["if"] == "needs.plan.outputs.competitions != '[]'"
    assert submit["env"] == {"COMPETITION": "${{ matrix.competition }}", "KAGGLE_TARGET": "kaggle"}
    assert sessions("submit.yml") == {
        "plan": ['plan -- "$GITHUB_REF_NAME"'],
        "submit": [
            'freeze -- "$COMPETITION"',
            'push -- --minutes 90 "$COMPETITION"',
            'submit -- --minutes 230 "$COMPETITION"',
        ],
    }
    checkouts = [step["with"] for _, step in steps("submit.yml") if step["name"] == "Check out"]
    assert checkouts == [WHOLE, ALONE | LFS]


def test_a_pull_request_waits_for_everything() -> None:
    document = workflow("pull-request.yml")
    assert document[True] == {"pull_request": None, "merge_group": None}
    jobs = document["jobs"]
    assert set(jobs["passed"]["needs"]) == set(jobs) - {"passed"}
    assert jobs["passed"]["if"] == "always()"
    (last,) = jobs["passed"]["steps"]
    assert last["if"] == "contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled')"
    assert jobs["predict"]["if"] == "needs.plan.outputs.competitions != '[]'"
    assert sessions("pull-request.yml") == {
        "lint": ["lint"],
        "tests": ["tests"],
        "workflows": ["workflows"],
        "plan": ['plan -- --since "$BASE"'],
        "predict": ['predict -- --since "$BASE" "$COMPETITION"'],
        "passed": ["exit 1"],
    }
    checkouts = {job: step["with"] for job, step in steps("pull-request.yml") if step["name"] == "Check out"}
    assert checkouts == {
        "lint": ALONE,
        "tests": ALONE | LFS,
        "workflows": ALONE,
        "plan": MERGE | FEW,
        "predict": MERGE | LFS,
    }


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
