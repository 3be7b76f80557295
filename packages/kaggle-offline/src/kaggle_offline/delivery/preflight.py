"""Checks before an upload: ask Kaggle whether the competition accepts a submission."""

from datetime import UTC, datetime

from kaggle_offline.delivery.target import Target
from kaggle_offline.errors import EntryError, NotThereError
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.competitions import CompetitionState
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.kernel_metadata import is_gpu, warning_about_granted, warning_about_retired

_HOUR = 3600
_WEB = "https://www.kaggle.com"


def entered_competition(client: KaggleClient, name: str) -> CompetitionState:
    """Return what Kaggle says of a competition whose rules the account has accepted (GetCompetition).

    Raises:
        EntryError: the competition cannot be seen, or its rules are not accepted.
        KaggleError: Kaggle does not answer.
    """
    competition = client.competitions.state(name)
    if competition is None:
        raise EntryError(f"{name}: Kaggle shows this account no such competition", f"Look for it: {_WEB}/competitions")
    if not competition.entered:
        raise EntryError(
            f"{name}: {client.owner} has not accepted its rules", f"Accept them: {_WEB}/competitions/{name}/rules"
        )
    return competition


def check_entry(client: KaggleClient, kernel: KernelFolder) -> list[str]:
    """Ask Kaggle whether a competition takes submissions of the account (GetCompetition, GetSubmissionLimits).

    Returns:
        Notices, a line each. They stop nothing.

    Raises:
        EntryError: the competition cannot be seen, its rules are not accepted, or submissions are disabled.
        KaggleError: Kaggle does not answer.
    """
    name = kernel.on_kaggle
    competition = entered_competition(client, name)
    if competition.closed:
        raise EntryError(f"{name}: submissions are disabled", f"Read why: {_WEB}/competitions/{name}")
    notices = []
    if competition.slug != name:
        notices.append(f"{name}: its own spelling is {competition.slug}, which is how its data is mounted")
    if competition.deadline and competition.deadline < datetime.now(UTC):
        notices.append(f"{name}: its deadline was {competition.deadline:%Y-%m-%d}; a late submission is not ranked")
    if not competition.takes_kernels:
        notices.append(f"{name}: not a code competition: the output is scored as it is, without a hidden test set")
    limits = client.competitions.limits(name)
    if limits.left == 0:
        until = "" if limits.for_good else " until midnight UTC"
        notices.append(f"{name}: no submission is left{until}")
    elif limits.left is not None:
        notices.append(f"{name}: {limits.left} submissions are left today")
    return notices


def check_accelerator(client: KaggleClient, kernel: KernelFolder) -> list[str]:
    """Compare the GPU time that is left this week with the limit on a run (GetAcceleratorQuotaStatistics).

    Returns:
        Notices, a line each. They stop nothing.

    Raises:
        EntryError: no GPU time is left.
    """
    shape = kernel.metadata.machine_shape
    warning = warning_about_retired(shape) or warning_about_granted(shape)
    notices = [f"{kernel.competition}: {warning}"] if warning else []
    if not (kernel.metadata.enable_gpu or is_gpu(shape)):
        return notices
    seconds = client.kernels.gpu_seconds_left()
    if seconds is None:
        return notices
    if seconds <= 0:
        raise EntryError(
            f"{kernel.competition}: no GPU time is left this week",
            f"Wait until Saturday 00:00 UTC ({_WEB}/settings shows it), or set enable_gpu to false.",
        )
    hours = kernel.settings.limits.hours if kernel.settings.limits else 0
    less = f", less than the {hours:g} that a run may take" if seconds < hours * _HOUR else ""
    return [*notices, f"{kernel.competition}: {seconds / _HOUR:.1f} hours of GPU time are left this week{less}"]


class Preflight:
    """The checks that ask Kaggle before something is sent; a command that sends nothing asks nothing.

    Args:
        target: where to.
        kernel: the competition.
        force: add dataset versions although a run, or a submission, uses the dataset.
    """

    def __init__(self, target: Target, kernel: KernelFolder, *, force: bool = False) -> None:
        self._target = target
        self._kernel = kernel
        self._force = force
        self._checked = False

    def before_sending(self) -> None:
        """Check the competition and the account once, and print notices.

        Raises:
            EntryError: the competition would refuse the submission.
        """
        if not self._checked:
            client, kernel = self._target.client, self._kernel
            for notice in (*check_entry(client, kernel), *check_accelerator(client, kernel)):
                print(f"  {notice}", flush=True)
        self._checked = True

    def before_next_version(self) -> None:
        """Wait for the runs and submissions that use the competition's datasets.

        A new version can cancel the sessions that have the dataset attached (one report of a live run; its cause is
        inferred).

        Raises:
            EntryError: they do not end.
        """
        using = "" if self._force else self._using()
        if not using:
            return
        print(
            f"  {using}: a new dataset version could cancel that; waiting for its end (push --force does not wait)",
            flush=True,
        )

        def ended_now() -> bool | None:
            return None if self._using() else True

        waits = self._target.waits
        ended = waits.until("its end", ended_now, seconds=waits.patience.scoring)
        if ended is None:
            raise EntryError(f"{using}: still, after a long wait", "Look at it on Kaggle, or run: push --force")

    def _using(self) -> str:
        """Return the run or submission that uses the datasets now, or an empty text."""
        client, slug = self._target.client, self._kernel.slug
        shown = client.kernels.state(slug)
        versions = client.kernels.versions_from(slug, shown) if shown else iter(())
        for state in versions:
            if client.kernels.run(slug, state.version).status in ("queued", "running"):
                return f"{client.owner}/{slug} version {state.version} is running"
        try:
            submissions = client.competitions.submissions(self._kernel.on_kaggle)
        except NotThereError:
            return ""
        pending = next((submission for submission in submissions if submission.status == "pending"), None)
        return f"submission {pending.ref} is pending" if pending else ""
