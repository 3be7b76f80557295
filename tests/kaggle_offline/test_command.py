"""The command line on bad input: one clear line, what to do, a non-zero exit, nothing pushed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kaggle_local.server import LocalKaggle
from kaggle_offline.errors import CredentialsError, SystemProblemError


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
        (["push"], "local", leave, 23, "small: nothing is frozen"),
        (["submit"], "local", leave, 23, "small: no kernel has run through on local"),
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
    environment = {**local_kaggle.environment, "KAGGLE_TARGET": "kaggle", "KAGGLE_API_TOKEN": token}
    refused = run(repository, "history", **environment)
    assert refused.returncode == CredentialsError.exit_code, refused.stderr
    assert "SECRET" not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_the_machine_refuses_is_no_traceback(repository: Path, local_kaggle: LocalKaggle) -> None:
    (repository / "file").touch()
    environment = {**local_kaggle.environment, "KAGGLE_TARGET": "kaggle", "XDG_CACHE_HOME": str(repository / "file")}
    refused = run(repository, "push", **environment)
    assert refused.returncode == SystemProblemError.exit_code, refused.stderr
    assert "file" in refused.stderr
    assert "Traceback" not in refused.stderr
