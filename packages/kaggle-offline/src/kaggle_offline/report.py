"""What a run came to, for people: ``summary.md`` for the workflow's page, ``report.html`` for a browser."""

import base64
import html
from pathlib import Path
from typing import Any

from kaggle_offline.files import write_text

# Whose time is told; that of their stages is in the result.
_VERBS = ("freeze", "push", "submit")

# Of a kernel's output, what the report shows.
PICTURES = {".png": "image/png", ".jpg": "image/jpeg"}

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


def write_report(build: Path, competition: str, result: dict[str, Any]) -> None:
    """Write both reports below ``build``, with the pictures that the kernel left in its output."""
    rows = _rows(result)
    submission = result["submission"]
    title = f"{competition}: {submission['status'] if submission['score'] is None else submission['score']}"
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows)
    write_text(build / "summary.md", f"### {title}\n\n| | |\n| --- | --- |\n{lines}")
    table = "\n".join(f"<tr><td>{html.escape(n)}</td><td>{html.escape(v)}</td></tr>" for n, v in rows)
    pictures = "\n".join(_picture(p) for p in sorted((build / "output").glob("*")) if p.suffix in PICTURES)
    write_text(build / "report.html", _PAGE.format(title=html.escape(title), rows=table, pictures=pictures))


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    run, submission = result["run"], result["submission"]
    source = result["source"]
    rows = [("target", str(result["target"])), ("source", " ".join(filter(None, [source["tag"], source["commit"]])))]
    for name in ("packages", "models"):
        dataset = result[name]
        rows.append(
            (name, f"{dataset['ref']} version {dataset['version']}, {dataset['uploaded_bytes']:,} bytes uploaded")
        )
    rows.append(("kernel", f"{result['kernel']['ref']} version {result['kernel']['version']}"))
    rows.append(
        ("run", f"{run['status']}, {run['seconds']:.0f} s, {run['peak_memory_bytes'] / 2**20:.0f} MiB at its peak")
    )
    if "notice" in run:
        rows.append(("notice", run["notice"]))
    rows.append(("submission", f"{submission['ref']}, {submission['status']}"))
    rows.append(("score", f"{submission['score']}"))
    if "baseline" in submission:
        rows.append(("commonest label for everything", f"{submission['baseline']}"))
    rows.append(
        (
            "time",
            ", ".join(f"{stage} {result['seconds'][stage]:.1f} s" for stage in _VERBS if stage in result["seconds"]),
        )
    )
    return rows


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(path.name)}" src="data:{PICTURES[path.suffix]};base64,{data}">'
