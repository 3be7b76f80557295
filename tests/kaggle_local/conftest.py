"""A local Kaggle for each test, on one image for all of them, and the official client pointed at it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kaggle_local.server import LocalKaggle, serve

Kaggle = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture
def storage(tmp_path: Path, images: Path) -> Path:
    """A storage that shares the images of the session: building one takes seconds."""
    root = tmp_path / "storage"
    root.mkdir()
    (root / "images").symlink_to(images)
    return root


@pytest.fixture
def local(storage: Path) -> Iterator[LocalKaggle]:
    with serve(storage) as kaggle:
        yield kaggle


def client_environment(local: LocalKaggle) -> dict[str, str]:
    """What `kaggle-local serve` tells people to export."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "HTTP_PROXY": local.url,
        "NO_PROXY": "",
        "KAGGLE_API_TOKEN": local.token,
    }


@pytest.fixture
def kaggle(local: LocalKaggle, tmp_path: Path) -> Kaggle:
    """Run the official command line, unmodified, and expect it to succeed."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("kaggle")
        result = subprocess.run(
            [program, *arguments],
            env=client_environment(local),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
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
