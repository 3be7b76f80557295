"""``predict``: the whole way on the local Kaggle, and whether the score is still what it was on the base."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kaggle_offline.chain import COMMIT_LENGTH
from kaggle_offline.errors import KaggleError, NetworkError, OfflineError, ScoreFellError, SystemProblemError
from kaggle_offline.files import alone
from kaggle_offline.freeze import freeze
from kaggle_offline.git import git
from kaggle_offline.kernel_folder import KernelFolder, read_kernel_folder
from kaggle_offline.push import push
from kaggle_offline.report import write_report
from kaggle_offline.result import read_result, update_result
from kaggle_offline.submit import submit
from kaggle_offline.target import open_target
from kaggle_offline.uv import is_network

# Scores are compared to the digits that are shown.
_DIGITS = 5


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
    lost = round((known["score"] - here["score"]) * (1 if here["greater_is_better"] else -1), _DIGITS)
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
    """What the competition scores in a commit, or why it has no score there, as an entry of the result.

    Raises:
        OfflineError: what failed is not the base's fault.
    """
    print(f"{kernel.competition} on the base, {base[:COMMIT_LENGTH]}:", flush=True)
    with _checked_out(kernel, base) as repository:
        try:
            # What is stale there is not to be committed.
            submission = _rehearse(read_kernel_folder(repository, kernel.competition), renew_lock=True)
        except OfflineError as error:
            if _is_passing(error):
                raise
            return {"commit": base, "score": None, "problem": error.problem}
    return {"commit": base, "score": submission["score"]}


def _is_passing(error: OfflineError) -> bool:
    """Whether it is not the base's files that failed it: another time it would have a score, so "none" is wrong."""
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
        # What a run that was killed has left.
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
