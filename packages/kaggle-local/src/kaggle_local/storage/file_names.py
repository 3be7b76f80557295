"""File and folder names that Kaggle takes in datasets and models."""

import re
from pathlib import Path

from kaggle_local.errors import ArchiveError

# Names with ``@`` or ``&`` are refused (reported live); which others are is assumed.
ACCEPTED = re.compile(r"[\w .()+,=!\[\]{}~-]+")


def check_unpacked_names(folder: Path) -> None:
    """Check that Kaggle takes all names below a folder: it looks at those in archives only when they are unpacked.

    Raises:
        ArchiveError: it refuses one.
    """
    for path in sorted(folder.rglob("*")):
        if not ACCEPTED.fullmatch(path.name):
            name = path.relative_to(folder).as_posix()
            raise ArchiveError(f"{name}: Kaggle refuses the name", "Rename it, and pack it again.")
