"""Pickles, taken apart and not loaded: what loading one would import, and so may call.

The list has harmless imports: harmful ones are too many to name.
"""

import io
import logging
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from picklescan.scanner import scan_pickle_bytes

from kaggle_offline.files import UNREADABLE_ZIP

# The messages that it would log are in our error.
logging.getLogger("picklescan").setLevel(logging.CRITICAL + 1)

UNREADABLE = "something that cannot be read"
"""Stands for the imports of a pickle that cannot be disassembled."""

# The imports that torch.load(weights_only=True) takes (torch/_weights_only_unpickler.py, _get_allowed_globals,
# torch 2.10), and the plain values that Lightning keeps beside weights. None of them calls anything that the pickle
# does not name.
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
# Bytes of a pickle. torch's tensors lie beside it, and a small archive can claim any size.
_LARGEST = 2**28
# How a pickle of protocol 2 to 5 begins, and a zip file.
_HEAD = re.compile(rb"\x80[\x00-\x05]")
_ZIP = b"PK\x03\x04"


def harmful_imports(path: Path) -> list[str]:
    """Return what loading a file would import beyond harmless names, sorted; nothing for a file without a pickle.

    Looked into are files that begin as a pickle does or are named like one, and in zip files, which torch writes,
    the members that are named so.
    """
    found: set[str] = set()
    try:
        for pickled in _pickles_of(path):
            found.update(_imports(pickled))
    except UNREADABLE_ZIP:
        found.add(UNREADABLE)
    return sorted(name for name in found if not _HARMLESS.fullmatch(name))


def _pickles_of(path: Path) -> Iterator[bytes]:
    """Yield the pickles of a file.

    Raises:
        zipfile.BadZipFile, OSError: it is damaged, larger than can be looked into, or two things at once.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head == _ZIP:
        with zipfile.ZipFile(path) as archive:
            # torch finds its members without regard to case; of two with the same name, either may be taken.
            for member in archive.infolist():
                if member.filename.lower().endswith(".pkl"):
                    _require_small(member.file_size)
                    yield archive.read(member)
    elif _HEAD.match(head) or path.suffix.lower() in _SUFFIXES:
        _require_small(path.stat().st_size)
        yield path.read_bytes()
    elif zipfile.is_zipfile(path):
        # It is found by its end, and whoever loads a pickle begins at the beginning.
        raise zipfile.BadZipFile


def _require_small(size: int) -> None:
    if size > _LARGEST:
        raise zipfile.BadZipFile


def _imports(content: bytes) -> Iterator[str]:
    """Yield the imports of one pickle after the other: torch's old format has several in a file."""
    stream = io.BytesIO(content)
    while stream.tell() < len(content):
        try:
            operations = [(operation.name, at or 0) for operation, _, at in pickletools.genops(stream)]
        except ValueError:
            yield UNREADABLE
            return
        # Frames say nothing but how much to read at once; one between two names would confuse the scanner.
        ends = [at for _, at in operations[1:]] + [stream.tell()]
        kept = [content[at:end] for (name, at), end in zip(operations, ends, strict=True) if name != "FRAME"]
        # Each by itself: the memory of a pickle ends with it.
        result = scan_pickle_bytes(io.BytesIO(b"".join(kept)), "", multiple_pickles=False)
        yield from (f"{each.module}.{each.name}" for each in result.globals)
        if result.scan_err:
            yield UNREADABLE
