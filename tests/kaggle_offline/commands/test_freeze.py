"""Freeze: real resolutions and downloads, against a small image."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_offline.artifacts.frozen import Frozen, read_frozen
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.dependencies.wheels import build_wheel
from kaggle_offline.errors import BuildError, CheckpointError, ConfigurationError, NotFrozenError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.conftest import copy_of, write_checkpoint


def freeze_small(repository: Path) -> Frozen:
    return freeze(read_kernel_folder(repository, "small"))


def test_what_the_image_has_is_not_shipped_and_the_rest_is_pinned_and_hashed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = freeze_small(repository)
    text = (repository / "requirements" / "small.txt").read_text()
    assert "# provided: packaging==24.2" in text
    assert "\niniconfig==2" in text
    assert "--hash=sha256:" in text
    assert "index" not in text.replace("iniconfig", "")
    names = sorted(frozen.packages.files)
    assert [n.partition("-")[0] for n in names] == ["freeze.json", "iniconfig", "install.py", "small"]
    output = capsys.readouterr().out
    assert re.search(r"\n  packaging +24\.2 +provided\n", output)
    assert re.search(r"\n  iniconfig +2\S+ +added, for small\n", output)
    assert "requirements/small.txt is new: commit it" in output


def test_an_unchanged_freeze_does_nothing_again(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = freeze_small(repository)
    stamps = {
        p: p.stat().st_mtime_ns for p in (repository / "build" / "small").rglob("*.whl") if "packages" not in p.parts
    }
    locked = (repository / "requirements" / "small.txt").stat().st_mtime_ns
    capsys.readouterr()
    assert freeze_small(repository) == first
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert (repository / "requirements" / "small.txt").stat().st_mtime_ns == locked
    assert "nothing changed" in capsys.readouterr().out


HATCHLING = """\
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["src/small"]
"""


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(HATCHLING, id="hatchling", marks=pytest.mark.nightly),
        pytest.param('requires = ["setuptools"]', id="setuptools"),
    ],
)
def test_the_same_tree_elsewhere_has_the_same_digest(backend: str, repository: Path, tmp_path: Path) -> None:
    project = repository / "packages" / "small" / "pyproject.toml"
    _, _, rest = project.read_text().partition("[project]")
    project.write_text(f"[build-system]\n{backend}\n[project]{rest}")
    elsewhere = copy_of(repository, tmp_path / "elsewhere")
    for path in elsewhere.rglob("*"):
        os.utime(path, (10**9, 10**9))
        if path.is_file():
            # As another umask would have it.
            path.chmod(0o600)
    first = freeze_small(repository)
    assert freeze_small(elsewhere).packages.digest == first.packages.digest
    # Made anew at another time.
    shutil.rmtree(repository / "build")
    assert freeze_small(repository).packages.digest == first.packages.digest


@pytest.mark.nightly
def test_what_is_built_follows_links_and_modes_but_no_umask(repository: Path) -> None:
    package = repository / "packages" / "small"
    (package / "pyproject.toml").unlink()
    (package / "setup.cfg").write_text(
        "[metadata]\nname = small\nversion = 1.0\n[options]\npackages = small\npackage_dir =\n  = src\n"
        "[options.package_data]\n* = *.txt\n"
    )
    (repository / "shared").mkdir()
    (repository / "shared" / "leaf.txt").write_text("green")
    (package / "src" / "small" / "leaf.txt").symlink_to(repository / "shared" / "leaf.txt")
    (package / "src" / "small" / ".#open in an editor").symlink_to("nobody@nowhere")
    (package / "src" / "small" / "round").symlink_to("..")
    for one, other in (("a", "b"), ("b", "a")):
        (package / "src" / one).mkdir()
        for number in range(3):
            (package / "src" / one / f"link-{number}").symlink_to(f"../{other}")
    digest = freeze_small(repository).packages.digest
    before = os.umask(0o077)
    try:
        shutil.rmtree(repository / "build")
        assert freeze_small(repository).packages.digest == digest
    finally:
        os.umask(before)
    (repository / "shared" / "leaf.txt").write_text("red")
    changed = freeze_small(repository).packages.digest
    assert changed != digest
    (package / "src" / "small" / "__init__.py").chmod(0o755)
    executable = freeze_small(repository).packages.digest
    shutil.rmtree(repository / "build")
    assert freeze_small(repository).packages.digest == executable


@pytest.mark.parametrize("place", ["packages/small/src/small/leak.txt", "packages/small/src/small/leak"])
def test_a_link_out_of_the_repository_is_not_built(place: str, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key.txt").write_text("private")
    link = repository / place
    link.symlink_to(tmp_path / "private" / ("key.txt" if place.endswith(".txt") else ""))
    with pytest.raises(BuildError, match=re.escape(f"{link}: a link to {link.resolve()}, outside the repository")):
        freeze_small(repository)


def test_a_checkpoint_or_code_file_that_is_a_link_out_of_the_repository_is_refused(
    repository: Path, tmp_path: Path
) -> None:
    kernel = repository / "kernels" / "small"
    outside = tmp_path / "outside"
    outside.write_text("private")
    (kernel / "checkpoints" / "leak.bin").symlink_to(outside)
    with pytest.raises(CheckpointError, match=r"leak\.bin: a link to .*/outside, outside the repository"):
        freeze_small(repository)
    (kernel / "checkpoints" / "leak.bin").unlink()
    (kernel / "predict.py").unlink()
    (kernel / "predict.py").symlink_to(outside)
    with pytest.raises(ConfigurationError, match=r"predict\.py: a link to .*/outside, outside the repository"):
        freeze_small(repository)


def test_two_freezes_at_once_do_not_meet(repository: Path) -> None:
    command = [sys.executable, "-m", "kaggle_offline", "freeze"]
    both = [subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("waiting for another process" in output for output in outputs) == 1
    assert sum("nothing changed" in output for output in outputs) == 1


def test_a_changed_checkpoint_is_packed_anew_and_an_unchanged_one_is_not(repository: Path) -> None:
    first = freeze_small(repository)
    assert first.models is not None
    packed = first.models.folder / "model.ckpt"
    before = packed.stat()
    assert freeze_small(repository) == first
    assert packed.stat().st_ino == before.st_ino
    write_checkpoint(repository / "kernels" / "small" / "checkpoints" / "model.ckpt", b"\x80\x02]q\x00.")
    second = freeze_small(repository)
    assert second.models is not None
    assert second.models.digest != first.models.digest
    assert second.packages == first.packages
    packed.unlink()
    assert freeze_small(repository) == second
    assert packed.exists()


def test_a_name_that_kaggle_would_change_is_refused_before_anything_is_made(repository: Path) -> None:
    (repository / "kernels" / "small").rename(repository / "kernels" / "small_kernel")
    metadata = repository / "kernels" / "small_kernel" / "kernel-metadata.json"
    metadata.write_text(metadata.read_text().replace('["small"]', '["small_kernel"]'))
    with pytest.raises(ConfigurationError, match="small_kernel-models: a dataset's name must have 6 to 50 characters"):
        freeze(read_kernel_folder(repository, "small_kernel"))


def test_a_changed_line_of_the_project_changes_only_its_wheel(repository: Path) -> None:
    def hashes() -> dict[str, str]:
        manifest = json.loads((freeze_small(repository).packages.folder / "freeze.json").read_text())
        return {entry["name"]: entry["sha256"] for entry in manifest["files"]}

    before = hashes()
    (repository / "packages" / "small" / "src" / "small" / "__init__.py").write_text('"""Other."""\n')
    after = hashes()
    assert [name for name in before if before[name] != after[name]] == ["small-1.0-py2.py3-none-any.whl"]


def test_a_damaged_or_missing_download_is_fetched_again(repository: Path) -> None:
    first = freeze_small(repository)
    wheel = next((repository / "build" / "small" / "wheels").glob("*.whl"))
    content = wheel.read_bytes()
    wheel.write_bytes(b"garbage")
    assert freeze_small(repository) == first
    assert wheel.read_bytes() == content
    wheel.unlink()
    assert freeze_small(repository) == first
    assert wheel.read_bytes() == content
    next((repository / "build" / "small" / "dist" / "small").glob("*.whl")).write_bytes(b"garbage")
    assert freeze_small(repository) == first


def test_a_freeze_that_fails_leaves_nothing_that_counts_as_frozen(repository: Path) -> None:
    freeze_small(repository)
    (repository / "kernels" / "small" / "checkpoints" / "model.ckpt").write_text("broken")
    with pytest.raises(CheckpointError):
        freeze_small(repository)
    with pytest.raises(NotFrozenError):
        read_frozen(read_kernel_folder(repository, "small"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"datasets": {"packages": 3}}', '{"datasets": []}'])
def test_a_record_that_is_not_whole_is_none(content: str, repository: Path) -> None:
    (repository / "build" / "small").mkdir(parents=True)
    (repository / "build" / "small" / "frozen.json").write_text(content)
    with pytest.raises(NotFrozenError):
        read_frozen(read_kernel_folder(repository, "small"))


def test_a_build_that_lacks_the_network_is_no_fault_of_the_package(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match="the wheel cannot be built") as raised:
        build_wheel(repository / "packages" / "small", repository, repository / "build" / "dist", ())
    assert "Check the network" in raised.value.cure


def test_a_package_that_cannot_be_built_is_named(repository: Path) -> None:
    package = repository / "packages" / "small"
    (package / "pyproject.toml").write_text('[build-system]\nrequires = ["hatchling"]\n[project]\nname = 3\n')
    with pytest.raises(BuildError, match="packages/small: the wheel cannot be built"):
        build_wheel(package, repository, repository / "build" / "dist", ())
    assert not list((repository / "build" / "dist").glob("*/*.whl"))


def test_a_package_with_a_file_that_git_lfs_has_not_fetched_is_refused(repository: Path) -> None:
    package = repository / "packages" / "small"
    (package / "src" / "small" / "weights.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(BuildError, match=r"small/weights\.bin: a Git LFS pointer"):
        build_wheel(package, repository, repository / "build" / "dist", ())
