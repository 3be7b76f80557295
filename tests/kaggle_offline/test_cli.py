"""The command line on bad input: one clear line, what to do, a non-zero exit, nothing pushed."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.server import serve
from kaggle_offline import cli
from kaggle_offline.cli import main
from kaggle_offline.errors import CredentialsError, SystemProblemError, TargetError
from kaggle_offline.repository import provenance
from kaggle_offline.scaffold import competition

from tests.stand_in import TOKENS, environment_of


def run(repository: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": str(repository / "home")}
    return subprocess.run(
        [sys.executable, "-m", "kaggle_offline", *arguments],
        cwd=repository / "kernels",
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def break_checkpoint(repository: Path) -> None:
    (repository / "kernels" / "small" / "checkpoints" / "model.ckpt").write_text("no checkpoint")


def break_settings(repository: Path) -> None:
    (repository / "kernels" / "small" / "submission.toml").write_text("package = ")


def break_metadata(repository: Path) -> None:
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text("{")


def leave(repository: Path) -> None:
    """Break nothing."""


@pytest.mark.parametrize(
    ("arguments", "target", "prepare", "code", "named"),
    [
        (["freeze", "nowhere"], "local", leave, 10, "kernels/nowhere: no such competition folder"),
        (["freeze"], "local", break_settings, 11, "submission.toml"),
        (["push"], "local", break_metadata, 11, "kernel-metadata.json"),
        (["freeze"], "local", break_checkpoint, 12, "model.ckpt: not a checkpoint"),
        (["freeze"], "elsewhere", leave, 13, "KAGGLE_TARGET=elsewhere: no such target"),
        (["push"], "elsewhere", leave, 13, "KAGGLE_TARGET=elsewhere: no such target"),
        (["push"], "kaggle", leave, 14, "Kaggle: no credentials"),
        (["submit"], "kaggle", leave, 14, "Kaggle: no credentials"),
        (["predict", "--target", "kaggle"], "local", leave, 13, "predict never asks kaggle.com"),
        (["push"], "local", leave, 23, "small: not frozen"),
        (["submit"], "local", leave, 23, "small: no complete run on local"),
    ],
)
def test_bad_input_gets_one_clear_line(
    repository: Path, *, arguments: list[str], target: str, prepare: Callable[[Path], None], code: int, named: str
) -> None:
    prepare(repository)
    result = run(repository, *arguments, KAGGLE_TARGET=target)
    assert result.returncode == code, result.stderr
    first, second = result.stderr.strip().splitlines()
    assert first.startswith("kaggle-offline: ")
    assert named in first
    assert second.startswith("  → ")
    assert not (repository / ".kaggle-local" / "datasets" / "kaggler").exists()


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    folder = tmp_path / "kernels"
    result = subprocess.run(
        [sys.executable, "-m", "kaggle_offline", "freeze"], cwd="/", capture_output=True, text=True, check=False
    )
    assert result.returncode == 11
    assert "no kernels/ here or above" in result.stderr
    empty = run(folder.parent, "freeze")
    assert empty.returncode == 10
    assert "kernels: no competition there" in empty.stderr


def test_help_names_the_verbs_and_the_targets(repository: Path) -> None:
    text = run(repository, "--help").stdout
    for word in ("freeze", "push", "submit", "KAGGLE_TARGET"):
        assert word in text


@pytest.mark.parametrize("token", ["SECRET-token\n", "SECRET-token\r\n", "SECRET" * 60, "SECRET-tökén"])
def test_a_malformed_token_is_refused_and_not_shown(token: str, repository: Path, local_kaggle: LocalKaggle) -> None:
    environment = {**environment_of(local_kaggle, token), "KAGGLE_TARGET": "kaggle"}
    refused = run(repository, "history", **environment)
    assert refused.returncode == CredentialsError.exit_code, refused.stderr
    assert "SECRET" not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "module", ["kaggle_offline.cli", "kaggle_offline.repository.kernel_folder", "kaggle_offline.commands.freeze"]
)
def test_ctrl_c_while_modules_are_imported_is_one_line(module: str, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
    )
    result = run(repository, "freeze", PYTHONPATH=str(tmp_path))
    assert result.returncode == 130, result.stderr
    assert "kaggle-offline: interrupted" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_said_with_the_path_and_what_is_free(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "build" / "small").mkdir(parents=True)
    draft = repository / "build" / "small" / ".constraints.txt.draft"
    monkeypatch.chdir(repository)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(draft))

    monkeypatch.setattr("kaggle_offline.repository.kernel_folder.read_kernel_folder", full)
    assert main(["freeze"]) == SystemProblemError.exit_code
    said = capsys.readouterr().err
    assert f"{draft}: No space left on device" in said
    assert re.search(rf"[\d,]+ MB are free in {re.escape(str(draft.parent))}: free some", said)
    assert "reset" not in said


def test_what_the_machine_refuses_is_no_traceback(repository: Path, tmp_path: Path) -> None:
    (repository / "file").touch()
    with serve(tmp_path / "kaggle", tokens=TOKENS) as local:
        environment = {**environment_of(local), "KAGGLE_TARGET": "kaggle", "XDG_CACHE_HOME": str(repository / "file")}
        refused = run(repository, "push", **environment)
    assert refused.returncode == SystemProblemError.exit_code, refused.stderr
    assert "file" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"KAGGLE_API_ENVIRONMENT": "LOCALHOST"}, "KAGGLE_API_ENVIRONMENT"),
        ({"KAGGLE_API_ENVIRONMENT": "PROD", "HTTP_PROXY": "http://127.0.0.1:8899"}, "HTTP_PROXY"),
        ({"https_proxy": "http://user@localhost:1/"}, "https_proxy"),
        ({"all_proxy": "[::1]:1080"}, "all_proxy"),
        ({"KAGGLE_API_TOKEN": "local-kaggler"}, "KAGGLE_API_TOKEN"),
    ],
)
@pytest.mark.parametrize("verb", ["push", "submit", "history"])
def test_the_target_kaggle_is_kaggle_com_or_nothing(
    verb: str, variables: dict[str, str], named: str, repository: Path
) -> None:
    """The exports of `kaggle-local serve` would lead it to the local Kaggle."""
    refused = run(repository, verb, KAGGLE_TARGET="kaggle", **variables)
    assert refused.returncode == TargetError.exit_code, refused.stderr
    problem, cure = refused.stderr.strip().splitlines()
    assert "KAGGLE_TARGET=kaggle is kaggle.com" in problem
    assert cure == f"  → Run: unset {named}"
    assert "local-kaggler" not in refused.stderr


def test_a_token_of_the_local_kaggle_in_a_file_is_found_too(repository: Path) -> None:
    (repository / "home" / ".kaggle").mkdir(parents=True)
    (repository / "home" / ".kaggle" / "access_token").write_text("local-kaggler\n")
    refused = run(repository, "push", KAGGLE_TARGET="kaggle")
    assert refused.returncode == TargetError.exit_code
    assert "  → Put your own token into ~/.kaggle/access_token." in refused.stderr


def test_a_refused_token_is_not_replaced_by_another_accounts_key(repository: Path, tmp_path: Path) -> None:
    """The official client goes on to kaggle.json, which here is another account's, and good."""
    (repository / "home" / ".kaggle").mkdir(parents=True)
    key = {"username": "other", "key": "local-other"}
    (repository / "home" / ".kaggle" / "kaggle.json").write_text(json.dumps(key))
    with serve(tmp_path / "kaggle") as local:
        refused = run(repository, "history", **environment_of(local, "KGAT_expired"), KAGGLE_TARGET="kaggle")
        assert refused.returncode == CredentialsError.exit_code, refused.stdout
        without = {name: value for name, value in environment_of(local).items() if name != "KAGGLE_API_TOKEN"}
        assert "credentials" not in run(repository, "history", **without, KAGGLE_TARGET="kaggle").stderr


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        ("freeze push a", ["freeze a", "push a"]),
        ("-q freeze push a", ["freeze -q a", "push -q a"]),
        ("--target=local --json status", ["status --target=local --json"]),
        ("--target local image capture a", ["image --target local capture a"]),
        ("--notify freeze submit a", ["submit --notify freeze a"]),
        ("-q frezee submit", ["frezee -q submit"]),
        ("-q --help", ["--help -q"]),
        ("--version", ["--version"]),
        ("", [""]),
    ],
)
def test_options_may_come_first(words: str, commands: list[str]) -> None:
    assert [" ".join(command) for command in cli._commands(words.split())] == commands


def test_help_and_version_import_none_of_the_packages(repository: Path) -> None:
    for option, also in (("--help", set[str]()), ("--version", {"git"})):
        command = [sys.executable, "-X", "importtime", "-m", "kaggle_offline", option]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
        imported = set(re.findall(r"\bkaggle_offline\.(\w+)", done.stderr))
        assert imported == {"cli", "errors", *also}, done.stdout


def test_every_kind_of_competition_has_templates() -> None:
    assert set(cli.KINDS) == set(competition.DRAWN)


def test_help_shows_tags_as_they_are_read() -> None:
    assert cli.TAGS == provenance.LOOKS
