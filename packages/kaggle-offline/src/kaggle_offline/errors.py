"""Every error that a person can meet, each with its exit code: what is wrong, and what to do."""

from typing import ClassVar

from kaggle_local.terminal import printable


class OfflineError(Exception):
    """The problem, with the file or name, and the hint."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, cure: str) -> None:
        # A problem quotes what Kaggle and kernels have said.
        self.problem = printable(problem)
        self.cure = printable(cure)
        super().__init__(f"{self.problem}\n{self.cure}")


class UnknownCompetitionError(OfflineError):
    """There is no folder of that name below kernels/."""

    exit_code = 10


class ConfigurationError(OfflineError):
    """A file that a person writes is missing or malformed."""

    exit_code = 11


class CheckpointError(OfflineError):
    """A file among the checkpoints is none."""

    exit_code = 12


class TargetError(OfflineError):
    """KAGGLE_TARGET names no target."""

    exit_code = 13


class CredentialsError(OfflineError):
    """Kaggle does not know who asks."""

    exit_code = 14


class TagError(OfflineError):
    """A tag is none that submits, or not the next."""

    exit_code = 15


class BuildError(OfflineError):
    """A package of this repository cannot be built."""

    exit_code = 20


class LockError(OfflineError):
    """The requirements cannot be resolved against the image."""

    exit_code = 21


class StaleLockError(OfflineError):
    """The committed lock is not that of its inputs, and may not be renewed here."""

    exit_code = 25


class ProtectedError(LockError):
    """The requirements need another version of something that must stay as the image has it."""

    exit_code = 26


class DownloadError(OfflineError):
    """A file that the lock names cannot be fetched."""

    exit_code = 22


class NetworkError(DownloadError):
    """A file that the lock names did not arrive, and the network may be to blame; a later try may succeed."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, "Check the network, then run again.")


class NotFrozenError(OfflineError):
    """There is nothing to push, or nothing to submit, yet."""

    exit_code = 23


class RehearsalError(OfflineError):
    """The local Kaggle cannot be opened, or the competition that it is to host cannot be made."""

    exit_code = 24


class KaggleError(OfflineError):
    """Kaggle refused a call, did not answer, or does not get ready."""

    exit_code = 30


class TransientError(KaggleError):
    """Kaggle is busy, cannot be reached or makes no sense for now; the same call may do later.

    Attributes:
        may_be_done: whether the call may have had its effect all the same.
        status: the answer's HTTP status; None where there was no answer.
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
        super().__init__(problem, "Run the same command again: what is done already is not done twice.")
        self.may_be_done = may_be_done
        self.status = status
        self.retry_after = retry_after


class NotThereError(KaggleError):
    """Kaggle has nothing of that name, or not for who asks; of some things it says 403 in both cases.

    Attributes:
        forbidden: the answer was 403.
        message: Kaggle's own words, which may be missing.
    """

    def __init__(self, problem: str, *, forbidden: bool, message: str) -> None:
        super().__init__(problem, "See that it is there, and that your account may have it.")
        self.forbidden = forbidden
        self.message = message


class TakenError(KaggleError):
    """Kaggle does not create a dataset or a kernel: one of that name exists, or it says what else is wrong."""


class SessionLimitError(KaggleError):
    """As many kernels of this account run as Kaggle allows; nothing is wrong with this one."""


class RepeatedError(KaggleError):
    """Kaggle took what this command made and does not show it; making it again could go on without end."""


class PublishError(OfflineError):
    """Kaggle lists other files than those that were published."""

    exit_code = 31


class RunError(OfflineError):
    """The kernel failed, or does not end."""

    exit_code = 32


class ScoringError(OfflineError):
    """The submission was not scored."""

    exit_code = 33


class OutputError(OfflineError):
    """The competition does not take the file that the kernel left."""

    exit_code = 34


class NotAllowedError(OfflineError):
    """This account may not submit through the API; a click on Kaggle does it."""

    exit_code = 35


class DailyLimitError(OfflineError):
    """The submissions of today are used up, or all that the competition allows."""

    exit_code = 36


class DeadlineError(OfflineError):
    """The command's time is up before its work was done."""

    exit_code = 37


class SystemProblemError(OfflineError):
    """This machine refuses something: a file, a folder, space on its disk."""

    exit_code = 38


class NoSpaceError(SystemProblemError):
    """The disk of the local Kaggle's storage is full."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, "Make room, then run the same command again; nothing is lost.")


class FindingsError(OfflineError):
    """There is something that would go wrong."""

    exit_code = 40


class EntryError(OfflineError):
    """The competition takes no submission of this account: the rules are not accepted, it is closed, no GPU is left."""

    exit_code = 41


class ScoreFellError(OfflineError):
    """The score is worse than that of the base, by more than is tolerated."""

    exit_code = 39
