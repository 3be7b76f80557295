"""``new``: write a competition's folders, and lock its requirements."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from kaggle_offline.commands.lock import lock_and_report
from kaggle_offline.errors import OfflineError
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.scaffold.adopt import adopt
from kaggle_offline.scaffold.competition import KINDS, image_for_new, names_of, paths_of, write_competition


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    image = image_for_new(repository)
    known = {*image.pins, *image.unlisted}
    names = names_of(options.competition, known)
    kind = options.kind
    if not kind:
        kind = _ask_kind() if sys.stdin.isatty() else "tabular"
    adopted = adopt(options.code, names.competition, known) if options.code else None
    if adopted:
        image = image_for_new(repository, gpu=adopted.settings.get("enable_gpu") is True)
        modules = {Path(name).parts[0].removesuffix(".py") for name in adopted.modules}
        names = names_of(options.competition, known | modules)
    written = write_competition(repository, names, kind, image, adopted)
    for path in written:
        print(f"  {path}")
    if adopted:
        rehearsal = next(path for path in written if path.name == "rehearsal.py")
        left = [f"{rehearsal}: write the files and columns that {options.code.name} reads", *adopted.left]
        _print_list("changed:", adopted.done)
        _print_list("left to you:", left)
    try:
        lock_and_report([read_kernel_folder(repository, names.competition)], frozenset())
    except OfflineError:
        print(f"Every file is written. Correct the following, then run: nox -s lock -- {names.competition}", flush=True)
        raise
    except KeyboardInterrupt:
        # The same command would refuse to write over a half-made competition.
        for made in paths_of(names):
            if (repository / made).is_dir():
                shutil.rmtree(repository / made)
            else:
                (repository / made).unlink(missing_ok=True)
        raise
    print(f"Now: nox -s freeze push submit -- {names.competition}")


def _print_list(title: str, lines: Sequence[str]) -> None:
    print(title)
    for line in lines or ["nothing"]:
        print(f"  {line}")


def _ask_kind() -> str:
    while True:
        try:
            answer = input(f"Kind of data ({', '.join(KINDS)}): ").strip()
        except EOFError:
            raise KeyboardInterrupt from None
        if answer in KINDS:
            return answer
        print("Enter one of these words.")
