"""The errors that a person who uses the local Kaggle can meet."""

import os
import shutil
import sys
from pathlib import Path

NO_SPACE_LEFT = "no space left on the disk of"
"""How the reason of a run, a submission or a refusal begins that failed because the storage's disk is full."""


def free_space(folder: Path) -> str:
    """Say how much is free on the disk of a folder; it can be full of files, too (statvfs(3))."""
    free = f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB are free"
    if sys.platform == "win32":
        return free
    disk = os.statvfs(folder)
    return f"{free} and no file more can be made" if disk.f_files and not disk.f_favail else free


class LocalKaggleError(Exception):
    """The problem, and the way out of it."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}\n{cure}")
        self.problem = problem
        self.cure = cure


class CompetitionError(LocalKaggleError):
    """A competition folder is not there, or is not one."""


class SandboxError(LocalKaggleError):
    """Kernels cannot be isolated on this machine."""


class ImageError(LocalKaggleError):
    """The image's environment cannot be built."""


class StorageError(LocalKaggleError):
    """The storage is in use, or of another version."""


class ArchiveError(LocalKaggleError):
    """An uploaded archive is broken or hostile."""


class RunError(LocalKaggleError):
    """A kernel cannot be run, or its output cannot be kept."""


class SubmissionError(LocalKaggleError):
    """A submission does not fit the competition.

    ``kind`` is the class of the failure, which is all that Kaggle tells of a code submission.
    """

    kind = "Submission Scoring Error"

    def __init__(self, problem: str, cure: str, *, kind: str = kind) -> None:
        super().__init__(problem, cure)
        self.kind = kind


class ServerError(LocalKaggleError):
    """The server cannot be reached where it was asked to be."""


class BehaviourError(LocalKaggleError):
    """A setting of the local Kaggle is not known, or has no such value."""


class FaultError(LocalKaggleError):
    """A fault that was asked for is not possible."""
