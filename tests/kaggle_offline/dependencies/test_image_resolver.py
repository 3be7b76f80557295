"""Requirements of every kind, resolved for Kaggle's real image and installed in a kernel without a network."""

import json
import subprocess
from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.delivery.target import open_target
from kaggle_offline.dependencies.lock import Lock, read_lock
from kaggle_offline.errors import LockError, ProtectedError, RunError
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from packaging.utils import canonicalize_name

from tests.kaggle_offline.conftest import change_metadata, require, take_kaggles_image
from tests.package_index import write_wheel

PYDANTIC = canonicalize_name("pydantic")

KERNEL = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %%
import subprocess, sys
from pathlib import Path
installer = next(Path("/kaggle/input").rglob("install.py"))
done = subprocess.run([sys.executable, installer, "--digest", PACKAGES_DIGEST], capture_output=True, text=True)
print(done.stdout, done.stderr)
assert done.returncode == 0
assert len(done.stdout.splitlines()) <= 10

# %%
import small
{code}
Path("/kaggle/working/submission.csv").write_text("image,labels\\na,scab\\nb,scab\\n")
"""


def go(repository: Path, code: str, kind: str = "script") -> Lock:
    """Freeze and push; the kernel imports what it was given, or the push raises."""
    (repository / "kernels" / "small" / "predict.py").write_text(KERNEL.format(code=code))
    change_metadata(repository, kernel_type=kind)
    kernel = read_kernel_folder(repository, "small")
    freeze(kernel)
    with open_target("local", repository) as target:
        push(kernel, target)
    found = read_lock(kernel.lock)
    assert found is not None
    return found


def files_of(repository: Path) -> dict[str, str]:
    """Kind of every file that is shipped to Kaggle, by name."""
    manifest = json.loads((repository / "build" / "small" / "packages" / "freeze.json").read_text())
    return {entry["name"]: entry["kind"] for entry in manifest["files"]}


@pytest.mark.nightly
def test_what_exists_only_as_source_is_built_into_a_wheel(rehearsed: Path) -> None:
    take_kaggles_image(rehearsed, "antlr4-python3-runtime", "hydra-core", "omegaconf")
    require(rehearsed, "hydra-core>=1.3,<1.4")
    lock = go(rehearsed, "import antlr4, hydra, omegaconf\nassert omegaconf.OmegaConf.create('a: 1').a == 1")
    assert {pin.name: pin.kind for pin in lock.pins} == {
        "antlr4-python3-runtime": "built",
        "hydra-core": "wheel",
        "omegaconf": "wheel",
    }
    assert "antlr4_python3_runtime-4.9.3-py3-none-any.whl" in files_of(rehearsed)
    assert any(line.startswith("setuptools==") for line in lock.builds_with)


@pytest.mark.nightly
def test_what_the_image_excludes_is_replaced_and_it_is_said_why(
    rehearsed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_kaggles_image(rehearsed)
    require(rehearsed, "albumentationsx")
    lock = go(rehearsed, "import albumentations, pydantic\nalbumentations.Compose([albumentations.HorizontalFlip()])")
    reasons = {r.name: r.reason for r in lock.replaced}
    assert {"albucore", "pydantic"} <= set(reasons)
    assert reasons[PYDANTIC].startswith("albumentationsx ")
    assert "requires pydantic>=" in reasons[PYDANTIC]
    assert "numpy" in lock.provided
    assert f"replaced, {reasons[PYDANTIC]}" in capsys.readouterr().out


@pytest.mark.nightly
def test_extras_are_resolved_even_of_what_the_image_has(rehearsed: Path) -> None:
    take_kaggles_image(rehearsed, "h2", "hpack", "hyperframe")
    require(rehearsed, "httpx[http2]", "iniconfig; extra == 'never'", "tomli; python_version < '3'")
    lock = go(rehearsed, "import httpx\nhttpx.Client(http2=True)")
    assert lock.provided[canonicalize_name("httpx")] == "0.28.1"
    assert {pin.name for pin in lock.pins} == {"h2", "hpack", "hyperframe"}


@pytest.mark.nightly
def test_a_wheel_of_ones_own_for_linux_is_installed_in_the_kernel(rehearsed: Path) -> None:
    take_kaggles_image(rehearsed)
    (rehearsed / "wheels").mkdir()
    content = write_wheel("mamba-ssm", "2.3+cu128", tag="py3-none-linux_x86_64", files={"mamba_ssm.py": b"A = 1"})
    (rehearsed / "wheels" / "mamba_ssm-2.3+cu128-py3-none-linux_x86_64.whl").write_bytes(content)
    settings = rehearsed / "kernels" / "small" / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[freeze]\nwheels = ["wheels/*.whl"]\n')
    require(rehearsed, "mamba-ssm")
    lock = go(rehearsed, "import mamba_ssm\nassert mamba_ssm.A == 1")
    assert [pin.version for pin in lock.pins] == ["2.3+cu128"]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    result = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return result.stdout.strip()


def commit_first(folder: Path) -> None:
    """Make a Git repository of a folder, with all of it in one commit on main."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=First")


@pytest.mark.nightly
def test_a_git_reference_is_pinned_by_commit_and_built(rehearsed: Path, tmp_path: Path) -> None:
    take_kaggles_image(rehearsed)
    source = tmp_path / "leaves"
    (source / "leaves").mkdir(parents=True)
    (source / "leaves" / "__init__.py").write_text("COLOUR = 'green'\n")
    (source / "setup.cfg").write_text("[metadata]\nname = leaves\nversion = 2.1\n[options]\npackages = leaves\n")
    (source / "setup.py").write_text("import setuptools\nsetuptools.setup()\n")
    commit_first(source)
    commit = git(source, "rev-parse", "HEAD")
    require(rehearsed, f"leaves @ git+{source.as_uri()}@main")
    lock = go(rehearsed, "import leaves\nassert leaves.COLOUR == 'green'")
    assert [pin.url for pin in lock.pins] == [f"git+{source.as_uri()}@{commit}"]
    assert files_of(rehearsed)["leaves-2.1-py3-none-any.whl"] == "wheel"

    # The branch may move on: nothing changes until the lock is renewed.
    (source / "leaves" / "__init__.py").write_text("COLOUR = 'red'\n")
    git(source, "commit", "--quiet", "--all", "--message=Second")
    assert go(rehearsed, "import leaves\nassert leaves.COLOUR == 'green'") == lock


@pytest.mark.nightly
def test_a_neighbour_ships_as_a_wheel_too_and_what_it_requires_with_it(rehearsed: Path) -> None:
    take_kaggles_image(rehearsed)
    require(rehearsed, "Competition_Kit[plots]", "unrelated; sys_platform == 'win32'")
    kit = rehearsed / "packages" / "kit"
    kit.mkdir()
    # The same name as something on the index: the neighbour is meant.
    (kit / "pyproject.toml").write_text(
        '[project]\nname = "competition-kit"\nversion = "3.0"\ndependencies = ["pyfiglet==1.0.2"]\n'
        '[project.optional-dependencies]\nplots = ["termgraph==0.4.2"]\n[tool.setuptools]\npy-modules = ["kit"]\n'
    )
    (kit / "kit.py").write_text("import pyfiglet\n")
    unrelated = rehearsed / "packages" / "unrelated"
    unrelated.mkdir()
    (unrelated / "setup.py").write_text("raise RuntimeError('not to be built')\n")
    lock = go(rehearsed, "import kit, pyfiglet, termgraph")
    assert {pin.name for pin in lock.pins} >= {"pyfiglet", "termgraph"}
    kinds = files_of(rehearsed)
    assert [name for name in kinds if kinds[name] == "project"] == [
        "competition_kit-3.0-py3-none-any.whl",
        "small-1.0-py2.py3-none-any.whl",
    ]


@pytest.mark.nightly
def test_a_package_with_setup_py_alone(rehearsed: Path) -> None:
    take_kaggles_image(rehearsed)
    package = rehearsed / "packages" / "small"
    (package / "pyproject.toml").unlink()
    (package / "setup.py").write_text(
        "from setuptools import find_packages, setup\n"
        "setup(name='small', version='1.5', packages=find_packages('src'), package_dir={'': 'src'},\n"
        "      install_requires=['pyfiglet==1.0.2'])\n"
    )
    # The files that an earlier build has left are no part of the package.
    (package / "build" / "lib" / "small").mkdir(parents=True)
    (package / "build" / "lib" / "small" / "stale.py").write_text("")
    go(rehearsed, "import pyfiglet, importlib.util\nassert importlib.util.find_spec('small.stale') is None")
    assert files_of(rehearsed)["small-1.5-py3-none-any.whl"] == "project"


@pytest.mark.nightly
def test_what_cannot_be_built_for_the_image_here_is_built_in_the_kernel(
    rehearsed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_kaggles_image(rehearsed)
    require(rehearsed, "crcmod==1.7")
    lock = go(rehearsed, "import crcmod, crcmod._crcfunext\nassert crcmod.predefined.mkCrcFun('crc-8')(b'leaf') >= 0")
    assert {pin.name: pin.kind for pin in lock.pins} == {"crcmod": "source", "setuptools": "builder"}
    kinds = files_of(rehearsed)
    assert kinds["crcmod-1.7.tar.gz.source"] == "sdist"
    assert [name for name in kinds if kinds[name] == "builder"] == ["setuptools-81.0.0-py3-none-any.whl"]
    output = capsys.readouterr().out
    assert "crcmod 1.7: its wheel is for this machine: crcmod-1.7-cp3" in output
    assert "crcmod 1.7 is shipped as source and built in the kernel" in output


@pytest.mark.nightly
def test_a_source_that_writes_over_the_image_is_found_out_once_it_is_built(rehearsed: Path, tmp_path: Path) -> None:
    take_kaggles_image(rehearsed)
    source = tmp_path / "evil"
    (source / "tqdm").mkdir(parents=True)
    (source / "tqdm" / "__init__.py").write_text("BROKEN = True\n")
    (source / "evil.c").write_text(
        '#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "evil"};\n'
        "PyMODINIT_FUNC PyInit_evil(void) { return PyModule_Create(&m); }\n"
    )
    (source / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(name='evil', version='0.5', packages=['tqdm'], ext_modules=[Extension('evil', ['evil.c'])])\n"
    )
    commit_first(source)
    require(rehearsed, f"evil @ git+{source.as_uri()}@main", "tqdm")
    with pytest.raises(RunError, match=r"evil: has written over tqdm/__init__\.py of tqdm, which the image provides"):
        go(rehearsed, "", kind="notebook")


@pytest.mark.nightly
def test_a_conflict_with_torch_names_torch(repository: Path) -> None:
    take_kaggles_image(repository)
    require(repository, "torch==2.9.0")
    with pytest.raises(
        ProtectedError, match=r"torch: the image has 2\.10\.0\+cu128.*\n  small 1\.0 requires torch==2\.9\.0"
    ):
        freeze(read_kernel_folder(repository, "small"))
    require(repository, "torch<2.1")
    with pytest.raises(LockError, match=r"The image has torch 2\.10\.0\+cu128\."):
        freeze(read_kernel_folder(repository, "small"))


@pytest.mark.nightly
def test_something_protected_is_not_replaced_and_the_way_to_it_is_shown(repository: Path) -> None:
    take_kaggles_image(repository)
    require(repository, "numpy>=2.2")
    kernel = read_kernel_folder(repository, "small")
    with pytest.raises(ProtectedError) as refusal:
        freeze(kernel)
    assert refusal.value.problem.splitlines() == [
        "numpy: the image has 2.0.2, which is protected, but another version is required:",
        "  small 1.0 requires numpy>=2.2",
    ]
    assert "[freeze]\nprotected = [" in refusal.value.cure
    assert not kernel.lock.exists()

    kit = repository / "packages" / "kit"
    kit.mkdir()
    (kit / "pyproject.toml").write_text('[project]\nname = "kit"\nversion = "3.0"\ndependencies = ["pandas>=3"]\n')
    require(repository, "kit")
    with pytest.raises(ProtectedError) as refusal:
        freeze(kernel)
    assert refusal.value.problem.splitlines()[1:] == ["  small 1.0 requires kit", "  kit 3.0 requires pandas>=3"]
    assert "require another version of kit" in refusal.value.cure


@pytest.mark.nightly
def test_what_is_not_protected_any_more_is_replaced(repository: Path) -> None:
    take_kaggles_image(repository)
    require(repository, "numpy>=2.2,<2.3")
    settings = repository / "kernels" / "small" / "submission.toml"
    settings.write_text(settings.read_text() + '\n[freeze]\nprotected = ["torch", "pandas"]\n')
    kernel = read_kernel_folder(repository, "small")
    freeze(kernel)
    lock = read_lock(kernel.lock)
    assert lock is not None
    assert [(r.name, r.version, r.reason) for r in lock.replaced] == [
        ("numpy", "2.0.2", "small 1.0 requires numpy<2.3,>=2.2")
    ]
    wheels = [name for name in files_of(repository) if name.startswith("numpy-")]
    assert len(wheels) == 1
    assert "-cp312-cp312-manylinux" in wheels[0], "the image's, never the host's"


def test_what_does_not_exist_is_named(repository: Path) -> None:
    take_kaggles_image(repository)
    require(repository, "no-such-distribution-anywhere-4711")
    with pytest.raises(LockError, match="no-such-distribution-anywhere-4711 was not found"):
        freeze(read_kernel_folder(repository, "small"))
