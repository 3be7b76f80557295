"""``new``: write a competition's folders, and lock what they require."""

import argparse
import shutil
import sys
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
    kind = options.kind or (_ask_kind() if sys.stdin.isatty() else "tabular")
    adopted = adopt(options.code, names.competition, known) if options.code else None
    if adopted:
        image = image_for_new(repository, gpu=adopted.settings.get("enable_gpu") is True)
        names = names_of(
            options.competition, {*known, *(Path(name).parts[0].removesuffix(".py") for name in adopted.modules)}
        )
    written = write_competition(repository, names, kind, image, adopted)
    for path in written:
        print(f"  {path}")
    if adopted:
        rehearsal = next(path for path in written if path.name == "rehearsal.py")
        left = [f"{rehearsal}: have it write the files and columns that {options.code.name} reads", *adopted.left]
        for title, lines in (("from what was there:", adopted.done), ("left to you:", left)):
            print("\n".join([title, *(f"  {line}" for line in lines)]) if lines else f"{title} nothing")
    try:
        lock_and_report([read_kernel_folder(repository, names.competition)], frozenset())
    except OfflineError:
        print(f"All is written. Once what follows is mended: nox -s lock -- {names.competition}", flush=True)
        raise
    except KeyboardInterrupt:
        # Nothing half made: the same command would find it in its way.
        for path in (repository / made for made in paths_of(names)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        raise
    print(f"Now: nox -s freeze push submit -- {names.competition}")


def _ask_kind() -> str:
    try:
        while (answer := input(f"What is it about ({', '.join(KINDS)})? ").strip()) not in KINDS:
            print("One of these words, please.")
    except EOFError:
        raise KeyboardInterrupt from None
    return answer
