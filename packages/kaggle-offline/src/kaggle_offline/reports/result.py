"""``result.json``: what the last run came to, for people, workflows and tests."""

from pathlib import Path
from typing import Any

from kaggle_offline.files import read_json, write_json

RESULT = "result.json"

SCORE_DIGITS = 5
"""The digits to which scores are shown, kept and compared."""


_ENTRIES = {
    "source": {"tag", "commit"},
    "shipped": {"files", "distributions"},
    "packages": {"ref", "version", "digest", "uploaded_bytes"},
    "models": {"ref", "version", "digest", "uploaded_bytes"},
    "kernel": {"ref", "version", "digest"},
    "run": {"status", "seconds", "peak_memory_bytes"},
    "submission": {"ref", "status", "score"},
    "base": {"commit", "score"},
    "seconds": set[str](),
}


def read_result(build: Path) -> dict[str, Any]:
    """The result so far, without entries that are not whole; empty before the first run."""
    try:
        document = read_json(build / RESULT)
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    whole = {name: document[name] for name, keys in _ENTRIES.items() if _has(document.get(name), keys)}
    return whole | ({"target": document["target"]} if isinstance(document.get("target"), str) else {})


def _has(entry: Any, keys: set[str]) -> bool:
    return isinstance(entry, dict) and keys <= set(entry) and isinstance(entry.get("version", 0), int)


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


# The pictures of a kernel's output that the report shows.
PICTURES = {".png": "image/png", ".jpg": "image/jpeg"}
