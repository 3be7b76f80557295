"""Kernels and locks that follow an image; the capture of one is in the run of its workflow."""

import json
from datetime import date
from pathlib import Path

import pytest
from kaggle_offline.cli import main
from kaggle_offline.delivery.target import open_target
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.errors import ConfigurationError, TargetError
from kaggle_offline.observation.renewal import recapture, renew
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_offline.conftest import IMAGE, git, require
from tests.serving import serving


@pytest.fixture
def kernel(repository: Path) -> KernelFolder:
    """A competition, and an image that was captured for it, which has another packaging."""
    require(repository, "packaging")
    git(repository, "init", "--quiet")
    git(repository, "config", "color.ui", "always")
    git(repository, "config", "diff.noprefix", "true")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "x")
    captured = repository / "build" / "images" / "recaptured" / "small.txt"
    captured.parent.mkdir(parents=True)
    captured.write_text(IMAGE.replace("image: small", "image: small-2026-11").replace("==24.2", "==26.1"))
    return read_kernel_folder(repository, "small")


def test_the_change_is_a_patch_that_applies_whatever_git_is_set_to(kernel: KernelFolder, tmp_path: Path) -> None:
    settings = kernel.folder / "submission.toml"
    text = settings.read_text().replace('image = "small"', "image='small' # ours").replace("\n", "\r\n")
    settings.write_bytes(text.encode())
    git(kernel.repository, "commit", "--quiet", "--all", "--message", "As on Windows")
    renew(kernel.repository, [kernel])
    assert settings.read_bytes().decode() == text.replace("'small'", '"small-2026-11"')
    renewal = kernel.repository / "build" / "images" / "renewal"
    assert "packaging 24.2 → 26.1" in (renewal / "description.md").read_text()
    git(tmp_path, "clone", "--quiet", str(kernel.repository), "clone")
    git(tmp_path / "clone", "apply", "--index", str(renewal / "change.patch"))
    for name in ("kernels/small/submission.toml", "requirements/small.txt", "requirements/images/small-2026-11.txt"):
        assert (tmp_path / "clone" / name).read_bytes() == (kernel.repository / name).read_bytes()

    # A renewal that was interrupted, and is done again, comes to the same.
    (kernel.repository / "requirements" / "small.txt").unlink()
    before = (renewal / "change.patch").read_text()
    renew(kernel.repository, [read_kernel_folder(kernel.repository, "small")])
    assert (renewal / "change.patch").read_text() == before


def test_what_is_pinned_or_the_same_stays(kernel: KernelFolder) -> None:
    metadata = kernel.folder / "kernel-metadata.json"
    document = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({**document, "docker_image_pinning_type": "original"}))
    before = (kernel.folder / "submission.toml").read_text()
    renew(kernel.repository, [read_kernel_folder(kernel.repository, "small")])
    assert (kernel.folder / "submission.toml").read_text() == before
    captured = kernel.repository / "build" / "images" / "recaptured" / "small.txt"
    captured.write_text(kernel.image.read_text())
    renew(kernel.repository, [kernel])
    assert list((kernel.repository / "build" / "images" / "renewal").iterdir()) == []


def test_a_setting_that_cannot_be_changed_is_left_and_named(kernel: KernelFolder) -> None:
    settings = kernel.folder / "submission.toml"
    text = settings.read_text().replace('image = "small"', 'image = """small"""')
    settings.write_text(text)
    with pytest.raises(ConfigurationError, match="image is not on a line of its own"):
        renew(kernel.repository, [read_kernel_folder(kernel.repository, "small")])
    assert settings.read_text() == text


def test_the_local_kaggle_has_nothing_to_renew(kernel: KernelFolder, rehearsed: Path) -> None:
    with open_target("local", rehearsed) as target, pytest.raises(TargetError, match="KAGGLE_TARGET=kaggle"):
        recapture(target, rehearsed, [kernel], date(2026, 11, 22))


LISTS = {
    "pip-freeze.txt": "packaging==26.0\nnumpy==2.0.2+cpu\n",
    "kaggle_requirements.txt": "six\n",
    "Dockerfile.tmpl": "ARG PACKAGE_PATH=/usr/local/lib/python3.14/dist-packages\n",
}


def test_without_an_account_the_newest_public_lists_are_compared(
    kernel: KernelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_kernel(kernel)
    before = kernel.lock.read_text()
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name, text in LISTS.items():
        (mirror / name).write_text(text)
    monkeypatch.chdir(kernel.repository)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    with serving(mirror) as address:
        assert main(["image", "rederive", "--lists", address]) == 0
    report = """\
small → newest
  python: 3.12.13 → 3.14
  accelerator: unknown → cpu
  small: 1 of its distributions changed
    packaging 24.2 → 26.0 (provided)
  1 others changed
"""
    assert report in capsys.readouterr().out
    assert report in (tmp_path / "summary.md").read_text()
    # A report proposes nothing.
    renew(kernel.repository, [kernel])
    assert kernel.lock.read_text() == before
    assert not (kernel.repository / "build" / "images" / "renewal" / "change.patch").exists()
