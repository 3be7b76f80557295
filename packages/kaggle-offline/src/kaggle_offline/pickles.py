"""Pickles, taken apart and not loaded: what loading one would import, and so may call.

A list of what is harmless, not of what is harmful: the ways to run code are too many to name.
"""

import io
import logging
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from picklescan.scanner import scan_pickle_bytes

from kaggle_offline.files import UNREADABLE_ZIP

# What it would log is in our error.
logging.getLogger("picklescan").setLevel(logging.CRITICAL + 1)

UNREADABLE = "something that cannot be read"
"""Stands for what the imports are in a pickle that cannot be taken apart."""

# What torch.load(weights_only=True) takes (torch/_weights_only_unpickler.py, _get_allowed_globals, torch 2.10), and
# the plain values that Lightning keeps beside weights. None of them calls anything that the pickle does not name.
_HARMLESS = re.compile(
    r"""
    torch\.((cuda|sparse|cuda\.sparse)\.)?(\w+(Storage|Tensor)|Tensor|Size|device)
    | torch\.(bool|(bfloat|float|complex|bits|uint|int|qint|quint)\d+\w*|per_(tensor|channel)_\w+)
    | torch\._utils\._rebuild_\w+ | torch\._tensor\._rebuild_from_type_v2
    | torch\.storage\.(Typed|Untyped)Storage | torch\.nn\.parameter\.Parameter | torch\.serialization\._get_layout
    | numpy(\._?core)?\.(multiarray\.(_reconstruct|scalar)|ndarray|dtype) | numpy\.dtypes\.\w+
    | _codecs\.encode | collections\.(OrderedDict|Counter|defaultdict|deque) | argparse\.Namespace
    | (builtins|__builtin__)\.(set|frozenset|dict|list|tuple|int|float|complex|bool|str|bytes|bytearray|slice|range)
    | pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path | datetime\.(datetime|date|time|timedelta|timezone)
    | (pytorch_lightning|lightning\.pytorch|lightning_fabric|lightning\.fabric)\.utilities\.\w+\.AttributeDict
    """,
    re.VERBOSE,
)
_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill"})
# Bytes of a pickle in a zip file, whose tensors lie beside it; a small archive can claim any size.
_LARGEST = 2**28
# How a pickle of protocol 2 to 5 begins.
_HEAD = re.compile(rb"\x80[\x02-\x05]")


def harmful_imports(path: Path) -> list[str]:
    """Return what loading a file would import beyond harmless names, sorted; nothing for a file without a pickle.

    Looked into are files that begin as a pickle does or are named like one, and in zip files, which torch writes,
    the members that are named so.
    """
    found: set[str] = set()
    try:
        for stream in _pickles_of(path):
            found.update(_imports(stream))
    except UNREADABLE_ZIP:
        found.add(UNREADABLE)
    return sorted(name for name in found if not _HARMLESS.fullmatch(name))


def _pickles_of(path: Path) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            # torch finds its members without regard to case; of two with the same name, either may be taken.
            for member in archive.infolist():
                if member.filename.lower().endswith(".pkl"):
                    if member.file_size > _LARGEST:
                        raise zipfile.BadZipFile
                    with archive.open(member) as stream:
                        yield stream
        return
    with path.open("rb") as file:
        pickled = bool(_HEAD.match(file.read(2))) or path.suffix.lower() in _SUFFIXES
        file.seek(0)
        if pickled:
            yield file


def _imports(stream: IO[bytes]) -> Iterator[str]:
    content = io.BytesIO(stream.read())
    result = scan_pickle_bytes(content, "")
    yield from (f"{each.module}.{each.name}" for each in result.globals)
    try:
        # The scanner takes what it cannot read and finds no import in for no pickle.
        content.seek(0)
        for _ in pickletools.genops(content):
            pass
    except ValueError:
        yield UNREADABLE
    if result.scan_err:
        yield UNREADABLE
