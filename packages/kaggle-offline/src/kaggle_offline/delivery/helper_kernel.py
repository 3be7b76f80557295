"""Kernels that do a job for the tool rather than for a competition: pushed, followed, their output fetched."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from slugify import slugify

from kaggle_offline.delivery.kernel_run import run_error, wait_for_run
from kaggle_offline.delivery.run_log import read_log
from kaggle_offline.delivery.target import Target
from kaggle_offline.files import new_folder, write_json, write_text


def run_helper(
    target: Target,
    folder: Path,
    *,
    title: str,
    code: Mapping[str, str],
    settings: Mapping[str, Any],
    wanted: Callable[[str], bool],
    needed: Collection[str],
) -> int:
    """Run a private kernel, and fetch its output into ``output/`` of a folder; return the kernel's version.

    Args:
        target: kaggle.com or the local Kaggle.
        folder: also has the kernel's own files, in ``kernel/``.
        title: of the kernel; an existing one gets another version.
        code: the text of its notebook or script, by the name of the file.
        settings: further keys of ``kernel-metadata.json``.
        wanted: tells by its name whether a file is fetched.
        needed: the names that the listing is read for.

    Raises:
        RunError: the run failed.
        KaggleError: Kaggle refused something.
    """
    kernels, slug = target.client.kernels, slugify(title)
    ((code_file, text),) = code.items()
    with new_folder(folder / "kernel") as draft:
        write_text(draft / code_file, text)
        identity = {"id": f"{target.client.owner}/{slug}", "title": title, "code_file": code_file}
        metadata = {**identity, "language": "python", "is_private": True, **settings}
        write_json(draft / "kernel-metadata.json", metadata)
    known = kernels.state(slug)
    after = known.version if known else 0
    version = kernels.push(folder / "kernel", after=after)
    print(f"{slug}: version {version}, running", flush=True)
    run, shown = wait_for_run(target, slug, version)
    with new_folder(folder / "output") as draft:
        log = read_log(kernels.fetch_output(slug, version, draft, wanted, needed=needed))
    if run.status != "complete":
        raise run_error(f"{target.client.owner}/{slug} version {version}", run, log, shown=shown)
    return version
