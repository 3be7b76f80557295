"""The in-kernel installer: refuses what is not just what was frozen, and sees that what it installed works."""

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_local.interpreters import OWN_VERSION, available_python, find_python
from kaggle_offline.artifacts.pack import Dataset
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.files import as_json, digest_of_text
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.uv import run_uv
from uv import find_uv_bin

from tests.kaggle_offline.conftest import write_repository


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    repository = write_repository(tmp_path_factory.mktemp("frozen") / "repository")
    return freeze(read_kernel_folder(repository, "small")).rehearsal


@pytest.fixture
def folder(frozen: Dataset, tmp_path: Path) -> Path:
    """A copy of what is mounted in the kernel, to be broken."""
    return Path(shutil.copytree(frozen.folder, tmp_path / "small-packages"))


def interpreters() -> dict[str, Path]:
    """One of each Python from 3.10 on that lies beside the one that runs the tests, by version."""
    beside = sorted(Path(sys.base_prefix).resolve().parent.glob("*/bin/python3.1?"))
    return {path.name.removeprefix("python"): path for path in beside} | {OWN_VERSION: Path(sys.executable)}


def make_image(folder: Path, python: Path | None = None) -> Path:
    """An environment that has what the lock takes from the image, and neither uv nor pip."""
    python = python or find_python(available_python("3.12"))
    for arguments in (
        ["venv", "--quiet", "--no-project", "--python", str(python), str(folder)],
        ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "packaging==24.2"],
    ):
        result = run_uv(*arguments)
        assert result.returncode == 0, result.stderr
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pip and nothing else."""
    folder = tmp_path_factory.mktemp("pip")
    assert (
        run_uv("pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), "pip").returncode == 0
    )
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image") / "venv")


def install(
    python: Path, folder: Path, *options: str, tool: str = "", path: Path | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the installer where there is uv to install with or nothing, and ``path`` to import from."""
    return subprocess.run(
        [python, folder / "install.py", *options],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": str(Path(find_uv_bin()).parent) if tool == "uv" else "",
            "PYTHONPATH": str(path or ""),
            "UV_CACHE_DIR": str(folder.parent / "cache"),
            **settings,
        },
    )


def refused(python: Path, folder: Path, digest: str) -> str:
    """Return the installer's refusal; it could install, if it wanted."""
    result = install(python, folder, "--digest", digest, tool="uv")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert subprocess.run([python, "-c", "import small"], capture_output=True, check=False).returncode == 1
    return result.stderr


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Change the manifest and its digest; return its digest."""
    manifest = json.loads((folder / "freeze.json").read_text())
    change(manifest)
    (folder / "freeze.json").write_text(as_json(with_digest(manifest)))
    return str(with_digest(manifest)["digest"])


def with_digest(manifest: dict[str, Any]) -> dict[str, Any]:
    content = {key: value for key, value in manifest.items() if key not in ("digest", "commit")}
    return manifest | {"digest": digest_of_text(as_json(content))}


def test_another_version_is_refused(image: Path, folder: Path, frozen: Dataset) -> None:
    older = f"sha256:{'0' * 64}"
    assert f"this kernel was made for {older}, but {frozen.digest} is mounted" in refused(image, folder, older)


def test_a_missing_file_is_refused(image: Path, folder: Path, frozen: Dataset) -> None:
    wheel = next(folder.glob("small-*.whl"))
    wheel.unlink()
    assert f"{wheel.name}: missing from the dataset" in refused(image, folder, frozen.digest)


@pytest.mark.parametrize("name", ["extra-1.0-py3-none-any.whl", "small", "sitecustomize.py"])
def test_an_extra_file_is_refused(name: str, image: Path, folder: Path, frozen: Dataset) -> None:
    (folder / name).write_text("")
    assert f"{name}: in the dataset, but not in freeze.json" in refused(image, folder, frozen.digest)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_a_flipped_byte_is_refused(image: Path, folder: Path, frozen: Dataset, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.suffix in (".whl", ".json"))))
    if path.name == "dataset-metadata.json":
        return  # not uploaded
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)
    try:
        assert f"install.py: {path.name}: " in refused(image, folder, frozen.digest)
    finally:
        path.write_bytes(content)


def test_a_changed_installer_is_refused_by_itself(image: Path, folder: Path, frozen: Dataset) -> None:
    with (folder / "install.py").open("a") as file:
        file.write("# changed\n")
    assert "install.py: not the file that was frozen" in refused(image, folder, frozen.digest)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "3", '{"files": [{"name": 1, "sha256": ""}], "digest": ""}', "[" * 9999]
)
def test_a_malformed_manifest_is_refused(text: str, image: Path, folder: Path, frozen: Dataset) -> None:
    (folder / "freeze.json").write_text(text)
    assert "install.py: freeze.json: " in refused(image, folder, frozen.digest)


def test_a_manifest_that_leads_elsewhere_is_refused(image: Path, folder: Path) -> None:
    digest = rewrite(folder, lambda manifest: manifest["files"][0].update(name="../elsewhere.whl"))
    assert "a name is a path" in refused(image, folder, digest)


def provide(distribution: str, requirements: dict[str, str]) -> Callable[[dict[str, Any]], object]:
    """Change what the manifest takes from the image."""
    entry = {"distribution": distribution, "requirements": requirements}
    return lambda manifest: manifest.update(provided=[entry])


def test_an_image_without_what_it_should_provide_is_refused(folder: Path, frozen: Dataset, image: Path) -> None:
    digest = rewrite(folder, provide("absent==1.0", {}))
    assert "absent: the lock takes it from the image, but this image does not" in refused(image, folder, digest)
    assert f"this kernel was made for {frozen.digest}, but {digest} is mounted" in refused(image, folder, frozen.digest)


def test_a_dataset_that_is_mounted_late_is_told_of_first(folder: Path, image: Path) -> None:
    """Push waits for the version then, whatever Python the older one is for."""
    digest = rewrite(folder, lambda manifest: manifest.update(python="3.9"))
    other = f"sha256:{'1' * 64}"
    assert f"this kernel was made for {other}, but {digest} is mounted" in refused(image, folder, other)


def test_another_python_is_refused_before_anything_else(folder: Path, image: Path) -> None:
    digest = rewrite(folder, lambda manifest: manifest.update(python="3.9"))
    # Hashing the files would take longer than telling.
    next(folder.glob("small-*.whl")).write_text("changed")
    version = subprocess.run([image, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    minor = version.rpartition(".")[0]
    reason = refused(image, folder, digest)
    assert reason == (
        f"install.py: Python {minor}: the packages were locked for small, which has Python 3.9; pin the kernel to that "
        f"image, or lock for the image with Python {minor}\n"
    )


@pytest.mark.parametrize("specifier", [">=25", "<24", "!=24.2,>=20", "==24.1.*"])
def test_a_provided_version_that_does_not_fit_is_refused(specifier: str, folder: Path, image: Path) -> None:
    digest = rewrite(folder, provide("packaging==25.0", {"other 2.0": ">=22", "small 1.0": specifier}))
    reason = refused(image, folder, digest)
    assert reason == f"install.py: packaging: small 1.0 requires packaging{specifier}, but this image has 24.2\n"


def test_the_requirements_of_all_that_is_shipped_are_in_the_manifest(frozen: Dataset) -> None:
    manifest = json.loads((frozen.folder / "freeze.json").read_text())
    assert manifest["provided"] == [{"distribution": "packaging==24.2", "requirements": {"small 1.0": ">=22"}}]


@pytest.mark.parametrize("prefix", ["", "other-1.0.data/purelib/"])
def test_a_wheel_that_would_write_over_the_image_is_refused(prefix: str, image: Path, folder: Path) -> None:
    wheel = folder / "other-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{prefix}packaging/version.py", "")
        archive.writestr("other-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
        archive.writestr("other-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("other-1.0.dist-info/RECORD", f"{prefix}packaging/version.py,sha256=other,0\n")

    def add(manifest: dict[str, Any]) -> None:
        from kaggle_offline.files import digest_of_file

        entry = {"name": wheel.name, "kind": "wheel", "distribution": "other==1.0", "sha256": digest_of_file(wheel)}
        manifest["files"].append(entry)

    reason = refused(image, folder, rewrite(folder, add))
    assert f"{wheel.name}: would write over packaging/version.py of packaging" in reason


@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize(
    "version",
    [OWN_VERSION, *(pytest.param(name, marks=pytest.mark.nightly) for name in interpreters() if name != OWN_VERSION)],
)
def test_what_is_whole_is_installed(tool: str, version: str, folder: Path, tmp_path: Path, pip: Path) -> None:
    python, path = make_image(tmp_path / "venv", interpreters()[version]), pip if tool == "pip" else None
    # The files suit every Python.
    digest = rewrite(folder, lambda manifest: manifest.update(python=version))
    checked = install(python, folder, "--check", "--digest", digest, tool=tool, path=path)
    assert checked.returncode == 0, checked.stderr
    assert f"of {digest}; nothing is installed" in checked.stdout
    assert subprocess.run([python, "-c", "import small"], capture_output=True, check=False).returncode == 1

    done = install(python, folder, "--digest", digest, tool=tool, path=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("installed iniconfig 2")
    assert done.stdout.rstrip().endswith(f", small 1.0 from {digest[:19]}")
    assert done.stdout.count("\n") == 1
    subprocess.run([python, "-c", "import iniconfig, small, packaging"], check=True)


def test_an_image_that_has_moved_on_is_told_of_and_taken(folder: Path, tmp_path: Path) -> None:
    python = make_image(tmp_path / "venv")
    digest = rewrite(folder, provide("packaging==24.1", {"small 1.0": ">=22"}))
    done = install(python, folder, "--digest", digest, tool="uv")
    assert done.returncode == 0, done.stderr
    assert "the image has moved on: packaging 24.2 (locked for 24.1)" in done.stdout


def test_a_module_that_hides_what_was_installed_is_named(folder: Path, frozen: Dataset, tmp_path: Path) -> None:
    python = make_image(tmp_path / "venv")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "small.py").write_text("")
    done = install(python, folder, "--digest", frozen.digest, tool="uv", path=tmp_path / "path")
    assert done.returncode == 3
    assert f"install.py: small: hidden by {tmp_path / 'path' / 'small.py'}" in done.stderr


def test_the_images_own_settings_of_uv_and_pip_do_not_count(folder: Path, frozen: Dataset, tmp_path: Path) -> None:
    python = make_image(tmp_path / "venv")
    (tmp_path / "constraints.txt").write_text("iniconfig==1.0\n")
    constraints = str(tmp_path / "constraints.txt")
    done = install(
        python, folder, "--digest", frozen.digest, tool="uv", UV_CONSTRAINT=constraints, UV_REQUIRE_HASHES="1"
    )
    assert done.returncode == 0, done.stderr


def test_a_module_that_lies_beside_or_comes_with_python_hides_nothing(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    info = site / "leaf-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("leaf_test.py,,\njson/__init__.py,,\nleaf-1.0.dist-info/RECORD,,\n")
    (site / "leaf_test").mkdir()
    for path in (site / "leaf_test.py", site / "leaf_test" / "__init__.py"):
        path.write_text("")
    monkeypatch.syspath_prepend(str(site))
    leaf = installer.list_installed()["leaf"]
    assert leaf == ("1.0", info)
    assert installer.hidden_by(leaf) == ""
    elsewhere.mkdir()
    (elsewhere / "leaf_test.py").write_text("")
    monkeypatch.syspath_prepend(str(elsewhere))
    assert installer.hidden_by(leaf) == str(elsewhere / "leaf_test.py")


def test_what_cannot_be_installed_is_named_in_ten_lines(folder: Path, frozen: Dataset, image: Path) -> None:
    failed = install(image, folder, "--digest", frozen.digest)
    assert failed.returncode == 3
    assert "install.py: the packages: could not be installed" in failed.stderr
    assert len((failed.stdout + failed.stderr).splitlines()) <= 10


@pytest.fixture(scope="module")
def installer(frozen: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The installer as a module, away from its files."""
    path = Path(shutil.copy(frozen.folder / "install.py", tmp_path_factory.mktemp("installer")))
    spec = importlib.util.spec_from_file_location("install", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("layout", ["{slug}", "datasets/somebody/{slug}"])
def test_its_files_are_found_under_either_layout(
    layout: str, installer: ModuleType, frozen: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "INPUT", tmp_path)
    with pytest.raises(installer.RefusedError, match=r"freeze\.json: not beside install\.py"):
        installer.find_files(frozen.digest)
    target = tmp_path / layout.format(slug="small-packages")
    shutil.copytree(frozen.folder, target)
    assert installer.find_files(frozen.digest) == target
    with pytest.raises(installer.RefusedError, match="no dataset below"):
        installer.find_files("sha256:0")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["files", "digest", "provided", "name", "kind", "sha256"]), inner)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(value=values)
def test_no_manifest_raises_anything_but_a_refusal(installer: ModuleType, tmp_path: Path, value: Any) -> None:
    if isinstance(value, dict):
        value = with_digest(value)
    (tmp_path / "freeze.json").write_text(as_json(value))
    try:
        manifest = installer.read_manifest(tmp_path)
    except installer.RefusedError as error:
        assert "freeze.json: " in str(error)  # noqa: PT017 - some can be read
    else:
        assert isinstance(manifest["digest"], str)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.0", "1.0", True), ("2024.01.02", "2024.1.2", True), ("1.0rc1", "1.0.rc1", True), ("1.0", "1.1", False)],
)
def test_versions_are_compared_however_they_are_written(
    one: str, other: str, same: bool, installer: ModuleType
) -> None:
    assert installer.same(one, other) is same


def test_it_can_be_checked_by_hand_as_it_was_frozen(folder: Path, image: Path) -> None:
    result = subprocess.run(
        [image, folder / "install.py", "--check"], capture_output=True, text=True, env={}, check=False
    )
    assert result.returncode == 0, result.stderr
