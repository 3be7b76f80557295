"""The distributions that are published, in an empty environment: from an empty folder to a score in three commands."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.kaggle_offline.conftest import REPOSITORY, git, result_of, share_images
from tests.sharing import made_once, shared_folder

# One after the other: the first has the environment's bytecode written.
pytestmark = pytest.mark.xdist_group("release")

COMMIT = "1234567890123456789012345678901234567890"
RELEASE = {"GITHUB_REPOSITORY": "somebody/kaggle-offline", "GITHUB_SHA": COMMIT}
PROJECT = """\
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "leaf-tools"
version = "1.0"
dependencies = ["iniconfig>=2"]

[tool.setuptools]
packages = ["leaf_tools"]
"""


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which `nox -s release` has run: its dist/, and the environment that has that."""

    def make(folder: Path) -> None:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
        archive = subprocess.run(
            ["tar", "--create", "--null", "--files-from=-"],
            cwd=REPOSITORY,
            input=listed,
            capture_output=True,
            check=True,
        )
        clone = folder / "clone"
        clone.mkdir()
        subprocess.run(["tar", "--extract"], cwd=clone, input=archive.stdout, check=True)
        run(clone, sys.executable, "-m", "nox", "-s", "release", "--", "v0.1.0", **RELEASE)

    return made_once(tmp_path_factory, "released", make) / "clone"


@pytest.fixture(scope="session")
def storages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that all tests share."""
    return shared_folder(tmp_path_factory, "images")


def run(folder: Path, *command: str, **variables: str) -> str:
    """Run a command as somebody who has no clone of this repository; return what it prints."""
    ours = ("KAGGLE_", "GITHUB_", "PYTHON", "VIRTUAL_ENV", "NOX_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kaggle_offline(released: Path, folder: Path, *arguments: str) -> str:
    program = released / ".nox" / "release" / "bin" / "kaggle-offline"
    # Packages come from where they come from in any test; the home is one without an account.
    cache = run(folder, "uv", "cache", "dir").strip()
    # The folder stands for the index that has them after a release.
    dist = str(released / "dist")
    ways = {"UV_FIND_LINKS": dist, "PIP_FIND_LINKS": dist, "UV_CACHE_DIR": cache}
    return run(folder, str(program), *arguments, HOME=str(folder.parent), **ways)


def test_they_hold_what_their_users_need(released: Path) -> None:
    names = {path.name for path in (released / "dist").iterdir()}
    distributions = ("competition_kit", "kaggle_local", "kaggle_offline")
    wheels, sources = "-0.1.0-py3-none-any.whl", "-0.1.0.tar.gz"
    assert names == {f"{name}{end}" for name in distributions for end in (wheels, sources)}
    with zipfile.ZipFile(released / "dist" / "kaggle_offline-0.1.0-py3-none-any.whl") as wheel:
        files = wheel.namelist()
    images = {path.name for path in (REPOSITORY / "requirements" / "images").glob("*.txt")}
    assert images <= {Path(name).name for name in files if name.startswith("kaggle_offline/images/")}
    for distribution in distributions:
        with zipfile.ZipFile(released / "dist" / f"{distribution}-0.1.0-py3-none-any.whl") as wheel:
            assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_a_repository_of_somebody_else_gets_a_score(released: Path, storages: Path, tmp_path: Path) -> None:
    repository = tmp_path / "leaves"
    (repository / "leaf_tools").mkdir(parents=True)
    (repository / "leaf_tools" / "__init__.py").write_text("import iniconfig\n")
    (repository / "pyproject.toml").write_text(PROJECT)
    git(repository, "init", "--quiet")
    share_images(repository, storages)
    kaggle_offline(released, repository, "init", "apples")
    workflow = (repository / ".github" / "workflows" / "submit.yml").read_text()
    assert f"somebody/kaggle-offline/.github/workflows/submit.yml@{COMMIT} # v0.1.0" in workflow
    kaggle_offline(released, repository, "freeze", "push", "submit")
    result = result_of(repository / "build" / "apples")
    assert result["submission"]["score"] > 0
    frozen = json.loads((repository / "build" / "apples" / "packages" / "freeze.json").read_text())
    assert "iniconfig" in json.dumps(frozen)


def test_three_commands_lead_from_an_empty_folder_to_a_score(released: Path, storages: Path, tmp_path: Path) -> None:
    folder = tmp_path / "titanic"
    folder.mkdir()
    share_images(folder, storages)
    run(folder, "git", "init", "--quiet")
    kaggle_offline(released, folder, "init", "titanic")
    printed = kaggle_offline(released, folder, "freeze", "push", "submit")
    submission = result_of(folder / "build" / "titanic")["submission"]
    assert submission["score"] > submission["baseline"]
    assert f"score {submission['score']:.5f}" in printed
