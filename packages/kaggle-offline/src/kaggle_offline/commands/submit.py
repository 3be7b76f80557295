"""``submit``: hand in the kernel version that push has run, and wait for its score."""

import argparse
import re
import time
from itertools import dropwhile
from pathlib import Path
from typing import Any

from kaggle_local.errors import NO_SPACE_LEFT
from kaggle_local.terminal import printable

from kaggle_offline.delivery.preflight import check_entry
from kaggle_offline.delivery.run_log import cause_of, read_log
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.errors import (
    DailyLimitError,
    NoSpaceError,
    NotAllowedError,
    NotFrozenError,
    NotThereError,
    ScoringError,
)
from kaggle_offline.kaggle.competitions import SubmissionLimits, SubmissionState
from kaggle_offline.reports.report import summarized, write_report
from kaggle_offline.reports.result import RESULT, read_result, update_result
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folders
from kaggle_offline.repository.provenance import Chain, Source, read_chain


def submit(kernel: KernelFolder, target: Target) -> None:
    """Submit the version in ``result.json``, or find its submission, and report the score.

    Raises:
        NotFrozenError: no version has been pushed to this target and run through.
        DailyLimitError: the day's submissions are used up, or all.
        NotAllowedError: the account may not submit through the API.
        ScoringError: the submission failed.
    """
    started = time.monotonic()
    result = read_result(kernel.build)
    made = {"source", "shipped", "packages", "kernel", "run"} | ({"models"} if kernel.checkpoints else set())
    if result.get("target") != target.name or not made <= set(result):
        raise NotFrozenError(
            f"{kernel.competition}: no kernel has run through on {target.name}",
            f"Run: nox -s freeze push -- {kernel.competition}",
        )
    known = result.get("submission", {})
    submission, *earlier = _submission(kernel, target, _chain(result), str(known.get("ref", "")))
    entry: dict[str, Any] = {"ref": submission.ref, "status": submission.status, "score": submission.score}
    entry["last_score"] = next((s.score for s in earlier if s.score is not None), None)
    entry |= target.comparison(kernel, known if known.get("ref") == submission.ref else {})
    seconds = {"submit": time.monotonic() - started}
    with target.alone(kernel.build):
        result = update_result(kernel.build, seconds=seconds, submission=entry)
    write_report(kernel.build, kernel.competition, result)
    if submission.status != "complete":
        raise _scoring_error(target, result["kernel"], submission)
    baseline = f" (baseline, the most common label: {entry['baseline']:.5f})" if "baseline" in entry else ""
    print(
        "  scored, and the score is not shown"
        if submission.score is None
        else f"  score {submission.score:.5f}{baseline}"
    )
    print(f"  {kernel.build / RESULT}, report.html beside it")


def _chain(result: dict[str, Any]) -> Chain:
    return Chain(
        source=Source(tag=result["source"]["tag"], commit=result["source"]["commit"]),
        packages=result["packages"]["version"],
        models=result["models"]["version"] if "models" in result else None,
        kernel=result["kernel"]["version"],
        digest=result["kernel"]["digest"],
    )


def _submission(kernel: KernelFolder, target: Target, chain: Chain, known: str) -> list[SubmissionState]:
    """A kernel version's submission, made unless it is there, once Kaggle has done with it; then those before it.

    ``known`` is the reference that the result has of it, or an empty text.
    """
    client = target.client
    submissions = client.competitions.submissions(kernel.competition)
    found = _find(kernel, chain, known, submissions)
    limits = client.competitions.limits(kernel.competition) if found is None else None
    if limits is not None and limits.made:
        found, submissions = _look_again(kernel, target, chain, known, limits.made)
    if limits is not None and found is None:
        ref = _hand_in(kernel, target, chain, limits)
        # At once: where Kaggle loses the description, this number alone keeps it from being submitted again.
        with target.alone(kernel.build):
            update_result(kernel.build, seconds={}, submission={"ref": ref, "status": "pending", "score": None})
        print(f"{kernel.competition}: version {chain.kernel} submitted, submission {ref}", flush=True)
        _read_back(target, chain, ref)
        earlier = submissions
    else:
        assert found is not None
        ref = found.ref
        print(f"{kernel.competition}: version {chain.kernel} is submitted already", flush=True)
        earlier = list(dropwhile(lambda submission: submission.ref != ref, submissions))[1:]

    def look() -> SubmissionState | None:
        submission = client.competitions.submission(ref)
        return submission if submission.status != "pending" else None

    seconds = target.waits.patience.scoring
    ended = target.waits.until("scoring", look, seconds=seconds)
    if ended is None:
        raise ScoringError(f"submission {ref}: no score after {seconds / 3600:.0f} hours", "Look at it on Kaggle.")
    return [ended, *earlier]


def _read_back(target: Target, chain: Chain, ref: str) -> None:
    """Tell where Kaggle does not return the digest in a submission's description: another machine would not find it."""
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
    """The submission of what has the chain's digest, or of its very version by a click on Kaggle.

    The same content is not handed in twice, not even if it failed: the same would fail again, and use
    up another of the day's submissions.
    """
    clicked = re.compile(rf"{re.escape(kernel.metadata['title'])}\W.*\bversion {chain.kernel}\b", re.IGNORECASE)
    for submission in submissions:
        if submission.ref == known or submission.shows(chain.digest):
            return submission
        if read_chain(submission.description) is None and clicked.search(submission.description):
            return submission
    return None


def _look_again(
    kernel: KernelFolder, target: Target, chain: Chain, known: str, made: int
) -> tuple[SubmissionState | None, list[SubmissionState]]:
    """The same once more, with the list: where Kaggle counts more submissions than it lists, the list may lag behind.

    Those of a team are counted, but not all listed: after a while it is believed.
    """
    found, submissions = None, list[SubmissionState]()

    def is_whole() -> bool | None:
        nonlocal found, submissions
        submissions = target.client.competitions.submissions(kernel.competition)
        found = _find(kernel, chain, known, submissions)
        valid = sum(submission.status != "error" for submission in submissions)
        return True if found or valid >= made else None

    target.waits.until("list of submissions", is_whole, seconds=target.waits.patience.settle)
    return found, submissions


def _hand_in(kernel: KernelFolder, target: Target, chain: Chain, limits: SubmissionLimits) -> str:
    """Submit a kernel version; return the submission's reference.

    Raises:
        EntryError: the rules are not accepted, or submissions are disabled.
        DailyLimitError: the day's submissions are used up, or all.
        NotAllowedError: the account may not submit through the API.
    """
    client = target.client
    check_entry(client, kernel)
    if limits.left == 0:
        again = f"Run the same command again after midnight UTC: nox -s submit -- {kernel.competition}"
        raise DailyLimitError(
            f"{kernel.competition}: {'all submissions' if limits.for_good else 'the submissions of today'} are used up",
            "The competition takes no more of this account." if limits.for_good else again,
        )
    try:
        return client.competitions.submit(
            kernel.competition,
            kernel.slug,
            chain.kernel,
            kernel.output,
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


def _scoring_error(target: Target, kernel: dict[str, Any], submission: SubmissionState) -> ScoringError | NoSpaceError:
    """Everything that is known of a submission that failed."""
    what = f"submission {submission.ref} of {kernel['ref']} version {kernel['version']} failed"
    at = f"{submission.date:%Y-%m-%d %H:%M} UTC, " if submission.date else ""
    known = f"{at}{submission.link or 'no link'}, Kaggle says: {submission.error or 'nothing'}"
    cure = (
        "It ran on the public test set and failed on the hidden one: look for assumptions about its files. "
        "Should Kaggle be to blame, change a comment in the kernel, then run freeze, push and submit."
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
            with summarized(kernel), target.alone_with(kernel):
                submit(kernel, target)
