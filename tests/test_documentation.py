"""The pages are true: every command is run by a test, every name, link, message and code is there."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import kaggle_offline.errors
import pytest
from kaggle_offline.errors import OfflineError

from tests.documentation import PAGES, REPOSITORY, commands_of

# Run as they stand, one after the other, by tests/end_to_end/test_main_job.py.
FOLLOWED = ("first-five-minutes.md", "your-own-competition.md", "existing-notebook.md", "served-competitions.md")

GO = "python3 -m venv .venv && .venv/bin/pip install -q nox uv && .venv/bin/nox -s"

# Where a test, or CI, runs all others.
ELSEWHERE = {
    f"{GO} freeze push submit": "tests/end_to_end/test_main_job.py::clone",
    f"{GO} tests lint workflows": ".ci/run::nox -s tests lint workflows",
    "git init titanic": ("tests/end_to_end/test_release.py::test_three_commands_lead_from_an_empty_folder_to_a_score"),
    "uvx kaggle-offline init titanic": (
        "tests/end_to_end/test_release.py::test_three_commands_lead_from_an_empty_folder_to_a_score"
    ),
    "uvx kaggle-offline freeze push submit": (
        "tests/end_to_end/test_release.py::test_three_commands_lead_from_an_empty_folder_to_a_score"
    ),
    "git tag submit-v1 && git push origin submit-v1": "tests/workflows/test_other_repositories.py::test_a_tag_submits",
    ".venv/bin/nox -s release": "tests/end_to_end/test_release.py::released",
    "export UV_FIND_LINKS=": "tests/end_to_end/test_release.py::kaggle_offline",
    ".venv/bin/nox -s plan -- submit-v4": "tests/workflows/test_submit.py::place",
    "git tag submit-v4 && git push origin submit-v4": "tests/workflows/test_submit.py::place",
    ".nox/tools/bin/kaggle-local serve": "tests/end_to_end/test_main_job.py::test_the_official_client_sees_it_all",
    "kaggle-local serve --competition path/to/a/competition": (
        "tests/kaggle_local/test_crashes.py::test_thirty_kills_at_random_lose_nothing"
    ),
    "KAGGLE_TARGET=kaggle .nox/tools/bin/kaggle-offline probe": (
        "tests/kaggle_offline/observation/test_probe.py::test_assumptions_are_confirmed"
    ),
    ".venv/bin/nox -s image -- derive": (
        "tests/kaggle_offline/observation/test_derivation.py::test_the_manifests_are_derived_from_the_lists"
    ),
    "KAGGLE_TARGET=kaggle .venv/bin/nox -s image -- capture": (
        "tests/kaggle_offline/observation/test_capture.py::test_a_captured_image_is_what_the_local_one_holds"
    ),
    "KAGGLE_TARGET=kaggle .venv/bin/nox -s freeze -- --on-kaggle": (
        "tests/kaggle_offline/delivery/test_wheel_build.py::test_a_kernel_builds_what_cannot_be_built_here"
    ),
    ".venv/bin/nox -s image -- diff": (
        "tests/kaggle_offline/observation/test_capture.py::test_a_capture_confirms_a_derived_image"
    ),
    ".venv/bin/nox -s lock -- --image": (
        "tests/kaggle_offline/dependencies/test_lock.py::test_a_move_to_another_image_is_shown_before_it_is_made"
    ),
    "KAGGLE_LOCAL_SETTINGS=engine=podman .venv/bin/nox -s freeze push submit": (
        "tests/end_to_end/test_container.py::test_the_whole_way"
    ),
    ".venv/bin/nox -s train --": "tests/plant_pathology/test_train.py::test_a_training_that_was_stopped_goes_on",
    ".nox/project-plant-pathology/bin/python -m plant_pathology.import_checkpoint": (
        "tests/plant_pathology/network/test_checkpoint.py::test_an_old_checkpoint_of_lightning_works_with_the_missing_values_given"
    ),
    ".nox/project-plant-pathology/bin/python -m plant_pathology.predict": (
        "tests/plant_pathology/test_predict.py::test_a_checkpoint_predicts_every_image"
    ),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_run_by_a_test(page: Path) -> None:
    if page.name in FOLLOWED:
        return
    for command in commands_of(page):
        (where,) = (where for known, where in ELSEWHERE.items() if command.startswith(known))
        file, _, name = where.partition("::")
        assert name in (REPOSITORY / file).read_text(), where


def test_every_place_that_is_named_is_for_a_command() -> None:
    found = [command for page in PAGES for command in commands_of(page)]
    for known in ELSEWHERE:
        assert any(command.startswith(known) for command in found), known


def sessions() -> set[str]:
    command = [sys.executable, "-m", "nox", "--list"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^[*-] (\S+) -> ", listed, re.MULTILINE))


def test_every_session_that_is_named_is_there_and_every_one_is_told_of() -> None:
    known = sessions()
    for page in PAGES:
        for words in re.findall(r"nox -s ((?:[a-z-]+ ?)+)", page.read_text()):
            named = set(words.split(" -- ")[0].split()) - {"--"}
            assert named <= known, f"{page.name}: {words}"
    reference = (REPOSITORY / "docs" / "reference.md").read_text()
    assert {name for name in known if f"| `nox -s {name}" not in reference} == set()


def test_every_benchmark_that_is_named_is_there_and_every_one_is_told_of() -> None:
    reference = (REPOSITORY / "docs" / "reference.md").read_text()
    named = set(re.findall(r"nox -s bench -- (\w+)", reference))
    assert named == {path.stem for path in (REPOSITORY / "benchmarks").glob("*.py")}


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not link.startswith("https://"):
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not heading or heading in headings(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert [page.name for page in PAGES if page.name not in ("README.md", "index.md") and page.name not in readme] == []


def errors() -> list[type[OfflineError]]:
    found = [value for value in vars(kaggle_offline.errors).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, OfflineError) and value is not OfflineError]


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    own = [error for error in errors() if "exit_code" in vars(error)]
    assert [error.exit_code for error in own] == sorted({error.exit_code for error in own})
    rows = [f"| {error.exit_code} | {inspect.getdoc(error)} |" for error in own]
    # If this fails, write these lines there.
    assert "\n".join(rows) in (REPOSITORY / "docs" / "reference.md").read_text()


def test_every_message_that_one_may_look_for_is_one() -> None:
    text = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert len(messages) >= 15
    source = "".join(path.read_text() for path in (REPOSITORY / "packages").rglob("*.py"))
    assert [message for message in messages if message not in source] == []


def test_every_setting_is_told_of() -> None:
    reference = (REPOSITORY / "docs" / "reference.md").read_text()
    source = (REPOSITORY / "packages/kaggle-offline/src/kaggle_offline/repository/submission.schema.json").read_text()
    for key in ("package", "image", "output", "checkpoints", "sample", "weights", "limits", "freeze", "rehearsal"):
        assert f'"{key}' in source
        assert f"| `{key}" in reference or f"| `[{key}" in reference
