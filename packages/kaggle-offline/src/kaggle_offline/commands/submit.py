"""``submit``: submit the kernel version that push has run, and wait for its score."""

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kaggle_local.errors import NO_SPACE_LEFT
from kaggle_local.terminal import print_styled, printable

from kaggle_offline.browser import show
from kaggle_offline.commands.history import history
from kaggle_offline.delivery.preflight import check_entry
from kaggle_offline.delivery.reporting import report
from kaggle_offline.delivery.run_log import cause_of, read_log
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.doctor.notes import notes_on, print_notes
from kaggle_offline.environment import command
from kaggle_offline.errors import (
    DailyLimitError,
    NoSpaceError,
    NotAllowedError,
    NotFrozenError,
    NotThereError,
    ScoringError,
)
from kaggle_offline.kaggle.competitions import SubmissionLimits, SubmissionState
from kaggle_offline.reports.history import write_history
from kaggle_offline.reports.report import PAGE, described_calls, summarized
from kaggle_offline.reports.result import RESULT, Submission, read_result, update_result
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders
from kaggle_offline.repository.provenance import Chain, read_chain
from kaggle_offline.trackers.scores import Scored, log_score


def submit(kernel: KernelFolder, target: Target, *, detach: bool = False, notes: Sequence[str] = ()) -> None:
    """Submit the kernel version in ``result.json``, unless it is submitted already, and report the score.

    With ``detach`` the score is not waited for; the next submit does that. ``notes`` stand below the score.

    Raises:
        NotFrozenError: push has not run a version on this target.
        DailyLimitError: the day's submissions, or all of them, are used up.
        NotAllowedError: the account may not submit through the API.
        ScoringError: the submission failed.
    """
    started = time.monotonic()
    result = read_result(kernel.build)
    chain = result.chain
    has_models = result.models is not None or not kernel.checkpoints
    if result.target != target.name or chain is None or result.run is None or not has_models:
        raise NotFrozenError(
            f"{kernel.competition}: no complete run on {target.name}",
            f"Run: {command('freeze push', kernel.competition)}",
        )
    ref, earlier, is_known = _submit_once(kernel, target, chain, result.submission)
    if detach and target.client.competitions.submission(ref).status == "pending":
        print(f"  it is scored meanwhile; to wait for the score, run: {command('submit', kernel.competition)}")
        return
    state = _wait_for_score(target, ref)
    entry = _entry(kernel, target, state, earlier, result.submission)
    seconds = {} if is_known else {"submit": time.monotonic() - started}
    with target.alone(kernel.build):
        result = update_result(kernel.build, seconds=seconds, submission=entry)
    write_history(
        kernel.build,
        kernel.competition,
        history(target.client, kernel.on_kaggle),
        greater_is_better=entry.greater_is_better,
        repository=kernel.repository,
    )
    folds = report(kernel, result, notes)
    if entry.calls:
        print(f"  gateway: {described_calls(entry.calls, kernel.settings.limits)}")
    if state.status != "complete":
        raise _scoring_error(target, f"{target.client.owner}/{kernel.slug} version {chain.kernel}", state)
    _print_score(state, entry)
    if target.name == "kaggle":
        origin = read_chain(state.description) or chain
        log_score(kernel, Scored(submission=entry, origin=origin, result=result, folds=folds))
    print(f"  {kernel.build / RESULT}, report.html beside it")


def _entry(
    kernel: KernelFolder,
    target: Target,
    state: SubmissionState,
    earlier: Sequence[SubmissionState],
    noted: Submission | None,
) -> Submission:
    """Return a submission as the result has it, with all that its score is compared with.

    Args:
        kernel: the competition.
        target: kaggle.com or the local Kaggle.
        state: of the submission.
        earlier: those before it, the newest first.
        noted: the submission that the result has.
    """
    entry = Submission(ref=state.ref, status=state.status, score=state.score, private_score=state.private_score)
    if noted is not None and noted.ref == state.ref:
        entry = replace(entry, baseline=noted.baseline)
    for other in reversed(earlier):
        if other.score is not None:
            entry = replace(entry, last_score=other.score)
    return replace(target.comparison(kernel, entry), calls=target.calls(state.ref))


def _print_score(state: SubmissionState, entry: Submission) -> None:
    if state.score is None:
        print("  scored; Kaggle does not show the score")
    elif entry.baseline is None:
        print_styled(f"  score {state.score:.5f}", "strong")
    else:
        is_better = state.score != entry.baseline and (state.score > entry.baseline) == entry.greater_is_better
        style = "good" if is_better else "strong"
        print_styled(f"  score {state.score:.5f}", style, end="")
        print(f" (baseline, the most common label: {entry.baseline:.5f})")
    if state.private_score is not None:
        print(f"  private score {state.private_score:.5f}")


def _submit_once(
    kernel: KernelFolder, target: Target, chain: Chain, noted: Submission | None
) -> tuple[str, Sequence[SubmissionState], bool]:
    """Submit a kernel version unless it is submitted already.

    ``noted`` is its submission in the result.

    Returns:
        The submission's reference, the submissions before it, the newest first, and whether its outcome is known.
    """
    known = noted.ref if noted else ""
    client = target.client
    submissions = client.competitions.submissions(kernel.on_kaggle)
    found = _find(kernel, chain, known, submissions)
    if found is None:
        limits = client.competitions.limits(kernel.on_kaggle)
        if limits.made:
            found, submissions = _look_again(kernel, target, chain, known, limits.made)
        if found is None:
            ref = _create(kernel, target, chain, limits)
            # At once: if Kaggle loses the description, this number alone prevents a second submission.
            with target.alone(kernel.build):
                pending = Submission(ref=ref, status="pending", score=None)
                update_result(kernel.build, seconds={}, submission=pending)
            print(f"{kernel.competition}: version {chain.kernel} submitted, submission {ref}", flush=True)
            _read_back(target, chain, ref)
            return ref, submissions, False
    print(f"{kernel.competition}: version {chain.kernel} is submitted already", flush=True)
    return found.ref, submissions[submissions.index(found) + 1 :], found.status != "pending"


def _wait_for_score(target: Target, ref: str) -> SubmissionState:
    """Wait until Kaggle has scored a submission, or failed to.

    Raises:
        ScoringError: it takes too long.
    """

    def look() -> SubmissionState | None:
        submission = target.client.competitions.submission(ref)
        return submission if submission.status != "pending" else None

    seconds = target.waits.patience.scoring
    ended = target.waits.until("scoring", look, seconds=seconds)
    if ended is None:
        raise ScoringError(f"submission {ref}: no score after {seconds / 3600:.0f} hours", "Look at it on Kaggle.")
    return ended


def _read_back(target: Target, chain: Chain, ref: str) -> None:
    """Warn if Kaggle does not return the digest in a submission's description: another machine could not find it."""
    try:
        submission = target.client.competitions.submission(ref)
    except NotThereError as error:
        seen = error.problem
    else:
        if submission.shows(chain.digest):
            return
        seen = f"the description {submission.description!r}"
    print(
        f"  submission {ref}: expected {chain.digest} in its description, saw {printable(seen)}; "
        "do not submit this version from another machine",
        flush=True,
    )


def _find(kernel: KernelFolder, chain: Chain, known: str, submissions: list[SubmissionState]) -> SubmissionState | None:
    """Return the submission of a chain's digest, or of its kernel version if somebody clicked Submit on Kaggle.

    A failed submission counts: the same content would fail again, and use up another of the day's submissions.
    """
    clicked = re.compile(rf"{re.escape(kernel.metadata.title)}\W.*\bversion {chain.kernel}\b", re.IGNORECASE)
    for submission in submissions:
        if submission.ref == known or submission.shows(chain.digest):
            return submission
        if read_chain(submission.description) is None and clicked.search(submission.description):
            return submission
    return None


def _look_again(
    kernel: KernelFolder, target: Target, chain: Chain, known: str, made: int
) -> tuple[SubmissionState | None, list[SubmissionState]]:
    """List the submissions until the list is as long as Kaggle's count; return the chain's submission and the list.

    The list may lag behind the count. A team's submissions are counted but not all listed, so the wait ends after a
    while.
    """
    found: SubmissionState | None = None
    submissions: list[SubmissionState] = []

    def is_complete() -> bool | None:
        nonlocal found, submissions
        submissions = target.client.competitions.submissions(kernel.on_kaggle)
        found = _find(kernel, chain, known, submissions)
        valid = sum(submission.status != "error" for submission in submissions)
        return True if found or valid >= made else None

    target.waits.until("list of submissions", is_complete, seconds=target.waits.patience.settle)
    return found, submissions


def _create(kernel: KernelFolder, target: Target, chain: Chain, limits: SubmissionLimits) -> str:
    """Submit a kernel version; return the submission's reference.

    Raises:
        EntryError: the rules are not accepted, or submissions are disabled.
        DailyLimitError: the day's submissions, or all of them, are used up.
        NotAllowedError: the account may not submit through the API.
    """
    client = target.client
    check_entry(client, kernel)
    if limits.left == 0 and limits.for_good:
        raise DailyLimitError(
            f"{kernel.competition}: all submissions are used up", "The competition accepts no more of this account."
        )
    if limits.left == 0:
        raise DailyLimitError(
            f"{kernel.competition}: today's submissions are used up",
            f"Run the same command again after midnight UTC: {command('submit', kernel.competition)}",
        )
    try:
        return client.competitions.submit(
            kernel.on_kaggle,
            kernel.slug,
            chain.kernel,
            kernel.settings.output,
            str(chain),
            digest=chain.digest,
            before=limits,
        )
    except NotThereError as error:
        if not error.forbidden:
            raise
        raise NotAllowedError(
            f"{kernel.competition}: Kaggle does not let this account submit through the API\n{error.problem}",
            f"Open https://www.kaggle.com/code/{client.owner}/{kernel.slug}, choose version {chain.kernel}, "
            "and click Submit to Competition; then run the same command again, which waits for the score.",
        ) from error


def _scoring_error(target: Target, version: str, submission: SubmissionState) -> ScoringError | NoSpaceError:
    """Return the error for a failed submission of a kernel version, with everything that is known of it."""
    what = f"submission {submission.ref} of {version} failed"
    facts = [submission.link or "no link", f"Kaggle says: {submission.error or 'nothing'}"]
    if submission.date:
        facts.insert(0, f"{submission.date:%Y-%m-%d %H:%M} UTC")
    known = ", ".join(facts)
    cure = (
        "It ran on the public test set and failed on the hidden one: look for assumptions about its files. "
        "If Kaggle is to blame, change a comment in the kernel, then run freeze, push and submit."
    )
    told = target.reason(submission.ref)
    if told is None:
        return ScoringError(f"{what}\n{known}", cure)
    reason, text = told
    if reason.startswith(NO_SPACE_LEFT):
        return NoSpaceError(f"{what}: {reason}")
    log = read_log(text)
    why = cause_of(reason, log).text
    return ScoringError("\n".join([f"{what}: {why}", known, reason, log.end]), cure)


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernels = read_kernel_folders(repository, options.competitions)
    with open_target(options.target, repository, minutes=options.minutes) as target:
        for kernel in kernels:
            if not kernel.settings.submit:
                print(f"{kernel.competition}: not submitted, as its submission.toml says: submit = false")
                continue
            with summarized(kernel), target.alone_with(kernel):
                # kaggle.com has the competition's own data.
                notes = notes_on(repository, kernel.competition) if target.name == "local" else []
                submit(kernel, target, detach=options.detach, notes=notes)
                print_notes(notes)
            if options.open and not options.detach:
                show(str(kernel.build / PAGE))
