"""The command is killed at an API call, or runs twice at once: what it is for is done, and done once."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.faults import Fault
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.server import serve

from tests.canary import USER
from tests.end_to_end.fault_matrix import TOKEN, copied, kaggle_of
from tests.kaggle_offline.conftest import result_of
from tests.killing import DIE_AT_CALL, KILL_AT, SIGNAL
from tests.sharing import made_once

# A push and a submit make about as many calls.
CALLS = 40
BY_DAY = (20,)

# Each with its call: every call with the end that nothing can handle, and with one of the others in turn.
KILLS = [(call, signal.SIGKILL) for call in range(1, CALLS + 1)]
KILLS += zip(range(1, CALLS + 1), itertools.cycle((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)), strict=False)
KILLS_BY_DAY = [(call, signal.SIGKILL) for call in BY_DAY]

# The Kaggle that stands in for kaggle.com is on this machine, and need not be waited for as long.
PUSH_AND_SUBMIT = """
# A shell has what it starts in the background ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from kaggle_offline.cli import main
from kaggle_offline.delivery.target import PATIENCE
PATIENCE["kaggle"] = PATIENCE["local"]
raise SystemExit(main(["push"]) or main(["submit"]))
"""


def start(repository: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start push and submit, as one process."""
    return subprocess.Popen(
        [sys.executable, "-c", DIE_AT_CALL + PUSH_AND_SUBMIT],
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


def result_in(repository: Path) -> dict[str, Any]:
    return result_of(repository / "build" / "small")


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


def go(
    prepared: Path, folder: Path, *, embedded: bool, kill_at: int = 0, end: signal.Signals = signal.SIGKILL
) -> dict[str, Any]:
    """Push and submit, be ended at a call by a signal, and do it again; return what is recorded at last."""
    repository = copied(prepared, folder, "first")
    with kaggle_of(folder, prepared, repository) as local:
        variables = {"KAGGLE_TARGET": "local" if embedded else "kaggle"}
        if kill_at and embedded:
            # The Kaggle that is killed is in the process.
            with start(repository, {**variables, KILL_AT: str(kill_at), SIGNAL: str(int(end))}) as process:
                process.communicate(timeout=120)
        elif kill_at:
            with start(repository, variables) as process, killing_at(kill_at, end, local, process):
                process.communicate(timeout=120)
        if kill_at in BY_DAY:
            # The commands make more calls than that. They answer Ctrl-C themselves.
            assert process.returncode == (130 if end == signal.SIGINT else -end)
        said = finish(start(repository, variables))
        assert "score 0.66667" in said
        if not embedded:
            assert held(local, USER) == ONCE
    if embedded:
        with serve(repository / ".kaggle-local") as local:
            assert held(local, "kaggler") == ONCE
    result = result_in(repository)
    assert result["submission"]["score"] == pytest.approx(2 / 3, abs=1e-5)
    return {name: result[name]["digest"] for name in ("packages", "models", "kernel")}


@contextmanager
def killing_at(call: int, end: signal.Signals, local: LocalKaggle, process: subprocess.Popen[str]) -> Iterator[None]:
    """Send a process a signal when a Kaggle gets its so many-th call, which still has its effect."""
    take, left = local.faults.take, itertools.count(call - 1, -1)

    def counted(place: str, size: float = 0) -> Fault | None:
        if next(left) == 0:
            process.send_signal(end)
        return take(place, size)

    local.faults.take = counted  # type: ignore[method-assign]
    yield


@pytest.fixture(scope="module")
def undisturbed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The digests of what is published where nothing is killed, with the embedded Kaggle and with the other."""

    def make(folder: Path) -> None:
        kinds = {kind: go(prepared, folder / kind, embedded=kind == "embedded") for kind in ("embedded", "other")}
        (folder / "digests.json").write_text(json.dumps(kinds))

    found = json.loads((made_once(tmp_path_factory, "undisturbed", make) / "digests.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kind", ["embedded", pytest.param("other", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(kill, id=f"{kill[0]}-{kill[1].name}", marks=[] if kill in KILLS_BY_DAY else pytest.mark.nightly)
        for kill in KILLS
    ],
)
def test_ended_at_a_call_it_finishes_when_run_again(
    kill: tuple[int, signal.Signals], kind: str, prepared: Path, tmp_path: Path, undisturbed: dict[str, dict[str, str]]
) -> None:
    """With a Kaggle that lives on, as kaggle.com does, and with the embedded one, which dies with the command."""
    call, end = kill
    published = go(prepared, tmp_path / "work", embedded=kind == "embedded", kill_at=call, end=end)
    assert published == undisturbed[kind]


@pytest.mark.parametrize("scenario", ["first", pytest.param("update", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "where",
    [*(pytest.param(where, marks=pytest.mark.nightly) for where in ("one clone, embedded", "one clone")), "two clones"],
)
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
    first, second = map(result_in, clones)
    for name in ("packages", "models"):
        assert (first[name]["version"], first[name]["digest"]) == (second[name]["version"], second[name]["digest"])
    assert (first["kernel"], first["submission"]) == (second["kernel"], second["submission"])
