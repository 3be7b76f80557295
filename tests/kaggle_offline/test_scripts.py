"""The command line in scripts: JSON on standard output, exit codes, silence, a message at the end, color."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kaggle_offline.repository.kernel_folder import KernelFolder

from tests.kaggle_offline.conftest import git, result_of

SCRIPT = """\
set -euo pipefail
kaggle-offline doctor --quiet small
kaggle-offline freeze push submit --json small > outcomes.jsonl
get() { python -c "import json, sys; print(json.load(sys.stdin)$1)"; }
echo "score $(tail -n 1 outcomes.jsonl | get '["results"]["small"]["submission"]["score"]')"
kaggle-offline history --json small | get '["submissions"]["small"][0]["status"]'
code=0
kaggle-offline push --json no-such-competition > error.json 2> error.txt || code=$?
echo "code $code"
"""


def run(repository: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KAGGLE_TARGET": "local", **variables}
    return subprocess.run(
        command, cwd=repository, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one line of JSON on standard output."""
    (line,) = done.stdout.splitlines()
    document: dict[str, Any] = json.loads(line)
    assert document["exit_code"] == done.returncode
    return document


@pytest.fixture
def committed(notebook: KernelFolder) -> Path:
    """A repository whose competition is frozen, and committed."""
    repository = notebook.repository
    (repository / ".gitignore").write_text("/build/\n/data/\n/.kaggle-local/\n/*.json*\n")
    metadata = notebook.folder / "kernel-metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "is_private": True}))
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Begin")
    return repository


def test_a_script_reads_the_outcome_and_the_exit_code(committed: Path) -> None:
    done = run(committed, "bash", "-c", SCRIPT)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = [json.loads(line) for line in (committed / "outcomes.jsonl").read_text().splitlines()]
    assert [document["command"] for document in outcomes] == ["freeze", "push", "submit"]
    assert {document["exit_code"] for document in outcomes} == {0}
    score = outcomes[-1]["results"]["small"]["submission"]["score"]
    assert done.stdout.splitlines() == [f"score {score}", "complete", "code 10"]
    # Everything else is on standard error.
    assert "pushed, running without a network" in done.stderr
    error = json.loads((committed / "error.json").read_text())["error"]
    assert error["problem"] == "kernels/no-such-competition: no such competition folder"
    assert error["hint"] == "There are: small."
    assert error["problem"] in (committed / "error.txt").read_text()


def test_each_subcommand_that_asks_tells_it_in_json(committed: Path) -> None:
    found = outcome(run(committed, "kaggle-offline", "doctor", "--json"))
    assert found["findings"] == {"small": []}
    (committed / "kernels" / "small" / "kernel-metadata.json").write_text("{}")
    found = outcome(run(committed, "kaggle-offline", "doctor", "--json"))
    assert found["exit_code"] == 40
    assert set(found["findings"]["small"][0]) == {"problem", "cure"}
    git(committed, "checkout", "--quiet", ".")
    found = outcome(run(committed, "kaggle-offline", "plan", "submit-v1", "--json"))
    assert found["plan"]["reasons"] == {"small": "no submit tag covers it yet"}
    found = outcome(run(committed, "kaggle-offline", "status", "--json"))["status"]["small"]
    assert found["kernel"] == 0
    assert found["submission"] == ""
    # Options of every subcommand may come first.
    assert run(committed, "kaggle-offline", "--target", "local", "-q", "push", "submit").stdout == ""
    found = outcome(run(committed, "kaggle-offline", "status", "--json"))["status"]["small"]
    assert (found["kernel"], found["run"], found["submission_status"]) == (1, "complete", "complete")
    assert found["score"] is not None
    shown = run(committed, "kaggle-offline", "status").stdout
    assert "version 1, complete" in shown
    assert f"{found['score']:.5f} (submission {found['submission']})" in shown


def test_verbose_shows_programs_and_calls(committed: Path) -> None:
    done = run(committed, "kaggle-offline", "lock", "-v", "--upgrade")
    assert done.returncode == 0, done.stderr
    assert "pip compile" in done.stderr
    assert "exit code 0" in done.stderr
    assert "+ " not in done.stdout


def test_a_message_comes_at_the_end(committed: Path) -> None:
    program = committed / "tell.sh"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > told\n')
    program.chmod(0o755)
    assert run(committed, "kaggle-offline", "history", "--notify", "./tell.sh -t 'a b'").returncode == 0
    assert (committed / "told").read_text() == "-t\na b\nkaggle-offline history: done\n"
    told = run(committed, "kaggle-offline", "push", "submit", "--notify", "./tell.sh")
    assert told.returncode == 0, told.stderr
    score = result_of(committed / "build" / "small")["submission"]["score"]
    assert (committed / "told").read_text() == f"kaggle-offline submit: done, small {score:.5f}\n"
    failed = run(committed, "kaggle-offline", "push", "nothing", "--notify", "./tell.sh")
    assert failed.returncode == 10
    assert (committed / "told").read_text() == "kaggle-offline push: failed, exit code 10\n"
    in_json = outcome(run(committed, "kaggle-offline", "history", "--json", "--notify", "echo note"))
    assert list(in_json["submissions"]) == ["small"]
    without = run(committed, "kaggle-offline", "history", "--notify", "./nowhere")
    assert without.returncode == 0
    assert "--notify ./nowhere: " in without.stderr


def test_the_target_of_the_option_comes_first(committed: Path) -> None:
    done = run(committed, "kaggle-offline", "history", "--target", "local", KAGGLE_TARGET="nowhere")
    assert done.returncode == 0, done.stderr
    assert run(committed, "kaggle-offline", "history", KAGGLE_TARGET="nowhere").returncode == 13
    detached = run(committed, "kaggle-offline", "push", "--detach")
    assert detached.returncode == 13
    assert "the local Kaggle runs as long as the command" in detached.stderr
    chained = run(committed, "kaggle-offline", "push", "submit", "--detach", "--target", "kaggle")
    assert chained.returncode == 2
    assert "run one alone" in chained.stderr
    hint = run(committed, "kaggle-offline", "submit", "--target", "local").stderr
    assert "Run: kaggle-offline freeze push small --target local" in hint


def on_a_terminal(repository: Path, **variables: str) -> str:
    """Return what a terminal shows of an error."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    command = [sys.executable, "-m", "kaggle_offline", "push", "no\x1b[31mthing"]
    subprocess.run(
        command, cwd=repository, env=environment | variables, stdout=theirs, stderr=theirs, stdin=theirs, check=False
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        # Linux says so at the end of a terminal.
        pass
    os.close(ours)
    return shown.decode()


def test_color_is_for_terminals_that_want_it(committed: Path) -> None:
    shown = on_a_terminal(committed, TERM="xterm")
    assert "\x1b[1;31mkaggle-offline:\x1b[0m kernels/no\N{REPLACEMENT CHARACTER}[31mthing" in shown
    assert "\x1b" not in on_a_terminal(committed, TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(committed, TERM="dumb")
    assert "\x1b" not in run(committed, "kaggle-offline", "push", "nothing", TERM="xterm").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell: str, committed: Path) -> None:
    # A shell runs its start-up file in the home, outside of any repository.
    assert "kaggle-offline" in run(committed.parent.parent, "kaggle-offline", "completion", shell).stdout
    line = "kaggle-offline push sm"
    answer = committed / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": shell,
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = run(committed, "kaggle-offline", **asked)
    assert done.returncode == 0, done.stderr
    assert answer.read_text().split()[0] == "small"
