"""Submit tags: ``submit-v3`` for every competition that has changed, ``submit-<competition>-v3`` for that one."""

import re
from dataclasses import dataclass

from kaggle_offline.errors import TagError

PREFIX = "submit-"

# A version has one spelling, so that no two tags mean the same.
_FORM = re.compile(r"submit-(?:(?P<competition>[A-Za-z0-9][A-Za-z0-9._-]*)-)?v(?P<version>0|[1-9][0-9]{0,8})")

LOOKS = "submit-v3 (every competition that has changed) or submit-<competition>-v3 (that one)"


@dataclass(frozen=True, kw_only=True)
class SubmitTag:
    """What a tag says: the competition, empty for all that have changed, and a version."""

    competition: str
    version: int

    def __str__(self) -> str:
        """As `parse_tag` reads it."""
        return f"{PREFIX}{self.competition}{'-' if self.competition else ''}v{self.version}"


def parse_tag(text: str) -> SubmitTag:
    """Read a tag; of no text are there two readings, as the version is what follows the last hyphen.

    Raises:
        TagError: it is no submit tag.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise TagError(f"{text!r}: not a tag that submits", f"A tag looks like {LOOKS}, without leading zeros.")
    return SubmitTag(competition=found["competition"] or "", version=int(found["version"]))
