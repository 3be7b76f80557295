"""``result.json``: versions, times and scores of the last run, for people, workflows and tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cattrs import Converter
from cattrs.errors import BaseValidationError
from kaggle_local.runs.calls import Calls

from kaggle_offline.dependencies.lock_table import Row
from kaggle_offline.files import read_json, write_json
from kaggle_offline.repository.provenance import Chain, Source

RESULT = "result.json"

SCORE_DIGITS = 5
"""The digits to which scores are shown, kept and compared."""

# The pictures of a kernel's output that the report shows.
PICTURES = {".png": "image/png", ".jpg": "image/jpeg"}


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """The files of the packages dataset with their sizes in bytes, and the role of every distribution."""

    files: Mapping[str, int]
    distributions: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset version that was listed whole; ``uploaded_bytes`` is 0 if it existed already."""

    ref: str
    version: int
    digest: str
    uploaded_bytes: int


@dataclass(frozen=True, kw_only=True)
class KernelVersion:
    """A kernel version, and the digest of its source."""

    ref: str
    version: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """A kernel version's run.

    Attributes:
        status: ``complete``.
        seconds: its time.
        peak_memory_bytes: 0 where it is unknown.
        image: the name of the image manifest that it was locked for.
        docker_image: the image that it ran in, by its digest; empty where it is unknown.
    """

    status: str
    seconds: float
    peak_memory_bytes: int
    image: str = ""
    docker_image: str = ""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A submission.

    Attributes:
        ref: Kaggle's number.
        status: ``pending``, ``complete`` or ``error``.
        score: on the public leaderboard; None without one, or if Kaggle hides it.
        private_score: on the private leaderboard; None while Kaggle hides it.
        last_score: the score of the newest earlier submission that has one.
        baseline: the score of the most common label for every row; None on kaggle.com.
        greater_is_better: the direction of the metric; None on kaggle.com.
        calls: those of the gateway in a served competition; None on kaggle.com, and in any other competition.
    """

    ref: str
    status: str
    score: float | None
    private_score: float | None = None
    last_score: float | None = None
    baseline: float | None = None
    greater_is_better: bool | None = None
    calls: Calls | None = None


@dataclass(frozen=True, kw_only=True)
class Base:
    """The score of the commit that a change is compared with.

    Attributes:
        commit: all of its digits.
        score: None if that commit cannot be rehearsed.
        problem: why it cannot; empty if it can.
        tolerance: the largest drop of the score that the change may cause.
        data: the digest of the competition's data; empty where they are absent.
    """

    commit: str
    score: float | None
    problem: str = ""
    tolerance: float = 0.0
    data: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The entries of ``result.json``; None for a step that has not been done since the last freeze or push.

    Attributes:
        target: ``local`` or ``kaggle``.
        source: the commit and its tag.
        shipped: the content of the packages dataset.
        packages: the version of the packages dataset.
        models: the version of the model dataset.
        kernel: the kernel version.
        run: its run.
        submission: its submission.
        base: the score to compare with.
        seconds: the time of each stage.
    """

    target: str | None = None
    source: Source | None = None
    shipped: Shipped | None = None
    packages: Published | None = None
    models: Published | None = None
    kernel: KernelVersion | None = None
    run: Run | None = None
    submission: Submission | None = None
    base: Base | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def chain(self) -> Chain | None:
        """Return the origin of a submission of this result; None before a kernel has been pushed."""
        if self.source is None or self.packages is None or self.kernel is None:
            return None
        models = self.models.version if self.models else None
        return Chain(
            source=self.source,
            packages=self.packages.version,
            models=models,
            kernel=self.kernel.version,
            digest=self.kernel.digest,
        )


_converter = Converter()


def read_result(build: Path) -> Result:
    """Read ``result.json`` below ``build``; malformed entries are left out, and an unreadable file has none."""
    try:
        document = read_json(build / RESULT)
    except (OSError, ValueError):
        return Result()
    if not isinstance(document, dict):
        return Result()
    entries: dict[str, Any] = {}
    for entry in fields(Result):
        try:
            entries[entry.name] = _converter.structure(document[entry.name], entry.type)  # type: ignore[arg-type]
        except (BaseValidationError, KeyError, ValueError, TypeError, AttributeError, OverflowError):
            continue
    return Result(**entries)


def update_result(build: Path, *, seconds: Mapping[str, float], **entries: Any) -> Result:
    """Replace ``entries`` of ``result.json`` by their names in `Result`, add times of stages, and return all of it."""
    result = read_result(build)
    rounded = {stage: round(value, 2) for stage, value in seconds.items()}
    result = replace(result, seconds={**result.seconds, **rounded}, **entries)
    _write(build, result)
    return result


def forget(build: Path, *names: str) -> None:
    """Remove entries from ``result.json``, before the steps that make them are repeated."""
    forgotten: dict[str, Any] = dict.fromkeys(names)
    _write(build, replace(read_result(build), **forgotten))


def _write(build: Path, result: Result) -> None:
    entries = _converter.unstructure(result)
    write_json(build / RESULT, {name: value for name, value in entries.items() if value is not None})
