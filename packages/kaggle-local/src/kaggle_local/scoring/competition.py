"""A competition folder: all that the local Kaggle knows of a competition. Data, not code.

::

    public/           mounted in a normal run
    hidden/           mounted in its place when a submission is scored: same layout, other files
    solution.csv      the answers to the hidden test set
    competition.toml  slug, title, metric, id and target columns, submissions, limits
    metric.py         the host's metric, where competition.toml names it so

``submissions = "code"``, the default, is a competition of kernels, run again on ``hidden/``. With
``"file"`` files are handed in, or a kernel's output as it is; there is no ``hidden/`` then.

``entered = false`` is a competition whose rules the user has not accepted, ``closed = true`` one that takes no
submissions: Kaggle answers 403 to what needs either.

``gateway`` names a file of the data, such as ``kaggle_evaluation/x_gateway.py``, that sends a kernel the hidden test
set: in the rerun the kernel sees the public data alone, and answers.

A metric whose name ends with ``.py`` is a file of the folder, with ``score(solution, submission, row_id_column_name,
**settings)`` as Kaggle asks of its hosts. ``[metric_settings]`` are the settings, and ``greater_is_better = false``
says that less is better, which no code can tell. The solution may have more columns then. Its column ``Usage`` parts
the rows of the ``Public`` leaderboard from those of the ``Private`` one; others do not count.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from kaggle_local.errors import CompetitionError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a competition; for memory and output no more than the server's, which are the default."""

    seconds: int = 32400
    submissions_per_day: int = 5
    memory_bytes: int | None = None
    output_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Competition:
    """A competition folder that has been read and found whole.

    ``target`` are the columns that are predicted; ``code`` is whether kernels are handed in; ``entered`` is whether the
    user has accepted the rules; ``closed`` is whether submissions are disabled. ``greater_is_better`` and
    ``metric_settings`` are those of a host's metric. ``gateway`` is empty where kernels read the test set themselves.
    """

    folder: Path
    slug: str
    title: str
    metric: str
    id: str
    target: tuple[str, ...]
    code: bool
    entered: bool
    closed: bool
    greater_is_better: bool
    metric_settings: Mapping[str, Any]
    gateway: str
    limits: Limits

    @property
    def custom_metric(self) -> Path | None:
        """The host's metric; None where the metric is one of the known ones."""
        return self.folder / self.metric if self.metric.endswith(".py") else None

    @property
    def public(self) -> Path:
        """The data that a normal run sees."""
        return self.folder / "public"

    @property
    def hidden(self) -> Path:
        """The data that the rerun of a submission sees."""
        return self.folder / "hidden"

    @property
    def solution(self) -> Path:
        """The answers to the hidden test set."""
        return self.folder / "solution.csv"


_TEXTS = ("slug", "title", "metric", "id")
# Some have capitals, which mounts keep (reported live).
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_SUBMISSIONS = ("code", "file")
_FLAGS = ("entered", "closed", "greater_is_better")


def load_competition(folder: Path, *, check_data: bool = True) -> Competition:
    """Read ``competition.toml`` and, unless that was done before, check that the folder is whole.

    Raises:
        CompetitionError: something is missing, empty or malformed; the message names it.
    """
    path = folder / "competition.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CompetitionError(
            f"{folder}: not a competition folder (no competition.toml)",
            "Write one, or name the command that does in submission.toml under [rehearsal].",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CompetitionError(f"{path}: {error}", "Correct the file: it must be TOML.") from error
    for key in _TEXTS:
        if not isinstance(document.get(key), str) or not document[key]:
            raise CompetitionError(f"{path}: {key} must be a text", f'Set it, as in: {key} = "…"')
    competition = Competition(
        folder=folder.resolve(),
        target=_target(path, document.get("target")),
        code=_takes_kernels(path, document.get("submissions", _SUBMISSIONS[0])),
        entered=_flag(path, document, "entered", default=True),
        closed=_flag(path, document, "closed", default=False),
        greater_is_better=_flag(path, document, "greater_is_better", default=True),
        metric_settings=_metric_settings(path, document.get("metric_settings", {})),
        gateway=_gateway(path, document.get("gateway", "")),
        limits=_limits(path, document.get("limits", {})),
        **{key: document[key] for key in _TEXTS},
    )
    known = (*_TEXTS, "target", "submissions", *_FLAGS, "metric_settings", "gateway", "limits")
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise CompetitionError(f"{path}: unknown key {unknown[0]}", f"Known are: {', '.join(known)}.")
    if not _SLUG.fullmatch(competition.slug):
        raise CompetitionError(f"{path}: slug {competition.slug!r}", "Write it in letters, digits and -.")
    _check_metric(path, competition, document)
    if len({competition.id, *competition.target}) != 1 + len(competition.target):
        raise CompetitionError(f"{path}: a column is there twice", "id and target must be different columns.")
    if check_data:
        _check_data(competition)
    return competition


def _check_metric(path: Path, competition: Competition, document: Mapping[str, Any]) -> None:
    is_custom = competition.custom_metric is not None
    if is_custom and PurePath(competition.metric).name != competition.metric:
        raise CompetitionError(f"{path}: metric {competition.metric!r}", "Put the file beside competition.toml.")
    for key in ("greater_is_better", "metric_settings"):
        if key in document and not is_custom:
            raise CompetitionError(f"{path}: {key} is of a host's metric", 'Name a file, as in: metric = "metric.py"')


def _target(path: Path, value: Any) -> tuple[str, ...]:
    columns = [value] if isinstance(value, str) else value
    if not isinstance(columns, list) or not columns or not all(isinstance(c, str) and c for c in columns):
        raise CompetitionError(f"{path}: target must be a text, or a list of texts", 'Set it, as in: target = "…"')
    return tuple(columns)


def _takes_kernels(path: Path, submissions: Any) -> bool:
    if submissions not in _SUBMISSIONS:
        raise CompetitionError(f"{path}: submissions {submissions!r}", f"Known are: {', '.join(_SUBMISSIONS)}.")
    return bool(submissions == "code")


def _flag(path: Path, document: dict[str, Any], key: str, *, default: bool) -> bool:
    value = document.get(key, default)
    if not isinstance(value, bool):
        raise CompetitionError(f"{path}: {key} must be true or false", f"Set it, as in: {key} = true")
    return value


def _metric_settings(path: Path, table: Any) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        raise CompetitionError(f"{path}: [metric_settings] is malformed", "Write a table of the metric's settings.")
    return table


def _gateway(path: Path, name: Any) -> str:
    if not isinstance(name, str) or name.startswith("/") or ".." in name.split("/"):
        raise CompetitionError(f"{path}: gateway must be a file of the data", 'As in: gateway = "kaggle_evaluation/…"')
    return name


def _limits(path: Path, table: Any) -> Limits:
    fields = Limits.__dataclass_fields__
    if not isinstance(table, dict) or set(table) - set(fields):
        raise CompetitionError(f"{path}: [limits] is malformed", f"Known keys are: {', '.join(fields)}.")
    for key, value in table.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise CompetitionError(f"{path}: limits.{key} must be a whole number above 0", "Correct it.")
    return Limits(**table)


def _check_data(competition: Competition) -> None:
    if not competition.solution.is_file():
        raise CompetitionError(f"{competition.solution}: not there", "It must hold the hidden test set's answers.")
    roots = (competition.public, competition.hidden) if competition.code else (competition.public,)
    if competition.gateway and not competition.code:
        raise CompetitionError(f"{competition.folder}: a gateway, and submissions are files", "Remove one of the two.")
    for root in roots:
        if competition.gateway and not (root / competition.gateway).is_file():
            raise CompetitionError(f"{root / competition.gateway}: not there", "Put the gateway into both folders.")
        if not root.is_dir():
            raise CompetitionError(f"{root}: no such folder", "A competition folder needs public/ and hidden/.")
        entries = list(root.rglob("*"))
        link = next((path for path in entries if path.is_symlink()), None)
        if link:
            raise CompetitionError(f"{link}: a link", "Put the file itself there: a kernel could not follow it.")
        for folder in (root, *(p for p in entries if p.is_dir())):
            if not any(folder.iterdir()):
                raise CompetitionError(f"{folder}: the folder is empty", "Put the competition's files there.")
