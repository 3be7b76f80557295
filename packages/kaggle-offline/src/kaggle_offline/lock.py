"""The lock: what the image lacks of a project's requirements, pinned and hashed.

uv resolves for the image's Python and platform from any machine. To it the image is a folder of
wheels, one for each of its distributions, without dependencies and with its version marked by a
local label (``2.10.0+kaggle``), all constrained to those versions. What comes out with the label
is *provided* by the image; what comes out without it is shipped.
"""

import re
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from kaggle_offline.errors import LockError
from kaggle_offline.files import digest_of_data, write_text
from kaggle_offline.image_manifest import ImageManifest
from kaggle_offline.uv import run_uv

_LABEL = "kaggle"
# How uv says that it is not the requirements' fault.
_NETWORK = ("Failed to fetch", "error sending request", "network was disabled", "Network connectivity is disabled")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s\\;]+)", re.MULTILINE)
_INPUTS = re.compile(r"^# inputs: (sha256:[0-9a-f]{64})$", re.MULTILINE)
_PROVIDED = re.compile(r"^# provided: (\S+==\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock's file, read.

    Attributes:
        path: where it is.
        inputs: digest of what it was resolved from.
        pins: ``name==version`` of what is shipped.
        provided: ``name==version`` of what the image has of it.
        renewed: whether this run resolved it.
    """

    path: Path
    inputs: str
    pins: tuple[str, ...]
    provided: tuple[str, ...]
    renewed: bool = False


def lock(requirements: Sequence[str], image: ImageManifest, path: Path) -> Lock:
    """Resolve ``requirements`` for ``image`` into ``path``, unless it holds just that already.

    Raises:
        LockError: nothing satisfies the requirements on this image; says what stands in the way.
    """
    inputs = digest_of_data([1, sorted(requirements), image.digest])
    current = read_lock(path)
    if current is not None and current.inputs == inputs:
        return current
    blocks = _blocks(_resolve(requirements, image))
    provided = [f"# provided: {pin.removesuffix(f'+{_LABEL}')}\n" for pin in sorted(blocks) if _is_provided(pin)]
    shipped = [blocks[pin] for pin in sorted(blocks) if not _is_provided(pin)]
    header = (
        f"# What {path.stem} ships: pinned and hashed, for the image {image.name}\n"
        f"# (Python {image.python}, {image.platform}). `nox -s freeze` writes this file.\n"
        f"# inputs: {inputs}\n"
    )
    write_text(path, "".join([header, *provided, *shipped]))
    renewed = read_lock(path)
    assert renewed is not None
    return Lock(**{**vars(renewed), "renewed": True})


def _is_provided(pin: str) -> bool:
    """Whether a pin carries the image's label."""
    return pin.endswith(f"+{_LABEL}")


def _blocks(resolved: str) -> dict[str, str]:
    """Each pin of uv's output, as ``name==version``, with its lines.

    Raises:
        LockError: a requirement is no pin, which is what uv makes of a URL.
    """
    blocks: dict[str, str] = {}
    pin = ""
    for line in resolved.splitlines(keepends=True):
        if line.strip() and not line.startswith((" ", "#")):
            match = _PIN.match(line)
            if match is None:
                raise LockError(
                    f"a requirement that is a URL cannot be shipped: {line.split()[0]}",
                    "Require it by name and version, from the package index.",
                )
            pin = f"{match[1]}=={match[2]}"
        blocks[pin] = blocks.get(pin, "") + line
    return blocks


def read_lock(path: Path) -> Lock | None:
    """Read a lock; None where there is none, or none that this module wrote."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    inputs = _INPUTS.search(text)
    if inputs is None:
        return None
    pins = tuple(f"{name}=={version}" for name, version in _PIN.findall(text))
    return Lock(path=path, inputs=inputs.group(1), pins=pins, provided=tuple(_PROVIDED.findall(text)))


def relock_for_host(current: Lock, python: str, path: Path) -> None:
    """Write the same versions with the hashes of this machine's Python, for a rehearsal on it.

    Raises:
        LockError: one of the versions has no wheel for that Python.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "requirements.in"
        source.write_text("".join(f"{pin}\n" for pin in current.pins))
        arguments = ["--python-version", python, "--no-deps"]
        text = _compile(source, arguments)
    write_text(path, f"# {current.path.name} for Python {python}: the same versions, for the rehearsal\n{text}")


def _resolve(requirements: Sequence[str], image: ImageManifest) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        stubs = Path(scratch) / "image"
        stubs.mkdir()
        for name, version in image.pins.items():
            _write_stub(stubs, name, version)
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("".join(f"{n}=={_labelled(v)}\n" for n, v in image.pins.items()))
        source = Path(scratch) / "requirements.in"
        source.write_text("".join(f"{line}\n" for line in requirements))
        machine = image.platform.rpartition("_2_")[2].partition("_")[2]
        glibc = image.platform.removesuffix(f"_{machine}")
        arguments = ["--python-version", image.python, "--python-platform", f"{machine}-{glibc}"]
        arguments += ["--find-links", str(stubs), "--constraint", str(constraints)]
        return _compile(source, arguments)


def _compile(source: Path, arguments: Sequence[str]) -> str:
    options = ["--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet"]
    # Naming an interpreter spares uv the search for one, which takes seconds where pyenv is.
    options += ["--no-emit-index-url", "--no-emit-find-links", "--no-config", "--python", sys.executable]
    result = run_uv("pip", "compile", str(source), *options, *arguments)
    if result.returncode != 0:
        reason = result.stderr.strip().replace(f"+{_LABEL}", " (image)")
        if any(sign in reason for sign in _NETWORK):
            raise LockError(f"the package index does not answer:\n{reason}", "Check the network, then run again.")
        raise LockError(
            f"the requirements do not fit the image:\n{reason}",
            "Widen the requirement in the package's pyproject.toml, or take another image.",
        )
    return result.stdout


def _labelled(version: Version) -> str:
    return f"{version.public}+{_LABEL}"


def _write_stub(folder: Path, name: str, version: Version) -> None:
    stem = f"{name.replace('-', '_')}-{_labelled(version)}"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        info = f"{stem}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {_labelled(version)}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: kaggle-offline\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
