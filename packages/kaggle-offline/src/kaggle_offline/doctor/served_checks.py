"""Checks of a kernel that answers a gateway: in its code, and in what the last rehearsal has measured."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from kaggle_local.runs.calls import Calls

from kaggle_offline.code.imports import imported_modules
from kaggle_offline.competition.drawing import drawn_share
from kaggle_offline.competition.served import FOLDER, default_paths, gateway_among
from kaggle_offline.competition.sources import missing_files
from kaggle_offline.doctor.subject import Check, Finding, Subject
from kaggle_offline.reports.result import read_result

# Set while a submission is scored (Kaggle's documentation of code competitions).
_RERUN = "KAGGLE_IS_COMPETITION_RERUN"

# The name that the hosts' files have in common (kaggle_evaluation/core/base_gateway.py).
_USUAL_OUTPUT = "submission.parquet"
# Seconds that a server has to start (kaggle_evaluation/core/relay.py).
_STARTUP_SECONDS = 15 * 60
_OUTPUT = re.compile(r"""["'](submission\.\w+)["']""")


def is_served(subject: Subject) -> bool:
    """Tell whether the kernel answers a gateway, which writes the submission."""
    return any(FOLDER in imported_modules(code.tree) for code in subject.reached)


def _serves(subject: Subject) -> Iterator[Finding]:
    """Find a kernel that imports a server, and would not answer in the rerun."""
    calls, texts = set(), set()
    for code in subject.reached:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                calls.add(node.func.attr)
            elif isinstance(node, ast.Constant):
                texts.add(node.value)
    # A host's module may have one call for both runs: kaggle_evaluation.test(Model).
    if "test" not in calls and ("serve" not in calls or _RERUN not in texts):
        yield Finding(
            f"{subject.where(subject.kernel.code)}: imports {FOLDER}, and does not call serve() in the rerun",
            f"Call it if the variable {_RERUN} is set, and run_local_gateway otherwise.",
        )


def _output(subject: Subject) -> Iterator[Finding]:
    """Find an output that the gateway does not write."""
    named = set()
    for file in sorted((subject.kernel.data / FOLDER).rglob("*.py")):
        named |= set(_OUTPUT.findall(file.read_text(encoding="utf-8", errors="replace")))
    known = sorted(named) or [_USUAL_OUTPUT]
    if subject.kernel.settings.output not in known:
        yield Finding(
            f"{subject.settings}: output is {subject.kernel.settings.output}; the gateway writes {' or '.join(known)}",
            f'Write: output = "{known[0]}"',
        )


def _paths(subject: Subject) -> Iterator[Finding]:
    """Find files that the kernel hands to the gateway and that the gateway would not read in the rerun."""
    data = subject.kernel.data
    files = [path.relative_to(data).as_posix() for path in (data / FOLDER).rglob("*_gateway.py")]
    gateway = gateway_among(files)
    if not gateway:
        return
    defaults = {PurePosixPath(path).name for path in default_paths(data / gateway)} - {""}
    for code in subject.reached:
        for node in ast.walk(code.tree):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if not is_call or node.func.attr != "run_local_gateway":  # type: ignore[attr-defined]
                continue
            for part in ast.walk(node):
                text = str(part.value) if isinstance(part, ast.Constant) else ""
                name = PurePosixPath(text).name
                if PurePosixPath(name).suffix and not text.endswith("/") and name not in defaults:
                    reads = ", ".join(sorted(defaults)) or "the folder of the data"
                    yield Finding(
                        f"{code.where}: run_local_gateway is given {name}, and in the rerun the gateway reads {reads}",
                        "Give it the paths that the gateway has by default.",
                    )


def _start(subject: Subject) -> Iterator[Finding]:
    """Find work before serve() that would take too long with all rows, in proportion to the last rehearsal."""
    calls = _calls(subject)
    rehearsal = subject.kernel.settings.rehearsal
    if calls is None:
        return
    share = 1.0
    if not isinstance(rehearsal, str) and missing_files(subject.kernel, rehearsal):
        share = drawn_share(subject.kernel.folder, rehearsal)
    seconds = calls.start / share
    if seconds > _STARTUP_SECONDS:
        yield Finding(
            f"{subject.where(subject.kernel.code)}: the server would start after {seconds / 60:.0f} minutes, as it "
            f"took {calls.start:.0f} s in the last rehearsal with {share:.2%} of the rows; Kaggle waits 15 minutes",
            "Load the model, or learn, in the first call of predict: it has no limit of its own.",
        )


def _batches(subject: Subject) -> Iterator[Finding]:
    """Find answers that changed in the last rehearsal when its last batch was asked for again in another way."""
    calls = _calls(subject)
    if calls is None:
        return
    where = subject.where(subject.kernel.code)
    if calls.depends_on_order:
        yield Finding(
            f"{where}: predict answered other values to the same rows in another order",
            "Answer in the order of the batch's rows, and compute nothing from their places.",
        )
    if calls.depends_on_size:
        yield Finding(
            f"{where}: predict answered other values to the same rows in a smaller batch",
            "Compute nothing from the other rows of a batch: its size in the rerun is the host's.",
        )


def _calls(subject: Subject) -> Calls | None:
    """Return the calls of the last rehearsal."""
    submission = read_result(subject.kernel.build).submission
    return submission.calls if submission else None


def _if_served(subject: Subject) -> Iterator[Finding]:
    if is_served(subject):
        for check in (_serves, _output, _paths, _start, _batches):
            yield from check(subject)


SERVED_CHECKS: tuple[Check, ...] = (_if_served,)
