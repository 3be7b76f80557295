"""A run's result for people: ``summary.md`` for the workflow's page, ``report.html`` for a browser."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kaggle_local.runs.calls import Calls
from markupsafe import Markup

from kaggle_offline.dependencies.lock_table import Row
from kaggle_offline.files import write_text
from kaggle_offline.git import COMMIT_LENGTH
from kaggle_offline.reports.charts import bars, histogram, pairs
from kaggle_offline.reports.distribution import Bins, Predictions, Shares
from kaggle_offline.reports.github import add_summary
from kaggle_offline.reports.history import PAGE as HISTORY
from kaggle_offline.reports.history import chart_of, read_history
from kaggle_offline.reports.markdown import in_cell, table
from kaggle_offline.reports.pages import render_page
from kaggle_offline.reports.result import PICTURES, SCORE_DIGITS, Result, Run
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.submission_toml import CompetitionLimits

SUMMARY, PAGE = "summary.md", "report.html"

# The report shows the times of these; the result has those of their stages, too.
_VERBS = ("freeze", "push", "submit")
_SECONDS_OF_MINUTE, _SECONDS_OF_HOUR = 60, 3600

# Kaggle's documentation of notebooks, "Technical Specifications": hours of a session, and memory, in GiB, of a machine
# without an accelerator; those with a GPU have one less.
_HOURS = 12
_MEMORY = 30


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line of the report's table: a name, a text with a link, and a text without one."""

    name: str
    linked: str = ""
    link: str = ""
    text: str = ""
    is_score: bool = False

    def markdown(self) -> str:
        """Return the cell after the name."""
        linked = in_cell(self.linked)
        if self.link:
            linked = f"[{linked}]({self.link})"
        return f"{linked}{in_cell(self.text)}"


def forget_report(build: Path) -> None:
    """Delete both reports, before a push makes them outdated."""
    for name in (SUMMARY, PAGE):
        (build / name).unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Card:
    """A chart with its title, the meaning of its colors, and a note."""

    title: str
    chart: Markup
    key: Sequence[tuple[str, str]] = ()
    note: str | Markup = ""


def write_report(
    build: Path,
    competition: str,
    result: Result,
    limits: CompetitionLimits | None,
    *,
    predictions: Predictions | None = None,
    folds: Sequence[float] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write both reports below ``build``, with the pictures that the kernel left in its output.

    Args:
        build: the competition's.
        competition: its name.
        result: what is reported.
        limits: of the competition, for the time that the hidden test set would take.
        predictions: the content of the submission file.
        folds: the scores of a cross-validation.
        notes: sentences that stand below the score.
    """
    lines = _lines(competition, result, limits)
    title = f"{competition}: {_outcome(result)}"
    rows = [[line.name, line.markdown()] for line in lines]
    below = "".join(f"{in_cell(note)}\n\n" for note in notes)
    write_text(build / SUMMARY, f"### {title}\n\n{below}{table(['', ''], rows)}\n\n{_distributions(result)}")
    pictures = [path for path in sorted((build / "output").glob("*")) if path.suffix in PICTURES]
    text = render_page(
        "report.html.jinja",
        title=title,
        competition=competition,
        outcome=_outcome(result),
        verdicts=[*_verdicts(result), *_too_long(result, limits, predictions), *(("faint", line) for line in notes)],
        cards=_cards(build, result, limits, predictions, folds),
        lines=[line for line in lines if not line.is_score],
        shipped=_shipped(result),
        pictures={path.name: _data_url(path) for path in pictures},
    )
    write_text(build / PAGE, text)


def _verdicts(result: Result) -> list[tuple[str, str]]:
    """Return what the score is compared with, each line with whether that is good or bad."""
    submission, base = result.submission, result.base
    if submission is None or submission.score is None:
        return []
    others = [("the baseline, the most common label for every row", submission.baseline)]
    if base is not None:
        others.append((f"the base, {base.commit[:COMMIT_LENGTH]}", base.score))
    others.append(("the previous submission", submission.last_score))
    lines = []
    for name, other in others:
        if other is not None:
            lines.append(_compared(submission.score, other, name, greater_is_better=submission.greater_is_better))
    return lines


def _compared(score: float, other: float, name: str, *, greater_is_better: bool | None) -> tuple[str, str]:
    difference = round(score - other, SCORE_DIGITS)
    if difference == 0:
        return "faint", f"as {name}: {_number(other)}"
    if greater_is_better is None:
        word = "above" if difference > 0 else "below"
        return "faint", f"{_number(abs(difference))} {word} {name}: {_number(other)}"
    is_better = (difference > 0) == greater_is_better
    kind, word = ("good", "better") if is_better else ("bad", "worse")
    return kind, f"{word} by {_number(abs(difference))} than {name}: {_number(other)}"


def _cards(
    build: Path,
    result: Result,
    limits: CompetitionLimits | None,
    predictions: Predictions | None,
    folds: Sequence[float],
) -> list[_Card]:
    cards = [*_score_card(result, folds), *_history_card(build, result)]
    if predictions:
        cards += map(_distribution_card, predictions.targets)
    if predictions and predictions.confidence:
        found = predictions.confidence
        title = f"The highest probability of each of {predictions.rows:,} rows, from 0 to 1"
        chart = histogram(title, found.edges, found.predicted, None)
        cards.append(_Card(title="Confidence", chart=chart, note=title))
    return [*cards, *_limits_card(result, limits, predictions), *_calls_card(result), *_times_card(result)]


def _score_card(result: Result, folds: Sequence[float]) -> Iterator[_Card]:
    submission, base = result.submission, result.base
    if submission is None or submission.score is None:
        return
    known = [("public score", submission.score), ("private score", submission.private_score)]
    if folds:
        known.append((f"cross-validation, mean of {len(folds)}", sum(folds) / len(folds)))
    of_base = base.score if base else None
    known += [
        ("the base", of_base),
        ("the previous submission", submission.last_score),
        ("baseline", submission.baseline),
    ]
    rows = [(name, score, _number(score)) for name, score in known if score is not None]
    note = "folds: " + ", ".join(map(_number, folds)) if folds else ""
    words = ", ".join(f"{name} {value}" for name, _, value in rows)
    yield _Card(title="Score", chart=bars(words, rows), note=note)


def _history_card(build: Path, result: Result) -> Iterator[_Card]:
    is_greater = result.submission is None or result.submission.greater_is_better is not False
    chart = chart_of(read_history(build), greater_is_better=is_greater)
    if chart is not None:
        note = Markup('<a href="{}">Every submission</a>').format(HISTORY)
        yield _Card(title="Public score of each submission", chart=chart, note=note)


def _distribution_card(target: Shares | Bins) -> _Card:
    title = f"Predictions: {target.column}"
    key = [("first", "predicted")]
    if isinstance(target, Shares):
        rows = []
        for label, share in target.predicted.items():
            trained = None if target.trained is None else target.trained[label]
            rows.append((label, share, trained))
        if target.trained is not None:
            key.append(("second", "in the training labels"))
        return _Card(title=title, chart=pairs(f"shares of the labels of {target.column}", rows), key=key)
    if target.trained is not None:
        key.append(("text", "in the training labels (line)"))
    chart = histogram(f"distribution of {target.column}", target.edges, target.predicted, target.trained)
    return _Card(title=title, chart=chart, key=key)


def _limits_card(result: Result, limits: CompetitionLimits | None, predictions: Predictions | None) -> Iterator[_Card]:
    run = result.run
    if run is None:
        return
    hours = limits.hours if limits else _HOURS
    seconds = _projected(run, limits, predictions)
    of_rows = ""
    if limits and seconds > run.seconds:
        of_rows = f", in proportion to {limits.rows:,} rows"
    rows = [(f"time{of_rows}", seconds / _SECONDS_OF_HOUR / hours, f"{_duration(seconds)} of {hours:g} h")]
    if run.peak_memory_bytes:
        memory = run.peak_memory_bytes / 2**30
        rows.append(("memory at the peak", memory / _MEMORY, f"{memory:.1f} of {_MEMORY} GiB"))
    # Both bars end where the limit is.
    rows.append(("limit", 1.0, "100%"))
    words = ", ".join(f"{name}: {value}" for name, _, value in rows[:-1])
    yield _Card(title="Against Kaggle's limits", chart=bars(words, rows, marked=-1))


def _projected(run: Run, limits: CompetitionLimits | None, predictions: Predictions | None) -> float:
    """Return the seconds that a run would take for the rows of the hidden test set; as it was, if they are unknown."""
    if limits and predictions and predictions.rows < limits.rows:
        return run.seconds / predictions.rows * limits.rows
    return run.seconds


def _too_long(
    result: Result, limits: CompetitionLimits | None, predictions: Predictions | None
) -> Iterator[tuple[str, str]]:
    if result.run and limits:
        seconds = _projected(result.run, limits, predictions)
        if seconds > limits.hours * _SECONDS_OF_HOUR:
            yield "bad", f"{limits.rows:,} rows would take {_duration(seconds)}, and {limits.hours:g} h are allowed"


def _calls_card(result: Result) -> Iterator[_Card]:
    calls = result.submission.calls if result.submission else None
    if calls:
        known = (("first call", calls.first), ("median of the others", calls.median), ("slowest", calls.slowest))
        rows = [(name, seconds, f"{seconds:.3f} s") for name, seconds in known]
        words = ", ".join(f"{name} {value}" for name, _, value in rows)
        note = f"{calls.number:,} calls for {calls.rows:,} rows"
        yield _Card(title="Calls of the gateway", chart=bars(words, rows, marked=-1), note=note)


def _times_card(result: Result) -> Iterator[_Card]:
    # That of push is the sum of its parts.
    parts = {stage: seconds for stage, seconds in result.seconds.items() if stage != "push"}
    if parts:
        rows = [(stage, seconds, _duration(seconds)) for stage, seconds in parts.items()]
        words = ", ".join(f"{name} {value}" for name, _, value in rows)
        yield _Card(title="Time of each stage", chart=bars(words, rows, marked=-1))


def _duration(seconds: float) -> str:
    if seconds >= _SECONDS_OF_HOUR:
        return f"{seconds / _SECONDS_OF_HOUR:.1f} h"
    if seconds >= 2 * _SECONDS_OF_MINUTE:
        return f"{seconds / _SECONDS_OF_MINUTE:.0f} min"
    return f"{seconds:.1f} s"


def _outcome(result: Result) -> str:
    if result.submission is None:
        return "not submitted"
    return result.submission.status if result.submission.score is None else _number(result.submission.score)


def _lines(competition: str, result: Result, limits: CompetitionLimits | None) -> list[_Line]:
    lines = [
        *_scores(competition, result),
        *_gateway(result, limits),
        _Line(name="source", text=str(result.source or "")),
    ]
    kernel, run = result.kernel, result.run
    if kernel is not None:
        link = _link(result, f"code/{kernel.ref}")
        lines.append(_Line(name="kernel", linked=kernel.ref, link=link, text=f" version {kernel.version}"))
    if run is not None:
        peak = f"{run.peak_memory_bytes / 2**20:.0f} MiB"
        lines.append(_Line(name="run", text=f"{run.status}, {run.seconds:.0f} s, {peak} of memory at its peak"))
    for name, dataset in (("packages", result.packages), ("models", result.models)):
        if dataset is not None:
            page = f"datasets/{dataset.ref}/versions/{dataset.version}"
            if dataset.ref.count("/") > 1:
                page = f"models/{dataset.ref}/{dataset.version}"
            link = _link(result, page)
            text = f" version {dataset.version}, {dataset.uploaded_bytes:,} bytes uploaded"
            lines.append(_Line(name=name, linked=dataset.ref, link=link, text=text))
    if result.shipped is not None:
        files = result.shipped.files
        text = f"{_counts(result)}; {len(files)} files, {sum(files.values()):,} bytes"
        lines.append(_Line(name="shipped", text=text))
    times = [f"{stage} {result.seconds[stage]:.1f} s" for stage in _VERBS if stage in result.seconds]
    return [*lines, _Line(name="time", text=", ".join(times)), _Line(name="target", text=result.target or "")]


def _scores(competition: str, result: Result) -> list[_Line]:
    """Return the submission's lines, with the scores to compare with."""
    submission, base = result.submission, result.base
    if submission is None:
        return []
    lines = [_Line(name="score", text=_number(submission.score), is_score=True)]
    if submission.private_score is not None:
        lines.append(_Line(name="private score", text=_number(submission.private_score), is_score=True))
    if submission.last_score is not None:
        lines.append(_Line(name="previous score", text=_number(submission.last_score), is_score=True))
    if base is not None:
        score = f"none: {base.problem}" if base.score is None else _number(base.score)
        text = f"{score} at {base.commit[:COMMIT_LENGTH]}, {base.tolerance:g} worse is tolerated"
        lines.append(_Line(name="on the base", text=text))
    if submission.baseline is not None:
        lines.append(_Line(name="baseline (most common label)", text=_number(submission.baseline), is_score=True))
    link = _link(result, f"competitions/{competition}/submissions")
    lines.append(_Line(name="submission", linked=submission.ref, link=link, text=f", {submission.status}"))
    return lines


def _gateway(result: Result, limits: CompetitionLimits | None) -> list[_Line]:
    """Return the line of a served competition's gateway."""
    calls = result.submission.calls if result.submission else None
    return [_Line(name="gateway", text=described_calls(calls, limits))] if calls else []


def described_calls(calls: Calls, limits: CompetitionLimits | None) -> str:
    """Return a gateway's calls in words, with the time that the hidden test set would take if its rows are known."""
    parts = [
        f"{calls.number:,} calls for {calls.rows:,} rows",
        f"the server started in {calls.start:.1f} s",
        f"first call {calls.first:.3f} s, median of the others {calls.median:.3f} s, slowest {calls.slowest:.3f} s",
    ]
    if limits:
        hours = calls.projected(limits.rows) / _SECONDS_OF_HOUR
        parts.append(f"{limits.rows:,} rows would take {hours:.2g} hours of {limits.hours:g}")
    return "; ".join(parts)


def _number(score: float | None) -> str:
    return "none" if score is None else f"{score:.{SCORE_DIGITS}f}"


def _link(result: Result, path: str) -> str:
    """Return the address of a page of kaggle.com; the local Kaggle has no pages."""
    return f"https://www.kaggle.com/{path}" if result.target == "kaggle" else ""


def _shipped(result: Result) -> Sequence[Row]:
    return result.shipped.distributions if result.shipped else ()


def _counts(result: Result) -> str:
    roles = Counter(row.role for row in _shipped(result))
    return ", ".join(f"{roles[role]} {role}" for role in ("provided", "added", "replaced"))


def _distributions(result: Result) -> str:
    """Return a folded table with the role of each distribution."""
    rows = []
    for row in _shipped(result):
        rows.append([in_cell(cell) for cell in (row.name, row.image, row.shipped, row.role, row.why)])
    lines = table(["distribution", "in the image", "shipped", "", ""], rows)
    return f"<details><summary>{_counts(result)}</summary>\n\n{lines}\n\n</details>\n"


def _data_url(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f"data:{PICTURES[path.suffix]};base64,{data}"


@contextmanager
def summarized(kernel: KernelFolder) -> Iterator[None]:
    """Add the report to the run's page if the block writes one, even if the score is too low."""
    try:
        yield
    finally:
        summary = kernel.build / SUMMARY
        if summary.exists():
            add_summary(summary.read_text(encoding="utf-8"))
