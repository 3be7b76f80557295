"""Metadata of the wheels of an index, read without downloading them."""

import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
from packaging.utils import NormalizedName, canonicalize_name
from remotezip import RemoteZip, RemoteZipError

from kaggle_offline.dependencies.index.package_index import Files, known_files, options_for
from kaggle_offline.dependencies.wheels import Wheel, parse_wheel
from kaggle_offline.errors import BuildError
from kaggle_offline.files import UNREADABLE_ZIP
from kaggle_offline.repository.image_manifest import ImageManifest

# An index that has not answered by then is not asked again.
_ANSWER_SECONDS = 20
# Each question mostly waits.
_QUESTIONS = 16


def read_metadata(files: Mapping[NormalizedName, Files]) -> tuple[dict[NormalizedName, Wheel], bool]:
    """Return the metadata of wheels; those are left out that the index neither serves beside them nor from within.

    Metadata beside a wheel are those of PEP 658; else the end of the wheel, which is a zip, is fetched.

    Returns:
        The metadata by name, and whether the index has answered all questions.
    """
    addresses = {name: found.address for name, found in files.items() if found.address}
    with requests.Session() as session, ThreadPoolExecutor(_QUESTIONS) as threads:
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=_QUESTIONS))
        texts = list(threads.map(partial(_metadata, session), addresses.values()))
        read = {}
        for (name, address), text in zip(addresses.items(), texts, strict=True):
            try:
                read[name] = parse_wheel(Path(urlsplit(address).path), text or b"")
            except BuildError:
                continue
    return read, None not in texts


def _metadata(session: requests.Session, address: str) -> bytes | None:
    """Return the text of a wheel's metadata; empty if it cannot be had, None if the index does not answer."""
    try:
        answer = session.get(f"{address}.metadata", timeout=_ANSWER_SECONDS)
        if answer.ok:
            return answer.content
        with RemoteZip(address, session=session, timeout=_ANSWER_SECONDS) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            content: bytes = wheel.read(name)
    except (requests.ConnectionError, requests.Timeout):
        return None
    except (requests.RequestException, RemoteZipError, StopIteration, *UNREADABLE_ZIP):
        return b""
    return content


def remote_checksums(address: str) -> dict[str, int]:
    """Return `checksums` of a wheel of the index; none if the index does not serve parts of files."""
    try:
        with RemoteZip(address, timeout=_ANSWER_SECONDS) as wheel:
            return checksums(wheel)
    except (requests.RequestException, RemoteZipError, *UNREADABLE_ZIP):
        return {}


def checksums(wheel: zipfile.ZipFile) -> dict[str, int]:
    """Return the checksums of a wheel's files, by name, but for those on the distribution itself."""
    return {entry.filename: entry.CRC for entry in wheel.infolist() if ".dist-info/" not in entry.filename}


def requirements_of(image: ImageManifest, names: Sequence[str]) -> tuple[dict[NormalizedName, tuple[str, ...]], bool]:
    """Return the requirements of distributions of the image; the index has not got all of them.

    Args:
        image: whose versions are looked up.
        names: canonical, of its distributions.

    Returns:
        The requirements by name, and whether the index has answered all questions.
    """
    lines = [f"{name}=={image.pins[canonicalize_name(name)].public}" for name in names]
    wheels, is_whole = read_metadata(known_files(lines, options_for(image)))
    return {name: wheel.requirements for name, wheel in wheels.items()}, is_whole
