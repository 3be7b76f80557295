"""``result.json``: what the last run came to, for people, workflows and tests."""

import json
from pathlib import Path
from typing import Any

from kaggle_offline.files import write_json

RESULT = "result.json"


def read_result(build: Path) -> dict[str, Any]:
    """The result so far; empty before the first run."""
    try:
        document = json.loads((build / RESULT).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def update_result(build: Path, *, seconds: dict[str, float], **entries: Any) -> dict[str, Any]:
    """Set ``entries``, and the time that stages took, in ``result.json``; return all of it."""
    result = read_result(build)
    result |= entries
    result["seconds"] = {**result.get("seconds", {}), **{k: round(v, 2) for k, v in seconds.items()}}
    write_json(build / RESULT, result)
    return result


def forget(build: Path, *names: str) -> None:
    """Take entries out of ``result.json``: they are about to be made anew."""
    write_json(build / RESULT, {name: value for name, value in read_result(build).items() if name not in names})
