"""A clone of this repository, with small competitions added to it."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.fault_matrix import PREDICT
from tests.kaggle_offline.conftest import REPOSITORY, git, write_repository

SEED = "plant-pathology-2021-fgvc8"
IMAGE = "kaggle-gpu-2026-05"


def commit(clone: Path, message: str) -> None:
    """Commit all that has changed."""
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", message)


def clone_repository(folder: Path) -> Path:
    """A clone of the last commit, on a branch called main, that knows of no place to push to."""
    git(REPOSITORY, "clone", "--quiet", "--no-tags", str(REPOSITORY), str(folder))
    git(folder, "remote", "remove", "origin")
    git(folder, "checkout", "--quiet", "-B", "main")
    return folder


def take_this_python(clone: Path) -> None:
    """Have Kaggle's image be for this machine's Python: what is pushed runs here then, compiled wheels, too."""
    path = clone / "requirements" / "images" / f"{IMAGE}.txt"
    path.write_text(re.sub("(?m)^# python: .*$", f"# python: {platform.python_version()}", path.read_text()))
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
