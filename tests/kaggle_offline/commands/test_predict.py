"""The rehearsal of a change, and the comparison of its score with the base's."""

import json
from pathlib import Path

import pytest
from kaggle_offline.cli import main
from kaggle_offline.commands.predict import predict
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.errors import ScoreFellError, StaleLockError, SystemProblemError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.end_to_end.fault_matrix import PREDICT
from tests.kaggle_offline.conftest import change_metadata, git, require, result_of


@pytest.fixture
def kernel(rehearsed: Path) -> KernelFolder:
    """The small competition in a repository whose last commit is just that."""
    return begin(rehearsed, rehearsed)


def begin(rehearsed: Path, root: Path) -> KernelFolder:
    """Commit the small competition to a repository of Git's at ``root``."""
    (rehearsed / "kernels" / "small" / "predict.py").write_text(PREDICT)
    (rehearsed / ".gitignore").write_text("/build/\n/.kaggle-local/\n")
    require(rehearsed, "packaging")
    change_metadata(rehearsed, kernel_type="script")
    kernel = read_kernel_folder(rehearsed, "small")
    lock_kernel(kernel)
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(rehearsed, "add", "--all", ".")
    git(rehearsed, "commit", "--quiet", "--message", "Begin")
    return kernel


def head(kernel: KernelFolder) -> str:
    return git(kernel.repository, "rev-parse", "HEAD")


def test_a_score_is_compared_with_the_base_and_that_is_made_once(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    base = head(kernel)
    kernel.code.write_text(PREDICT.replace("scab", "healthy"))
    with pytest.raises(ScoreFellError, match=r"is 0\.33333, and 0\.66667 on the base, .*: worse by 0\.33334") as caught:
        predict(kernel, base, renew_lock=False)
    assert "[rehearsal] tolerance = 0.33334" in caught.value.cure
    assert "small on the base" in capsys.readouterr().out
    assert "on the base | 0.66667 at" in (kernel.build / "summary.md").read_text()
    assert git(kernel.repository, "worktree", "list").count("\n") == 0
    assert not (kernel.build / "base").exists()

    # As its cure says.
    settings = kernel.folder / "submission.toml"
    settings.write_text(f"{settings.read_text()}tolerance = 0.33334\n")
    predict(read_kernel_folder(kernel.repository, "small"), base, renew_lock=False)
    output = capsys.readouterr().out
    assert "small on the base" not in output
    assert "0.33333 vs 0.66667 on the base: worse by 0.33334, where 0.33334 is tolerated" in output


@pytest.mark.nightly
def test_where_less_is_better_more_is_worse(kernel: KernelFolder) -> None:
    source = kernel.package / "src" / "small" / "competition.py"
    text = source.read_text().replace("mean-f1", "rmse").replace(",scab", ",1").replace(",healthy", ",2")
    source.write_text(text)
    kernel.code.write_text(PREDICT.replace("scab", "1"))
    git(kernel.repository, "commit", "--quiet", "--all", "--message", "Count")
    base = head(kernel)
    kernel.code.write_text(PREDICT.replace("scab", "1.3"))
    predict(kernel, base, renew_lock=False)
    kernel.code.write_text(PREDICT.replace("scab", "7"))
    with pytest.raises(ScoreFellError, match="worse by"):
        predict(kernel, base, renew_lock=False)


def test_a_base_without_a_score_is_told_and_nothing_compared(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    good = kernel.code.read_text()
    kernel.code.write_text("# %% tags=['parameters']\nPACKAGES_DIGEST = ''\n# %%\nraise SystemExit('broken')\n")
    git(kernel.repository, "commit", "--quiet", "--all", "--message", "Break")
    kernel.code.write_text(good)
    predict(kernel, head(kernel), renew_lock=False)
    assert "no score on the base" in capsys.readouterr().out
    assert result_of(kernel.build)["base"]["score"] is None
    # The day after it is new, there is one.
    git(kernel.repository, "rm", "--quiet", "-r", "--cached", "kernels/small")
    git(kernel.repository, "commit", "--quiet", "--message", "Before it")
    predict(kernel, head(kernel), renew_lock=False)
    assert "kernels/small: no such competition folder" in capsys.readouterr().out


@pytest.mark.nightly
def test_the_base_of_a_repository_within_a_larger_one(rehearsed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = begin(rehearsed, rehearsed.parent)
    predict(kernel, git(rehearsed, "rev-parse", "HEAD"), renew_lock=False)
    assert "0.66667, as on the base" in capsys.readouterr().out


def test_what_the_base_cannot_help_does_not_pass_for_a_base_without_a_score(kernel: KernelFolder) -> None:
    hook = kernel.repository / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(SystemProblemError, match="Git cannot check it out"):
        predict(kernel, head(kernel), renew_lock=False)
    assert git(kernel.repository, "worktree", "list").count("\n") == 0


def test_a_stale_lock_stops_it_where_what_is_committed_counts(kernel: KernelFolder) -> None:
    require(kernel.repository, "packaging", "iniconfig")
    with pytest.raises(StaleLockError):
        predict(kernel, head(kernel), renew_lock=False)


def test_the_command_takes_what_has_changed_and_never_leaves_this_machine(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(kernel.repository)
    monkeypatch.setenv("KAGGLE_TARGET", "kaggle")
    summary = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    git(kernel.repository, "branch", "--move", "work")
    assert main(["predict"]) == 11
    assert "origin/HEAD is not set" in capsys.readouterr().err
    git(kernel.repository, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(kernel.repository, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    summary.unlink()
    assert main(["predict"]) == 0
    assert "no competitions" in capsys.readouterr().out
    assert not (kernel.build / "result.json").exists()
    kernel.code.write_text(PREDICT.replace("scab", "healthy"))
    assert main(["predict"]) == 39
    assert result_of(kernel.build)["target"] == "local"
    first, second = summary.read_text().split("### predict failed")
    assert first.startswith("### small: 0.33333\n")
    assert "worse by" in second
    result = json.loads((kernel.build / "result.json").read_text())
    assert result["base"]["commit"] == head(kernel)
