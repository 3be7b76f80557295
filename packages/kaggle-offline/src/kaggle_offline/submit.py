"""``submit``: hand in the kernel version that push has run, and wait for its score."""

import time

from kaggle_offline.errors import NotFrozenError, ScoringError
from kaggle_offline.kaggle_client import SubmissionState
from kaggle_offline.kernel_folder import KernelFolder
from kaggle_offline.log import read_log
from kaggle_offline.report import write_report
from kaggle_offline.result import RESULT, read_result, update_result
from kaggle_offline.target import Target
from kaggle_offline.waiting import wait_for

_SCORING_SECONDS = 24 * 3600


def submit(kernel: KernelFolder, target: Target) -> None:
    """Submit the version in ``result.json``, or find its submission, and report the score.

    Raises:
        NotFrozenError: no version has been pushed to this target and run through.
        ScoringError: the submission failed.
    """
    started = time.monotonic()
    result = read_result(kernel.build)
    if result.get("target") != target.name or not {"packages", "models", "kernel", "run"} <= set(result):
        raise NotFrozenError(
            f"{kernel.competition}: no kernel has run through on {target.name}",
            f"Run: nox -s freeze push -- {kernel.competition}",
        )
    version, digest = result["kernel"]["version"], result["kernel"]["digest"]
    description = f"version {version} {digest}"
    same = [s for s in target.client.submissions(kernel.competition) if s.description == description]
    # Also one that failed: the same version would fail again, and use up another of the day's submissions.
    earlier = next(iter(same), None)
    if earlier:
        ref = earlier.ref
        print(f"{kernel.competition}: version {version} is submitted already", flush=True)
    else:
        ref = target.client.submit(kernel.competition, kernel.slug, version, kernel.output, description)
        print(f"{kernel.competition}: version {version} submitted", flush=True)
    submission = _wait_for_score(target, kernel.competition, ref)
    entry = {"ref": ref, "status": submission.status, "score": submission.score}
    if target.rehearsal:
        known = result.get("submission", {})
        same_set = known.get("ref") == ref and "baseline" in known
        entry["baseline"] = known["baseline"] if same_set else round(target.rehearsal.baseline(kernel), 5)
    seconds = {"submit": time.monotonic() - started}
    result = update_result(kernel.build, seconds=seconds, submission=entry)
    write_report(kernel.build, kernel.competition, result)
    if submission.status != "complete" or submission.score is None:
        raise _scoring_error(target, f"submission {ref} of version {version}", submission)
    baseline = f" (commonest label for everything: {entry['baseline']:.5f})" if target.rehearsal else ""
    print(f"  score {submission.score:.5f}{baseline}")
    print(f"  {kernel.build / RESULT}, report.html beside it")


def _scoring_error(target: Target, what: str, submission: SubmissionState) -> ScoringError:
    cure = "What ran on the public test set failed on the hidden one: look for assumptions about its files."
    if target.rehearsal is None:
        return ScoringError(f"{what} failed: {submission.error or 'Kaggle gives no reason'}", cure)
    reason, text = target.rehearsal.reason(submission.ref)
    log = read_log(text)
    return ScoringError(f"{what} failed: {log.cause or reason}\n{reason}\n{log.end}", cure)


def _wait_for_score(target: Target, competition: str, ref: str) -> SubmissionState:
    def look() -> SubmissionState | None:
        found = next((s for s in target.client.submissions(competition) if s.ref == ref), None)
        return found if found and found.status != "pending" else None

    submission = wait_for("scoring", look, seconds=_SCORING_SECONDS, poll=target.poll_seconds)
    if submission is None:
        raise ScoringError(
            f"submission {ref}: no score after {_SCORING_SECONDS // 3600} hours", "Look at it on Kaggle."
        )
    return submission
