"""``doctor``: print problems, and ask Kaggle whether it accepts a submission."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.target import Target, open_target
from kaggle_offline.doctor.examination import examine
from kaggle_offline.doctor.notes import notes_on, print_notes
from kaggle_offline.doctor.subject import Finding
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError, EntryError, FindingsError, OfflineError, UnknownCompetitionError
from kaggle_offline.kaggle.retries import Patience
from kaggle_offline.repository.kernel_folder import read_kernel_folder

# Until doctor gives up asking Kaggle whose the credentials are.
_SECONDS = 10


def run(options: argparse.Namespace, repository: Path) -> dict[str, Any]:
    """Run the subcommand; return the findings and notes of each competition."""
    # All folders: one that lacks its settings no other session would see.
    folders = (path.name for path in sorted((repository / "kernels").iterdir()) if path.is_dir())
    names = options.competitions or [name for name in folders if not name.startswith((".", "_"))]
    if not names:
        raise UnknownCompetitionError(f"{repository / 'kernels'}: no competition there", f"Make one: {command('new')}")
    found = {name: examine(repository, name) for name in names}
    if options.target == "kaggle":
        try:
            # A look, not work that would wait for a Kaggle that is down.
            patience = Patience(answer=_SECONDS, repeat=_SECONDS)
            with open_target("kaggle", repository, patience=patience) as target:
                target.client.check_credentials()
                print(f"Kaggle knows you as {target.client.owner}: pushes go to that account")
                for name in found:
                    found[name] += _ask_about(target, repository, name)
        except OfflineError as error:
            found["credentials"] = [Finding(error.problem, error.cure)]
    notes = {name: notes_on(repository, name) for name in names}
    for name, findings in found.items():
        title = f"{name}:" if findings else f"{name}: no problems found"
        print(title)
        for finding in findings:
            print(f"  {finding.problem}\n    → {finding.cure}")
        print_notes(notes.get(name, ()))
    document = {"findings": {name: list(map(asdict, findings)) for name, findings in found.items()}, "notes": notes}
    total = sum(map(len, found.values()))
    if total:
        raise FindingsError(f"{total} found", "Each has its cure above.", document)
    return document


def _ask_about(target: Target, repository: Path, name: str) -> list[Finding]:
    """Ask Kaggle about a competition; print notices, and return the problems that would stop a submission."""
    try:
        Preflight(target, read_kernel_folder(repository, name)).before_sending()
    except ConfigurationError:
        return []  # it is among the findings already
    except EntryError as error:
        return [Finding(error.problem, error.cure)]
    return []
