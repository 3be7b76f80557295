"""``predict``: rehearse a competition on the local Kaggle, and compare its score with that of the base commit."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kaggle_local.terminal import print_styled

from kaggle_offline.browser import show
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.plan import branch_point, default_branch, plan_changes
from kaggle_offline.commands.push import push
from kaggle_offline.commands.submit import submit
from kaggle_offline.competition.data_folder import files_of
from kaggle_offline.delivery.reporting import report
from kaggle_offline.delivery.target import open_target
from kaggle_offline.doctor.notes import notes_on, print_notes
from kaggle_offline.errors import KaggleError, NetworkError, OfflineError, ScoreFellError, SystemProblemError
from kaggle_offline.files import alone, digest_of_data
from kaggle_offline.git import COMMIT_LENGTH, git
from kaggle_offline.reports.github import in_ci
from kaggle_offline.reports.report import PAGE, summarized
from kaggle_offline.reports.result import SCORE_DIGITS, Base, Submission, read_result, update_result
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder, read_kernel_folders
from kaggle_offline.uv import is_network


def predict(kernel: KernelFolder, base: str, *, renew_lock: bool) -> None:
    """Rehearse a competition as it is here, then as it is in the commit ``base``, and compare the scores.

    Raises:
        ScoreFellError: the score is worse than the base's by more than the tolerance in submission.toml.
        OfflineError: freeze, push or submit failed here. If the base's own files fail, nothing is compared.
    """
    known = read_result(kernel.build).base
    here = _rehearse(kernel, renew_lock=renew_lock)
    data = _digest_of_data(kernel)
    if known is None or (known.commit, known.data) != (base, data) or known.score is None:
        known = replace(_rehearse_base(kernel, base), data=data)
    known = replace(known, tolerance=kernel.settings.tolerance)
    result = update_result(kernel.build, seconds={}, base=known)
    notes = notes_on(kernel.repository, kernel.competition)
    report(kernel, result, notes)
    print_notes(notes)
    commit = base[:COMMIT_LENGTH]
    if known.score is None:
        print(f"  no score on the base, {commit}, to compare it with: {known.problem}")
        return
    if here.score is None:
        return
    gain = here.score - known.score if here.greater_is_better else known.score - here.score
    loss = round(-gain, SCORE_DIGITS)
    if loss > kernel.settings.tolerance:
        raise ScoreFellError(
            f"{kernel.competition}: the score is {here.score:.5f}, and {known.score:.5f} on the base, {commit}: "
            f"worse by {loss:.5f}, where {kernel.settings.tolerance:g} is tolerated",
            f"To allow it, set [rehearsal] tolerance = {loss} in {kernel.folder / 'submission.toml'}",
        )
    style = "good" if gain >= 0 else "bad"
    tolerated = f", where {kernel.settings.tolerance:g} is tolerated" if loss > 0 else ""
    print_styled(f"  {_verdict(here.score, known.score, gain)}{tolerated}", style)


def _verdict(here: float, base: float, gain: float) -> str:
    """Return the comparison of two scores, for people; ``gain`` is above 0 where the first is better."""
    if round(gain, SCORE_DIGITS) == 0:
        return f"{here:.5f}, as on the base"
    word = "better" if gain > 0 else "worse"
    return f"{here:.5f} vs {base:.5f} on the base: {word} by {abs(gain):.5f}"


def _digest_of_data(kernel: KernelFolder) -> str:
    """Return the digest of the competition's data, which Git does not track; empty where they are absent."""
    return digest_of_data(files_of(kernel.data)) if kernel.data.is_dir() else ""


def _rehearse(kernel: KernelFolder, *, renew_lock: bool) -> Submission:
    """Freeze, push and submit on the local Kaggle, after the kernels that it reads; return the submission."""
    chain = read_kernel_folders(kernel.repository, [kernel.competition], upstreams=True)
    for each in chain:
        freeze(each, renew_lock=renew_lock)
    with open_target("local", kernel.repository) as target:
        for each in chain:
            push(each, target)
        submit(kernel, target)
    submission = read_result(kernel.build).submission
    assert submission is not None
    return submission


def _rehearse_base(kernel: KernelFolder, base: str) -> Base:
    """Return the competition's score in a commit, or the problem with it there.

    Raises:
        OfflineError: the failure is not the fault of the base's files.
    """
    print(f"{kernel.competition} on the base, {base[:COMMIT_LENGTH]}:", flush=True)
    with _checked_out(kernel, base) as repository:
        try:
            # A stale lock there is renewed: nobody commits it.
            submission = _rehearse(read_kernel_folder(repository, kernel.competition), renew_lock=True)
        except OfflineError as error:
            if _is_temporary(error):
                raise
            return Base(commit=base, score=None, problem=error.problem)
    return Base(commit=base, score=submission.score)


def _is_temporary(error: OfflineError) -> bool:
    """Tell whether an error may not come again: then the base is not recorded as one without a score."""
    return isinstance(error, NetworkError | KaggleError | SystemProblemError) or is_network(error.problem)


@contextmanager
def _checked_out(kernel: KernelFolder, commit: str) -> Iterator[Path]:
    """Check a commit out until the block ends; its kernels run on this repository's images.

    Raises:
        SystemProblemError: Git cannot check it out.
    """
    repository = kernel.repository
    folder = kernel.build / "base"

    def remove() -> None:
        git(repository, "worktree", "remove", "--force", "--force", str(folder))
        git(repository, "worktree", "prune")

    with alone(folder.with_name("base-lock")):
        # A killed run leaves its worktree.
        remove()
        try:
            if git(repository, "worktree", "add", "--quiet", "--detach", str(folder), commit) is None:
                raise SystemProblemError(
                    f"{commit}: Git cannot check it out into {folder}",
                    f"Run: git worktree add --detach {folder} {commit}",
                )
            # The repository may be a folder of a larger one.
            root = folder / (git(repository, "rev-parse", "--show-prefix") or "")
            images = repository / ".kaggle-local" / "images"
            images.mkdir(parents=True, exist_ok=True)
            (root / ".kaggle-local").mkdir(parents=True)
            (root / ".kaggle-local" / "images").symlink_to(images)
            # Both are rehearsed on the same data.
            if (repository / "data").is_dir():
                (root / "data").symlink_to(repository / "data")
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
    # Without names, read_kernel_folders would read all of them.
    kernels = read_kernel_folders(repository, names) if names else []
    for kernel in (kernel for kernel in kernels if kernel.settings.submit):
        with summarized(kernel):
            predict(kernel, base, renew_lock=not in_ci())
        if options.open:
            show(str(kernel.build / PAGE))
