"""A competition folder: all that the local Kaggle knows of a competition. Data, not code.

::

    public/           mounted in a normal run
    hidden/           mounted in its place when a submission is scored: same layout, other files
    solution.csv      the answers to the hidden test set
    competition.toml  slug, title, metric, id and target columns, submissions, limits

``submissions = "code"``, the default, is a competition of kernels, run again on ``hidden/``. With
``"file"`` files are handed in, or a kernel's output as it is; there is no ``hidden/`` then.

``entered = false`` is a competition whose rules the user has not accepted, ``closed = true`` one that takes no
submissions: Kaggle answers 403 to what needs either.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
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
    user has accepted the rules; ``closed`` is whether submissions are disabled.
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
    limits: Limits

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
    submissions = document.get("submissions", _SUBMISSIONS[0])
    if submissions not in _SUBMISSIONS:
        raise CompetitionError(f"{path}: submissions {submissions!r}", f"Known are: {', '.join(_SUBMISSIONS)}.")
    competition = Competition(
        folder=folder.resolve(),
        target=_target(path, document.get("target")),
        code=submissions == "code",
        entered=_flag(path, document, "entered", default=True),
        closed=_flag(path, document, "closed", default=False),
        limits=_limits(path, document.get("limits", {})),
        **{key: document[key] for key in _TEXTS},
    )
    known = (*_TEXTS, "target", "submissions", "entered", "closed", "limits")
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise CompetitionError(f"{path}: unknown key {unknown[0]}", f"Known are: {', '.join(known)}.")
    if not _SLUG.fullmatch(competition.slug):
        raise CompetitionError(f"{path}: slug {competition.slug!r}", "Write it in letters, digits and -.")
    if len({competition.id, *competition.target}) != 1 + len(competition.target):
        raise CompetitionError(f"{path}: a column is there twice", "id and target must be different columns.")
    if check_data:
        _check_data(competition)
    return competition


def _target(path: Path, value: Any) -> tuple[str, ...]:
    columns = [value] if isinstance(value, str) else value
    if not isinstance(columns, list) or not columns or not all(isinstance(c, str) and c for c in columns):
        raise CompetitionError(f"{path}: target must be a text, or a list of texts", 'Set it, as in: target = "…"')
    return tuple(columns)


def _flag(path: Path, document: dict[str, Any], key: str, *, default: bool) -> bool:
    value = document.get(key, default)
    if not isinstance(value, bool):
        raise CompetitionError(f"{path}: {key} must be true or false", f"Set it, as in: {key} = true")
    return value


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
    for root in roots:
        if not root.is_dir():
            raise CompetitionError(f"{root}: no such folder", "A competition folder needs public/ and hidden/.")
        entries = list(root.rglob("*"))
        link = next((path for path in entries if path.is_symlink()), None)
        if link:
            raise CompetitionError(f"{link}: a link", "Put the file itself there: a kernel could not follow it.")
        for folder in (root, *(p for p in entries if p.is_dir())):
            if not any(folder.iterdir()):
                raise CompetitionError(f"{folder}: the folder is empty", "Put the competition's files there.")
