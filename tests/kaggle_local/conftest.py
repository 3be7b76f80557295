"""The official client as a subprocess, pointed at a local Kaggle of the test's own (see kaggle_local.pytest_plugin)."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle

from tests.sharing import shared_folder

Kaggle = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kaggle_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of all tests, whichever worker runs them."""
    return shared_folder(tmp_path_factory, "images")


@pytest.fixture
def storage(tmp_path: Path, kaggle_images: Path) -> Path:
    """A storage for tests that open it themselves; it shares the images of the session."""
    root = tmp_path / "storage"
    root.mkdir()
    (root / "images").symlink_to(kaggle_images)
    return root


@pytest.fixture
def local(local_kaggle: LocalKaggle) -> LocalKaggle:
    return local_kaggle


def client_environment(local: LocalKaggle, **changes: str) -> dict[str, str]:
    """Return the variables that `kaggle-local serve` tells people to export, and nothing else of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **local.environment, **changes}


@pytest.fixture
def kaggle(local: LocalKaggle, tmp_path: Path) -> Kaggle:
    """Run the official command line, unmodified, and expect it to succeed; `user` says as whom."""

    def run(*arguments: str, user: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("kaggle")
        changes = {"KAGGLE_API_TOKEN": f"local-{user}"} if user else {}
        result = subprocess.run(
            [program, *arguments],
            env=client_environment(local, **changes),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result

    return run


@pytest.fixture
def competition(tmp_path: Path) -> Path:
    """A competition folder: two public ids, three hidden ones."""
    folder = tmp_path / "leaves"
    for side, ids in (("public", "ab"), ("hidden", "xyz")):
        (folder / side / "test_images").mkdir(parents=True)
        for name in ids:
            (folder / side / "test_images" / name).write_text(side)
        rows = "".join(f"{name},scab\n" for name in ids)
        (folder / side / "sample_submission.csv").write_text(f"image,labels\n{rows}")
    (folder / "solution.csv").write_text("image,labels\nx,scab\ny,scab rust\nz,healthy\n")
    (folder / "competition.toml").write_text(
        'slug = "leaves"\ntitle = "Leaves"\nmetric = "mean-f1"\nid = "image"\ntarget = "labels"\n'
    )
    return folder
