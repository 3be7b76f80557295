"""Every error that a person can meet, each with its exit code: what is wrong, and what to do."""

from typing import ClassVar


class OfflineError(Exception):
    """What is wrong, with the file or name, and what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}\n{cure}")
        self.problem = problem
        self.cure = cure


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
    """What the lock names cannot be fetched."""

    exit_code = 22


class NotFrozenError(OfflineError):
    """There is nothing to push, or nothing to submit, yet."""

    exit_code = 23


class RehearsalError(OfflineError):
    """The local Kaggle cannot be opened, or the competition that it is to host cannot be made."""

    exit_code = 24


class KaggleError(OfflineError):
    """Kaggle refused a call or did not answer."""

    exit_code = 30


class PublishError(OfflineError):
    """What Kaggle lists is not what was published."""

    exit_code = 31


class RunError(OfflineError):
    """The kernel failed, or did not leave its output."""

    exit_code = 32


class ScoringError(OfflineError):
    """The submission was not scored."""

    exit_code = 33
