"""Freeze: real resolutions and downloads, against a small image."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_offline.download import download
from kaggle_offline.errors import BuildError, CheckpointError, DownloadError, LockError, NotFrozenError
from kaggle_offline.freeze import Frozen, freeze, read_frozen
from kaggle_offline.image_manifest import read_image_manifest
from kaggle_offline.kernel_folder import read_kernel_folder
from kaggle_offline.lock import lock, read_lock
from kaggle_offline.uv import run_uv
from kaggle_offline.wheel import build_wheel

from tests.kaggle_offline.conftest import copy_of


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
    assert "the image has 1 of the requirements: packaging==24.2" in capsys.readouterr().out


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


def test_the_same_tree_elsewhere_has_the_same_digest(repository: Path, tmp_path: Path) -> None:
    elsewhere = copy_of(repository, tmp_path / "elsewhere")
    for path in elsewhere.rglob("*"):
        os.utime(path, (10**9, 10**9))
    assert freeze_small(repository).packages.digest == freeze_small(elsewhere).packages.digest


def test_a_changed_line_of_the_project_changes_only_its_wheel(repository: Path) -> None:
    def hashes() -> dict[str, str]:
        manifest = json.loads((freeze_small(repository).packages.folder / "freeze.json").read_text())
        return {entry["name"]: entry["sha256"] for entry in manifest["files"]}

    before = hashes()
    (repository / "packages" / "small" / "src" / "small" / "__init__.py").write_text('"""Other."""\n')
    after = hashes()
    assert [name for name in before if before[name] != after[name]] == ["small-1.0-py2.py3-none-any.whl"]


def test_a_lock_is_renewed_when_its_inputs_change(repository: Path) -> None:
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    path = repository / "requirements" / "small.txt"
    assert lock(["packaging>=22"], image, path).renewed
    assert not lock(["packaging>=22"], image, path).renewed
    renewed = lock(["packaging>=22", "six==1.16.0; python_version >= '3.12'"], image, path)
    assert renewed.renewed
    assert renewed.pins == ("six==1.16.0",), "markers are those of the image's Python"
    assert read_lock(path) is not None


def test_a_project_without_requirements_ships_its_wheel_alone(repository: Path) -> None:
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    path = repository / "requirements" / "small.txt"
    assert lock([], image, path).pins == ()
    assert download(path, repository / "build" / "wheels", image) == []


def test_a_requirement_by_url_is_refused_by_name(repository: Path) -> None:
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    url = (repository / "requirements" / "images").as_uri()
    with pytest.raises(LockError, match="small"):
        lock([f"small @ {url}"], image, repository / "requirements" / "small.txt")


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
    next((repository / "build" / "small" / "dist").glob("*.whl")).write_bytes(b"garbage")
    assert freeze_small(repository) == first


def test_a_lock_whose_hashes_are_wrong_is_not_followed(repository: Path) -> None:
    freeze_small(repository)
    path = repository / "requirements" / "small.txt"
    path.write_text(re.sub("sha256:[0-9a-f]{64}( |$)", f"sha256:{'0' * 64}\\1", path.read_text(), flags=re.MULTILINE))
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    with pytest.raises(DownloadError, match=r"small\.txt: pip could not fetch it"):
        download(path, repository / "build" / "wheels", image)
    assert not (repository / "build" / "wheels").exists()


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


@pytest.mark.parametrize(
    ("requirement", "named"),
    [("packaging>=25", r"packaging"), ("no-such-distribution-anywhere-4711", "no-such-distribution-anywhere-4711")],
)
def test_what_does_not_fit_the_image_is_named(requirement: str, named: str, repository: Path) -> None:
    image = read_image_manifest(repository / "requirements" / "images" / "small.txt")
    path = repository / "requirements" / "small.txt"
    with pytest.raises(LockError, match=named):
        lock([requirement], image, path)
    assert not path.exists()


def test_a_package_that_cannot_be_built_is_named(repository: Path) -> None:
    package = repository / "packages" / "small"
    (package / "pyproject.toml").write_text('[build-system]\nrequires = ["hatchling"]\n[project]\nname = 3\n')
    with pytest.raises(BuildError, match="packages/small: the wheel cannot be built"):
        build_wheel(package, repository / "build" / "dist")
    assert not (repository / "build" / "dist").exists()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with neither uv nor pip nor anything else."""
    folder = tmp_path_factory.mktemp("kernel")
    assert run_uv("venv", "--quiet", "--no-project", "--python", sys.executable, str(folder / "venv")).returncode == 0
    return folder / "venv" / "bin" / "python"


def install(python: Path, folder: Path, digest: str, *, pip: bool) -> subprocess.CompletedProcess[str]:
    """Run the in-kernel installer, with pip on the path or without anything to install with."""
    import pip as pip_module

    path = str(Path(pip_module.__file__).parents[1]) if pip else ""
    return subprocess.run(
        [python, folder / "install.py", "--digest", digest],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": path, "PIP_BREAK_SYSTEM_PACKAGES": "1", "PATH": ""},
    )


def test_the_installer_refuses_what_is_not_whole_and_installs_what_is(repository: Path, python: Path) -> None:
    rehearsal = freeze_small(repository).rehearsal
    folder, digest = rehearsal.folder, rehearsal.digest
    wheel = next(folder.glob("small-*.whl"))
    content = wheel.read_bytes()
    manifest = (folder / "freeze.json").read_text()

    def refused(reason: str, given: str = digest) -> None:
        result = install(python, folder, given, pip=False)
        assert result.returncode == 2
        assert reason in result.stderr
        assert "Traceback" not in result.stderr

    refused("this kernel was made for sha256:0", "sha256:0")
    wheel.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(f"{wheel.name}: not the file that was frozen")
    wheel.unlink()
    refused(f"{wheel.name}: missing from the dataset")
    wheel.write_bytes(content)
    (folder / "freeze.json").write_text(manifest.replace(digest, f"sha256:{'0' * 64}"))
    refused("freeze.json: its files give")
    for text in ("{}", "[]", "", '{"files": [{"name": 1, "sha256": ""}], "digest": ""}'):
        (folder / "freeze.json").write_text(text)
        refused("freeze.json: ")
    (folder / "freeze.json").write_text(manifest)

    result = install(python, folder, digest, pip=True)
    assert result.returncode == 0, result.stderr
    assert "installed iniconfig, small" in result.stdout
    subprocess.run([python, "-c", "import iniconfig, small"], check=True)
