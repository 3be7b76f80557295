"""`doctor` finds each of many planted faults, one at a time, with its cure; and nothing where there is none."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.server import LocalKaggle
from kaggle_offline.doctor import examine
from kaggle_offline.errors import CredentialsError, FindingsError, UnknownCompetitionError
from kaggle_offline.freeze import lock_kernel
from kaggle_offline.kernel_folder import list_competitions, read_kernel_folder

from tests.kaggle_offline.conftest import IMAGE, METADATA, REPOSITORY, copy_of, git, write_repository

KERNEL = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %% tags=["install"]
# Here.

# %%
import iniconfig, small

open("/kaggle/working/submission.csv", "w").write("image,labels\\n")
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small repository, locked and committed, with nothing wrong in it."""
    repository = write_repository(tmp_path_factory.mktemp("sound") / "repository")
    (repository / "kernels" / "small" / "predict.py").write_text(KERNEL)
    metadata = {**METADATA, "is_private": True}
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text(json.dumps(metadata))
    manifest = repository / "requirements" / "images" / "small.txt"
    manifest.write_text(IMAGE.replace("# platform", "# accelerator: cpu\n# date: 2026-05-14\n# platform"))
    (repository / ".gitignore").write_text("/build/\n*.secret.ckpt\n")
    lock_kernel(read_kernel_folder(repository, "small"))
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Begin")
    return repository


@pytest.fixture
def sound(template: Path, tmp_path: Path) -> Path:
    """A copy of it, to plant a fault in."""
    return copy_of(template, tmp_path / "repository")


def metadata(**changes: Any) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        path = repository / "kernels" / "small" / "kernel-metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return plant


def replaced(file: str, before: str, after: str) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        text = (repository / file).read_text()
        assert before in text
        (repository / file).write_text(text.replace(before, after, 1))

    return plant


def code(line: str) -> Callable[[Path], None]:
    return replaced("kernels/small/predict.py", "open(", f"{line}\nopen(")


def package(line: str) -> Callable[[Path], None]:
    return replaced("packages/small/src/small/__init__.py", '"""Small."""\n', f'"""Small."""\n{line}\n')


def settings(before: str, after: str) -> Callable[[Path], None]:
    return replaced("kernels/small/submission.toml", before, after)


def written(file: str, content: str) -> Callable[[Path], None]:
    def plant(repository: Path) -> None:
        (repository / file).write_text(content)

    return plant


def newer_image(repository: Path) -> None:
    folder = repository / "requirements" / "images"
    (folder / "newer.txt").write_text((folder / "small.txt").read_text().replace("2026-05-14", "2026-11-01"))


def large_checkpoint(repository: Path) -> None:
    path = repository / "kernels" / "small" / "checkpoints" / "large.json"
    path.touch()
    os.truncate(path, 101 * 2**20)


def ignored_checkpoint(repository: Path) -> None:
    folder = repository / "kernels" / "small" / "checkpoints"
    (folder / "x.secret.ckpt").write_bytes((folder / "model.ckpt").read_bytes())


def slow_run(repository: Path) -> None:
    settings("[rehearsal]", "[limits]\nrows = 5000\nhours = 9\n[rehearsal]")(repository)
    build = repository / "build" / "small"
    (build / "output").mkdir(parents=True, exist_ok=True)
    (build / "output" / "submission.csv").write_text("image,labels\na,scab\nb,scab\n")
    (build / "result.json").write_text(
        json.dumps({"run": {"status": "complete", "seconds": 20, "peak_memory_bytes": 1}})
    )


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no metadata": (lambda r: (r / "kernels/small/kernel-metadata.json").unlink(), "kernel-metadata.json: not there"),
    "internet switched on": (metadata(enable_internet=True), "enable_internet: true"),
    "a title that leads elsewhere": (metadata(title="Another kernel"), "title: resolves to 'another-kernel'"),
    "a title that is too short": (metadata(title="Tiny", id="OWNER/tiny"), "id or title"),
    "a slug with an underscore": (metadata(id="OWNER/small_kernel"), "title: resolves to 'small-kernel'"),
    "an id without an owner": (metadata(id="small-kernel"), "id or title"),
    "another competition": (metadata(competition_sources=["other"]), "competition_sources"),
    "a language that is not run": (metadata(language="r"), "language"),
    "no such code": (metadata(code_file="nowhere.py"), "code_file: nowhere.py is not there"),
    "a public kernel": (metadata(is_private=False), "is_private: false"),
    "a dataset without an owner": (metadata(dataset_sources=["data"]), "dataset_sources: 'data'"),
    "a model that is none": (metadata(model_sources=["google/gemma"]), "model_sources: 'google/gemma'"),
    "a GPU on an image without": (metadata(enable_gpu=True), "enable_gpu is true"),
    "settings that are no TOML": (written("kernels/small/submission.toml", "package ="), "submission.toml"),
    "an unknown setting": (settings("package", "surprise = 1\npackage"), "surprise: unknown key"),
    "limits without hours": (settings("[rehearsal]", "[limits]\nrows = 3\n[rehearsal]"), "limits: must be a table"),
    "limits of no rows": (
        settings("[rehearsal]", "[limits]\nrows = 0\nhours = 9\n[rehearsal]"),
        "limits.rows: 0 must be a number above 0",
    ),
    "no such package": (settings('"small"', '"other"'), "package: packages/other is not there"),
    "no such image": (settings('image = "small"', 'image = "other"'), "other.txt: no such image"),
    "a newer image": (newer_image, "small is of 2026-05-14, and newer of 2026-11-01 is there"),
    "an output that nothing writes": (settings("submission.csv", "result.csv"), "no code names result.csv"),
    "a rehearsal that is not there": (
        settings("small.competition", "small.nowhere"),
        "small.nowhere is not in packages/",
    ),
    "a weight of no checkpoint": (settings("[rehearsal]", '[weights]\n"no.ckpt" = 1\n[rehearsal]'), "no.ckpt"),
    "no place for the parameters": (
        replaced("kernels/small/predict.py", 'tags=["parameters"]', ""),
        "no cell is tagged parameters",
    ),
    "nothing that installs": (
        replaced("kernels/small/predict.py", 'tags=["install"]', ""),
        "nothing installs the packages",
    ),
    "code that is no Python": (code("def broken(:"), "predict.py: is no Python"),
    "a module that is no Python": (package("def broken(:"), "__init__.py: is no Python"),
    "pip in a way that is not read": (code("!yes | pip install timm"), "!yes | pip install timm"),
    "another image that is malformed": (
        written("requirements/images/other.txt", "numpy"),
        "other.txt:1: not a pinned distribution",
    ),
    "tags that are none": (
        replaced("kernels/small/predict.py", 'tags=["install"]', "tags=5"),
        "predict.py: not a percent-format notebook",
    ),
    "metadata of a package that are none": (
        written("packages/small/pyproject.toml", 'project = "x"'),
        "packages/small",
    ),
    "a pip line": (code("!pip install -q timm"), "!pip install -q timm"),
    "a command that fetches": (code("!wget https://example.org/x.pt"), "!wget https://example.org/x.pt fetches"),
    "weights from a hub": (
        package("def load(timm):\n    return timm.create_model('x', pretrained=True)"),
        "pretrained=True) fetches",
    ),
    "a call that fetches": (code("torch.hub.load('a/b', 'c')"), "torch.hub.load(…) fetches"),
    "a path of the old layout": (code('p = "/kaggle/input/small/train.csv"'), "one of Kaggle's two layouts"),
    "a path of the new layout": (code('p = "/kaggle/input/competitions/small/x"'), "one of Kaggle's two layouts"),
    "a relative path in the package": (package('P = "../input/some-data/x.csv"'), "one of Kaggle's two layouts"),
    "an import of the kernel's that nothing declares": (code("import pandas"), "imports pandas, which packages/small"),
    "an import of the package's that nothing declares": (package("import cv2"), "imports cv2, which packages/small"),
    "a Python that the image has not": (
        replaced("packages/small/pyproject.toml", 'version = "1.0"\n', 'version = "1.0"\nrequires-python = ">=3.13"\n'),
        "requires-python is >=3.13, and small has 3.12",
    ),
    "a package without metadata": (lambda r: (r / "packages/small/pyproject.toml").unlink(), "packages/small"),
    "a stale lock": (
        replaced("packages/small/pyproject.toml", '"iniconfig>=2"', '"iniconfig>=1"'),
        "small.txt: not what the requirements and the image give now",
    ),
    "no lock": (lambda r: (r / "requirements/small.txt").unlink(), "small.txt: missing"),
    "a lock that was edited": (
        replaced("requirements/small.txt", "# via: small", "# via: me"),
        "small.txt: edited since it was written",
    ),
    "a checkpoint that is none": (
        written("kernels/small/checkpoints/model.ckpt", "none"),
        "model.ckpt: not a checkpoint",
    ),
    "a checkpoint that Git LFS has": (
        written("kernels/small/checkpoints/model.ckpt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "model.ckpt: is Git LFS's pointer",
    ),
    "a checkpoint that Git ignores": (
        ignored_checkpoint,
        "x.secret.ckpt: is ignored by Git",
    ),
    "a checkpoint that Kaggle unpacks": (written("kernels/small/checkpoints/more.zip", "x"), "Kaggle unpacks archives"),
    "a checkpoint that GitHub refuses": (large_checkpoint, "large.json: 101 MiB"),
    "credentials in the repository": (written("kernels/small/kaggle.json", "{}"), "kaggle.json: credentials lie"),
    "a run that would take too long": (slow_run, "5000 rows would take 13.9 hours"),
}


def test_nothing_is_found_where_nothing_is_wrong(sound: Path) -> None:
    assert examine(sound, "small") == []


def test_a_newer_image_of_the_local_kaggle_is_none_that_kaggle_has(sound: Path) -> None:
    newer_image(sound)
    newer = sound / "requirements" / "images" / "newer.txt"
    source = "# source: kaggler/capture-of-image-newer version 1 on local, from inside"
    newer.write_text(f"{source}\n{newer.read_text()}")
    assert examine(sound, "small") == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_alone_with_its_cure(fault: str, sound: Path) -> None:
    plant, problem = FAULTS[fault]
    plant(sound)
    (finding,) = examine(sound, "small")
    assert problem in finding.problem
    assert str(sound) not in finding.problem
    assert len(finding.cure) > 10


def test_the_faults_are_many() -> None:
    assert len(FAULTS) >= 25


def test_nothing_is_found_in_this_repository() -> None:
    for competition in list_competitions(REPOSITORY):
        assert examine(REPOSITORY, competition) == []


def run(repository: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaggle_offline", "doctor", *arguments]
    variables = {"PATH": os.environ["PATH"], "HOME": str(repository / "home"), **environment}
    return subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)


def test_the_command_lists_what_it_finds_and_its_exit_code_tells(sound: Path) -> None:
    good = run(sound)
    assert (good.returncode, good.stdout) == (0, "small: nothing found\n")
    metadata(is_private=False)(sound)
    code("import pandas")(sound)
    bad = run(sound, "small")
    assert bad.returncode == FindingsError.exit_code
    assert "small:\n  kernels/small/kernel-metadata.json: is_private: false\n    → " in bad.stdout
    assert "kaggle-offline: 2 found\n" in bad.stderr
    assert run(sound, "nowhere").returncode == UnknownCompetitionError.exit_code


def test_it_says_whose_the_credentials_are(sound: Path, local_kaggle: LocalKaggle) -> None:
    asked = run(sound, **{**local_kaggle.environment, "KAGGLE_TARGET": "kaggle"})
    assert asked.returncode == 0, asked.stderr
    assert "Kaggle knows you as kaggler" in asked.stdout
    missing = run(sound, KAGGLE_TARGET="kaggle")
    assert missing.returncode == FindingsError.exit_code
    assert "credentials:\n  Kaggle: no credentials" in missing.stdout
    assert CredentialsError.exit_code != FindingsError.exit_code
