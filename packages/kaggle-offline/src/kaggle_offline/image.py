"""``image capture`` and ``image diff``: what Kaggle's image holds, told from inside, and how two differ."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version
from slugify import slugify

from kaggle_offline.errors import ConfigurationError, RunError
from kaggle_offline.files import new_folder, read_json, write_json, write_text
from kaggle_offline.image_manifest import ImageManifest, read_image_manifest, write_image_manifest
from kaggle_offline.kernel_folder import TITLE_LENGTHS, list_competitions
from kaggle_offline.kernel_run import run_error, wait_for_run
from kaggle_offline.lock import Lock, read_lock
from kaggle_offline.log import read_log
from kaggle_offline.notebook import NOTEBOOK_METADATA
from kaggle_offline.target import Target

FACTS = ("python", "platform", "accelerator", "uv")
"""What there is to say of an image beside its distributions."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*", re.ASCII)
_REPORT = "image.json"

# Runs in the kernel, which is any Python that Kaggle has.
_CODE = f"""\
import importlib.metadata, importlib.util, json, platform, shutil
from pathlib import Path

distributions = {{}}
for distribution in importlib.metadata.distributions():
    distributions.setdefault(distribution.metadata["Name"], distribution.version)
report = {{
    "python": platform.python_version(),
    "libc": platform.libc_ver(),
    "machine": platform.machine(),
    "uv": bool(importlib.util.find_spec("uv") or shutil.which("uv")),
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
        ConfigurationError: the name is no name, or too long for a kernel's title, or another target's image has it.
        RehearsalError: the local Kaggle has no image yet.
        RunError: the kernel failed, or its report is none.
        KaggleError: Kaggle refused something.
    """
    _title(name)
    path = image_path(repository, name)
    before = read_image_manifest(path) if path.exists() else None
    gpu = gpu or (before is not None and before.has_gpu)
    if target.rehearsal:
        target.rehearsal.check_image()
        if before is not None and not before.is_local:
            raise ConfigurationError(f"{path}: is not the local Kaggle's image", "Give the capture another name.")
    draft = draft_manifest(target, repository, name, gpu=gpu)
    # Read before it takes the place of one that can be.
    now = read_image_manifest(draft)
    draft.replace(path)
    print(f"  {path.relative_to(repository)}: {len(now.pins)} distributions, Python {now.header['python']}")
    if before is not None:
        print(changes(before, now, _locks(repository), everything=False))


def image_path(repository: Path, name: str) -> Path:
    """Where an image's manifest is."""
    return repository / "requirements" / "images" / f"{name}.txt"


def draft_manifest(target: Target, repository: Path, name: str, *, gpu: bool) -> Path:
    """Have a kernel report what its image holds; return a manifest of that, below ``build/``.

    Raises:
        ConfigurationError: the name is no name, or too long for a kernel's title.
        RunError: the kernel failed, or its report is none.
        KaggleError: Kaggle refused something.
    """
    title = _title(name)
    slug, folder = slugify(title), repository / "build" / "images" / name
    with new_folder(folder / "kernel") as draft:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_CODE)], metadata=NOTEBOOK_METADATA)
        write_text(draft / "capture.ipynb", nbformat.writes(notebook))
        settings = {"id": f"{target.client.owner}/{slug}", "title": title, "code_file": "capture.ipynb"}
        settings |= {"language": "python", "kernel_type": "notebook"}
        write_json(
            draft / "kernel-metadata.json",
            {**settings, "is_private": True, "enable_gpu": gpu, "enable_internet": False},
        )
    known = target.client.kernel(slug)
    version = target.client.push_kernel(folder / "kernel", after=known.version if known else 0)
    print(f"{slug}: version {version}, running", flush=True)
    run, shown = wait_for_run(target, slug, version)
    with new_folder(folder / "output") as draft:
        fetch = target.client.fetch_output
        log = read_log(fetch(slug, version, draft, lambda name: name == _REPORT, needed=(_REPORT,)))
    if run.status != "complete":
        raise run_error(f"{target.client.owner}/{slug} version {version}", run, log, shown=shown)
    source = f"{target.client.owner}/{slug} version {version} on {target.name}, from inside"
    header, pins = _read_report(folder / "output" / _REPORT)
    header = {"image": name, **header, "accelerator": "gpu" if gpu else "cpu", "source": source}
    path = folder / f"{name}.txt"
    write_image_manifest(path, header, pins)
    return path


def _title(name: str) -> str:
    """The title of the kernel that captures an image of that name.

    Raises:
        ConfigurationError: the name is no name, or too long for a title.
    """
    title = f"Capture of image {name}"
    if not _NAME.fullmatch(name) or len(title) not in TITLE_LENGTHS:
        raise ConfigurationError(
            f"{name}: not a name for an image", "Small letters, digits, dots and hyphens, up to 33 of them."
        )
    return title


def _read_report(path: Path) -> tuple[dict[str, str], dict[NormalizedName, str]]:
    """Header and pins of a manifest, from what a kernel has told of itself.

    Raises:
        RunError: that is not what the kernel's code writes.
    """
    try:
        report: dict[str, Any] = read_json(path)
        libc, version = report["libc"]
        if libc != "glibc":
            raise ValueError(f"its C library is {libc!r}, not glibc")
        pins: dict[NormalizedName, str] = {}
        for name, text in report["distributions"]:
            if not (isinstance(name, str) and isinstance(text, str)):
                raise TypeError(f"{name!r} and {text!r} are no name and version")
            try:
                # The first on the path is the one that is imported.
                pins.setdefault(canonicalize_name(name), str(Version(text)))
            except InvalidVersion:
                print(f"  {name} {text}: not a version, left out")
        header = {
            "python": str(report["python"]),
            "platform": f"manylinux_{version.replace('.', '_')}_{report['machine']}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "uv": "yes" if report["uv"] else "no",
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a report of an image: {error}", "Run the same command again.") from error
    return header, pins


def compare(repository: Path, before: str, after: str, *, everything: bool) -> str:
    """What the image ``after`` has otherwise than ``before``, what matters to the locks first.

    Raises:
        ConfigurationError: there is no such image.
    """
    old, new = (read_image_manifest(image_path(repository, name)) for name in (before, after))
    return changes(old, new, _locks(repository), everything=everything)


def _locks(repository: Path) -> list[Lock]:
    paths = [repository / "requirements" / f"{name}.txt" for name in list_competitions(repository)]
    found = [read_lock(path) for path in paths]
    return [lock for lock in found if lock is not None]


def changes(before: ImageManifest, after: ImageManifest, locks: list[Lock], *, everything: bool) -> str:
    """What one image has otherwise than another: what matters to ``locks``, and of the rest the names or a count."""
    lines = [f"{before.name} → {after.name}"]
    for key in FACTS:
        old, new = before.header.get(key, "unknown"), after.header.get(key, "unknown")
        lines += [f"  {key}: {old} → {new}"] if old != new else []
    changed = {n for n in {*before.pins, *after.pins} if before.pins.get(n) != after.pins.get(n)}
    rest = set(changed)
    for lock in locks:
        roles = dict.fromkeys(lock.provided, "provided") | {pin.name: "shipped" for pin in lock.installed}
        matters = sorted(changed & set(roles))
        rest -= set(matters)
        lines.append(
            f"  {lock.path.stem}: {f'{len(matters)} of its distributions' if matters else 'nothing of it'} changed"
        )
        lines += [f"    {_change(name, before, after)} ({roles[name]})" for name in matters]
    groups: list[tuple[str, Callable[[NormalizedName], bool]]] = [
        ("changed", lambda n: n in before.pins and n in after.pins),
        ("new", lambda n: n not in before.pins),
        ("gone", lambda n: n not in after.pins),
    ]
    for word, belongs in groups:
        names = sorted(name for name in rest if belongs(name))
        hint = "" if everything else " (--all lists them)"
        lines += [f"  {len(names)} others {word}{hint}"] if names else []
        lines += [f"    {_change(name, before, after)}" for name in names if everything]
    return "\n".join(lines)


def _change(name: NormalizedName, before: ImageManifest, after: ImageManifest) -> str:
    return f"{name} {before.pins.get(name, 'not there')} → {after.pins.get(name, 'gone')}"
