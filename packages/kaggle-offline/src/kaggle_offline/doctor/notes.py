"""Notes on a competition: true, worth knowing, and no reason to stop."""

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from kaggle_offline.competition.sketch import SKETCH
from kaggle_offline.environment import command
from kaggle_offline.errors import OfflineError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder
from kaggle_offline.repository.packages import package_folders, source_root

_TEMPLATES = resources.files("kaggle_offline.scaffold") / "templates"
# The names that `new` fills in.
_NAME = re.compile("my[-_ ]competition", re.IGNORECASE)


def notes_on(repository: Path, competition: str) -> list[str]:
    """Return the notes on a competition, a line each; none where its files cannot be read."""
    try:
        return list(_made_up(read_kernel_folder(repository, competition)))
    except OfflineError:
        # Among the findings.
        return []


def print_notes(notes: Sequence[str]) -> None:
    """Print notes below a competition's lines."""
    for note in notes:
        print(f"  note: {note}")


def _made_up(kernel: KernelFolder) -> Iterator[str]:
    """Find a rehearsal that is as it was written, so that its data say nothing of the competition's."""
    sketch = kernel.folder / SKETCH
    if sketch.is_file() and not kernel.data.is_dir():
        text = sketch.read_text(encoding="utf-8", errors="replace")
        if text in [template.read_text(encoding="utf-8") for template in _named(_TEMPLATES, SKETCH)]:
            download = command("data", kernel.on_kaggle)
            yield f"kernels/{kernel.competition}/{SKETCH}: the data of rehearsals are made up; {download} asks Kaggle"
    rehearsal = kernel.settings.rehearsal
    if not isinstance(rehearsal, str):
        return
    words = [kernel.competition, kernel.on_kaggle, kernel.package.name]
    spellings: set[str] = set()
    for word in words:
        spellings |= {word, word.replace("-", "_"), word.replace("-", " ")}
    names = re.compile("|".join(map(re.escape, sorted(spellings, key=len, reverse=True))), re.IGNORECASE)
    known = [_NAME.sub("", template.read_text(encoding="utf-8")) for template in _named(_TEMPLATES, "rehearsal.py")]
    for folder in package_folders(kernel.repository):
        for path in source_root(folder).glob("*/rehearsal.py"):
            if names.sub("", path.read_text(encoding="utf-8", errors="replace")) in known:
                where = path.relative_to(kernel.repository)
                if f"{path.parent.name}.rehearsal" in rehearsal:
                    yield f"{where}: as it was written for a new competition: the data of rehearsals are made up"


def _named(folder: Traversable, name: str) -> Iterator[Traversable]:
    """Yield the files of a name below a folder."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _named(entry, name)
        elif entry.name == name:
            yield entry
