"""The lock: resolved when its inputs change and only then, followed to the byte."""

import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_offline.cli import main
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.lock import lock_and_report
from kaggle_offline.dependencies.index.download import _follow, download
from kaggle_offline.dependencies.lock import ALL, Lock, read_lock
from kaggle_offline.dependencies.lock_table import difference
from kaggle_offline.dependencies.locking import Locked, lock_kernel
from kaggle_offline.dependencies.pins import Kind, Pin, read_pins
from kaggle_offline.errors import BuildError, DownloadError, LockError, OfflineError, ProtectedError, StaleLockError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder
from packaging.utils import canonicalize_name
from packaging.version import Version
from tqdm import tqdm

from tests.kaggle_offline.conftest import require
from tests.serving import serving


@pytest.fixture
def kernel(repository: Path) -> KernelFolder:
    return read_kernel_folder(repository, "small")


def versions_of(lock: Lock) -> dict[str, str]:
    return {pin.name: pin.version for pin in lock.pins}


def versions(locked: Locked) -> dict[str, str]:
    return versions_of(locked.lock)


def test_a_lock_is_resolved_for_the_image_and_not_for_this_machine(kernel: KernelFolder) -> None:
    require(
        kernel.repository, "packaging>=22", "six==1.16.0; python_version == '3.12'", "attrs; sys_platform == 'win32'"
    )
    locked = lock_kernel(kernel)
    assert versions(locked) == {"six": "1.16.0"}
    assert locked.lock.provided == {"packaging": "24.2"}
    assert read_lock(kernel.lock) == locked.lock
    assert locked.lock.builds_with[0].startswith("flit-core==")


def change_requirements(kernel: KernelFolder) -> None:
    require(kernel.repository, "packaging>=22", "iniconfig>=2", "six")


def change_image(kernel: KernelFolder) -> None:
    kernel.image.write_text(kernel.image.read_text() + "six==1.17.0\n")


def change_protected(kernel: KernelFolder) -> None:
    settings = kernel.folder / "submission.toml"
    settings.write_text(settings.read_text() + '\n[freeze]\nprotected = ["packaging"]\n')


def change_backend(kernel: KernelFolder) -> None:
    project = kernel.package / "pyproject.toml"
    project.write_text(project.read_text().replace('requires = ["flit_core"]', 'requires = ["flit_core>=3"]'))


@pytest.mark.parametrize(
    "change",
    [
        change_requirements,
        change_image,
        pytest.param(change_protected, marks=pytest.mark.nightly),
        pytest.param(change_backend, marks=pytest.mark.nightly),
    ],
)
def test_a_lock_is_stale_when_an_input_changes(change: Callable[[KernelFolder], None], kernel: KernelFolder) -> None:
    lock_kernel(kernel)
    text = kernel.lock.read_text()
    change(kernel)
    kernel = read_kernel_folder(kernel.repository, "small")
    with pytest.raises(StaleLockError, match=r"small\.txt: stale: the requirements or the image"):
        freeze(kernel, renew_lock=False)
    assert kernel.lock.read_text() == text
    renewed = lock_kernel(kernel)
    assert renewed.before is not None
    assert renewed.lock.inputs != renewed.before.inputs
    freeze(kernel, renew_lock=False)


def test_without_a_lock_nothing_is_resolved_where_it_must_be_committed(kernel: KernelFolder) -> None:
    with pytest.raises(StaleLockError, match=r"small\.txt: missing"):
        freeze(kernel, renew_lock=False)
    assert not kernel.lock.exists()


def test_a_changed_line_of_code_resolves_nothing(kernel: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    first = lock_kernel(kernel)
    assert "resolving the requirements of small on small" in capsys.readouterr().out
    (kernel.package / "src" / "small" / "__init__.py").write_text('"""Other."""\n')
    assert lock_kernel(kernel).lock == first.lock
    assert capsys.readouterr().out == ""


def test_without_the_index_it_is_the_network_that_is_named(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_kernel(kernel)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(kernel.repository / "cache"))
    with pytest.raises(LockError, match="the package index, or the host of a Git repository, does not answer"):
        lock_kernel(kernel, upgrade=ALL)


def test_a_renewed_lock_keeps_its_versions_until_it_is_asked_to_upgrade(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    require(kernel.repository, "six<1.17", "iniconfig<2.1")
    old = lock_kernel(kernel)
    require(kernel.repository, "six", "iniconfig")
    kept = lock_kernel(kernel)
    assert versions(kept) == versions(old)

    lock_and_report([kernel], frozenset({"Six"}))
    output = capsys.readouterr().out
    after = read_lock(kernel.lock)
    assert after is not None
    assert re.search(r"requirements/small\.txt is renewed: commit it\n    six: 1\.16\.0 shipped → 1\.17", output)
    assert versions_of(after)["iniconfig"] == versions(old)["iniconfig"]

    lock_and_report([kernel], ALL)
    newest = read_lock(kernel.lock)
    assert newest is not None
    assert Version(versions_of(newest)["iniconfig"]) > Version(versions(old)["iniconfig"])
    lock_and_report([kernel], ALL)
    assert "requirements/small.txt is unchanged" in capsys.readouterr().out
    with pytest.raises(LockError, match="--upgrade torch: no lock pins it"):
        lock_and_report([kernel], frozenset({"torch"}))


def test_a_project_without_requirements_ships_its_wheel_alone(kernel: KernelFolder) -> None:
    require(kernel.repository)
    frozen = freeze(kernel)
    assert {name.partition("-")[0] for name in frozen.packages.files} == {"freeze.json", "install.py", "small"}


def test_a_folder_of_this_machine_is_refused(kernel: KernelFolder) -> None:
    elsewhere = kernel.repository / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "setup.py").write_text("from setuptools import setup\nsetup(name='elsewhere', py_modules=[])\n")
    require(kernel.repository, f"elsewhere @ {elsewhere.as_uri()}")
    with pytest.raises(LockError, match="elsewhere: a folder of this machine cannot be required"):
        lock_kernel(kernel)
    assert not kernel.lock.exists()


def test_a_file_with_another_hash_is_not_taken(kernel: KernelFolder) -> None:
    locked = lock_kernel(kernel)
    (pin,) = locked.lock.pins
    with pytest.raises(DownloadError, match=r"(?i)hash"):
        download(
            [replace(pin, hashes=("0" * 64,))],
            kernel.build / "wheels",
            locked.image,
            repository=kernel.repository,
            constraints=(),
        )
    assert not (kernel.build / "wheels").exists()


@pytest.mark.parametrize("edit", [r"iniconfig==.*\n    --hash=.*\n    # via: .*", "# provided: .*", "    # via: .*"])
def test_a_lock_that_lost_a_line_is_stale(edit: str, kernel: KernelFolder) -> None:
    first = lock_kernel(kernel)
    text = kernel.lock.read_text()
    kernel.lock.write_text(re.sub(f"{edit}\n", "", text))
    with pytest.raises(StaleLockError, match=r"small\.txt: edited since it was written"):
        freeze(kernel, renew_lock=False)
    assert lock_kernel(kernel).lock == first.lock
    assert kernel.lock.read_text() == text


@pytest.mark.parametrize("secret", ["https://user:s3cret@", "https://s3cret@", "ssh://git:s3cret@"])
def test_credentials_never_get_into_a_lock(secret: str, kernel: KernelFolder) -> None:
    require(kernel.repository, f"private @ git+{secret}127.0.0.1:9/private.git@main")
    with pytest.raises(LockError, match="small: its requirement private: its URL has credentials") as refusal:
        freeze(kernel)
    assert "s3cret" not in str(refusal.value)
    assert not kernel.lock.exists()


def test_the_patch_level_of_the_images_python_counts(kernel: KernelFolder) -> None:
    project = kernel.package / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "1.0"', 'version = "1.0"\nrequires-python = ">=3.12.4"'))
    lock_kernel(kernel)
    project.write_text(project.read_text().replace(">=3.12.4", ">=3.13"))
    with pytest.raises(LockError, match=r"3\.13"):
        lock_kernel(kernel)


def test_a_platform_newer_than_any_known_is_resolved_for_the_newest_known(kernel: KernelFolder) -> None:
    kernel.image.write_text(kernel.image.read_text().replace("manylinux_2_35", "manylinux_2_99"))
    assert lock_kernel(kernel).lock.provided == {"packaging": "24.2"}


@pytest.mark.parametrize("requirement", ["numpy==2.0.2+cu128", "numpy==2.0.2", "numpy>=2"])
def test_the_images_own_build_fits_whatever_it_is_called(requirement: str, kernel: KernelFolder) -> None:
    require(kernel.repository, requirement)
    locked = lock_kernel(kernel).lock
    assert (locked.provided, locked.pins) == ({"numpy": "2.0.2"}, ())


@pytest.mark.nightly
def test_extras_of_the_project_are_locked_and_unknown_ones_told_of(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    require(kernel.repository, "packaging[nonsense]")
    project = kernel.package / "pyproject.toml"
    project.write_text(project.read_text() + '\n[project.optional-dependencies]\nmore = ["six"]\n')
    assert versions(lock_kernel(kernel)) == {}
    assert "packaging[nonsense]: unknown extra" in capsys.readouterr().out
    settings = kernel.folder / "submission.toml"
    settings.write_text(settings.read_text().replace('package = "small"', 'package = "small[more]"'))
    assert set(versions(lock_kernel(read_kernel_folder(kernel.repository, "small")))) == {"six"}


def add_package(kernel: KernelFolder, folder: str, **files: str) -> None:
    (kernel.repository / "packages" / folder).mkdir()
    for name, text in files.items():
        (kernel.repository / "packages" / folder / ".".join(name.rsplit("_", 1))).write_text(text)


SETUP_PY = """\
from setuptools import Extension, setup
EXTENSION = Extension(name='other', sources=[])
setup(name='leaf.kit', version='2.0', py_modules=[])
"""
SETUP_CFG = "[metadata]\nname = leaf-kit\nversion = 2.0\n"
POETRY = """\
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
[tool.poetry]
name = "leaf_kit"
version = "2.0"
description = ""
authors = []
"""


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"setup_py": SETUP_PY}, marks=pytest.mark.nightly),
        pytest.param({"setup_cfg": SETUP_CFG}, marks=pytest.mark.nightly),
        {"pyproject_toml": POETRY, "leaf_kit_py": ""},
    ],
)
def test_a_neighbour_is_known_by_its_name_and_not_by_its_folder(files: dict[str, str], kernel: KernelFolder) -> None:
    add_package(kernel, "kit", **files)
    require(kernel.repository, "Leaf_Kit>=2")
    locked = lock_kernel(kernel)
    assert [(wheel.name, wheel.version) for wheel in locked.packages] == [("small", "1.0"), ("leaf-kit", "2.0")]
    assert locked.lock.pins == ()


def test_a_neighbour_that_does_not_fit_or_is_there_twice_is_named(kernel: KernelFolder) -> None:
    add_package(kernel, "kit", setup_py=SETUP_PY)
    require(kernel.repository, "leaf-kit<2")
    with pytest.raises(BuildError, match=r"packages/small: requires leaf-kit<2, but .*packages/kit is 2\.0"):
        lock_kernel(kernel)
    add_package(kernel, "old", setup_cfg=SETUP_CFG)
    with pytest.raises(BuildError, match=r"packages/kit and .*packages/old: both are the distribution leaf-kit"):
        lock_kernel(kernel)


@pytest.mark.nightly
def test_a_neighbour_takes_the_place_of_what_the_image_has_unless_that_is_protected(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    add_package(kernel, "fork", setup_py="from setuptools import setup\nsetup(name='packaging', version='99')\n")
    require(kernel.repository, "packaging")
    lock_and_report([kernel], frozenset())
    assert re.search(r"\n  packaging +24\.2 +99 +replaced, of this repository\n", capsys.readouterr().out)
    settings = kernel.folder / "submission.toml"
    settings.write_text(settings.read_text() + '\n[freeze]\nprotected = ["Packag*"]\n')
    with pytest.raises(ProtectedError, match="packaging: a package of this repository has the name"):
        lock_kernel(read_kernel_folder(kernel.repository, "small"))


def test_an_extra_that_the_project_has_not_got_is_named(kernel: KernelFolder) -> None:
    settings = kernel.folder / "submission.toml"
    settings.write_text(settings.read_text().replace('package = "small"', 'package = "small[nonsense]"'))
    with pytest.raises(LockError, match=r"small\[nonsense\]: unknown extra"):
        lock_kernel(read_kernel_folder(kernel.repository, "small"))


@pytest.mark.nightly
def test_settings_of_this_machine_change_nothing(kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lock_kernel(kernel).lock
    constraints = kernel.repository / "constraints.txt"
    constraints.write_text("iniconfig==2.0.0\n")
    for name in ("UV_CONSTRAINT", "PIP_CONSTRAINT", "PIP_REQUIREMENT"):
        monkeypatch.setenv(name, str(constraints))
    monkeypatch.setenv("UV_REQUIRE_HASHES", "1")
    monkeypatch.setenv("UV_RESOLUTION", "lowest")
    assert lock_kernel(kernel, upgrade=ALL).lock == first
    freeze(kernel)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "line", ["helper @ https://user:s3cret@127.0.0.1/helper.zip", "helper @ file:///helper", "helper @ http://[bad"]
)
def test_what_builds_a_package_is_published_too(line: str, kernel: KernelFolder) -> None:
    project = kernel.package / "pyproject.toml"
    lock_kernel(kernel)
    project.write_text(project.read_text().replace('["flit_core"]', f'["flit_core", "{line}"]'))
    with pytest.raises(OfflineError) as refusal:
        lock_kernel(kernel)
    assert "s3cret" not in str(refusal.value)
    assert "helper" not in kernel.lock.read_text()


def test_a_file_that_is_no_lock_is_left_alone(kernel: KernelFolder) -> None:
    kernel.lock.write_text("iniconfig==2.0.0\n")
    with pytest.raises(LockError, match=r"small\.txt: not a valid lock file"):
        lock_kernel(kernel)
    assert kernel.lock.read_text() == "iniconfig==2.0.0\n"


def make_archive(folder: Path, setup_py: str, top: str = "") -> str:
    """A source archive of ``branch 1.0`` below ``top``; return its URL."""
    path = folder / "mono-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        files = {"setup.py": setup_py, "branch.py": "", "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n'}
        for name, text in files.items():
            entry = tarfile.TarInfo(f"mono-1.0/{top}{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path.as_uri()


BRANCH = "from setuptools import setup\nsetup(name='branch', version='1.0', py_modules=['branch'])\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of ``tmp_path``."""
    with serving(tmp_path) as address:
        yield address


@pytest.mark.nightly
def test_a_project_below_the_top_of_an_archive_is_built(kernel: KernelFolder, tmp_path: Path, served: str) -> None:
    url = f"{served}/{Path(make_archive(tmp_path, BRANCH, top='part/')).name}"
    require(kernel.repository, f"branch @ {url}#subdirectory=part")
    frozen = freeze(kernel)
    assert "branch-1.0-py3-none-any.whl" in frozen.packages.files
    (pin,) = lock_kernel(kernel).lock.pins
    assert (pin.url, pin.kind, len(pin.hashes)) == (f"{url}#subdirectory=part", Kind.BUILT, 1)


@pytest.mark.parametrize(
    "line", ["<<<<<<< HEAD", "six", "six>=1", "    --hash=sha256:0", "six==not a version", "    # kind: other"]
)
def test_a_lock_that_was_edited_is_named_with_its_line(line: str, kernel: KernelFolder) -> None:
    lock_kernel(kernel)
    kernel.lock.write_text(kernel.lock.read_text() + f"{line}\n")
    with pytest.raises(LockError, match=r"small\.txt: "):
        freeze(kernel)


def test_what_pips_say_of_their_progress_adds_up() -> None:
    said = "Collecting a\nProgress 0 of 70\nProgress 40 of 70\nProgress 70 of 70\nProgress 0 of 30\nProgress 30 of 30\n"
    with tqdm(file=io.StringIO()) as bar:
        for _ in range(2):
            _follow(io.StringIO(said), bar)
        assert (bar.n, bar.total) == (200, 200)


names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True).map(canonicalize_name)
releases = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}(rc[1-9])?(\+cu[1-9])?", fullmatch=True)
hashes = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2).map(tuple)
pins = st.builds(
    Pin,
    name=names,
    version=releases.map(Version).map(str),
    kind=st.sampled_from(Kind),
    hashes=hashes,
    url=st.sampled_from(["", "git+https://example.org/a.git@0123", "https://example.org/a-1.0.zip#subdirectory=b"]),
    via=st.lists(names, max_size=3).map(tuple),
)


@given(written=st.lists(pins, max_size=5))
def test_pins_read_back_as_written(written: list[Pin]) -> None:
    text = "".join(pin.lines() for pin in written)
    assert list(read_pins(text.splitlines())) == written


lines = st.sampled_from(
    ["# inputs: sha256:" + "0" * 64, "# provided: six==1", "# replaced: six==1: x", "six==1 \\", "    # kind: wheel"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(content=st.lists(lines | st.text(max_size=30)).map("\n".join).map(os.fsencode) | st.binary(max_size=80))
def test_no_bytes_make_a_lock_raise_anything_undocumented(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "small.txt"
    path.write_bytes(content)
    try:
        found = read_lock(path)
    except LockError as error:
        assert str(path) in error.problem  # noqa: PT017 - some of it can be read
    else:
        assert found is not None
        assert found.inputs.startswith("sha256:")


def test_a_difference_names_what_came_went_and_changed() -> None:
    def lock(**versions: str) -> Lock:
        found = tuple(Pin(name=canonicalize_name(name), version=version) for name, version in versions.items())
        return Lock(path=Path("small.txt"), inputs="", pins=found, provided={canonicalize_name("torch"): "2.10.0"})

    assert difference(lock(a="1", b="1"), lock(b="2", c="1")) == [
        "a: 1 shipped → removed",
        "b: 1 shipped → 2 shipped",
        "c: absent → 1 shipped",
    ]
    assert difference(lock(a="1"), lock(a="1")) == ["no version; the requirements or the image"]


def test_a_move_to_another_image_is_shown_before_it_is_made(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernel.repository)
    lock_kernel(kernel)
    before = kernel.lock.read_text()
    newer = kernel.image.read_text().replace("packaging==24.2", "packaging==25.0").replace("numpy==2.0.2+cu128\n", "")
    kernel.image.with_name("newer.txt").write_text(newer + "iniconfig==2.1.0\n")
    assert main(["lock", "--image", "newer"]) == 0
    output = capsys.readouterr().out
    assert "small: small → newer\n" in output
    assert "    packaging 24.2 → 25.0 (provided)\n" in output
    assert "  newer does not have: numpy\n" in output
    assert re.search(r"\n    iniconfig: \S+ shipped → 2\.1\.0 of the image\n", output)
    assert 'nothing is written; to move, write image = "newer" into submission.toml' in output
    assert kernel.lock.read_text() == before

    # A requirement that cannot be met there is named.
    require(kernel.repository, "packaging>=22", "numpy==2.0.2")
    old = newer.replace("3.12.13", "3.13.15") + "numpy==1.26.4\n"
    kernel.image.with_name("newer.txt").write_text(old)
    assert main(["lock", "--image", "newer"]) == LockError.exit_code
    captured = capsys.readouterr()
    assert "  cannot be locked: numpy: the image has 1.26.4, which is protected" in captured.out
    assert "small: cannot be locked for newer" in captured.err
