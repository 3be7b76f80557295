"""Kernels for tests: written, pushed, waited for."""

import json
import time
from pathlib import Path
from typing import Any

from kaggle_local.server import USERNAME, LocalKaggle
from kaggle_local.storage import KernelVersion, Submission


def notebook(*sources: str) -> dict[str, Any]:
    """A notebook with a code cell for each source."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for n, source in enumerate(sources)
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def write_kernel(folder: Path, *sources: str, **metadata: Any) -> Path:
    """A folder that `kaggle kernels push -p` takes."""
    folder.mkdir(exist_ok=True)
    (folder / "kernel.ipynb").write_text(json.dumps(notebook(*sources)))
    settings = {
        "id": f"{USERNAME}/my-kernel",
        "title": "My kernel",
        "code_file": "kernel.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "enable_internet": False,
        **metadata,
    }
    (folder / "kernel-metadata.json").write_text(json.dumps(settings))
    return folder


def run(local: LocalKaggle, *sources: str, **settings: Any) -> KernelVersion:
    """Have a kernel run and wait for it."""
    number = local.storage.add_kernel_version(
        USERNAME,
        "my-kernel",
        "My kernel",
        json.dumps(notebook(*sources)),
        {
            "datasets": [],
            "competitions": [],
            "is_private": True,
            "enable_gpu": False,
            "enable_internet": False,
            "docker_image": None,
            **settings,
        },
    )
    version = local.storage.kernel_version(USERNAME, "my-kernel", number)
    assert version is not None
    local.worker.run(version)
    return finished(local, number)


def finished(local: LocalKaggle, number: int | None = None) -> KernelVersion:
    """Wait until a version of the test's kernel has run."""
    while True:
        version = local.storage.kernel_version(USERNAME, "my-kernel", number)
        assert version is not None
        if version.status not in ("queued", "running"):
            return version
        time.sleep(0.02)


def printed(version: KernelVersion) -> str:
    """What a run printed."""
    return "".join(event["data"] for event in json.loads(version.log()))


def scored(local: LocalKaggle, ref: int) -> Submission:
    """Wait until a submission is scored."""
    while local.storage.submission(ref).status == "pending":
        time.sleep(0.02)
    return local.storage.submission(ref)
