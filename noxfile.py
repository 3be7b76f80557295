"""Every job that a person or a workflow runs; `nox -l` lists them."""

import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
# What follows a failed stage must not run: a submit after a failed push would hand in an older version.
nox.options.stop_on_first_error = True
nox.options.sessions = ["freeze", "push", "submit"]

# Of packages/, what serves every competition, and what kernels share; the tests of both have one environment.
TOOLS = ("kaggle-local", "kaggle-offline")
SHARED = ("competition-kit",)
# The competition whose checkpoints are trained here.
LEAVES = "plant-pathology-2021-fgvc8"

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
def new(session: nox.Session) -> None:
    """Begin a competition: nox -s new -- COMPETITION [--kind image|tabular|text] [--from NOTEBOOK.ipynb]."""
    _install_tools(session)
    session.run("kaggle-offline", "new", *(session.posargs or ["--help"]))


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
def doctor(session: nox.Session) -> None:
    """Find what would go wrong, before it does: nox -s doctor [-- COMPETITION ...]."""
    _install_tools(session)
    session.run("kaggle-offline", "doctor", *session.posargs)


@nox.session
def probe(session: nox.Session) -> None:
    """Ask KAGGLE_TARGET what nobody has reported, and print a table for an issue; deletes what it makes."""
    _install_tools(session)
    session.run("kaggle-offline", "probe", *session.posargs)


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
    """Train on synthetic leaves, write a checkpoint: nox -s train [-- --epochs 20 ...], --help for more."""
    python = _project(session, LEAVES)
    data = Path("build/train")
    own_data = {"-h", "--help", "--data"} & {option.partition("=")[0] for option in session.posargs}
    if not own_data and not (data / "competition.toml").exists():
        images = ["--train", "6000", "--public", "8", "--hidden", "8", "--size", "600x400", "--seed", "1"]
        session.run(python, "-m", "plant_pathology.synthetic", str(data), *images, external=True)
    files = ["--data", str(data / "public"), "--output", f"kernels/{LEAVES}/checkpoints", "--run", "build/training"]
    session.run(python, "-m", "plant_pathology.train", *files, *session.posargs, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, or those of competitions alone: nox -s tests [-- COMPETITION ...] [-m "not slow"]."""
    competitions = _competitions()
    named = list(takewhile(lambda word: not word.startswith("-"), session.posargs))
    options = session.posargs[len(named) :]
    unknown = sorted(set(named) - set(competitions))
    if unknown:
        session.error(f"{unknown[0]}: no such competition; there are {', '.join(competitions)}")
    for name in _one_of_each_package(named or competitions):
        if Path(_tests_of(name)).is_dir():
            command = [_project(session, name), "-m", "pytest", _tests_of(name)]
            session.run(*command, *options, external=True, success_codes=[0, 5])
    if not named:
        # Many of the tests' processes are short: to compile what each imports would be most of what they do.
        _install_tools(session, "--compile-bytecode")
        left = [f"--ignore={path}" for path in [*map(_tests_of, competitions), WORKFLOWS]]
        session.run(*PYTEST, *left, *options, success_codes=[0, 5])


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types: ruff, and mypy as strict as it gets."""
    _install_tools(session)
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    competitions = _competitions()
    theirs = set(map(_tests_of, competitions))
    tools = ["noxfile.py", *(f"packages/{name}/src" for name in (*TOOLS, *SHARED))]
    tools += sorted(str(path) for path in Path("benchmarks").glob("*.py") if path.stem != "predict")
    tools += sorted(str(path) for path in Path("tests").glob("*.py"))
    tools += sorted(str(path.parent) for path in Path("tests").glob("*/__init__.py") if str(path.parent) not in theirs)
    session.run("mypy", *tools)
    for name in _one_of_each_package(competitions):
        package, _ = competitions[name]
        files = [f"packages/{package}/src", _tests_of(name), *(["benchmarks/predict.py"] if name == LEAVES else [])]
        there = [path for path in files if Path(path).exists()]
        if there:
            session.run("mypy", "--python-executable", _project(session, name), *there)


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
        python = _project(session, LEAVES) if name == "predict" else "python"
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


def _competitions() -> dict[str, tuple[str, str]]:
    """The package and the image of every competition that has a kernel folder, by its name."""
    found = {}
    for path in sorted(Path("kernels").glob("*/submission.toml")):
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
            found[path.parent.name] = str(settings["package"]).partition("[")[0], str(settings["image"])
        except (ValueError, KeyError):
            # What is wrong with it kaggle-offline says, and of all others nothing is.
            continue
    return found


def _tests_of(competition: str) -> str:
    """Where the tests of a competition's package are."""
    package, _ = _competitions()[competition]
    return f"tests/{package.replace('-', '_')}"


def _one_of_each_package(competitions: Iterable[str]) -> list[str]:
    """The competitions, but for those whose package another before has, too."""
    known = _competitions()
    return list({known[name][0]: name for name in reversed(list(competitions))}.values())[::-1]


def _read_project(package: Path) -> dict[str, Any]:
    """What a package's pyproject.toml says of the project; nothing where it has none that says it."""
    path = package / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project") if path.is_file() else None
    return project if isinstance(project, dict) else {}


def _with_neighbours(package: Path) -> list[Path]:
    """A package and those of packages/ that it requires, by what their pyproject.toml say."""
    folders = {_read_project(folder).get("name"): folder for folder in Path("packages").iterdir()}
    found = [package]
    for folder in found:
        for line in _read_project(folder).get("dependencies", []):
            neighbour = folders.get(re.split(r"[^\w.-]", line, maxsplit=1)[0])
            if neighbour is not None and neighbour not in found:
                found.append(neighbour)
    return found


def _install_tools(session: nox.Session, *options: str) -> None:
    """Install the tools of this repository and what they need, as dev.txt pins it; ``options`` are uv's."""
    session.install("--require-hashes", *options, "--requirement", "requirements/dev.txt", silent=True)
    packages = [word for name in (*TOOLS, *SHARED) for word in ("--editable", f"packages/{name}")]
    session.install("--no-deps", "--no-build-isolation", *packages, silent=True)


def _project(session: nox.Session, competition: str) -> str:
    """Make an environment with a competition's package and its image's versions; return its Python.

    What is trained and tested here is what predicts on Kaggle. torch comes in the build for this
    machine's accelerator where the index of those builds answers, else from the package index.
    """
    package, image = _competitions().get(competition, ("", ""))
    if not package or not Path("packages", package).is_dir():
        session.error(f"kernels/{competition}: its package is not in packages/; nox -s doctor says more")
    project = Path(".nox") / f"project-{package}"
    python = project / "bin" / "python"
    if not python.exists():
        shutil.rmtree(project, ignore_errors=True)
        # The image's Python, or the one before it: what the image pins has wheels for both, not for newer ones.
        venv = ["uv", "venv", "--quiet", "--python", ">=3.11,<3.13", str(project)]
        session.run(*venv, external=True)
    lines = Path(f"requirements/images/{image}.txt").read_text().splitlines()
    pins = [line.partition("+")[0] for line in lines if not line.startswith("#")]
    constraints = Path(session.create_tmp()) / "image.txt"
    constraints.write_text("\n".join(p for p in pins if not re.match("nvidia-|cuda-", p)) + "\n")
    install = ["uv", "pip", "install", "--quiet", "--python", str(python), "--constraint", str(constraints)]
    own, *neighbours = _with_neighbours(Path("packages") / package)
    extras = ",".join(_read_project(own).get("optional-dependencies", {}))
    install += ["--editable", f"{own}[{extras}]" if extras else str(own)]
    install += [word for folder in neighbours for word in ("--editable", str(folder))]
    install += ["hypothesis", "pandas-stubs", "pytest", "types-tqdm"]
    accelerated = [*install, "--torch-backend", "auto"]
    # Only asked, so that a machine that cannot reach that index is no failure.
    once = {"UV_HTTP_RETRIES": "0"}
    ask = [*accelerated, "--dry-run"]
    answer = session.run(*ask, external=True, env=once, success_codes=[0, 1, 2], silent=True, log=False)
    session.run(*(install if "error:" in (answer or "") else accelerated), external=True)
    return str(python)
