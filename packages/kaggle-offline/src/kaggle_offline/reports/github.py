"""Outputs and summaries for the workflow run that a command is part of; elsewhere nothing is written.

Files that GitHub names in variables take a step's outputs and its part of the run's summary:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kaggle_local.terminal import printable

from kaggle_offline.errors import ConfigurationError

# GitHub makes no more jobs of one matrix.
_MOST_JOBS = 256


def give_jobs(name: str, values: Sequence[str | Mapping[str, str]]) -> None:
    """Give a later job's matrix its list, as JSON: a name in it can hold nothing that would end the line.

    Args:
        name: of the output.
        values: the values of a variable, or the variables of each job.

    Raises:
        ConfigurationError: it would take more jobs than GitHub makes.
    """
    if os.environ.get("GITHUB_OUTPUT") and len(values) > _MOST_JOBS:
        raise ConfigurationError(
            f"{len(values)} {name}: a workflow run has at most {_MOST_JOBS} jobs for them",
            "Take them in parts, each with a tag, or a pull request, of its own.",
        )
    _append("GITHUB_OUTPUT", f"{name}={json.dumps(list(values))}\n")


def add_summary(markdown: str) -> None:
    """Show a text on the run's page."""
    _append("GITHUB_STEP_SUMMARY", f"{printable(markdown.rstrip())}\n\n")


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)


def in_ci() -> bool:
    """Tell whether this is a CI run, which uses the committed files alone."""
    return os.environ.get("CI", "").lower() in ("true", "1")
