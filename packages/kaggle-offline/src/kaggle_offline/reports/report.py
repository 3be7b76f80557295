"""The result of a run, for people: ``summary.md`` for the workflow's page, ``report.html`` for a browser."""

import base64
import html
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaggle_offline.files import write_text
from kaggle_offline.git import COMMIT_LENGTH
from kaggle_offline.reports.github import add_summary
from kaggle_offline.reports.markdown import in_cell
from kaggle_offline.reports.result import PICTURES
from kaggle_offline.repository.kernel_folder import KernelFolder

SUMMARY, PAGE = "summary.md", "report.html"

# Whose time is told; that of their stages is in the result.
_VERBS = ("freeze", "push", "submit")

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
  td {{ padding: .2rem 1.5rem .2rem 0; border-bottom: 1px solid #ddd }}
  img {{ max-width: 100% }}
</style>
<h1>{title}</h1>
<table>
{rows}
</table>
{pictures}
</html>
"""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line of the report's table: what it is about, what can be looked at under a link, and the rest."""

    name: str
    linked: str = ""
    link: str = ""
    text: str = ""

    def markdown(self) -> str:
        linked = f"[{in_cell(self.linked)}]({self.link})" if self.link else in_cell(self.linked)
        return f"| {self.name} | {linked}{in_cell(self.text)} |"

    def html(self) -> str:
        linked = html.escape(self.linked)
        linked = f'<a href="{html.escape(self.link)}">{linked}</a>' if self.link else linked
        return f"<tr><td>{html.escape(self.name)}</td><td>{linked}{html.escape(self.text)}</td></tr>"


def forget_report(build: Path) -> None:
    """Delete both reports: what they tell of is about to be made anew."""
    for name in (SUMMARY, PAGE):
        (build / name).unlink(missing_ok=True)


def write_report(build: Path, competition: str, result: dict[str, Any]) -> None:
    """Write both reports below ``build``, with the pictures that the kernel left in its output."""
    lines = _lines(competition, result)
    submission = result["submission"]
    title = f"{competition}: {submission['status'] if submission['score'] is None else _number(submission['score'])}"
    rows = "\n".join(line.markdown() for line in lines)
    write_text(build / SUMMARY, f"### {title}\n\n| | |\n| --- | --- |\n{rows}\n\n{_distributions(result)}")
    table = "\n".join(line.html() for line in lines)
    pictures = "\n".join(_picture(p) for p in sorted((build / "output").glob("*")) if p.suffix in PICTURES)
    write_text(build / PAGE, _PAGE.format(title=html.escape(title), rows=table, pictures=pictures))


def _lines(competition: str, result: dict[str, Any]) -> list[_Line]:
    run, submission, source = result["run"], result["submission"], result["source"]
    kernel, stages = result["kernel"], result["seconds"]
    peak = f"{run['peak_memory_bytes'] / 2**20:.0f} MiB"
    lines = [
        _Line(name="score", text=_number(submission["score"])),
        *_other_scores(result),
        _Line(
            name="submission",
            linked=submission["ref"],
            link=_link(result, f"competitions/{competition}/submissions"),
            text=f", {submission['status']}",
        ),
        _Line(name="source", text=" ".join(filter(None, [source["tag"], source["commit"]]))),
        _Line(
            name="kernel",
            linked=kernel["ref"],
            link=_link(result, f"code/{kernel['ref']}"),
            text=f" version {kernel['version']}",
        ),
        _Line(name="run", text=f"{run['status']}, {run['seconds']:.0f} s, {peak} of memory at its peak"),
    ]
    for name in ("packages", "models"):
        if name not in result:
            continue
        ref, version, uploaded = (result[name][key] for key in ("ref", "version", "uploaded_bytes"))
        link = _link(result, f"datasets/{ref}/versions/{version}")
        lines.append(_Line(name=name, linked=ref, link=link, text=f" version {version}, {uploaded:,} bytes uploaded"))
    files = result["shipped"]["files"]
    lines.append(_Line(name="shipped", text=f"{_counts(result)}; {len(files)} files, {sum(files.values()):,} bytes"))
    times = ", ".join(f"{stage} {stages[stage]:.1f} s" for stage in _VERBS if stage in stages)
    return [*lines, _Line(name="time", text=times), _Line(name="target", text=result["target"])]


def _other_scores(result: dict[str, Any]) -> list[_Line]:
    """Return the scores to compare with."""
    submission, base = result["submission"], result.get("base")
    lines = []
    if submission.get("last_score") is not None:
        lines.append(_Line(name="the last one's", text=_number(submission["last_score"])))
    if base:
        score = f"none: {base['problem']}" if base["score"] is None else _number(base["score"])
        text = f"{score} at {base['commit'][:COMMIT_LENGTH]}, {base['tolerance']:g} worse is tolerated"
        lines.append(_Line(name="on the base", text=text))
    if "baseline" in submission:
        lines.append(_Line(name="baseline (most common label)", text=_number(submission["baseline"])))
    return lines


def _number(score: float | None) -> str:
    return "none" if score is None else f"{score:.5f}"


def _link(result: dict[str, Any], path: str) -> str:
    """Where a person looks at it; the local Kaggle has no pages."""
    return f"https://www.kaggle.com/{path}" if result["target"] == "kaggle" else ""


def _counts(result: dict[str, Any]) -> str:
    roles = Counter(row["role"] for row in result["shipped"]["distributions"])
    return ", ".join(f"{roles[role]} {role}" for role in ("provided", "added", "replaced"))


def _distributions(result: dict[str, Any]) -> str:
    """The table of what becomes of each distribution, to be unfolded."""
    rows = [
        "| " + " | ".join(in_cell(row[key]) for key in ("name", "image", "shipped", "role", "why")) + " |"
        for row in result["shipped"]["distributions"]
    ]
    head = ["| distribution | in the image | shipped | | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([f"<details><summary>{_counts(result)}</summary>\n", *head, *rows, "\n</details>\n"])


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(path.name)}" src="data:{PICTURES[path.suffix]};base64,{data}">'


@contextmanager
def summarized(kernel: KernelFolder) -> Iterator[None]:
    """Add the report to the run's page if the block writes one, even if the score is too low."""
    try:
        yield
    finally:
        summary = kernel.build / SUMMARY
        if summary.exists():
            add_summary(summary.read_text(encoding="utf-8"))
