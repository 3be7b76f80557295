"""The pages that people read, and the commands in them."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: Path) -> list[str]:
    """The commands of a page's blocks, in their order; one that goes on in another line is one."""
    blocks = "".join(_BLOCK.findall(page.read_text(encoding="utf-8")))
    return re.sub(r" *\\\n\s*", " ", blocks).splitlines()
