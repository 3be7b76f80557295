"""The tools name no competition: nothing of one is written in them, so that the next needs no change there."""

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = ("kaggle-offline", "kaggle-local")

# Files and columns of a competition folder that a rehearsal writes.
LAYOUT = re.compile(r"[\w-]*test_images[\w-]*|train_images|test\.csv|train\.csv|ImageId|pixel\d|multi-hot")


def names_of_competitions() -> set[str]:
    """Slugs, packages, modules and metrics."""
    names = set()
    for settings in (REPOSITORY / "kernels").glob("*/submission.toml"):
        package = tomllib.loads(settings.read_text())["package"]
        names |= {settings.parent.name, package, package.replace("-", "_")}
        for rehearsal in (REPOSITORY / "packages" / package / "src").rglob("*.py"):
            names |= set(re.findall(r'^metric = "(.+)"$', rehearsal.read_text(), re.MULTILINE))
    return names


def test_there_are_names_to_look_for() -> None:
    assert {"plant-pathology", "digit_recognizer", "mean-f1", "accuracy"} <= names_of_competitions()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_names_no_competition(tool: str) -> None:
    found = []
    for path in sorted((REPOSITORY / "packages" / tool).rglob("*")):
        # The templates of `new` are of a competition, but of none that is here; two packages name metrics.
        if path.suffix not in (".py", ".toml") or "templates" in path.parts:
            continue
        names = names_of_competitions()
        if path.parent.name in ("scoring", "competition"):
            names -= {"mean-f1", "accuracy"}
        text = path.read_text()
        found += [f"{path.name}: {name}" for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
        found += [f"{path.name}: {match[0]}" for match in LAYOUT.finditer(text)]
    assert found == []
