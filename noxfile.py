"""Every job that a person or a workflow runs; `nox -l` lists them."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import nox
import nox.virtualenv

nox.needs_version = ">=2024.10.9"
# All sessions share one environment, .nox/tools; see _tools.
nox.options.default_venv_backend = "none"
# No stage runs after a failed one: a submit after a failed push would hand in an older version.
nox.options.stop_on_first_error = True
# Nothing runs that was not named: `nox` alone lists the sessions.
nox.options.sessions = []

# The packages of packages/ that serve every competition, and those that kernels share; the tests of both have one
# environment.
TOOLS = ("kaggle-local", "kaggle-offline")
SHARED = ("competition-kit",)
# The distributions that are published.
PUBLISHED = (*SHARED, *TOOLS)
# The competition whose checkpoints are trained here.
LEAVES = "plant-pathology-2021-fgvc8"

# Where an environment has its programs, and how their names end.
PROGRAMS, PROGRAM = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")

# Much of the tools' tests is waiting for processes: two workers for each core.
PYTEST = [
    "python",
    "-m",
    "pytest",
    "-p",
    "tests.canary",
    "--numprocesses",
    str(2 * (os.cpu_count() or 1)),
    "--dist",
    "loadgroup",
]
# Have a session of their own.
WORKFLOWS = "tests/workflows"
# The tests of a competition's package need these beside it, in the image's versions or else in dev.txt's.
TEST_TOOLS = ("hypothesis", "pandas-stubs", "pytest", "pytest-cov", "pytest-timeout", "pytest-xdist", "types-tqdm")
DEV = Path("requirements/dev.txt")
# No test depends on new releases.
FIXED_INDEX = {"UV_EXCLUDE_NEWER": "2026-11-24T00:00:00Z"}
# On Windows, too, files are UTF-8. Without bytecode every process would compile its imports again.
PYTHON = {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": ""}
# Each test worker has one core: more threads of torch would only spin, waiting for each other.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@nox.session
def freeze(session: nox.Session) -> None:
    """Write dataset folders with the packages that Kaggle's image lacks: nox -s freeze [-- COMPETITION ...]."""
    _run(session, "kaggle-offline", "freeze", *session.posargs)


@nox.session
def new(session: nox.Session) -> None:
    """Begin a competition, as Kaggle describes it: nox -s new -- COMPETITION [--from NOTEBOOK.ipynb|OWNER/KERNEL]."""
    _run(session, "kaggle-offline", "new", *(session.posargs or ["--help"]))


@nox.session
def data(session: nox.Session) -> None:
    """Download a competition's data into data/: nox -s data -- COMPETITION [--only PATTERN ...] [--images N]."""
    _run(session, "kaggle-offline", "data", *(session.posargs or ["--help"]))


@nox.session
def lock(session: nox.Session) -> None:
    """Pin the shipped packages; show which are provided, added, replaced: nox -s lock [-- --upgrade [PACKAGE]]."""
    _run(session, "kaggle-offline", "lock", *session.posargs)


@nox.session
def image(session: nox.Session) -> None:
    """Derive, capture or compare Kaggle's image: nox -s image -- derive|capture|diff|recapture|rederive|renew."""
    _run(session, "kaggle-offline", "image", *(session.posargs or ["--help"]))


@nox.session
def propose(session: nox.Session) -> None:
    """Open a pull request with the changes of `image -- renew`; needs GitHub's `gh`, logged in."""
    renewal, branch, title = Path("build/images/renewal").resolve(), "renew-images", "Follow Kaggle's image"
    if not (renewal / "change.patch").exists():
        session.log("the images are unchanged: nothing to propose")
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
    # One that is open from the week before has been renewed by the push. A fork may have a branch of the same name.
    pulls = "repos/{owner}/{repo}/pulls"
    known = session.run("gh", "api", f"{pulls}?state=open&head={{owner}}:{branch}", external=True, silent=True)
    numbers = [pull["number"] for pull in json.loads(str(known))]
    if numbers:
        # `gh pr edit` also reads the projects of the pull request, which the workflow's token may not.
        body = ["--raw-field", f"title={title}", "--field", f"body=@{renewal / 'description.md'}"]
        session.run("gh", "api", "--method", "PATCH", f"{pulls}/{numbers[0]}", *body, external=True, silent=True)
    else:
        text = ["--title", title, "--body-file", str(renewal / "description.md")]
        session.run("gh", "pr", "create", "--head", branch, *text, external=True)


@nox.session
def push(session: nox.Session) -> None:
    """Publish changed datasets to KAGGLE_TARGET, push the kernel, wait until its offline run is complete."""
    _run(session, "kaggle-offline", "push", *session.posargs)


@nox.session
def submit(session: nox.Session) -> None:
    """Submit the kernel version whose run is complete, and print its score."""
    _run(session, "kaggle-offline", "submit", *session.posargs)


@nox.session
def doctor(session: nox.Session) -> None:
    """Find problems before they cost a submission: nox -s doctor [-- COMPETITION ...]."""
    _run(session, "kaggle-offline", "doctor", *session.posargs)


@nox.session
def probe(session: nox.Session) -> None:
    """Test assumptions about KAGGLE_TARGET, and print a table for an issue; deletes its datasets and kernels."""
    _run(session, "kaggle-offline", "probe", *session.posargs)


@nox.session
def status(session: nox.Session) -> None:
    """Show how far each competition is on KAGGLE_TARGET, and what the account has left."""
    _run(session, "kaggle-offline", "status", *session.posargs)


@nox.session
def history(session: nox.Session) -> None:
    """List the submissions to KAGGLE_TARGET, newest first: tag, commit, versions, score."""
    _run(session, "kaggle-offline", "history", *session.posargs)


@nox.session
def plan(session: nox.Session) -> None:
    """Show which competitions a tag would submit: nox -s plan -- submit-v4, or -- --since main."""
    _run(session, "kaggle-offline", "plan", *session.posargs)


@nox.session
def predict(session: nox.Session) -> None:
    """Run the pull-request check, rehearse and compare scores: nox -s predict [-- COMPETITION ...]."""
    _run(session, "kaggle-offline", "predict", *session.posargs)


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
    """Run all tests, or only those of competitions: nox -s tests [-- COMPETITION ...] [--everything] [--cov]."""
    competitions = _competitions()
    named = list(takewhile(lambda word: not word.startswith("-"), session.posargs))
    options = session.posargs[len(named) :]
    unknown = sorted(set(named) - set(competitions))
    if unknown:
        session.error(f"{unknown[0]}: no such competition; there are {', '.join(competitions)}")
    for name in _one_of_each_package(named or competitions):
        if Path(_tests_of(name)).is_dir():
            # The warnings of the image's libraries are not ours to mend.
            how = ["--numprocesses", "auto", "--dist", "loadfile", "-W", "default"]
            command = [_project(session, name), "-m", "pytest", *how, _tests_of(name)]
            session.run(*command, *options, external=True, env={**PYTHON, **ONE_THREAD}, success_codes=[0, 5])
    if not named:
        left = [f"--ignore={path}" for path in [*map(_tests_of, competitions), WORKFLOWS]]
        _run(session, *PYTEST, *left, *options, success_codes=[0, 5], env=FIXED_INDEX)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling, imports, pages and types: ruff, codespell, import-linter, mkdocs, and strict mypy."""
    _run(session, "ruff", "format", "--check")
    _run(session, "ruff", "check")
    _run(session, "codespell")
    _run(session, "lint-imports")
    _run(session, "mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})
    competitions = _competitions()
    theirs = set(map(_tests_of, competitions))
    tools = ["noxfile.py", *(f"packages/{name}/src" for name in (*TOOLS, *SHARED))]
    tools += sorted(str(path) for path in Path("benchmarks").glob("*.py") if path.stem != "predict")
    tools += sorted(str(path) for path in Path("tests").glob("*.py"))
    tools += sorted(str(path.parent) for path in Path("tests").glob("*/__init__.py") if str(path.parent) not in theirs)
    _run(session, "mypy", *tools)
    stand_in = sorted(map(str, Path("packages").rglob("stand_in/**/*.py")))
    _run(session, "mypy", "--explicit-package-bases", *stand_in)
    for name in _one_of_each_package(competitions):
        package, _ = competitions[name]
        files = [f"packages/{package}/src", _tests_of(name), *(["benchmarks/predict.py"] if name == LEAVES else [])]
        there = [path for path in files if Path(path).exists()]
        if there:
            _run(session, "mypy", "--python-executable", _project(session, name), *there)


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the GitHub workflows, and run them on this machine: nox -s workflows [-- -k submit]."""
    _run(session, "actionlint")
    _run(session, "zizmor", "--quiet", "--offline", "--persona", "auditor", "--strict-collection", ".github")
    _run(session, *PYTEST, WORKFLOWS, *session.posargs, env=FIXED_INDEX)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks: nox -s bench -- [NAME ...] [--quick]."""
    named = [word for word in session.posargs if not word.startswith("-")]
    options = [word for word in session.posargs if word.startswith("-")]
    for name in named or sorted(path.stem for path in Path("benchmarks").glob("*.py")):
        if name == "predict":
            session.run(_project(session, LEAVES), f"benchmarks/{name}.py", *options, external=True)
        else:
            _run(session, "python", f"benchmarks/{name}.py", *options)


@nox.session
def release(session: nox.Session) -> None:
    """Build and check the distributions that are published, into dist/: nox -s release [-- TAG]."""
    versions = {name: _read_project(Path("packages", name))["version"] for name in PUBLISHED}
    if len(set(versions.values())) > 1:
        session.error(f"{versions}: the versions differ")
    (version,) = set(versions.values())
    for tag in session.posargs:
        if tag != f"v{version}":
            session.error(f"{tag}: the packages have version {version}")
    dist = Path("dist").absolute()
    shutil.rmtree(dist, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in PUBLISHED:
            # In a copy, where links are files.
            source = Path(scratch, name)
            shutil.copytree(Path("packages", name), source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            if name == "kaggle-offline" and "GITHUB_REPOSITORY" in os.environ:
                # `init` writes workflows that call those of this commit.
                origin = {"repository": os.environ["GITHUB_REPOSITORY"], "commit": os.environ["GITHUB_SHA"]}
                (source / "src" / "kaggle_offline" / "release.json").write_text(json.dumps(origin))
            _run(session, "python", "-m", "build", "--no-isolation", "--outdir", str(dist), str(source))
    _run(session, "twine", "check", "--strict", *sorted(map(str, dist.iterdir())))
    installs = [[str(path) for path in sorted(dist.glob("*.whl"))]]
    programs = _environment(session, "release", sys.executable, installs, sorted(dist.glob("*.whl")))
    for program in TOOLS:
        session.run(str(programs / f"{program}{PROGRAM}"), "--help", external=True, silent=True)


@nox.session(name="lock-dev")
def lock_dev(session: nox.Session) -> None:
    """Renew requirements/dev.txt from dev.in: nox -s lock-dev [-- --upgrade]."""
    # For every Python and system that the README names.
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--quiet"]
    files = ["--output-file", "requirements/dev.txt", "requirements/dev.in"]
    env = {"UV_CUSTOM_COMPILE_COMMAND": "nox -s lock-dev"}
    session.run(nox.virtualenv.UV, "pip", "compile", *options, *session.posargs, *files, env=env, external=True)


def _competitions() -> dict[str, tuple[str, str]]:
    """The package and the image of every competition that has a kernel folder, by its name."""
    found = {}
    for path in sorted(Path("kernels").glob("*/submission.toml")):
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
            found[path.parent.name] = str(settings["package"]).partition("[")[0], str(settings["image"])
        except (ValueError, KeyError):
            # kaggle-offline reports the problem; the others are in order.
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
    """Return the project table of a package's pyproject.toml; empty where it has none."""
    path = _project_file(package)
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


def _run(
    session: nox.Session,
    program: str,
    *arguments: str,
    success_codes: Iterable[int] = (0,),
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a program of the tools' environment."""
    programs = _tools(session)
    path = os.pathsep.join([str(programs.absolute()), os.environ.get("PATH", os.defpath)])
    variables = {"PATH": path, **PYTHON, **(env or {})}
    session.run(
        str(programs / f"{program}{PROGRAM}"), *arguments, env=variables, external=True, success_codes=success_codes
    )


def _tools(session: nox.Session) -> Path:
    """Install the tools of this repository with the versions of dev.txt; return their programs' folder."""
    projects = [Path("packages", name) for name in (*TOOLS, *SHARED)]
    pinned = ["--require-hashes", "--requirement", str(DEV)]
    # They are built with what dev.txt pins.
    own = ["--no-deps", "--no-build-isolation", *_editable(projects)]
    return _environment(session, "tools", sys.executable, [pinned, own], [DEV, *map(_project_file, projects)])


def _project(session: nox.Session, competition: str) -> str:
    """Make an environment with a competition's package and its image's versions; return its Python.

    Training and tests here use the versions that predict on Kaggle. torch comes in the build for this
    machine's accelerator where the index of those builds answers, else from the package index.
    """
    package, image = _competitions().get(competition, ("", ""))
    if not package or not Path("packages", package).is_dir():
        session.error(f"kernels/{competition}: its package is not in packages/; nox -s doctor says more")
    manifest = Path("requirements", "images", f"{image}.txt")
    version, *_ = re.findall(r"(?m)^# python: (\d+\.\d+)", manifest.read_text(encoding="utf-8"))
    find = [str(_tools(session) / f"python{PROGRAM}"), "-m", "kaggle_local.interpreters", version]
    python = str(session.run(*find, external=True, silent=True, log=False, stderr=None)).strip()
    pins = _pins(DEV) | _pins(manifest)
    constraints = Path(".nox") / f"constraints-{package}.txt"
    constraints.write_text("".join(f"{pin}\n" for name, pin in pins.items() if not re.match("nvidia-|cuda-", name)))
    projects = _with_neighbours(Path("packages", package))
    extras = ",".join(_read_project(projects[0]).get("optional-dependencies", {}))
    _, own, *neighbours = _editable(projects)
    install = ["--constraint", str(constraints), "--editable", f"{own}[{extras}]" if extras else own]
    install += [*neighbours, *TEST_TOOLS, "--torch-backend", "auto"]
    inputs = [constraints, *map(_project_file, projects)]
    return str(_environment(session, f"project-{package}", python, [install], inputs) / f"python{PROGRAM}")


def _environment(
    session: nox.Session, name: str, python: str, installs: list[list[str]], inputs: Iterable[Path]
) -> Path:
    """Make the environment ``.nox/<name>`` unless it is up to date; return the folder of its programs.

    Args:
        session: runs uv.
        name: the environment's.
        python: the interpreter.
        installs: the arguments of each ``uv pip install``.
        inputs: the files that the installation depends on.
    """
    folder = Path(".nox", name)
    state = [
        str(folder.absolute()),
        python,
        sys.version,
        installs,
        *(hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs),
    ]
    digest, stamp = hashlib.sha256(repr(state).encode()).hexdigest(), folder / "installed"
    if not stamp.is_file() or stamp.read_text() != digest:
        session.log(f"installing into .nox/{name}")
        _uv(session, "venv", "--quiet", "--allow-existing", "--python", python, str(folder))
        for install in installs:
            _install(session, "--python", str(folder), *install)
        stamp.write_text(digest)
    return folder / PROGRAMS


def _install(session: nox.Session, *arguments: str) -> None:
    """Run ``uv pip install``, with a torch backend only where the index of that backend answers."""
    command = ["pip", "install", "--quiet", *arguments]
    if "--torch-backend" in arguments:
        # The dry run asks whether the index answers: a machine that cannot reach it is not a failure.
        answer = _uv(session, *command, "--dry-run", codes=[0, 1, 2], UV_HTTP_RETRIES="0")
        if "error:" in answer:
            session.log("the index of torch's own builds does not answer: taking the package index's, of several GB")
            command = command[: command.index("--torch-backend")]
    _uv(session, *command)


def _uv(session: nox.Session, *arguments: str, codes: Iterable[int] = (0,), **variables: str) -> str:
    """Run uv and return its output; print it only if uv fails."""
    command = [nox.virtualenv.UV, *arguments]
    # All that is installed here is pinned.
    env: dict[str, str | None] = {"UV_EXCLUDE_NEWER": None, **variables}
    return str(session.run(*command, external=True, silent=True, log=False, success_codes=codes, env=env) or "")


def _pins(path: Path) -> dict[str, str]:
    """Return the pins of an image manifest or of dev.txt by name, without the label of a build."""
    return {
        match[1]: match[0] for match in re.finditer(r"(?m)^([\w.-]+)==[^\s+;\\]+", path.read_text(encoding="utf-8"))
    }


def _editable(projects: Iterable[Path]) -> list[str]:
    """Return uv's arguments that install projects in place."""
    return [word for project in projects for word in ("--editable", str(project))]


def _project_file(project: Path) -> Path:
    """Return the path of a project's pyproject.toml."""
    return project / "pyproject.toml"
