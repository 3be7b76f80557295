"""Every job that a person or a workflow runs; `nox -l` lists them."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
# What follows a failed stage must not run: a submit after a failed push would hand in an older version.
nox.options.stop_on_first_error = True
nox.options.sessions = ["freeze", "push", "submit"]

PROJECT = Path(".nox/project")
KERNEL = Path("kernels/plant-pathology-2021-fgvc8")
IMAGE = Path("requirements/images/kaggle-gpu-2026-05.txt")

# Much of the tools' tests is waiting for processes: a worker for each core, a file to one of them.
PYTEST = ["python", "-m", "pytest", "-p", "tests.canary", "--numprocesses", "auto", "--dist", "loadfile"]
# Have a session of their own.
WORKFLOWS = "tests/workflows"


@nox.session
def freeze(session: nox.Session) -> None:
    """Make dataset folders with just what Kaggle's image lacks: nox -s freeze [-- COMPETITION ...]."""
    _install_tools(session)
    session.run("kaggle-offline", "freeze", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Pin what is shipped, show what is provided, added, replaced: nox -s lock [-- --upgrade [PACKAGE]]."""
    _install_tools(session)
    session.run("kaggle-offline", "lock", *session.posargs)


@nox.session
def image(session: nox.Session) -> None:
    """Capture what Kaggle's image holds, compare two, follow: nox -s image -- capture|diff|recapture|renew."""
    _install_tools(session)
    session.run("kaggle-offline", "image", *(session.posargs or ["--help"]))


@nox.session(venv_backend="none")
def propose(session: nox.Session) -> None:
    """Open a pull request with what `image -- renew` changed; takes GitHub's `gh`, logged in."""
    renewal, branch, title = Path("build/images/renewal").resolve(), "renew-images", "Follow Kaggle's image"
    if not (renewal / "change.patch").exists():
        session.log("the images are as they were: nothing to propose")
        return
    identity = ["-c", "user.name=github-actions[bot]", "-c", "user.email=github-actions[bot]@users.noreply.github.com"]
    # The token stays where gh keeps it.
    credentials = ["-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential"]
    with tempfile.TemporaryDirectory() as tree:
        git = ["git", "-C", tree]
        session.run("git", "worktree", "add", "--force", "--detach", tree, "HEAD", external=True)
        try:
            session.run(*git, "apply", "--index", str(renewal / "change.patch"), external=True)
            session.run(*git, *identity, "commit", "--quiet", "--message", title, external=True)
            session.run(*git, *credentials, "push", "--force", "origin", f"HEAD:refs/heads/{branch}", external=True)
        finally:
            session.run("git", "worktree", "remove", "--force", tree, external=True)
    # One that is open from the week before has been renewed by the push.
    known = session.run("gh", "pr", "list", "--head", branch, "--json", "number", external=True, silent=True)
    verb = ["edit", branch] if json.loads(str(known)) else ["create", "--head", branch]
    text = ["--title", title, "--body-file", str(renewal / "description.md")]
    session.run("gh", "pr", *verb, *text, external=True)


@nox.session
def push(session: nox.Session) -> None:
    """Publish what changed to KAGGLE_TARGET, push the kernel, see its offline run through."""
    _install_tools(session)
    session.run("kaggle-offline", "push", *session.posargs)


@nox.session
def submit(session: nox.Session) -> None:
    """Hand in the kernel that ran through and print its score."""
    _install_tools(session)
    session.run("kaggle-offline", "submit", *session.posargs)


@nox.session
def history(session: nox.Session) -> None:
    """Show what was submitted to KAGGLE_TARGET, newest first: tag, commit, versions, score."""
    _install_tools(session)
    session.run("kaggle-offline", "history", *session.posargs)


@nox.session
def plan(session: nox.Session) -> None:
    """Show what a tag would submit before it is set: nox -s plan -- submit-v4, or -- --since main."""
    _install_tools(session)
    session.run("kaggle-offline", "plan", *session.posargs)


@nox.session
def predict(session: nox.Session) -> None:
    """Do as a pull request does: rehearse what changed and compare its score: nox -s predict [-- COMPETITION ...]."""
    _install_tools(session)
    session.run("kaggle-offline", "predict", *session.posargs)


@nox.session
def train(session: nox.Session) -> None:
    """Train on the synthetic set, write a checkpoint: nox -s train [-- --epochs 20 ...], --help for more."""
    python = _project(session)
    data = Path("build/train")
    own_data = {"-h", "--help", "--data"} & {option.partition("=")[0] for option in session.posargs}
    if not own_data and not (data / "competition.toml").exists():
        images = ["--train", "6000", "--public", "8", "--hidden", "8", "--size", "600x400", "--seed", "1"]
        session.run(python, "-m", "plant_pathology.synthetic", str(data), *images, external=True)
    files = ["--data", str(data / "public"), "--output", str(KERNEL / "checkpoints"), "--run", "build/training"]
    session.run(python, "-m", "plant_pathology.train", *files, *session.posargs, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: nox -s tests [-- -m "not slow"]."""
    # Many of the tests' processes are short: to compile what each imports would be most of what they do.
    _install_tools(session, "--compile-bytecode")
    project = ["tests/plant_pathology"]
    session.run(_project(session), "-m", "pytest", *project, *session.posargs, external=True, success_codes=[0, 5])
    left = [f"--ignore={path}" for path in [*project, WORKFLOWS]]
    session.run(*PYTEST, *left, *session.posargs, success_codes=[0, 5])


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types: ruff, and mypy as strict as it gets."""
    _install_tools(session)
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    project = ["packages/plant-pathology/src", "tests/plant_pathology", "benchmarks/predict.py"]
    tools = ["noxfile.py", "packages/kaggle-local/src", "packages/kaggle-offline/src"]
    tools += [
        *sorted(str(path) for path in Path("benchmarks").glob("*.py") if path.stem != "predict"),
        "tests/conftest.py",
        "tests/canary.py",
        "tests/test_canary.py",
        "tests/kaggle_local",
        "tests/kaggle_offline",
        "tests/end_to_end",
        WORKFLOWS,
    ]
    session.run("mypy", *tools)
    session.run("mypy", "--python-executable", _project(session), *project)


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the GitHub workflows, and run them on this machine: nox -s workflows [-- -k submit]."""
    _install_tools(session, "--compile-bytecode")
    session.run("actionlint")
    session.run("zizmor", "--quiet", "--offline", "--persona", "auditor", "--strict-collection", ".github")
    session.run(*PYTEST, WORKFLOWS, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against what a user would do otherwise: nox -s bench [-- freeze|local|pipeline|plan|predict]."""
    _install_tools(session)
    for name in session.posargs or sorted(path.stem for path in Path("benchmarks").glob("*.py")):
        python = _project(session) if name == "predict" else "python"
        session.run(python, f"benchmarks/{name}.py", external=True)


@nox.session(name="lock-dev")
def lock_dev(session: nox.Session) -> None:
    """Renew requirements/dev.txt from dev.in: nox -s lock-dev [-- --upgrade]."""
    session.install("pip", "pip-tools")
    options = ["--generate-hashes", "--allow-unsafe", "--strip-extras", "--quiet"]
    # Where the packages come from is this machine's affair.
    options += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options"]
    files = ["--output-file", "requirements/dev.txt", "requirements/dev.in"]
    env = {"CUSTOM_COMPILE_COMMAND": "nox -s lock-dev"}
    session.run("pip-compile", *options, *session.posargs, *files, env=env)


def _install_tools(session: nox.Session, *options: str) -> None:
    """Install the tools of this repository and what they need, as dev.txt pins it; ``options`` are uv's."""
    session.install("--require-hashes", *options, "--requirement", "requirements/dev.txt", silent=True)
    packages = ["--editable", "packages/kaggle-local", "--editable", "packages/kaggle-offline"]
    session.install("--no-deps", "--no-build-isolation", *packages, silent=True)


def _project(session: nox.Session) -> str:
    """Make an environment with the competition's package and the image's versions; return its Python.

    What is trained and tested here is what predicts on Kaggle. torch comes in the build for this
    machine's accelerator where the index of those builds answers, else from the package index.
    """
    python = PROJECT / "bin" / "python"
    if not python.exists():
        shutil.rmtree(PROJECT, ignore_errors=True)
        # The image's Python, or the one before it: what the image pins has wheels for both, not for newer ones.
        venv = ["uv", "venv", "--quiet", "--python", ">=3.11,<3.13", str(PROJECT)]
        session.run(*venv, external=True)
    pins = [line.partition("+")[0] for line in IMAGE.read_text().splitlines() if not line.startswith("#")]
    constraints = Path(session.create_tmp()) / "image.txt"
    constraints.write_text("\n".join(p for p in pins if not re.match("nvidia-|cuda-", p)) + "\n")
    install = ["uv", "pip", "install", "--quiet", "--python", str(python), "--constraint", str(constraints)]
    install += ["--editable", "packages/plant-pathology[train]"]
    install += ["hypothesis", "pandas-stubs", "pytest", "types-tqdm"]
    accelerated = [*install, "--torch-backend", "auto"]
    # Only asked, so that a machine that cannot reach that index is no failure.
    once = {"UV_HTTP_RETRIES": "0"}
    ask = [*accelerated, "--dry-run"]
    answer = session.run(*ask, external=True, env=once, success_codes=[0, 1, 2], silent=True, log=False)
    session.run(*(install if "error:" in (answer or "") else accelerated), external=True)
    return str(python)
