"""``image capture``: a kernel reports the content of Kaggle's image from inside."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version
from slugify import slugify

from kaggle_offline.artifacts.render import NOTEBOOK_METADATA
from kaggle_offline.delivery.helper_kernel import run_helper
from kaggle_offline.delivery.target import Target
from kaggle_offline.errors import ConfigurationError, RunError
from kaggle_offline.files import read_json
from kaggle_offline.observation.comparison import changes, locks_of
from kaggle_offline.repository.image_manifest import (
    DOCKER_IMAGE,
    image_file,
    image_path,
    read_image_manifest,
    write_image_manifest,
)
from kaggle_offline.repository.kernel_metadata import TITLE_LENGTHS

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*", re.ASCII)
_REPORT = "image.json"

# Runs in the kernel, which is any Python that Kaggle has.
_CODE = f"""\
import importlib.metadata, importlib.util, json, os, platform, shutil, subprocess
from pathlib import Path

def content(path):
    return Path(path).read_text().strip() if Path(path).is_file() else ""

def devices():
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return ["TPU" for pattern in ("accel*", "vfio/[0-9]*") for path in Path("/dev").glob(pattern)]

distributions = {{}}
for distribution in importlib.metadata.distributions():
    distributions.setdefault(distribution.metadata["Name"], distribution.version)
report = {{
    "python": platform.python_version(),
    "libc": platform.libc_ver(),
    "machine": platform.machine(),
    "uv": bool(importlib.util.find_spec("uv") or shutil.which("uv")),
    # Other variables hold tokens.
    "docker_image": os.environ.get("KAGGLE_DOCKER_IMAGE", ""),
    "git_commit": content("/etc/git_commit"),
    "build_date": content("/etc/build_date"),
    "devices": devices(),
    "distributions": [[name, version] for name, version in distributions.items() if name],
}}
Path("/kaggle/working/{_REPORT}").write_text(json.dumps(report))
print(len(report["distributions"]), "distributions")"""


def capture(target: Target, repository: Path, name: str, *, gpu: bool) -> None:
    """Have a kernel report what its image holds, and write the manifest of that.

    Args:
        target: where the kernel runs.
        repository: its ``requirements/images/<name>.txt`` is written.
        name: of the image.
        gpu: whether the kernel has a GPU; it has one in any case where the manifest to update is of such a kernel.

    Raises:
        ConfigurationError: the name is invalid, or too long for a kernel's title, or another target's image has it.
        RehearsalError: the local Kaggle has no image yet.
        RunError: the kernel failed, or its report is malformed.
        KaggleError: Kaggle refused something.
    """
    _title(name)
    path = image_path(repository, name)
    known = image_file(repository, name)
    before = read_image_manifest(known) if known.exists() else None
    gpu = gpu or (before is not None and before.has_gpu)
    target.check_image()
    if target.name == "local" and before is not None and not before.is_local:
        raise ConfigurationError(f"{path}: is not the local Kaggle's image", "Give the capture another name.")
    draft = draft_manifest(target, repository, name, gpu=gpu)
    # Read before it takes the place of one that can be.
    now = read_image_manifest(draft)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(path)
    print(f"  {path.relative_to(repository)}: {len(now.pins)} distributions, Python {now.header['python']}")
    if before is not None:
        print(changes(before, now, locks_of(repository), everything=False))


def draft_manifest(target: Target, repository: Path, name: str, *, gpu: bool) -> Path:
    """Have a kernel report what its image holds; return a manifest of that, below ``build/``.

    Raises:
        ConfigurationError: the name is invalid, or too long for a kernel's title.
        RunError: the kernel failed, or its report is malformed.
        KaggleError: Kaggle refused something.
    """
    title, folder = _title(name), repository / "build" / "images" / name
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_CODE)], metadata=NOTEBOOK_METADATA)
    version = run_helper(
        target,
        folder,
        title=title,
        code={"capture.ipynb": nbformat.writes(notebook)},
        settings={"kernel_type": "notebook", "enable_gpu": gpu, "enable_internet": False},
        wanted=lambda name: name == _REPORT,
        needed=(_REPORT,),
    )
    slug = slugify(title)
    source = f"{target.client.owner}/{slug} version {version} on {target.name}, from inside"
    header, pins = _read_report(folder / "output" / _REPORT)
    accelerator = "gpu" if gpu else "cpu"
    header = {"image": name, **header, "accelerator": accelerator, "source": source}
    path = folder / f"{name}.txt"
    write_image_manifest(path, header, pins)
    return path


# The keys of a header that tell which image it is: the report's key, and the form of its value.
_IDENTITY = {
    "docker-image": ("docker_image", DOCKER_IMAGE),
    "git-commit": ("git_commit", re.compile(r"[0-9a-f]{7,40}")),
    "build-date": ("build_date", re.compile(r"[\w:+. -]{1,40}", re.ASCII)),
    "devices": ("devices", re.compile(r"[\w ./+,-]{1,200}", re.ASCII)),
}


def _identity(report: dict[str, Any]) -> dict[str, str]:
    """Return the keys of a header that tell which image it is, as far as the image says so.

    docker-python writes ``/etc/git_commit`` and ``/etc/build_date`` (Kaggle/docker-python, Dockerfile.tmpl).
    """
    report = {**report, "devices": ", ".join(report["devices"])}
    return {key: report[name] for key, (name, form) in _IDENTITY.items() if form.fullmatch(report[name])}


def _title(name: str) -> str:
    """Return the title of the kernel that captures an image of that name.

    Raises:
        ConfigurationError: the name is invalid, or too long for a title.
    """
    title = f"Capture of image {name}"
    if not _NAME.fullmatch(name) or len(title) not in TITLE_LENGTHS:
        raise ConfigurationError(
            f"{name}: not a name for an image", "Small letters, digits, dots and hyphens, up to 33 of them."
        )
    return title


def _read_report(path: Path) -> tuple[dict[str, str], dict[NormalizedName, str]]:
    """Return the header and pins of a manifest, from a kernel's report.

    Raises:
        RunError: the report is malformed.
    """
    try:
        report: dict[str, Any] = read_json(path)
        libc, version = report["libc"]
        if libc != "glibc":
            raise ValueError(f"its C library is {libc!r}, not glibc")
        pins: dict[NormalizedName, str] = {}
        for name, text in report["distributions"]:
            if not (isinstance(name, str) and isinstance(text, str)):
                raise TypeError(f"{name!r} and {text!r}: not a name and a version")
            try:
                # The first on the path is the one that is imported.
                pins.setdefault(canonicalize_name(name), str(Version(text)))
            except InvalidVersion:
                print(f"  {name} {text}: not a version, left out")
        has_uv = "yes" if report["uv"] else "no"
        header = {
            "python": str(report["python"]),
            "platform": f"manylinux_{version.replace('.', '_')}_{report['machine']}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "uv": has_uv,
            **_identity(report),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a report of an image: {error}", "Run the same command again.") from error
    return header, pins
