"""Every error that a person can meet, ordered by exit code: the problem, and a hint.

The docstrings of the classes that define a code are the table of exit codes in docs/reference.md.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from kaggle_local.terminal import printable


class OfflineError(Exception):
    """The problem, with the file or name, and the hint."""

    exit_code: ClassVar[int] = 1
    # `--json` prints it beside the problem and the hint.
    document: Mapping[str, Any] = {}

    def __init__(self, problem: str, cure: str) -> None:
        # A problem may quote Kaggle or a kernel.
        self.problem = printable(problem)
        self.cure = printable(cure)
        super().__init__(f"{self.problem}\n{self.cure}")


class UnknownCompetitionError(OfflineError):
    """`kernels/` has no folder of that name."""

    exit_code = 10


class ConfigurationError(OfflineError):
    """A file that you write is missing or malformed."""

    exit_code = 11


class CheckpointError(OfflineError):
    """A checkpoint is broken, unsafe, or not a checkpoint."""

    exit_code = 12


class TargetError(OfflineError):
    """`KAGGLE_TARGET` is unknown, or the environment leads elsewhere."""

    exit_code = 13


class CredentialsError(OfflineError):
    """Kaggle does not accept the credentials."""

    exit_code = 14


class TagError(OfflineError):
    """The tag is not a submit tag, or not the next one."""

    exit_code = 15


class BuildError(OfflineError):
    """A package cannot be built."""

    exit_code = 20


class LockError(OfflineError):
    """The requirements cannot be met on the image."""

    exit_code = 21


class DownloadError(OfflineError):
    """A file of the lock cannot be downloaded."""

    exit_code = 22


class NetworkError(DownloadError):
    """A file of the lock did not arrive; a later try may succeed."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, "Check the network, then run again.")


class NotFrozenError(OfflineError):
    """Freeze or push has not been run, or not to the end."""

    exit_code = 23


class RehearsalError(OfflineError):
    """The local Kaggle, its image or its competition cannot be set up."""

    exit_code = 24


class UnbuiltError(LockError):
    """Something that is required exists only as a source, which cannot be built here.

    Attributes:
        requirement: names it, as ``name==version`` or ``name @ address``.
    """

    def __init__(self, problem: str, cure: str, *, requirement: str) -> None:
        super().__init__(problem, cure)
        self.requirement = requirement


class StaleLockError(OfflineError):
    """The lock is stale, and `CI=true` forbids renewing it."""

    exit_code = 25


class ProtectedError(LockError):
    """The requirements exclude the image's version of a protected distribution."""

    exit_code = 26


class KaggleError(OfflineError):
    """Kaggle refused a call, or did not answer in time."""

    exit_code = 30


class TransientError(KaggleError):
    """Kaggle is busy, unreachable or inconsistent for now; the same call may succeed later.

    Attributes:
        may_be_done: whether the call may have had its effect.
        status: the answer's HTTP status; None without an answer.
        retry_after: seconds after which Kaggle wants to be asked again, if it says so.
    """

    def __init__(
        self,
        problem: str,
        *,
        may_be_done: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(problem, "Run the same command again: nothing is done twice.")
        self.may_be_done = may_be_done
        self.status = status
        self.retry_after = retry_after


class NotThereError(KaggleError):
    """Kaggle has nothing of that name, or hides it from this account; for some resources it answers 403 to both.

    Attributes:
        forbidden: the answer was 403.
        message: Kaggle's own words, which may be missing.
    """

    def __init__(self, problem: str, *, forbidden: bool, message: str) -> None:
        super().__init__(problem, "Check that it exists, and that your account may use it.")
        self.forbidden = forbidden
        self.message = message


class TakenError(KaggleError):
    """Kaggle does not create a dataset or a kernel: the name is taken, or for another reason that it gives."""


class StuckError(KaggleError):
    """The processing of a version does not end."""


class SessionLimitError(KaggleError):
    """The account already runs as many kernels as Kaggle allows; nothing is wrong with this one."""


class RepeatedError(KaggleError):
    """Kaggle accepted the work of this command and does not show it; repeating it could go on without end."""


class PublishError(OfflineError):
    """Kaggle lists other files than those that were published."""

    exit_code = 31


class RunError(OfflineError):
    """The kernel's run failed or does not end: an import, an input, memory, time, or its exception."""

    exit_code = 32


class ScoringError(OfflineError):
    """The submission was not scored."""

    exit_code = 33


class OutputError(OfflineError):
    """The kernel's submission file does not match the sample submission."""

    exit_code = 34


class NotAllowedError(OfflineError):
    """This account may not submit through the API: the message has a link to click."""

    exit_code = 35


class DailyLimitError(OfflineError):
    """The day's submissions, or all of them, are used up."""

    exit_code = 36


class DeadlineError(OfflineError):
    """The time of `--minutes` is over."""

    exit_code = 37


class SystemProblemError(OfflineError):
    """This machine refuses a file, a folder, or disk space."""

    exit_code = 38


class NoSpaceError(SystemProblemError):
    """The disk of the local Kaggle's storage is full."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, "Free some space, then run the same command again; nothing is lost.")


class ScoreFellError(OfflineError):
    """The score is worse than the base's by more than the tolerance."""

    exit_code = 39


class FindingsError(OfflineError):
    """`doctor` found problems."""

    exit_code = 40

    def __init__(self, problem: str, cure: str, document: Mapping[str, Any]) -> None:
        super().__init__(problem, cure)
        self.document = document


class EntryError(OfflineError):
    """The competition accepts no submission of this account: rules not accepted, closed, or no GPU time left."""

    exit_code = 41
