"""Code of others, which is built or run for the user, sees no variable that is not on the list; hints fit the user."""

import sys
from pathlib import Path

import pytest
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.dependencies.wheels import build_wheel
from kaggle_offline.environment import BY_NOX, BY_OPTION, command, environment_for_others
from kaggle_offline.repository.kernel_folder import read_kernel_folder

SECRETS = ("KAGGLE_USERNAME", "KAGGLE_KEY", "GITHUB_TOKEN", "GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "SOMETHING")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret")


def test_only_listed_variables_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", "there")
    monkeypatch.setenv("UV_PUBLISH_TOKEN", "secret")
    passed = environment_for_others("UV_CACHE")
    assert "secret" not in passed.values()
    assert passed["UV_CACHE_DIR"] == "there"
    assert "PATH" in passed


def test_a_build_does_not_see_the_others(repository: Path) -> None:
    package = repository / "packages" / "small"
    (package / "pyproject.toml").write_text("")
    (package / "setup.py").write_text(
        "import os, setuptools\nassert 'secret' not in os.environ.values(), sorted(os.environ)\n"
        "setuptools.setup(name='small', version='1', packages=['small'], package_dir={'': 'src'})\n"
    )
    build_wheel(package, repository, repository / "build" / "dist", ())


def test_a_rehearsals_command_does_not_see_the_others(rehearsed: Path) -> None:
    script = rehearsed / "packages" / "small" / "src" / "small" / "competition.py"
    check = "import os\nassert 'secret' not in os.environ.values(), sorted(os.environ)\n"
    script.write_text(check + script.read_text())
    kernel = read_kernel_folder(rehearsed, "small")
    with open_target("local", rehearsed) as target:
        assert isinstance(target, LocalTarget)
        target.prepare(kernel, freeze(kernel))


@pytest.mark.parametrize(
    ("prefix", "by_nox", "said"),
    [
        ("/home/me/.cache/uv/archive-v0/3w9jpTT87Uzr", False, "uvx kaggle-offline freeze push apples"),
        ("/home/me/leaves/.venv", False, "kaggle-offline freeze push apples"),
        ("/home/me/leaves/.nox/tools", True, "nox -s freeze push -- apples"),
    ],
)
def test_hints_are_in_the_words_that_were_used(
    prefix: str, by_nox: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BY_OPTION, raising=False)
    monkeypatch.delenv(BY_NOX, raising=False)
    monkeypatch.setattr(sys, "prefix", prefix)
    if by_nox:
        monkeypatch.setenv(BY_NOX, "1")
    assert command("freeze push", "apples") == said
