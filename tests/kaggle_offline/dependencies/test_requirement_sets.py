"""Real sets of requirements, each with its outcome on an image of October 2026."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import LockError, RunError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.kaggle_offline.conftest import REPOSITORY, change_metadata, require
from tests.kaggle_offline.dependencies.locked import lock

SETS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("requirement_sets.toml").read_text())
LOCKING = [name for name, one in SETS.items() if one["outcome"] == "locks"]
# Those that end at a wheel which nobody has built yet have no requirement to follow.
STOPPING = [name for name, one in SETS.items() if one["outcome"] != "locks" and "unfollowed" not in one]

DAY = "2026-11-24T00:00:00Z"
LARGEST_MB = 300

# The forms of hints, and the requirement that takes the place of the one that they name.
HINTS = (
    (r"Either allow ([\w.-]+) \S+ in the requirement", r"\1"),
    (r"Either require another version of ([\w.-]+), or remove it", r"\1"),
    (r"Allow another version of ([\w.-]+): it requires", r"\1"),
    (r"Allow ([\w.-]+) \S+, which", r"\1"),
    (r"Require a version of ([\w.-]+) that allows", r"\1"),
    (r"Require ([\w.-]+)==([\w.+!]+), (?:which|if)", r"\1==\2"),
    (r"Remove ([\w.-]+), or use an older image", ""),
)

# Installs what was frozen and imports the modules of the required distributions.
KERNEL = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %%
import importlib, importlib.metadata, re, subprocess, sys
from pathlib import Path
packages = next(Path("/kaggle/input").rglob("install.py"))
subprocess.run([sys.executable, packages, "--digest", PACKAGES_DIGEST], check=True)

# %%
failed = []
for name in NAMES:
    tops = set()
    for file in importlib.metadata.distribution(name).files or ():
        top = file.parts[0].removesuffix(".py")
        if (len(file.parts) == 1 or file.name == "__init__.py") and file.suffix == ".py" and top.isidentifier():
            tops.add(top)
    own = {top for top in tops if top.lower().replace("_", "") == re.sub("[-_.]", "", name.lower())}
    for module in sorted(own or {top for top in tops if not re.match("_|test|doc|example|bench", top)}):
        try:
            importlib.import_module(module)
        except BaseException as error:
            failed.append(f"{module}: {error!r}")
images = sorted(path.name for path in next(Path("/kaggle/input").rglob("test_images")).iterdir())
Path("/kaggle/working/submission.csv").write_text("image,labels\\n" + "".join(f"{name},scab\\n" for name in images))
if failed:
    raise RuntimeError("; ".join(failed))
"""


def image_of(name: str) -> str:
    return (REPOSITORY / "requirements" / "images" / f"kaggle-{SETS[name]['accelerator']}-2026-10.txt").read_text()


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SETS)
def test_a_set_locks_or_stops_with_its_hint(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_EXCLUDE_NEWER", DAY)
    one = SETS[name]
    outcome, hint = "locks", ""
    try:
        lock(repository, *one["requirements"], image=image_of(name))
    except LockError as error:
        outcome, hint = type(error).__name__, error.cure
    assert (outcome, hint[: len(one.get("hint", ""))]) == (one["outcome"], one.get("hint", ""))
    # A search that takes long says where it stands.
    assert "resolving the requirements of small" in capsys.readouterr().out


def followed(requirements: Sequence[str], hint: str) -> tuple[list[str], str]:
    """Return the requirements as a hint wants them, and the lines that it has for submission.toml."""
    _, freeze, lines = hint.partition("[freeze]")
    for pattern, form in HINTS:
        match = re.match(pattern, hint)
        if match:
            others = [line for line in requirements if not names_same(line, match[1])]
            assert len(others) < len(requirements), hint
            wanted = match.expand(form)
            if wanted not in requirements:
                return [*others, *filter(None, [wanted])], ""
            # No other version helps: what is left is to let the image's move, or to remove it.
            return (list(requirements), freeze + lines) if freeze else (others, "")
    raise AssertionError(hint)


def names_same(line: str, name: str) -> bool:
    return canonicalize_name(Requirement(line).name) == canonicalize_name(name)


@pytest.mark.nightly
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", STOPPING)
def test_the_hints_lead_to_a_lock(name: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_EXCLUDE_NEWER", DAY)
    requirements = SETS[name]["requirements"]
    for _ in range(len(requirements) + 2):
        try:
            lock(repository, *requirements, image=image_of(name))
        except LockError as error:
            requirements, lines = followed(requirements, error.cure)
            settings = repository / "kernels" / "small" / "submission.toml"
            settings.write_text(f"{settings.read_text().partition('[freeze]')[0]}\n{lines}\n")
        else:
            return
    raise AssertionError(f"not locked with {requirements}")


@pytest.mark.nightly
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", LOCKING)
def test_a_set_that_locks_is_installed_and_imported(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_EXCLUDE_NEWER", DAY)
    kernel = with_set(repository, name)
    freeze(kernel)
    if sum(read_frozen(kernel).packages.files.values()) > LARGEST_MB * 10**6:
        pytest.skip(f"more than {LARGEST_MB} MB")
    problem, fails = "", SETS[name].get("fails", "")
    try:
        with open_target("local", kernel.repository) as target:
            push(kernel, target)
    except RunError as error:
        problem = error.problem
    assert bool(problem) == bool(fails), problem
    assert fails in problem
    # Freeze names a release that imports a module which Python no longer has.
    assert ("'cgi'" in fails) == ("imports cgi, removed in Python 3.13" in capsys.readouterr().out)


def with_set(repository: Path, name: str) -> KernelFolder:
    """The small competition, requiring a set, and a kernel that imports it."""
    (repository / "requirements" / "images" / "small.txt").write_text(image_of(name))
    requirements = SETS[name]["requirements"]
    require(repository, *requirements)
    change_metadata(repository, kernel_type="script")
    names = [Requirement(line).name for line in requirements]
    (repository / "kernels" / "small" / "predict.py").write_text(KERNEL.replace("NAMES", repr(names)))
    return read_kernel_folder(repository, "small")


def test_the_sets_are_many_and_of_both_kinds() -> None:
    outcomes = [one["outcome"] for one in SETS.values()]
    assert len(outcomes) >= 60
    assert outcomes.count("locks") >= 40
    assert outcomes.count("locks") < len(outcomes)
