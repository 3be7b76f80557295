"""A clone of this repository, with small competitions added to it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from kaggle_local.interpreters import available_python
from kaggle_offline.repository.image_manifest import read_image_manifest

from tests.end_to_end.fault_matrix import PREDICT
from tests.kaggle_offline.conftest import REPOSITORY, git, write_repository

SEED = "plant-pathology-2021-fgvc8"
IMAGE = "kaggle-gpu-2026-10"


def commit(clone: Path, message: str) -> None:
    """Commit all that has changed."""
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", message)


def copy_repository(folder: Path) -> Path:
    """Make a repository of the files of the last commit: this one may be a clone without history."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=REPOSITORY, capture_output=True, check=True)
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive.stdout, check=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    # As GitHub allows it.
    git(folder, "config", "uploadpack.allowFilter", "true")
    commit(folder, "Begin")
    return folder


def take_this_python(clone: Path) -> None:
    """Change the image's Python to one that this machine has, so that it can run the compiled wheels of a push."""
    path = clone / "requirements" / "images" / f"{IMAGE}.txt"
    manifest = read_image_manifest(path)
    if (python := available_python(manifest.python)) != manifest.python:
        path.write_text(re.sub("(?m)^# python: .*$", f"# python: {python}.0", path.read_text()))
        lock(clone, SEED)
        commit(clone, "Take this Python")


def lock(clone: Path, name: str) -> None:
    """Lock a competition for what its image and its package are now."""
    subprocess.run([sys.executable, "-m", "kaggle_offline", "lock", name], cwd=clone, check=True, capture_output=True)


def add_competition(clone: Path, name: str) -> None:
    """Add a competition whose kernel takes a moment, with its package and its lock, and commit it."""
    draft = write_repository(clone.with_name(f"draft-{name}"))
    (draft / "kernels" / "small" / "predict.py").write_text(PREDICT)
    for path in [*draft.rglob("*.json"), *draft.rglob("*.toml"), *draft.rglob("*.py")]:
        text = path.read_text().replace('"iniconfig>=2"', "").replace('image = "small"', f'image = "{IMAGE}"')
        path.write_text(text.replace("small", name).replace("Small", name.capitalize()))
    (draft / "packages" / "small" / "src" / "small").rename(draft / "packages" / "small" / "src" / name)
    for kind in ("kernels", "packages"):
        (clone / kind).mkdir(exist_ok=True)
        shutil.move(draft / kind / "small", clone / kind / name)
    shutil.rmtree(draft)
    lock(clone, name)
    commit(clone, f"Add {name}")
