"""Kaggle's answers to the questions of a probe, as a table."""

from dataclasses import dataclass

from kaggle_local.terminal import printable

from kaggle_offline.reports.markdown import in_cell, table

# Characters of a text of Kaggle's that the table shows.
MOST_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A row of the table: an assumption about Kaggle, and the observation.

    ``as_assumed`` is None where Kaggle was not asked.
    """

    question: str
    assumed: str
    seen: str
    as_assumed: bool | None


_VERDICTS = {True: "as assumed", False: "OTHER", None: "not asked"}


def markdown_table(answers: list[Answer]) -> str:
    """Return the answers as a Markdown table, to paste into an issue."""
    rows = []
    for answer in answers:
        cells = [answer.question, answer.assumed, printable(answer.seen), _VERDICTS[answer.as_assumed]]
        rows.append([in_cell(cell) for cell in cells])
    return table(["question", "assumed", "seen", ""], rows)
