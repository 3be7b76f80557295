"""The command is killed at random points, or runs twice at once: what it is for is done, and done once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.server import LocalKaggle, serve
from kaggle_offline.kernel_folder import read_kernel_folder
from kaggle_offline.result import read_result

from tests.canary import USER
from tests.end_to_end.fault_matrix import TOKEN, copied, kaggle_of, prepare

pytestmark = pytest.mark.slow

KILLS = 30

# What stands in for kaggle.com is on this machine, and need not be waited for as long.
PUSH_AND_SUBMIT = """
from kaggle_offline.__main__ import main
from kaggle_offline.target import PATIENCE
PATIENCE["kaggle"] = PATIENCE["local"]
raise SystemExit(main(["push"]) or main(["submit"]))
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder)
    return folder


def start(repository: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start push and submit, as one process."""
    return subprocess.Popen(
        [sys.executable, "-c", PUSH_AND_SUBMIT],
        cwd=repository,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for its end, which must be a good one; return what it said."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert TOKEN not in output
    return output


def result_of(repository: Path) -> dict[str, Any]:
    return read_result(read_kernel_folder(repository, "small").build)


def held(local: LocalKaggle, user: str, before: int = 0) -> dict[str, int]:
    """How many versions and submissions of ``user`` there are, less those that were there ``before``."""
    kernel = local.storage.kernels.get(user, "small-kernel")
    packages, models = (
        local.storage.resources.versions("dataset", f"{user}/small-{n}") for n in ("packages", "models")
    )
    submissions = local.storage.submissions.of_user("small", user)
    return {
        "packages": len(packages) - before,
        "models": len(models),
        "kernel": (kernel.number if kernel else 0) - before,
        "submissions": len(submissions),
    }


ONCE = {"packages": 1, "models": 1, "kernel": 1, "submissions": 1}


def test_it_is_killed_at_thirty_points_and_finishes_when_run_again(prepared: Path, tmp_path: Path) -> None:
    """By turns with a Kaggle that lives on, as kaggle.com does, and with the embedded one, which dies with it."""
    moments = random.Random(5)  # noqa: S311 - nothing secret
    longest, digests, alive = {True: 0.0, False: 0.0}, set(), 0
    for number in range(-2, KILLS):
        embedded = number % 2 == 1
        repository = copied(prepared, tmp_path / str(number), "first")
        with kaggle_of(tmp_path / str(number), prepared, repository) as local:
            variables = {"KAGGLE_TARGET": "local"} if embedded else {"KAGGLE_TARGET": "kaggle"}
            if number >= 0:
                with start(repository, variables) as process:
                    time.sleep(moments.uniform(0.2, longest[embedded]))
                    alive += process.poll() is None
                    process.send_signal(signal.SIGKILL)
            started = time.monotonic()
            finish(start(repository, variables))
            if number < 0:
                longest[embedded] = time.monotonic() - started
            if not embedded:
                assert held(local, USER) == ONCE
        if embedded:
            with serve(repository / ".kaggle-local") as local:
                assert held(local, "kaggler") == ONCE
        result = result_of(repository)
        assert result["submission"]["score"] == pytest.approx(2 / 3, abs=1e-5)
        digests.add((embedded, result["packages"]["digest"], result["models"]["digest"], result["kernel"]["digest"]))
    assert len(digests) == 2, "one with each Kaggle: the embedded one's kernel sees a competition that was made here"
    assert alive >= KILLS / 2, "most kills hit a command at work"


@pytest.mark.parametrize("scenario", ["first", "update"])
@pytest.mark.parametrize("where", ["one clone, embedded", "one clone", "two clones"])
def test_two_at_once_publish_once(where: str, scenario: str, prepared: Path, tmp_path: Path) -> None:
    clones = [copied(prepared, tmp_path / "a", scenario)]
    clones.append(copied(prepared, tmp_path / "b", scenario) if where == "two clones" else clones[0])
    variables = {"KAGGLE_TARGET": "local" if "embedded" in where else "kaggle"}
    before = 1 if scenario == "update" and "embedded" not in where else 0
    with kaggle_of(tmp_path, prepared, clones[0], populated=scenario == "update") as local:
        for said in map(finish, [start(clone, variables) for clone in clones]):
            assert "score 0.66667" in said
        if "embedded" not in where:
            assert held(local, USER, before) == ONCE
    if "embedded" in where:
        with serve(clones[0] / ".kaggle-local") as local:
            assert held(local, "kaggler") == ONCE
    first, second = map(result_of, clones)
    for name in ("packages", "models"):
        assert (first[name]["version"], first[name]["digest"]) == (second[name]["version"], second[name]["digest"])
    assert (first["kernel"], first["submission"]) == (second["kernel"], second["submission"])
