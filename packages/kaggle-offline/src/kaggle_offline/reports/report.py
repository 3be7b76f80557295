"""A run's result for people: ``summary.md`` for the workflow's page, ``report.html`` for a browser."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from kaggle_local.runs.calls import Calls

from kaggle_offline.dependencies.lock_table import Row
from kaggle_offline.files import write_text
from kaggle_offline.git import COMMIT_LENGTH
from kaggle_offline.reports.github import add_summary
from kaggle_offline.reports.markdown import in_cell, table
from kaggle_offline.reports.result import PICTURES, SCORE_DIGITS, Result
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.submission_toml import CompetitionLimits

SUMMARY, PAGE = "summary.md", "report.html"

# The report shows the times of these; the result has those of their stages, too.
_VERBS = ("freeze", "push", "submit")
_SECONDS_OF_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line of the report's table: a name, a text with a link, and a text without one."""

    name: str
    linked: str = ""
    link: str = ""
    text: str = ""

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


def write_report(build: Path, competition: str, result: Result, limits: CompetitionLimits | None) -> None:
    """Write both reports below ``build``, with the pictures that the kernel left in its output.

    Args:
        build: the competition's.
        competition: its name.
        result: what is reported.
        limits: of the competition, for the time that the hidden test set would take.
    """
    lines = _lines(competition, result, limits)
    title = f"{competition}: {_outcome(result)}"
    rows = [[line.name, line.markdown()] for line in lines]
    write_text(build / SUMMARY, f"### {title}\n\n{table(['', ''], rows)}\n\n{_distributions(result)}")
    pictures = [path for path in sorted((build / "output").glob("*")) if path.suffix in PICTURES]
    environment = Environment(loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("report.html.jinja")
    text = page.render(title=title, lines=lines, pictures={path.name: _data_url(path) for path in pictures})
    write_text(build / PAGE, text)


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
    lines = [_Line(name="score", text=_number(submission.score))]
    if submission.private_score is not None:
        lines.append(_Line(name="private score", text=_number(submission.private_score)))
    if submission.last_score is not None:
        lines.append(_Line(name="previous score", text=_number(submission.last_score)))
    if base is not None:
        score = f"none: {base.problem}" if base.score is None else _number(base.score)
        text = f"{score} at {base.commit[:COMMIT_LENGTH]}, {base.tolerance:g} worse is tolerated"
        lines.append(_Line(name="on the base", text=text))
    if submission.baseline is not None:
        lines.append(_Line(name="baseline (most common label)", text=_number(submission.baseline)))
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
