"""``predict``: the whole way on the local Kaggle, and whether the score is still what it was on the base."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.plan import branch_point, default_branch, plan_changes
from kaggle_offline.commands.push import push
from kaggle_offline.commands.submit import submit
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import KaggleError, NetworkError, OfflineError, ScoreFellError, SystemProblemError
from kaggle_offline.files import alone
from kaggle_offline.git import COMMIT_LENGTH, git
from kaggle_offline.reports.github import in_ci
from kaggle_offline.reports.report import summarized, write_report
from kaggle_offline.reports.result import SCORE_DIGITS, read_result, update_result
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder, read_kernel_folders
from kaggle_offline.uv import is_network


def predict(kernel: KernelFolder, base: str, *, renew_lock: bool) -> None:
    """Rehearse a competition as it is here, then as it is in the commit ``base``, and compare the scores.

    Raises:
        ScoreFellError: the score is worse than the base's by more than the tolerance in submission.toml.
        OfflineError: freeze, push or submit failed here. Where the base's own files fail it, nothing is compared.
    """
    known = read_result(kernel.build).get("base", {})
    here = _rehearse(kernel, renew_lock=renew_lock)
    if known.get("commit") != base or known["score"] is None:
        known = _rehearse_base(kernel, base)
    result = update_result(kernel.build, seconds={}, base={**known, "tolerance": kernel.tolerance})
    write_report(kernel.build, kernel.competition, result)
    commit = base[:COMMIT_LENGTH]
    if known["score"] is None:
        print(f"  no score on the base, {commit}, to compare it with: {known['problem']}")
        return
    print(f"  on the base, {commit}: {known['score']:.5f}, tolerance {kernel.tolerance:g}")
    lost = round((known["score"] - here["score"]) * (1 if here["greater_is_better"] else -1), SCORE_DIGITS)
    if lost > kernel.tolerance:
        raise ScoreFellError(
            f"{kernel.competition}: the score is {here['score']:.5f}, and {known['score']:.5f} on the base, {commit}: "
            f"worse by {lost:.5f}, where {kernel.tolerance:g} is tolerated",
            f"If it may be, say so: [rehearsal] tolerance = {lost} in {kernel.folder / 'submission.toml'}",
        )


def _rehearse(kernel: KernelFolder, *, renew_lock: bool) -> dict[str, Any]:
    """Go the whole way; return what the result has of the submission."""
    freeze(kernel, renew_lock=renew_lock)
    with open_target("local", kernel.repository) as target:
        push(kernel, target)
        submit(kernel, target)
    submission: dict[str, Any] = read_result(kernel.build)["submission"]
    return submission


def _rehearse_base(kernel: KernelFolder, base: str) -> dict[str, Any]:
    """Return the competition's score in a commit, or why it has none there, as an entry of the result.

    Raises:
        OfflineError: what failed is not the base's fault.
    """
    print(f"{kernel.competition} on the base, {base[:COMMIT_LENGTH]}:", flush=True)
    with _checked_out(kernel, base) as repository:
        try:
            # A stale lock there is not to be committed.
            submission = _rehearse(read_kernel_folder(repository, kernel.competition), renew_lock=True)
        except OfflineError as error:
            if _is_passing(error):
                raise
            return {"commit": base, "score": None, "problem": error.problem}
    return {"commit": base, "score": submission["score"]}


def _is_passing(error: OfflineError) -> bool:
    """Tell whether an error may pass: then the base is not recorded as one without a score."""
    return isinstance(error, NetworkError | KaggleError | SystemProblemError) or is_network(error.problem)


@contextmanager
def _checked_out(kernel: KernelFolder, commit: str) -> Iterator[Path]:
    """A commit's files until the block ends; kernels run there on the images that are here.

    Raises:
        SystemProblemError: Git cannot check it out.
    """
    repository, folder = kernel.repository, kernel.build / "base"

    def remove() -> None:
        git(repository, "worktree", "remove", "--force", "--force", str(folder))
        git(repository, "worktree", "prune")

    with alone(folder.with_name("base-lock")):
        # A worktree that a killed run has left.
        remove()
        try:
            if git(repository, "worktree", "add", "--quiet", "--detach", str(folder), commit) is None:
                raise SystemProblemError(
                    f"{commit}: Git cannot check it out into {folder}", "See to it by hand: git worktree add"
                )
            # The repository may be a folder of Git's.
            root = folder / (git(repository, "rev-parse", "--show-prefix") or "")
            images = repository / ".kaggle-local" / "images"
            images.mkdir(parents=True, exist_ok=True)
            (root / ".kaggle-local").mkdir(parents=True)
            (root / ".kaggle-local" / "images").symlink_to(images)
            yield root
        finally:
            remove()


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    since = options.since or default_branch(repository)
    names = options.competitions
    if not names:
        plan = plan_changes(repository, since)
        print(plan)
        names = list(plan.reasons)
    base = branch_point(repository, since)
    for kernel in read_kernel_folders(repository, names) if names else ():
        with summarized(kernel):
            predict(kernel, base, renew_lock=not in_ci())
