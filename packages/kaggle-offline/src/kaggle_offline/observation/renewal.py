"""``image recapture`` and ``image renew``: Kaggle's current images and the locks for them, as a change.

Two steps with files between them, as the first needs Kaggle's credentials, and the second builds packages,
which is code of others that must not come near them. Without credentials, `rederive` reports what the public lists
tell; only a capture changes a lock.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from kaggle_offline.delivery.target import Target
from kaggle_offline.dependencies.lock import Lock, read_lock
from kaggle_offline.dependencies.lock_table import difference
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError, SystemProblemError, TargetError
from kaggle_offline.files import new_folder, write_text
from kaggle_offline.git import git
from kaggle_offline.observation.capture import draft_manifest
from kaggle_offline.observation.comparison import FACTS, changes, locks_of
from kaggle_offline.observation.derivation import Recipe, derive, python_of
from kaggle_offline.reports.github import add_summary
from kaggle_offline.reports.markdown import fenced
from kaggle_offline.repository.image_manifest import (
    ImageManifest,
    image_file,
    image_path,
    read_image_manifest,
    write_image_manifest,
)
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder
from kaggle_offline.repository.submission_toml import read_settings

# Below build/images/: captured manifests, each under the name of the image that it renews; and
# their changes, as a patch for Git and in Markdown.
_RECAPTURED, _RENEWAL = "recaptured", "renewal"
_PATCH, _DESCRIPTION = "change.patch", "description.md"

_DATE = re.compile(r"-\d{4}-\d{2}(-\d{2})?")
_SETTING = re.compile(r'^(image[ \t]*=[ \t]*)(?:"[^"\n]*"|\'[^\'\n]*\')', re.MULTILINE)


def recapture(target: Target, repository: Path, kernels: list[KernelFolder], today: date) -> None:
    """Capture the images that kernels are for, but for kernels that are pinned to the one that they began with.

    A captured image is named after the month, or the day where that month has one.

    Raises:
        TargetError: the target is the local Kaggle.
        OfflineError: a capture failed.
    """
    if target.name == "local":
        raise TargetError(
            "the local Kaggle's image is made of the very manifests that would be renewed",
            f"Run: KAGGLE_TARGET=kaggle {command('image', 'recapture')}",
        )
    with new_folder(repository / "build" / "images" / _RECAPTURED) as draft:
        for path in {kernel.image: None for kernel in kernels if not _is_pinned(kernel)}:
            before = read_image_manifest(path)
            family = _DATE.sub("", before.name)
            name = f"{family}-{today:%Y-%m}"
            name = f"{family}-{today:%Y-%m-%d}" if image_path(repository, name).exists() else name
            captured = draft_manifest(target, repository, name, gpu=before.has_gpu)
            captured.replace(draft / path.name)


def rederive(repository: Path, kernels: list[KernelFolder], today: date, read: Callable[[bool], Recipe]) -> None:
    """Report how the images in use differ from what the newest public lists lead to; nothing is changed.

    Args:
        repository: its root.
        kernels: those whose images count.
        today: the day to derive for.
        read: returns the lists for the images with a GPU, or without.

    Raises:
        OfflineError: the lists cannot be read, or have no solution.
    """
    # Nothing that was captured before is taken for news.
    with new_folder(repository / "build" / "images" / _RECAPTURED):
        pass
    parts = []
    for path in {kernel.image: None for kernel in kernels if not _is_pinned(kernel)}:
        before = read_image_manifest(path)
        recipe = read(before.has_gpu)
        kept = ("platform", "accelerator", "uv", "docker-image")
        header = {key: before.header[key] for key in kept if key in before.header}
        minor = python_of(recipe)
        python = before.header["python"] if minor in ("", before.python) else minor
        header |= {"image": "newest", "python": python, "date": str(today)}
        header, pins = derive(recipe, {"accelerator": "cpu", **header}, as_of=today)
        draft = repository / "build" / "images" / "newest.txt"
        write_image_manifest(draft, header, pins)
        newest = read_image_manifest(draft)
        # Estimates change with the day alone.
        names = {name for name in newest.pins if name not in newest.estimated | before.estimated}
        names |= before.pins.keys() - newest.pins.keys()
        published = replace(before, pins={name: before.pins[name] for name in names & before.pins.keys()})
        now = replace(newest, pins={name: newest.pins[name] for name in names & newest.pins.keys()})
        text = changes(published, now, locks_of(repository), everything=False)
        print(text, flush=True)
        parts.append(f"### {before.name} and the newest public lists\n\n{fenced(text)}")
    add_summary("\n\n".join(parts) + "\n")


def renew(repository: Path, kernels: list[KernelFolder]) -> None:
    """Move the kernels and their locks to a captured image that has changed.

    Raises:
        ConfigurationError: nothing was captured, or a ``submission.toml`` cannot be changed.
        OfflineError: the requirements cannot be met on a new image.
    """
    folder = repository / "build" / "images" / _RECAPTURED
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: not there", f"Run: KAGGLE_TARGET=kaggle {command('image', 'recapture')}")
    parts: list[str] = []
    paths: list[Path] = []
    with new_folder(folder.with_name(_RENEWAL)) as draft:
        for captured in sorted(folder.glob("*.txt")):
            before, now = (read_image_manifest(p) for p in (image_file(repository, captured.stem), captured))
            if _facts(now) == _facts(before):
                print(f"  {before.name}: as it was")
                continue
            name = now.header["image"]
            # Those that follow already have been interrupted.
            images = (before.name, name)
            followers = [kernel for kernel in kernels if kernel.settings.image in images and not _is_pinned(kernel)]
            locks = {kernel.competition: read_lock(kernel.lock) for kernel in followers}
            text = changes(before, now, [lock for lock in locks.values() if lock], everything=True)
            print(text, flush=True)
            parts.append(f"### {before.name} → {name}\n\n{fenced(text)}")
            manifest = image_path(repository, name)
            write_text(manifest, captured.read_text(encoding="utf-8"))
            paths.append(manifest)
            for kernel in followers:
                paths += [_follow(kernel, name), kernel.lock]
                parts.append(_renew_lock(kernel, locks[kernel.competition]))
        if parts:
            description = "\n\n".join(parts) + "\n"
            write_text(draft / _DESCRIPTION, description)
            (draft / _PATCH).write_bytes(_patch(repository, paths))
            add_summary(description)


def _is_pinned(kernel: KernelFolder) -> bool:
    return kernel.metadata.docker_image_pinning_type == "original" or bool(kernel.metadata.docker_image)


def _facts(image: ImageManifest) -> tuple[object, ...]:
    return (image.pins, *(image.header.get(key) for key in FACTS))


def _follow(kernel: KernelFolder, image: str) -> Path:
    """Return the name another image in ``submission.toml``, and leave the rest of it as a person wrote it.

    Raises:
        ConfigurationError: the key is not on a line of its own, in quotes.
    """
    path = kernel.folder / "submission.toml"
    before = path.read_bytes()
    path.write_bytes(_SETTING.sub(rf'\g<1>"{image}"', before.decode(), count=1).encode())
    try:
        if read_settings(path).image == image:
            return path
    except ConfigurationError:
        pass
    path.write_bytes(before)
    raise ConfigurationError(f"{path}: image is not on a line of its own", f'Write there: image = "{image}"')


def _renew_lock(kernel: KernelFolder, before: Lock | None) -> str:
    """Renew a lock; return what that changed, in Markdown."""
    print(f"{kernel.competition}:", flush=True)
    lock = lock_kernel(read_kernel_folder(kernel.repository, kernel.competition)).lock
    lines = difference(before, lock) if before else ["it is new"]
    text = "\n".join(lines)
    print(text)
    return f"#### the lock of {kernel.competition}\n\n{fenced(text)}"


def _patch(repository: Path, paths: list[Path]) -> bytes:
    """Return the changes of some files as `git apply` takes them, whatever settings of Git a user has.

    Raises:
        SystemProblemError: Git cannot tell.
    """
    names = [str(path.relative_to(repository)) for path in paths]
    # Git shows no difference for files that it does not know.
    git(repository, "add", "--intent-to-add", "--", *names)
    plain = ["--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"]
    patch = git(repository, "diff", *plain, "HEAD", "--", *names)
    if patch is None:
        raise SystemProblemError(f"{repository}: git diff fails", "Run it in a clone.")
    return f"{patch}\n".encode(errors="surrogateescape")
