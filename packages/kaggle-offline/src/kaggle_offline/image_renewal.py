"""``image renew``: what Kaggle's images hold now, and the locks for that, as a change that can be proposed."""

import re
from datetime import date
from pathlib import Path

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.explain import difference
from kaggle_offline.files import new_folder, write_text
from kaggle_offline.freeze import lock_kernel
from kaggle_offline.git import git
from kaggle_offline.image import FACTS, changes, draft_manifest, image_path
from kaggle_offline.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.kernel_folder import KernelFolder, read_kernel_folder
from kaggle_offline.lock import Lock, read_lock
from kaggle_offline.target import Target
from kaggle_offline.workflow_run import add_summary, fenced

# What `renew` leaves below build/images/: the change as Git applies it, and what it is, in Markdown.
FOLDER, PATCH, DESCRIPTION = "renewal", "change.patch", "description.md"

_MONTH = re.compile(r"-\d{4}-\d{2}")
_SETTING = re.compile(r'^(image\s*=\s*)["\'][^"\']*["\']', re.MULTILINE)


def renew(target: Target, repository: Path, kernels: list[KernelFolder], today: date) -> None:
    """Capture the images that kernels are for; where one has changed, have the kernels follow, and their locks.

    Kernels that are pinned to the image that they began with stay there. An image is named after its month.

    Raises:
        OfflineError: a capture failed, or the requirements cannot be met on a new image.
    """
    images = {kernel.image: read_image_manifest(kernel.image) for kernel in kernels if not _is_pinned(kernel)}
    parts: list[str] = []
    paths: list[Path] = []
    for path, before in images.items():
        name = f"{_MONTH.sub('', before.name)}-{today:%Y-%m}"
        draft = draft_manifest(target, repository, name, gpu=before.has_gpu)
        now = read_image_manifest(draft)
        if _facts(now) == _facts(before):
            print(f"  {before.name}: as it was")
            continue
        followers = [kernel for kernel in kernels if kernel.image == path and not _is_pinned(kernel)]
        locks = {kernel.competition: read_lock(kernel.lock) for kernel in followers}
        text = changes(before, now, [lock for lock in locks.values() if lock], everything=True)
        print(text, flush=True)
        new = image_path(repository, name)
        draft.replace(new)
        paths.append(new)
        parts.append(f"### {before.name} → {name}\n\n{fenced(text)}")
        for kernel in followers:
            paths += [_follow(kernel, name), kernel.lock]
            parts.append(_renewed(kernel, locks[kernel.competition]))
    _write(repository, parts, paths)


def _is_pinned(kernel: KernelFolder) -> bool:
    return kernel.metadata.get("docker_image_pinning_type") == "original" or bool(kernel.metadata.get("docker_image"))


def _facts(image: ImageManifest) -> tuple[object, ...]:
    return (image.pins, *(image.header.get(key) for key in FACTS))


def _follow(kernel: KernelFolder, image: str) -> Path:
    """Name another image in ``submission.toml``, and leave the rest of it as a person wrote it.

    Raises:
        ConfigurationError: the key is not on a line of its own.
    """
    path = kernel.folder / "submission.toml"
    text, count = _SETTING.subn(rf'\g<1>"{image}"', path.read_text(encoding="utf-8"), count=1)
    if count != 1:
        raise ConfigurationError(f"{path}: image is not on a line of its own", f'Write there: image = "{image}"')
    write_text(path, text)
    return path


def _renewed(kernel: KernelFolder, before: Lock | None) -> str:
    """Renew a lock; return what that changed, in Markdown."""
    print(f"{kernel.competition}:", flush=True)
    lock = lock_kernel(read_kernel_folder(kernel.repository, kernel.competition)).lock
    lines = difference(before, lock) if before else ["it is new"]
    print("\n".join(f"  {line}" for line in lines))
    return f"#### the lock of {kernel.competition}\n\n{fenced(chr(10).join(lines))}"


def _write(repository: Path, parts: list[str], paths: list[Path]) -> None:
    """Leave the change for `nox -s propose`, or nothing where there is none."""
    with new_folder(repository / "build" / "images" / FOLDER) as draft:
        if not parts:
            return
        description = "\n\n".join(parts) + "\n"
        write_text(draft / DESCRIPTION, description)
        # What Git does not know is in no difference.
        names = [str(path.relative_to(repository)) for path in paths]
        git(repository, "add", "--intent-to-add", "--", *names)
        patch = git(repository, "diff", "--binary", "HEAD", "--", *names)
        write_text(draft / PATCH, f"{patch or ''}\n")
    add_summary(description)
