"""`new`: names, files that are whole at once, and nothing that is there already touched."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.artifacts.pack import Dataset, dataset_slug
from kaggle_offline.artifacts.render import read_notebook, render_kernel
from kaggle_offline.competition.drawing import draw_data
from kaggle_offline.competition.inference import Kind, Prediction, Profile
from kaggle_offline.doctor.examination import examine
from kaggle_offline.doctor.notes import notes_on
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.repository.packages import read_project_file
from kaggle_offline.repository.submission_toml import HoldOut
from kaggle_offline.scaffold.adopt import Adopted, adopt
from kaggle_offline.scaffold.competition import DRAWN, Names, drawn_profile, image_for_new, names_of, write_competition
from slugify import slugify

from tests.kaggle_offline.conftest import REPOSITORY, git, share_images
from tests.kaggle_offline.notebooks import HELPERS, NOTEBOOKS, write_notebook, write_notebooks

# The distributions of an image that the notebooks import.
IMAGE = ("iniconfig", "packaging", "pandas", "pluggy", "scikit-learn")


@pytest.fixture
def place(repository: Path) -> Path:
    """A clone that has what is shared, the style that is kept here, and what Git ignores."""
    git(repository, "init", "--quiet")
    (repository / ".gitignore").write_text((REPOSITORY / ".gitignore").read_text())
    (repository / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    (repository / "tests").mkdir()
    (repository / "tests" / "__init__.py").touch()
    shutil.copytree(REPOSITORY / "packages" / "competition-kit", repository / "packages" / "competition-kit")
    return repository


def run(repository: Path, *command: str) -> str:
    """Run a Python module there, with the packages of a new competition to be imported; return what it prints."""
    sources = [str(path) for path in (repository / "packages").glob("*/src")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "MYPYPATH": os.pathsep.join(sources)}
    command = (sys.executable, "-m", *command)
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rendered(repository: Path, adopted: Adopted) -> str:
    """Write what was adopted as a competition; return the script that would be pushed."""
    write_adopted(repository, names_of("apples"), adopted)
    packages = Dataset(folder=repository, slug="apples-packages", digest="sha256:0")
    kernel = read_kernel_folder(repository, "apples")
    return (render_kernel(kernel, packages, None, owner="me", surroundings=[]).folder / "predict.py").read_text()


def write_adopted(repository: Path, names: Names, adopted: Adopted) -> None:
    write_competition(repository, names, drawn_profile(names, "tabular"), image_for_new(repository), adopted)


def new(repository: Path, competition: str, kind: Kind = "tabular") -> Names:
    names = names_of(competition)
    write_competition(repository, names, drawn_profile(names, kind), image_for_new(repository))
    return names


@pytest.mark.parametrize(
    "kind",
    ["image", pytest.param("tabular", marks=pytest.mark.nightly), pytest.param("text", marks=pytest.mark.nightly)],
)
def test_a_new_competition_passes_its_tests_and_all_checks_at_once(kind: Kind, place: Path) -> None:
    names = new(place, "apples-and-pears", kind)
    assert read_kernel_folder(place, names.competition).slug == "apples-and-pears-offline-prediction"
    run(place, "pytest", "-q", "-p", "no:cacheprovider", f"tests/{names.module}")
    run(place, "ruff", "check", "--no-cache", "kernels/apples-and-pears", "packages/apples-and-pears", "tests")
    run(place, "ruff", "format", "--check", "--no-cache", "kernels/apples-and-pears", "packages/apples-and-pears")
    run(place, "mypy", f"packages/{names.package}/src", f"tests/{names.module}")
    written = (p for p in place.rglob("*") if p.is_file() and "apples" in str(p) and p.suffix != ".pyc")
    text = "".join(p.read_text() for p in written)
    for left in ("my_competition", "my-competition", "My competition", "my-package", "REQUIREMENTS", "KERNEL"):
        assert left not in text


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("kind", "prediction"),
    [
        *((kind, "labels") for kind in get_args(Kind)),
        *(("tabular", prediction) for prediction in get_args(Prediction)),
    ],
)
def test_every_kind_and_prediction_is_in_order(kind: Kind, prediction: Prediction, place: Path) -> None:
    columns = tuple(f"column of the answers with the number {number}" for number in range(4))
    rehearsal = HoldOut(train="train.csv", test="test.csv", target=columns, metric="map@5", files={"a/{id}": "b/{id}"})
    profile = Profile(
        slug="Apples-and-Pears",
        title="Apples",
        kind=kind,
        prediction=prediction,
        columns=columns,
        sample="sample_submission.csv",
        rehearsal=rehearsal,
    )
    names = names_of("Apples-and-Pears", name="apples")
    write_competition(place, names, profile, image_for_new(place))
    assert read_kernel_folder(place, "apples").settings.rehearsal == rehearsal
    run(place, "ruff", "check", "--no-cache", "kernels/apples", "packages/apples", "tests")
    run(place, "ruff", "format", "--check", "--no-cache", "kernels/apples", "packages/apples")
    run(place, "mypy", f"packages/{names.package}/src", f"tests/{names.module}")
    run(place, "pytest", "-q", "-p", "no:cacheprovider", f"tests/{names.module}")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["tabular", "image"])
def test_a_served_competition_is_in_order(kind: Kind, place: Path) -> None:
    names = names_of("apples")
    profile = replace(drawn_profile(names, "tabular", served=True), kind=kind)
    write_competition(place, names, profile, image_for_new(place))
    rehearsal = read_kernel_folder(place, "apples").settings.rehearsal
    assert rehearsal == profile.rehearsal
    # A push draws the same.
    assert isinstance(rehearsal, HoldOut)
    draw_data(place / "kernels" / "apples" / "data.json", rehearsal, place / "build/apples/competition/public")
    assert "2 passed" in run(place, "pytest", "-q", "-p", "no:cacheprovider", "tests/apples")
    run(place, "ruff", "check", "--no-cache", "kernels/apples", "packages/apples", "tests")
    run(place, "ruff", "format", "--check", "--no-cache", "kernels/apples", "packages/apples", "tests")
    run(place, "mypy", "packages/apples/src", "tests/apples")
    assert [f.problem for f in examine(place, "apples")] == ["requirements/apples.txt: missing"]


def test_a_served_competition_is_drawn_as_a_table_alone() -> None:
    with pytest.raises(ConfigurationError, match="the data of a served competition are drawn as a table"):
        drawn_profile(names_of("apples"), "image", served=True)


def test_the_doctor_finds_nothing_but_that_it_is_not_locked(place: Path) -> None:
    for kind in DRAWN:
        new(place, f"some-{kind}s", kind)
        assert [f.problem for f in examine(place, f"some-{kind}s")] == [f"requirements/some-{kind}s.txt: missing"]
        path = place / "packages" / f"some-{kind}s" / "src" / f"some_{kind}s" / "rehearsal.py"
        (note,) = notes_on(place, f"some-{kind}s")
        assert note.startswith(f"{path.relative_to(place)}: as it was written for a new competition")
        path.write_text(f"{path.read_text()}# Mine now.\n")
        assert notes_on(place, f"some-{kind}s") == []


@pytest.mark.parametrize("there", ["kernels/apples", "packages/apples", "tests/apples"])
def test_nothing_that_is_there_is_overwritten(there: str, place: Path) -> None:
    (place / there).mkdir(parents=True)
    before = sorted(place.rglob("*"))
    with pytest.raises(ConfigurationError, match=f"^{there}: already exists"):
        new(place, "apples")
    assert sorted(place.rglob("*")) == before


@given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True).filter(lambda slug: 2 <= len(slug) <= 100))
def test_every_slug_gives_names_that_kaggle_and_python_take(slug: str) -> None:
    names = names_of(slug)
    assert names.module.isidentifier()
    assert names.module not in sys.stdlib_module_names
    assert names.package.replace("-", "_") == names.module
    assert 5 <= len(names.kernel_title) <= 50
    assert slugify(names.kernel_title)
    assert 6 <= len(dataset_slug(slug, "packages")) <= 50
    assert len({dataset_slug(name, kind) for name in (slug, f"{slug}x") for kind in ("packages", "models")}) == 4


@pytest.mark.parametrize(
    "address",
    [
        "https://www.kaggle.com/competitions/titanic",
        "https://www.kaggle.com/competitions/titanic/data?select=train.csv",
        "kaggle.com/c/titanic#evaluation",
    ],
)
def test_an_address_is_as_good_as_a_slug(address: str) -> None:
    assert names_of(address) == names_of("titanic")


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "a",
        "apples_and_pears",
        "-a",
        "a-",
        "a--b",
        "x" * 101,
        "https://example.org/titanic",
        "../x",
        "a b",
    ],
)
def test_what_is_no_slug_is_refused(slug: str) -> None:
    with pytest.raises(ConfigurationError, match="not a competition's slug"):
        names_of(slug)


@pytest.mark.parametrize(("slug", "module"), [("random", "competition_random"), ("2048-game", "competition_2048_game")])
def test_a_name_that_would_hide_another_or_is_none_is_given_another(slug: str, module: str) -> None:
    assert names_of(slug).module == module


@pytest.mark.nightly
def test_notebooks_of_other_habits_become_kernels(tmp_path: Path, place: Path) -> None:
    files = write_notebooks(tmp_path / "notebooks")
    before = {path: path.read_bytes() for path in (tmp_path / "notebooks").rglob("*") if path.is_file()}
    adopted = {name: adopt(path, name, IMAGE) for name, path in files.items()}
    assert {path: path.read_bytes() for path in before} == before, "what was there stays as it was"
    assert all(not result.left for result in adopted.values())

    pins = adopted["pinned-packages"]
    expected = {"iniconfig==2.0.0", "matplotlib", "packaging>=22", "pandas", "pluggy==1.5.0", "scikit-learn"}
    assert set(pins.requirements) == expected
    assert "!" not in pins.code
    assert "# a requirement now: pip install -q iniconfig==2.0.0" in pins.code

    paths = adopted["old-paths"].code
    for line in (
        "DATA = f\"{find_input('old-paths')}/\"",
        "pd.read_csv(f\"{find_input('old-paths')}/{name}.csv\")",
        "os.path.join(f\"{find_input('old-paths')}\", 'sample_submission.csv')",
        "from competition_kit.inputs import find_input",
    ):
        assert line in paths
    assert len([line for line in adopted["old-paths"].done if "either of Kaggle's layouts" in line]) == 3

    assert set(adopted["helper-module"].modules) == set(HELPERS) - {"unused.py"}
    assert set(adopted["helper-module"].requirements) == {"pandas", "scikit-learn"}
    assert "find_input" not in adopted["helper-module"].code

    for name, result in adopted.items():
        assert not result.is_script
        names = names_of(name)
        write_adopted(place, names, result)
        run(place, "pytest", "-q", "-p", "no:cacheprovider", f"tests/{names.module}")
        for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
            run(place, *tool, "--no-cache", f"kernels/{name}", f"packages/{names.package}", f"tests/{names.module}")
        run(place, "mypy", f"packages/{names.package}/src")
        metadata = json.loads((place / "kernels" / name / "kernel-metadata.json").read_text())
        assert metadata["kernel_type"] == "notebook"


def test_a_script_stays_one(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text("import yaml\nprint(open('/kaggle/input/apples/a.csv').read())\n")
    adopted = adopt(tmp_path / "predict.py", "apples", ())
    assert adopted.is_script
    assert adopted.requirements == ("pyyaml",)
    assert "open(f\"{find_input('apples')}/a.csv\")" in adopted.code


def test_what_cannot_be_done_is_left_and_said(tmp_path: Path) -> None:
    cells = [
        "!pip install -r requirements.txt ./wheel.whl git+https://example.org/x -f https://example.org/links timm",
        "path = 'see /kaggle/input/apples/a.csv'",
        "weights = '../input/some-weights/model.pt'",
        "what is: this?!",
        "!yes | pip install more",
        "import os\nos.system('pip install most')",
        "!cp ../input/apples/x.csv .",
        "table = '../input/train.csv'",
        "def f(): return'../input/apples/x.csv'",
        "import nobody_knows, helper",
    ]
    write_notebook(tmp_path / "notebook.ipynb", cells)
    (tmp_path / "helper.py").write_text("DATA = '/kaggle/input/apples'\n")
    adopted = adopt(tmp_path / "notebook.ipynb", "apples", ())
    left = "\n".join(adopted.left)
    for text in (
        "take the folder from find_input: !cp",
        "'../input/train.csv': take the folder from find_input and the name of its competition or dataset",
        "'../input/apples/x.csv': take the folder from find_input('apples')",
        "nobody_knows: add the distribution",
        "helper.py: '/kaggle/input/apples': take",
    ):
        assert text in left
    assert adopted.offline == ()
    assert "return'../input/apples/x.csv'" in adopted.code
    for text in (
        "requirements.txt, ./wheel.whl, git+https://example.org/x: not a requirement",
        "find_input('apples')",
        "some-weights: name in kernel-metadata.json as an input",
        "not Python",
    ):
        assert text in left
    assert not [line for line in adopted.left if line.startswith("https")]
    assert adopted.requirements == ("timm", "more", "most")


def test_what_another_program_than_python_is_given_stays_as_it_is(tmp_path: Path) -> None:
    cells = ["%%writefile notes.txt\nDATA = '/kaggle/input/apples'\nimport torch", "%%time\nimport yaml", "# %% a line"]
    write_notebook(tmp_path / "notebook.ipynb", cells)
    adopted = adopt(tmp_path / "notebook.ipynb", "apples", ())
    assert "DATA = '/kaggle/input/apples'" in adopted.code
    assert adopted.requirements == ("pyyaml",)
    (tmp_path / "kernel.py").write_text(adopted.code)
    assert [cell.source.splitlines()[-1] for cell in read_notebook(tmp_path / "kernel.py").cells[-3:]] == [
        "import torch",
        "import yaml",
        "#: %% a line",
    ]


def test_what_a_notebook_tests_for_or_tries_in_turn_stays_and_is_said(tmp_path: Path) -> None:
    cells = [
        "import os\nEXTRA = '/kaggle/input/my-extra'\nDATA = '/kaggle/input/apples'",
        "if os.path.exists(EXTRA): print('extra')",
        "for place in ['/kaggle/input/apples', '/kaggle/input/pears', './data']: print(place)",
        "ROOT = '../input'\nNAME = f'/kaggle/input/{SLUG}/train.csv'\nb = os.path.join('/kaggle/input', SLUG)",
        "for folder, _, names in os.walk('/kaggle/input'): print(folder, names)",
    ]
    write_notebook(tmp_path / "notebook.ipynb", cells)
    adopted = adopt(tmp_path / "notebook.ipynb", "apples", ())
    assert "EXTRA = '/kaggle/input/my-extra'" in adopted.code
    assert "DATA = f\"{find_input('apples')}\"" in adopted.code
    assert "['/kaggle/input/apples', '/kaggle/input/pears', './data']" in adopted.code
    begun = [line.partition(":")[0] for line in adopted.left if "find_input(" in line or "from find_input" in line]
    literals = ["'/kaggle/input/my-extra'", "'/kaggle/input/apples'", "'/kaggle/input/pears'"]
    assert begun == [*literals, "'../input', f'/kaggle/input/{SLUG}/train.csv', '/kaggle/input'"]


def test_what_a_kernel_saw_and_ran_on_is_kept(tmp_path: Path, place: Path) -> None:
    cells = [
        "a = open('/kaggle/input/datasets/somebody/weights/a.pt')",
        "b = open('/kaggle/input/notebooks/somebody/training/b.pt')",
        "c = open('../input/known/c.pt')\nd = open('../input/whose/d.pt')",
    ]
    write_notebook(tmp_path / "x.ipynb", cells, kaggle={"isGpuEnabled": True})
    metadata = {"code_file": "x.ipynb", "id": "me/x", "dataset_sources": ["me/known"], "enable_internet": True}
    (tmp_path / "kernel-metadata.json").write_text(json.dumps(metadata))
    adopted = adopt(tmp_path / "x.ipynb", "apples", ())
    expected = {"dataset_sources": ["me/known", "somebody/weights"], "kernel_sources": ["somebody/training"]}
    assert adopted.settings == {**expected, "enable_gpu": True}
    assert [line for line in adopted.left if "as an input" in line] == [
        "whose: name in kernel-metadata.json as an input, with the owner"
    ]
    (line,) = [line for line in adopted.left if "for a rehearsal" in line]
    assert line.startswith("me/known, somebody/weights, somebody/training: ")
    write_adopted(place, names_of("apples"), adopted)
    written = read_kernel_folder(place, "apples").metadata.document
    assert {key: written[key] for key in adopted.settings} == adopted.settings
    assert written["enable_internet"] is False
    assert written["competition_sources"] == ["apples"]


def test_what_pip_is_told_besides_is_kept_or_said(tmp_path: Path) -> None:
    cells = [
        "!pip install -q tqdm==4.66.1 -f https://example.org/links && mkdir -p data; echo hello",
        "!pip install -qU tqdm",
        "!pip install git+https://example.org/x",
        "!wget https://example.org/weights",
        "%%bash\ncp -r ../input/some/lib .",
    ]
    write_notebook(tmp_path / "x.ipynb", cells)
    adopted = adopt(tmp_path / "x.ipynb", "apples", ())
    assert adopted.requirements == ("tqdm==4.66.1",)
    # jupytext has IPython's lines as comments, so that the file is Python.
    assert "# !mkdir -p data; echo hello" in adopted.code
    assert "# not installed here: pip install git+" in adopted.code
    left = "\n".join(adopted.left)
    assert "-f https://example.org/links: not possible in a requirement" in left
    assert adopted.offline == ("!wget https://example.org/weights",)
    assert "take the folder from find_input: cp -r ../input/some/lib ." in left


def test_blocks_of_commands_and_last_lines_pass_the_checks(tmp_path: Path, place: Path) -> None:
    cells = ["import os\nif os.path.exists('x'):\n    !ls\nelse:\n    %cd .\nos.getcwd?", "x = 1\n"]
    write_notebook(tmp_path / "x.ipynb", cells)
    adopted = adopt(tmp_path / "x.ipynb", "apples", ())
    assert adopted.left == ()
    write_adopted(place, names_of("apples"), adopted)
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        run(place, *tool, "--no-cache", "kernels/apples")
    cell = read_notebook(place / "kernels" / "apples" / "predict.py").cells[-2].source
    assert [line.strip() for line in cell.splitlines()] == [
        "import os", "if os.path.exists('x'):", "!ls", "pass", "else:", "%cd .", "pass", "os.getcwd?",
    ]  # fmt: skip


def test_modules_that_a_cell_writes_or_a_folder_holds_are_known(tmp_path: Path) -> None:
    cells = ["%%writefile made.py\nimport yaml\nP = '../input/apples/x'", "import made\nfrom lib.names import NAME"]
    write_notebook(tmp_path / "x.ipynb", cells)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "names.py").write_text("NAME = 1\n")
    adopted = adopt(tmp_path / "x.ipynb", "apples", ())
    assert adopted.requirements == ("pyyaml",)
    assert set(adopted.modules) == {"lib/names.py"}
    assert adopted.left == ()
    assert "from competition_kit.inputs import find_input\nimport yaml\n" in adopted.code


def test_the_future_comes_first_over_several_lines(tmp_path: Path, place: Path) -> None:
    (tmp_path / "x.py").write_text("from __future__ import (\n    annotations,\n)\nprint(1)\n")
    adopted = adopt(tmp_path / "x.py", "apples", ())
    compile(rendered(place, adopted), "predict.py", "exec")


@pytest.mark.parametrize("name", ["test", "tests", "sklearn", "scikit-learn", "numpy"])
def test_a_name_that_something_else_has_is_given_another(name: str) -> None:
    assert names_of(name, {"numpy", "scikit-learn"}).package == f"competition-{name}"


def test_what_is_written_in_another_language_is_refused(tmp_path: Path) -> None:
    spec = {"name": "ir", "display_name": "R", "language": "R"}
    write_notebook(tmp_path / "x.ipynb", ["library(tidyverse)"], kernelspec=spec)
    with pytest.raises(ConfigurationError, match="written in R"):
        adopt(tmp_path / "x.ipynb", "apples", ())


def test_a_comment_of_a_script_stays_one_and_the_future_comes_first(tmp_path: Path, place: Path) -> None:
    (tmp_path / "x.py").write_text("from __future__ import annotations\n# !pip install timm\nimport yaml\n")
    adopted = adopt(tmp_path / "x.py", "apples", ())
    assert adopted.requirements == ("pyyaml",)
    code = rendered(place, adopted)
    assert code.startswith("from __future__ import annotations\n")
    compile(code, "predict.py", "exec")
    assert "!pip install timm" in code


def test_a_module_that_the_rehearsal_has_is_refused(tmp_path: Path, place: Path) -> None:
    (tmp_path / "apples").mkdir()
    (tmp_path / "apples" / "__init__.py").touch()
    (tmp_path / "apples" / "rehearsal.py").touch()
    (tmp_path / "x.py").write_text("import apples.rehearsal\n")
    adopted = adopt(tmp_path / "x.py", "apples", ())
    with pytest.raises(ConfigurationError, match="would be both yours and the rehearsal's"):
        write_adopted(place, names_of("apples"), adopted)
    assert not (place / "kernels" / "apples").exists()


def test_a_requirement_with_a_marker_can_be_written(tmp_path: Path, place: Path) -> None:
    write_notebook(tmp_path / "x.ipynb", ["!pip install 'iniconfig; python_version < \"4\"'"])
    adopted = adopt(tmp_path / "x.ipynb", "my-package-2", ())
    write_adopted(place, names_of("my-package-2"), adopted)
    project = read_project_file(place / "packages" / "my-package-2")["project"]
    assert 'iniconfig; python_version < "4"' in project["dependencies"]
    assert (place / "kernels" / "my-package-2" / "submission.toml").is_file()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("notebook.ipynb", '{"cells": 5}', "cannot be read"),
        ("notebook.ipynb", '{"cells": [{"source": 5}], "nbformat": 4, "nbformat_minor": 4}', "cannot be read"),
        ("notebook.ipynb", None, "not found"),
        ("notebook.ipynb", "{", "cannot be read"),
        ("notebook.ipynb", "[]", "cannot be read"),
        ("notebook.ipynb", '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}', "no code in it"),
        ("script.py", "", "no code in it"),
        ("notebook.txt", "", "neither a notebook"),
    ],
)
def test_what_is_no_code_is_refused(name: str, content: str | None, problem: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigurationError, match=problem):
        adopt(tmp_path / name, "apples", ())


def test_of_several_distributions_the_one_of_the_image_is_meant(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text("import cv2\nimport kaggle_secrets\n")
    assert adopt(tmp_path / "predict.py", "apples", ["opencv-python-headless"]).requirements == (
        "opencv-python-headless",
    )
    assert adopt(tmp_path / "predict.py", "apples", ()).requirements == ("opencv-python",)


@pytest.mark.parametrize(
    "competition",
    [
        pytest.param("apples", marks=pytest.mark.nightly),
        pytest.param("pinned-packages", marks=pytest.mark.nightly),
        pytest.param("old-paths", marks=pytest.mark.nightly),
        pytest.param("helper-module", marks=pytest.mark.nightly),
    ],
)
def test_it_scores_without_an_edit(competition: str, tmp_path: Path, storages: Path) -> None:
    """In a clone of this repository, by the command line."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(REPOSITORY), str(clone))
    share_images(clone, storages)
    source = ["--from", str(write_notebooks(tmp_path / "notebooks")[competition])] if competition in NOTEBOOKS else []
    environment = os.environ | {"KAGGLE_TARGET": "local"}
    for command in (["new", competition, *source], *([verb, competition] for verb in ("freeze", "push", "submit"))):
        done = subprocess.run(
            [sys.executable, "-m", "kaggle_offline", *command],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((clone / "build" / competition / "result.json").read_text())
    assert result["submission"]["score"] > result["submission"]["baseline"] + 0.2
    assert examine(clone, competition) == []
