"""GitHub's part in a workflow run, played by `act`: the real workflow, on a real event, as a hosted runner has it.

Each job has a user without capabilities, an empty home, Ubuntu's Python and a clone that is as deep as its check-out
says. The actions that check out, install uv and hand artifacts over have stand-ins, as they need GitHub. Act knows
neither the `queue` of a concurrency group, which is left out, as there is no other run to wait for, nor `$/`, the
repository of the workflow itself, for which `./` stands.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaggle_local.interpreters import OWN_VERSION, find_python
from kaggle_local.local_kaggle import LocalKaggle

from tests.stand_in import environment_of

_RUNNER = "ubuntu-24.04"
_QUEUE = re.compile(r"^ +queue: max\n", re.MULTILINE)
# The repository of a workflow itself, at its commit: act finds the same in what is checked out.
_SELF = "uses: $/"

# Variables that a runner does not have.
_OURS = ("KAGGLE_", "GITHUB_", "NOX_", "PYTEST_", "UV_PROJECT_", "UV_EXCLUDE_NEWER", "UV_PYTHON", "VIRTUAL_ENV")

# The time limit of any run, far beyond what it takes.
_SECONDS = 900

# The runner's Python.
_PYTHON = "3.12"

# As actions/checkout does it: a new clone of the event's commit, its tag, and as much of the history as it is told.
_CHECK_OUT = """\
find . -mindepth 1 -delete
git init --quiet
git remote add origin "file://$ORIGIN"
if [ "$FETCH_DEPTH" = 0 ]; then
  refs=('+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*')
  git fetch --quiet ${FILTER:+"--filter=$FILTER"} origin "${refs[@]}"
else
  case "$GITHUB_REF" in refs/tags/*) tag="+$GITHUB_REF:$GITHUB_REF" ;; *) tag= ;; esac
  git fetch --quiet --no-tags --depth "${FETCH_DEPTH:-1}" origin "$GITHUB_SHA" ${tag:+"$tag"}
fi
git checkout --quiet --detach "$GITHUB_SHA"
"""

# Each is given its inputs in variables; where artifacts are, the test says.
_ACTIONS = {
    "actions/checkout": (["fetch-depth", "filter", "lfs", "persist-credentials"], _CHECK_OUT),
    "astral-sh/setup-uv": ([], "uv --version"),
    "actions/upload-artifact": (
        ["name", "path", "if-no-files-found", "overwrite", "retention-days", "compression-level"],
        'if [ -e "$PATH_" ]; then mkdir -p "$ARTIFACTS/$NAME" && cp -r "$PATH_/." "$ARTIFACTS/$NAME"; fi',
    ),
    "actions/download-artifact": (
        ["pattern", "merge-multiple", "path"],
        'mkdir -p "$PATH_" && if [ -e "$ARTIFACTS/$PATTERN" ]; then cp -r "$ARTIFACTS/$PATTERN/." "$PATH_"; fi',
    ),
}


@dataclass(frozen=True)
class Run:
    """A workflow run: all that act printed, and that as entries."""

    output: str = field(repr=False)
    entries: list[dict[str, Any]] = field(repr=False)

    def steps(self, job: str, competition: str = "") -> dict[str, str]:
        """The steps' results, by name, of a job, or of one of a matrix."""
        return {
            entry["step"]: entry["stepResult"]
            for entry in self._of(job, competition)
            if "stepResult" in entry and entry.get("stage") == "Main" and len(entry["stepID"]) == 1
        }

    def competitions(self, job: str) -> set[str]:
        """Those that a job was run for."""
        return {entry["matrix"]["competition"] for entry in self._of(job, "") if entry.get("matrix")}

    def log(self, job: str, competition: str = "") -> str:
        """Return the output of a job's commands."""
        return "".join(entry["msg"] for entry in self._of(job, competition) if entry.get("raw_output"))

    def summary(self, job: str, competition: str = "") -> str:
        """Return the summary that a job shows on the run's page."""
        return "".join(entry["content"] for entry in self._of(job, competition) if entry.get("command") == "summary")

    def result(self, job: str) -> str:
        """How a job ended: ``success``, ``failure``, or nothing where it was not run; of a matrix all as one."""
        return next((entry["jobResult"] for entry in reversed(self._of(job, "")) if "jobResult" in entry), "")

    def _of(self, job: str, competition: str) -> list[dict[str, Any]]:
        found = [entry for entry in self.entries if entry.get("jobID") == job]
        return [e for e in found if not competition or (e.get("matrix") or {}).get("competition") == competition]


def run_workflow(
    clone: Path,
    workflow: str,
    event: str,
    payload: dict[str, Any],
    folder: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    called: tuple[str, Path] | None = None,
) -> Run:
    """Have act run a workflow of what a clone has checked out.

    Args:
        clone: where the workflow is, and where the jobs clone from.
        workflow: the file's name.
        event: its kind, such as ``push``.
        payload: what GitHub would tell of it.
        folder: for what the run leaves: ``artifacts/``, and a home of its own.
        options: further ones of act's.
        environment: further variables of every step.
        secrets: what the workflow may give to steps; through a pipe, so that no file has them.
        called: another repository whose workflow it calls, as ``owner/name@commit``, and a copy of it, which is edited.
    """
    text = (clone / ".github" / "workflows" / workflow).read_text()
    # A run sees no other's.
    shutil.rmtree(folder / "artifacts", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / workflow).write_text(_runnable(text, "./{}"))
    (folder / "event.json").write_text(json.dumps(payload))
    command = ["act", event, "--eventpath", str(folder / "event.json"), "--workflows", str(folder / workflow)]
    command += ["--platform", f"{_RUNNER}=-self-hosted", "--no-skip-checkout", "--no-cache-server", "--json"]
    command += ["--action-cache-path", str(folder / "act"), *options]
    tool = clone
    if called is not None:
        name, tool = called
        command += ["--local-repository", f"https://github.com/{name}={tool}"]
        there = "{}/{{}}@{}".format(*name.split("@"))
        for path in (tool / ".github" / "workflows").glob("*.yml"):
            path.write_text(_runnable(path.read_text(), there))
    used = [path.read_text() for path in (tool / ".github").glob("*/**/*.yml")]
    for use in sorted(set(re.findall(r"uses: (\S+)", "".join(used)))):
        action = use.partition("@")[0]
        if action in _ACTIONS:
            command += ["--local-repository", f"https://github.com/{use}={_stand_in(folder, action)}"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    # Packages come from where they come from in any test.
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    variables |= {"HOME": str(folder / "home"), "UV_CACHE_DIR": cache, "ARTIFACTS": str(folder / "artifacts")}
    variables |= {"ORIGIN": str(clone), **(environment or {})}
    python = folder / "bin" / "python3"
    if not python.exists():
        python.parent.mkdir()
        python.symlink_to(find_python(_PYTHON) or find_python(OWN_VERSION) or sys.executable)
    variables["PATH"] = f"{python.parent}:{variables['PATH']}"
    # Root becomes a user without capabilities, whose files are still those that it owns.
    ordinary = ["unshare", "--user", "--map-user=1001", "--map-group=1001", "--"] if os.geteuid() == 0 else []
    pipe, write = os.pipe()
    os.write(write, "".join(f"{name}={value}\n" for name, value in (secrets or {}).items()).encode())
    os.close(write)
    with os.fdopen(pipe):
        result = subprocess.run(
            [*ordinary, *command, "--secret-file", f"/dev/fd/{pipe}"],
            cwd=clone,
            env=variables,
            pass_fds=[pipe],
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
    shutil.rmtree(folder / "act", ignore_errors=True)
    entries = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return Run(output=result.stdout + result.stderr, entries=entries)


def _runnable(text: str, own: str) -> str:
    """Return a workflow as act understands it; ``own`` is how it refers to an action of its own repository."""
    runnable, queues = _QUEUE.subn("", text)
    assert queues == text.count("queue:"), "no more is edited than that"
    return re.sub(rf"{re.escape(_SELF)}(\S+)", lambda found: f"uses: {own.format(found[1])}", runnable)


def way_to(kaggle: LocalKaggle) -> dict[str, str]:
    """The variables that lead a run's steps to what stands in for kaggle.com, without the token, which is a secret."""
    return {name: value for name, value in environment_of(kaggle).items() if name != "KAGGLE_API_TOKEN"}


def _stand_in(folder: Path, action: str) -> Path:
    inputs, command = _ACTIONS[action]
    place = folder / "actions" / action
    place.mkdir(parents=True, exist_ok=True)
    variables = {("PATH_" if name == "path" else name.upper().replace("-", "_")): name for name in inputs}
    document = {
        "name": action,
        "description": "Stands in for it.",
        "inputs": {name: {"description": name} for name in inputs},
        "runs": {
            "using": "composite",
            "steps": [
                {
                    "shell": "bash",
                    "run": command,
                    "env": {variable: f"${{{{ inputs.{name} }}}}" for variable, name in variables.items()},
                }
            ],
        },
    }
    # JSON is YAML.
    (place / "action.yml").write_text(json.dumps(document))
    return place
