"""Names of files, folders and slugs that Kaggle refuses, or that no storage can hold."""

import re

from kaggle_local.services.rpc import ApiError, Call
from kaggle_local.storage.file_names import ACCEPTED

_LONGEST = 255  # bytes of a name, in any file system that matters


def check_file_name(call: Call, name: str) -> None:
    """Refuse a name that Kaggle refuses for a file or a folder.

    Raises:
        ApiError: 400.
    """
    if not _possible(name) or (call.behaviour.strict_names and not ACCEPTED.fullmatch(name)):
        raise ApiError(400, f"Invalid file name: {name!r}")


def check_slug(call: Call, slug: str, pattern: re.Pattern[str]) -> None:
    """Refuse a slug that Kaggle refuses.

    Raises:
        ApiError: 400.
    """
    if not _possible(slug) or (call.behaviour.strict_names and not pattern.fullmatch(slug)):
        raise ApiError(400, f"Invalid slug {slug!r}")


def _possible(name: str) -> bool:
    """Tell whether a name can be one part of a path, and no other than itself."""
    encoded = name.encode(errors="surrogatepass")
    return 0 < len(encoded) <= _LONGEST and not re.search(r"[/\\\0]", name) and name.strip(". ") != ""
