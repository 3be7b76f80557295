"""`init` begins a competition in a repository that somebody else could have, and it scores."""

import json
from pathlib import Path

import pytest
from kaggle_offline.cli import main
from kaggle_offline.errors import ConfigurationError, FindingsError
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.repository.packages import package_files, package_folders
from kaggle_offline.scaffold.repository_files import _ON_GITHUB, ignore

from tests.kaggle_offline.conftest import git, result_of, share_images

HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
PROJECT = '[project]\nname = "leaf-tools"\nversion = "1.0"\nrequires-python = ">=3.11"\n'

# The files of a repository, and the package that `init` finds there.
REPOSITORIES = {
    "uv, in src": (
        {"pyproject.toml": HATCHLING + PROJECT, "src/leaf_tools/__init__.py": "", "data/notes.csv": "a\n"},
        ".",
    ),
    "poetry, flat": (
        {
            "pyproject.toml": f'{POETRY}[tool.poetry]\nname = "leaf-tools"\nversion = "1.0"\ndescription = ""\n'
            'authors = []\n[tool.poetry.dependencies]\npython = ">=3.11"\n',
            "leaf_tools/__init__.py": "",
            "tests/__init__.py": "",
        },
        ".",
    ),
    # Without a list of packages, setuptools looks for them: kernels/ must not be among them.
    "setuptools, flat": (
        {"pyproject.toml": PROJECT, "leaf_tools/__init__.py": "", "scripts/train.py": ""},
        ".",
    ),
    "setup.py": (
        {
            "setup.py": "import setuptools\n"
            "setuptools.setup(name='leaf-tools', version='1.0', packages=['leaf_tools'])\n",
            "leaf_tools/__init__.py": "",
        },
        ".",
    ),
    "in packages": (
        {"packages/leaf/pyproject.toml": HATCHLING + PROJECT, "packages/leaf/src/leaf_tools/__init__.py": ""},
        "packages/leaf",
    ),
    "uv's workspace": (
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/*"]\n',
            "libs/leaf/pyproject.toml": HATCHLING + PROJECT,
            "libs/leaf/src/leaf_tools/__init__.py": "",
        },
        "libs/leaf",
    ),
    "a version from Git's tags": (
        {
            "pyproject.toml": '[build-system]\nrequires = ["setuptools>=80", "setuptools-scm>=8"]\n'
            'build-backend = "setuptools.build_meta"\n[tool.setuptools_scm]\n[tool.setuptools.packages.find]\n'
            'where = ["src"]\n' + PROJECT.replace('version = "1.0"\n', 'dynamic = ["version"]\n'),
            "src/leaf_tools/__init__.py": "",
        },
        ".",
    ),
}


@pytest.fixture(params=[pytest.param(case, id=name) for name, case in REPOSITORIES.items()])
def case(request: pytest.FixtureRequest) -> tuple[dict[str, str], str]:
    found: tuple[dict[str, str], str] = request.param
    return found


@pytest.fixture
def place(tmp_path: Path, storages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Git repository."""
    repository = tmp_path / "somebodys"
    repository.mkdir()
    git(repository, "init", "--quiet")
    share_images(repository, storages)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    return repository


def write(repository: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git(repository, "add", "--all", ":!.kaggle-local")
    git(repository, "commit", "--quiet", "--message", "Begin", "--allow-empty")


def test_a_competition_begins_in_any_repository(case: tuple[dict[str, str], str], place: Path) -> None:
    files, package = case
    write(place, files)
    assert main(["init", "apples"]) == 0
    new = git(place, "status", "--porcelain", "--untracked-files=all").split("\n")
    assert {line.removeprefix("?? ") for line in new} == {
        ".github/workflows/pull-request.yml",
        ".github/workflows/submit.yml",
        ".gitignore",
        "kernels/apples/README.md",
        "kernels/apples/data.json",
        "kernels/apples/kernel-metadata.json",
        "kernels/apples/predict.py",
        "kernels/apples/submission.toml",
        "requirements/apples.txt",
    }
    kernel = read_kernel_folder(place, "apples")
    assert kernel.settings.package == package
    assert "import leaf_tools" in kernel.code.read_text()
    assert main(["freeze", "apples"]) == 0
    (wheel,) = (kernel.build / "packages").glob("*.whl")
    assert wheel.name.startswith("leaf_tools-")
    assert git(place, "status", "--porcelain", "--untracked-files=all").split("\n") == new


def test_it_scores(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, _ = REPOSITORIES["uv, in src"]
    write(place, files)
    assert main(["init", "apples"]) == 0
    assert "Now: kaggle-offline freeze push submit apples" in capsys.readouterr().out
    assert main(["doctor", "apples"]) == 0
    note = "kernels/apples/data.json: the data of rehearsals are made up"
    assert f"note: {note}" in capsys.readouterr().out
    assert main(["doctor", "--json", "apples"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"]["apples"][0].startswith(note)
    assert main(["freeze", "push", "submit", "apples"]) == 0
    # A score on made-up data says so.
    assert f"note: {note}" in capsys.readouterr().out
    assert note in (place / "build" / "apples" / "report.html").read_text()
    assert result_of(place / "build" / "apples")["submission"]["score"] is not None
    # The commit of a submission counts with the package's files, and not with those that Git ignores.
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "Apples")
    (place / ".gitignore").write_text((place / ".gitignore").read_text() + "/venv/\n")
    git(place, "commit", "--quiet", "--all", "--message", "Ignore")
    (place / "venv").mkdir()
    (place / "venv" / "module.py").touch()
    git(place, "tag", "submit-v1")
    assert main(["plan", "submit-v1"]) == 0
    assert "apples" in capsys.readouterr().out
    (place / "src" / "leaf_tools" / "model.py").touch()
    assert main(["plan", "--since", "HEAD"]) == 0
    assert "src/leaf_tools/model.py" in capsys.readouterr().out


def test_setuptools_that_would_find_more_packages_is_told_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, _ = REPOSITORIES["setuptools, flat"]
    write(place, files)
    assert main(["init", "apples"]) == 0
    line = 'pyproject.toml: add [tool.setuptools.packages.find] include = ["leaf_tools*"], or setuptools takes kernels/'
    assert line in capsys.readouterr().out
    (place / "pyproject.toml").write_text(f'{files["pyproject.toml"]}[tool.setuptools]\npackages = ["leaf_tools"]\n')
    assert main(["init", "pears"]) == 0
    assert line not in capsys.readouterr().out


def test_the_doctor_sees_what_the_kernel_reads(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, _ = REPOSITORIES["uv, in src"]
    write(place, files)
    assert main(["init", "apples"]) == 0
    code = place / "kernels" / "apples" / "predict.py"
    code.write_text(f'{code.read_text()}(COMPETITION / "more.csv").read_bytes()\n')
    assert main(["doctor", "apples"]) == FindingsError.exit_code
    assert "predict.py: reads more.csv, which data.json does not have" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["apples"], "kernels/apples: already exists"),
        (["cherries"], "packages/cherries: already exists"),
        (["Not A Name"], "Not A Name"),
        (["pears", "--package", "nowhere"], "nowhere: no package there"),
        (["pears", "--metric", "rmse"], "--metric rmse: "),
        (["pears", "--metric", "own.py"], "own.py: not there"),
        (["pears", "--from", "nowhere.ipynb"], "nowhere.ipynb"),
    ],
)
def test_what_cannot_be_begun_writes_nothing(
    arguments: list[str], problem: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "kernels" / "apples").mkdir(parents=True)
    (place / "packages" / "cherries").mkdir(parents=True)
    assert main(["init", *arguments]) == ConfigurationError.exit_code
    assert problem in capsys.readouterr().err
    # The local Kaggle was asked, and a lock is kept in build/.
    asked = (".git", ".kaggle-local", "build")
    assert sorted(path.name for path in place.iterdir() if path.name not in asked) == ["kernels", "packages"]
    assert [path.name for path in (place / "kernels").iterdir()] == ["apples"]


def test_the_workflows_and_lines_that_are_there_stay(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, _ = REPOSITORIES["uv, in src"]
    own = {".github/workflows/submit.yml": "name: Mine\n", ".gitignore": "build\n# mine"}
    write(place, files | own)
    assert main(["init", "apples"]) == 0
    assert ".github/workflows/submit.yml: there already, left as it is" in capsys.readouterr().out
    assert (place / ".github" / "workflows" / "submit.yml").read_text() == "name: Mine\n"
    assert (place / ".gitignore").read_text() == "build\n# mine\n/.kaggle-local/\n/data/apples/\n"
    assert ignore(place, ["/build/", "/.kaggle-local/"]) == []


@pytest.mark.parametrize(
    ("command", "problem", "hint"),
    [
        (["init", "apples", "--package", "libs/none"], "libs/none: no package there", "., packages/leaf"),
        (["init", "apples", "--package", "packages/../.."], "packages/../..: no package there", "., packages/leaf"),
        (["init", "apples"], "several packages: ., packages/leaf", "init COMPETITION --package PATH"),
        (["init", "apples", "--package", ".", "--from", "a.ipynb"], "--from: becomes a kernel with a package", "Leave"),
    ],
)
def test_what_cannot_be_done_is_told(
    command: list[str], problem: str, hint: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = {"pyproject.toml": PROJECT.replace("leaf-tools", "root"), "root/__init__.py": ""}
    write(place, REPOSITORIES["in packages"][0] | root)
    assert main(command) != 0
    told = capsys.readouterr().err
    assert problem in told
    assert hint in told


def test_a_folder_without_a_competition_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["freeze"]) != 0
    assert "kaggle-offline init COMPETITION" in capsys.readouterr().err
    assert main(["init", "apples"]) != 0
    assert "not in a Git repository\n  → Run: git init" in capsys.readouterr().err


def test_a_mistake_in_an_option_is_found_before_anything_runs(place: Path) -> None:
    write(place, {})
    with pytest.raises(SystemExit):
        main(["freeze", "push", "--no-such-option"])
    assert not (place / "build").exists()


@pytest.mark.parametrize("address", ["https://github.com/some-body/tool.git", "git@github.com:some-body/tool", "x"])
def test_the_repository_of_the_tool_is_read_whole(address: str) -> None:
    found = _ON_GITHUB.search(address)
    assert (found[1] if found else "") == ("some-body/tool" if "github" in address else "")


def test_a_path_may_be_written_as_a_shell_completes_it(place: Path) -> None:
    write(place, REPOSITORIES["in packages"][0])
    assert main(["init", "apples", "--package", "./packages/leaf/"]) == 0
    assert read_kernel_folder(place, "apples").settings.package == "packages/leaf"


def test_a_workspace_may_name_itself_and_leave_members_out(tmp_path: Path) -> None:
    workspace = '[tool.uv.workspace]\nmembers = [".", "/somewhere", "libs/*"]\nexclude = ["libs/old"]\n'
    write_to = {"pyproject.toml": PROJECT + workspace}
    for name in ("new", "old"):
        write_to[f"libs/{name}/pyproject.toml"] = PROJECT.replace("leaf-tools", name)
    git(tmp_path, "init", "--quiet")
    write(tmp_path, write_to)
    assert package_folders(tmp_path) == [tmp_path, tmp_path / "libs" / "new"]


def test_hidden_folders_and_what_git_keeps_are_no_files_of_a_package(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, {"libs/a/pyproject.toml": PROJECT, "libs/a/.hidden": "", ".gitignore": "/venv/\n"})
    (tmp_path / "libs" / "a" / ".venv").mkdir()
    (tmp_path / "libs" / "a" / ".venv" / "python").symlink_to("/usr/bin/env")
    (tmp_path / "libs" / "a" / ".git").write_text("gitdir: elsewhere\n")
    assert list(package_files(tmp_path / "libs" / "a", tmp_path)) == [".hidden", "pyproject.toml"]
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "x.py").touch()
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "x.py").touch()
    (tmp_path / "libs" / "a" / ".venv" / "python").unlink()
    assert set(package_files(tmp_path, tmp_path)) == {".gitignore", "libs/a/.hidden", "libs/a/pyproject.toml"}
