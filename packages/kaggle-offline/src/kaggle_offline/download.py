"""From a lock to wheels, hash-checked."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kaggle_offline.errors import DownloadError
from kaggle_offline.files import digest_of_file, holds, new_folder, write_text
from kaggle_offline.image_manifest import ImageManifest

_PIN = re.compile(r"^[\w.-]+==", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def download(lock: Path, folder: Path, image: ImageManifest | None) -> list[Path]:
    """Fetch what ``lock`` pins into ``folder``, unless just that is there.

    Args:
        lock: a requirements file with hashes.
        folder: holds the wheels and nothing else.
        image: whose wheels to take; None takes those of this machine.

    Returns:
        The wheels, sorted by name.

    Raises:
        DownloadError: a file is not to be had, or is not what its hash says.
    """
    digest = f"{digest_of_file(lock)} {image.digest if image else 'host'}"
    stamp = folder / ".inputs"
    if not (holds(stamp, digest) and _is_whole(folder, lock)):
        with new_folder(folder) as draft:
            if _PIN.search(lock.read_text()):
                _pip_download(lock, draft, _tags(image) if image else ())
            write_text(draft / stamp.name, digest)
    return sorted(folder.glob("*.whl"))


def _is_whole(folder: Path, lock: Path) -> bool:
    """Whether the folder has a wheel for each pin, each with a hash of the lock."""
    text = lock.read_text()
    wheels = [digest_of_file(path) for path in folder.glob("*.whl")]
    return len(wheels) == len(_PIN.findall(text)) and set(wheels) <= set(_HASH.findall(text))


def _tags(image: ImageManifest) -> list[str]:
    tags = ["--implementation", "cp", "--python-version", image.python]
    for platform in image.platforms:
        tags += ["--platform", platform]
    return tags


def _pip_download(lock: Path, folder: Path, tags: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--dest", str(folder), "--requirement", str(lock), *tags]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = result.stderr.strip()
        cure = f"Delete {lock.name} to have it made anew." if "hash" in reason.lower() else "Check the network."
        raise DownloadError(f"{lock}: pip could not fetch it:\n{reason}", f"{cure} Then run again.")
