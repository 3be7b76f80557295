"""A repository of a test's own: small, with one competition, an image and a package."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.sharing import made_once, shared_folder

IMAGE = """\
# image: small
# python: 3.12.13
# platform: manylinux_2_35_x86_64
packaging==24.2
numpy==2.0.2+cu128
"""

METADATA = {
    "id": "OWNER/small-kernel",
    "id_no": 4711,
    "title": "Small kernel",
    "code_file": "predict.py",
    "language": "python",
    "kernel_type": "notebook",
    "enable_internet": False,
    "competition_sources": ["small"],
}

SUBMISSION = """\
package = "small"
image = "small"
checkpoints = "checkpoints"
output = "submission.csv"

[rehearsal]
competition = "python -m small.competition"
"""

NOTEBOOK = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %%
print("predict")
"""

# Installs what was frozen, and writes a submission.
PREDICT = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %%
import subprocess, sys
from pathlib import Path
packages = next(Path("/kaggle/input").rglob("install.py"))
subprocess.run([sys.executable, packages, "--digest", PACKAGES_DIGEST], check=True)

# %%
import iniconfig, small
images = sorted(path.name for path in next(Path("/kaggle/input").rglob("test_images")).iterdir())
Path("/kaggle/working/submission.csv").write_text("image,labels\\n" + "".join(f"{name},scab\\n" for name in images))
"""

# flit_core builds in a fraction of the time that others take.
PROJECT = """\
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"

[project]
name = "small"
version = "1.0"
description = ""
dependencies = ["packaging>=22", "iniconfig>=2"]
"""

# Writes a competition folder: tests ask for what it holds, so it is as plain as can be.
COMPETITION = '''\
"""Write the competition that the local Kaggle hosts."""

import sys
from pathlib import Path

folder = Path(sys.argv[1])
for side, ids in (("public", "ab"), ("hidden", "xyz")):
    (folder / side / "test_images").mkdir(parents=True)
    for name in ids:
        (folder / side / "test_images" / name).write_text(name)
    rows = "".join(f"{name},scab\\n" for name in ids)
    (folder / side / "sample_submission.csv").write_text(f"image,labels\\n{rows}")
(folder / "solution.csv").write_text("image,labels\\nx,scab\\ny,scab\\nz,healthy\\n")
(folder / "competition.toml").write_text(
    'slug = "small"\\ntitle = "Small"\\nmetric = "mean-f1"\\nid = "image"\\ntarget = "labels"\\n'
)
'''


def write_checkpoint(path: Path, pickled: bytes = b"\x80\x02}q\x00.") -> None:
    """As much of a checkpoint as can be told without torch."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)


# Any example will do with the same folders.
anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI run refuses a stale lock, which most of these tests expect to be renewed."""
    monkeypatch.delenv("CI", raising=False)


def require(repository: Path, *lines: str) -> None:
    """Have the package require ``lines`` and nothing else."""
    text = PROJECT.replace('["packaging>=22", "iniconfig>=2"]', json.dumps(lines))
    (repository / "packages" / "small" / "pyproject.toml").write_text(text)


def take_kaggles_image(repository: Path, *without: str) -> None:
    """Give the repository the manifest of Kaggle's real image, ``without`` some distributions."""
    lines = (REPOSITORY / "requirements" / "images" / "kaggle-gpu-2026-06.txt").read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.partition("==")[0] not in without]
    (repository / "requirements" / "images" / "small.txt").write_text("".join(kept))


def write_repository(root: Path) -> Path:
    kernel, package = root / "kernels" / "small", root / "packages" / "small"
    (kernel / "checkpoints").mkdir(parents=True)
    (package / "src" / "small").mkdir(parents=True)
    (root / "requirements" / "images").mkdir(parents=True)
    (root / "requirements" / "images" / "small.txt").write_text(IMAGE)
    (kernel / "kernel-metadata.json").write_text(json.dumps(METADATA))
    (kernel / "submission.toml").write_text(SUBMISSION)
    (kernel / "predict.py").write_text(NOTEBOOK)
    write_checkpoint(kernel / "checkpoints" / "model.ckpt")
    (package / "pyproject.toml").write_text(PROJECT)
    (package / "src" / "small" / "__init__.py").write_text('"""Small."""\n')
    (package / "src" / "small" / "competition.py").write_text(COMPETITION)
    return root


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write_repository(tmp_path / "repository")


@pytest.fixture(scope="session")
def storages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that all tests share: building one takes seconds."""
    return shared_folder(tmp_path_factory, "images")


@pytest.fixture
def rehearsed(repository: Path, storages: Path) -> Path:
    """The repository, with a local Kaggle that need not build its image anew."""
    return share_images(repository, storages)


def share_images(repository: Path, storages: Path) -> Path:
    """Give the repository a local Kaggle that has the session's images."""
    (repository / ".kaggle-local").mkdir()
    (repository / ".kaggle-local" / "images").symlink_to(storages)
    return repository


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, storages: Path) -> Path:
    """A repository whose competition, a notebook that predicts, is frozen and has its image; for copies."""

    def make(folder: Path) -> None:
        repository = share_images(write_repository(folder / "repository"), storages)
        (repository / "kernels" / "small" / "predict.py").write_text(PREDICT)
        kernel = read_kernel_folder(repository, "small")
        frozen = freeze(kernel)
        with open_target("local", repository) as target:
            assert isinstance(target, LocalTarget)
            target.prepare(kernel, frozen)
        shutil.rmtree(repository / ".kaggle-local")

    return made_once(tmp_path_factory, "prepared", make) / "repository"


@pytest.fixture
def notebook(prepared: Path, storages: Path, tmp_path: Path) -> KernelFolder:
    """The competition of `prepared`, in a copy of the test's own."""
    return read_kernel_folder(share_images(copy_of(prepared, tmp_path / "prepared"), storages), "small")


@pytest.fixture
def script(notebook: KernelFolder) -> KernelFolder:
    """The same as a script, which runs in a tenth of the time."""
    change_metadata(notebook.repository, kernel_type="script")
    return read_kernel_folder(notebook.repository, "small")


def change_metadata(repository: Path, **changes: Any) -> None:
    """Change what the competition's kernel-metadata.json says."""
    path = repository / "kernels" / "small" / "kernel-metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def result_of(build: Path) -> dict[str, Any]:
    """Read ``result.json``, as people and workflows do."""
    result: dict[str, Any] = json.loads((build / "result.json").read_text())
    return result


def git(repository: Path, *arguments: str) -> str:
    """Run Git, as somebody; return what it prints."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "tag.gpgsign=false"]
    command = ["git", *identity, "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def copy_of(repository: Path, folder: Path) -> Path:
    """The same tree elsewhere."""
    return Path(shutil.copytree(repository, folder))
