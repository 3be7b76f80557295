"""The submissions of an account to a competition: ``history.json``, and a page with their curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cattrs import Converter
from cattrs.errors import BaseValidationError
from kaggle_local.terminal import printable
from markupsafe import Markup

from kaggle_offline.files import read_json, write_json, write_text
from kaggle_offline.git import changed_files, subjects
from kaggle_offline.reports.charts import curve
from kaggle_offline.reports.pages import render_page
from kaggle_offline.reports.result import SCORE_DIGITS
from kaggle_offline.repository.provenance import Chain

PAGE = "history.html"
_RECORD = "history.json"
# The changed files that are shown of a submission.
_SHOWN = 3

_converter = Converter()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A submission, and its origin, None for one that this tool did not make.

    Attributes:
        ref: Kaggle's number.
        date: of the submission, UTC, as ISO 8601; empty where Kaggle does not say.
        status: ``pending``, ``complete`` or ``error``.
        score: on the public leaderboard.
        private_score: on the private leaderboard; None while Kaggle hides it.
        origin: the tag, the commit, and the versions.
    """

    ref: str
    date: str
    status: str
    score: float | None
    private_score: float | None
    origin: Chain | None

    @property
    def digits(self) -> str:
        """Return the digits of the commit that was submitted; empty if nobody knows it."""
        return self.origin.source.digits if self.origin else ""


def read_history(build: Path) -> list[Entry]:
    """Return the submissions that were last asked for, the newest first; none if that cannot be read."""
    try:
        return _converter.structure(read_json(build / _RECORD), list[Entry])
    except (OSError, ValueError, BaseValidationError):
        return []


def scored(entries: Sequence[Entry]) -> list[tuple[Entry, float]]:
    """Return the submissions that have a score, with it, the oldest first."""
    return [(entry, entry.score) for entry in reversed(entries) if entry.score is not None]


def best_of(scores: Sequence[float], *, greater_is_better: bool) -> int:
    """Return the index of the best score, the earliest of several."""
    best = max(scores) if greater_is_better else min(scores)
    return scores.index(best)


def chart_of(entries: Sequence[Entry], *, greater_is_better: bool) -> Markup | None:
    """Return the curve of the public scores; None with fewer than two."""
    found = scored(entries)
    if len(found) < 2:  # noqa: PLR2004 - a curve
        return None
    scores = [score for _, score in found]
    best = best_of(scores, greater_is_better=greater_is_better)
    title = f"{len(scores)} scores, from {scores[0]:.5f} to {scores[-1]:.5f}, the best is {scores[best]:.5f}"
    return curve(title, scores, best=best, labels=[_label(entry, score) for entry, score in found])


def _label(entry: Entry, score: float) -> str:
    name = entry.origin.source.tag if entry.origin else ""
    return f"{name or entry.date[:10]}: {score:.{SCORE_DIGITS}f}"


def write_history(
    build: Path, competition: str, entries: Sequence[Entry], *, greater_is_better: bool | None, repository: Path
) -> Path:
    """Write ``history.json`` and the page below ``build``; return the page's path.

    Args:
        build: the competition's.
        competition: its name.
        entries: the submissions, the newest first.
        greater_is_better: the direction of the metric; None where it is not known, as on kaggle.com.
        repository: where Git knows the commits.
    """
    write_json(build / _RECORD, _converter.unstructure(list(entries)))
    is_greater = greater_is_better is not False
    found = scored(entries)
    best, note = "no score yet", f"{len(entries)} submissions"
    if found:
        entry, score = found[best_of([score for _, score in found], greater_is_better=is_greater)]
        best, note = f"{score:.{SCORE_DIGITS}f}", f"the best of {len(entries)}, submission {entry.ref}"
        if greater_is_better is None:
            note += "; Kaggle does not say whether more is better: more is assumed"
    text = render_page(
        "history.html.jinja",
        title=f"{competition}: history",
        competition=competition,
        best=best,
        note=note,
        chart=chart_of(entries, greater_is_better=is_greater),
        **_table(_rows(entries, repository)),
    )
    write_text(build / PAGE, text)
    return build / PAGE


# The title of each column, and how its cells are set.
_COLUMNS = (
    ("date (UTC)", "date"),
    ("score", "number"),
    ("private", "number"),
    ("tag", "long"),
    ("commit", "long"),
    ("changed", "long"),
    ("versions", "long"),
    ("submission", "number"),
)


def _table(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the titles and the rows of the columns that have anything in them, as the template takes them."""
    titles: list[str] = []
    shown: list[list[tuple[str, str]]] = []
    for (title, kind), cells in zip(_COLUMNS, zip(*rows, strict=True), strict=False):
        if any(cells):
            titles.append(title)
            shown.append([(kind, cell) for cell in cells])
    return {"titles": titles, "rows": list(zip(*shown, strict=True))}


def _rows(entries: Sequence[Entry], repository: Path) -> list[list[str]]:
    """Return the table's rows, the newest first, each with what has changed since the one before it."""
    known = subjects(repository, [entry.digits for entry in entries])
    changes = _changes(repository, entries, [known.get(entry.digits, ("", ""))[0] for entry in entries])
    rows = []
    for number, entry in enumerate(entries):
        origin: dict[str, Any] = {"tag": "", "commit": "", "changed": "", "versions": ""}
        if entry.origin is not None:
            chain = entry.origin
            shown = [chain.source.commit, *known.get(entry.digits, ())[1:]]
            models = "" if chain.models is None else f", models {chain.models}"
            origin = {
                "tag": chain.source.tag,
                "commit": printable(": ".join(shown)),
                "changed": changes.get(number, ""),
                "versions": f"kernel {chain.kernel}, packages {chain.packages}{models}",
            }
        private = "" if entry.private_score is None else f"{entry.private_score:.{SCORE_DIGITS}f}"
        score = entry.status if entry.score is None else f"{entry.score:.{SCORE_DIGITS}f}"
        rows.append([entry.date[:16].replace("T", " "), score, private, *origin.values(), entry.ref])
    return rows


def _changes(repository: Path, entries: Sequence[Entry], commits: Sequence[str]) -> dict[int, str]:
    """Return the files that differ between the commits of a submission and of the one before it, shortened.

    Args:
        repository: the clone.
        entries: the submissions, the newest first.
        commits: all digits of the commit of each; empty if Git does not know it.

    Returns:
        By the numbers of those submissions for which Git knows both.
    """
    made = [number for number, entry in enumerate(entries) if entry.origin is not None]
    pairs = {after: (commits[before], commits[after]) for after, before in pairwise(made)}
    pairs = {number: pair for number, pair in pairs.items() if all(pair)}
    changes: dict[int, str] = {}
    for number, names in zip(pairs, changed_files(repository, [*pairs.values()]), strict=False):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        changes[number] = printable(", ".join(names[:_SHOWN]) + more)
    return changes
