"""Kernels, datasets and competitions for tests: written, pushed, waited for."""

import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.storage import KernelVersion, Kind, Submission, Version


def ask(local: LocalKaggle, method: str, user: str = USERNAME, **body: Any) -> requests.Response:
    """Call a method of the API; what it leads to is fetched."""
    headers = {"Authorization": f"Bearer local-{user}"}
    return requests.post(f"{local.url}/api/v1/{method}", json=body, headers=headers, timeout=30)


def refusal(answer: requests.Response) -> str:
    """Kaggle's words in an error, which the official client does not show."""
    message = answer.json()["error"]["message"]
    assert isinstance(message, str)
    return message


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
    script = metadata.get("kernel_type") == "script"
    code_file = "kernel.py" if script else "kernel.ipynb"
    (folder / code_file).write_text("\n".join(sources) if script else json.dumps(notebook(*sources)))
    settings = {
        "id": f"{USERNAME}/my-kernel",
        "title": "My kernel",
        "code_file": code_file,
        "language": "python",
        "kernel_type": "notebook",
        "enable_internet": False,
        **metadata,
    }
    (folder / "kernel-metadata.json").write_text(json.dumps(settings))
    return folder


def write_competition_of_files(folder: Path, slug: str, digits: Mapping[int, int], *, limits: str = "") -> Path:
    """A competition folder that takes files: a digit to guess for each id, by accuracy."""
    (folder / "public").mkdir(parents=True)
    (folder / "public" / "test.csv").write_text("\n".join(["id", *map(str, digits), ""]))
    rows = [f"{name},{digit}" for name, digit in digits.items()]
    (folder / "solution.csv").write_text("\n".join(["id,digit", *rows, ""]))
    (folder / "competition.toml").write_text(
        f'slug = "{slug}"\ntitle = "{slug}"\nmetric = "accuracy"\nid = "id"\ntarget = "digit"\nsubmissions = "file"\n'
        + limits
    )
    return folder


def settings_of(**settings: Any) -> dict[str, Any]:
    """The settings of a kernel version."""
    return {
        "datasets": [],
        "models": [],
        "kernels": [],
        "competitions": [],
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": False,
        "enable_internet": False,
        "docker_image": None,
        "seconds": None,
        **settings,
    }


def run(local: LocalKaggle, *sources: str, slug: str = "my-kernel", **settings: Any) -> KernelVersion:
    """Have a notebook run and wait for it."""
    text = json.dumps(notebook(*sources))
    version = local.storage.kernels.add_version(USERNAME, slug, slug, text, settings_of(**settings))
    local.worker.run(version)
    return finished(local, version.number, slug)


def run_script(local: LocalKaggle, source: str, slug: str = "my-kernel", **settings: Any) -> KernelVersion:
    """Have a script run, which takes a tenth of the time, and wait for it."""
    version = local.storage.kernels.add_version(
        USERNAME, slug, slug, source, settings_of(kernel_type="script", **settings)
    )
    local.worker.run(version)
    return finished(local, version.number, slug)


def finished(local: LocalKaggle, number: int | None = None, slug: str = "my-kernel") -> KernelVersion:
    """Wait until a version of the test's kernel has run."""
    while True:
        version = local.storage.kernels.get(USERNAME, slug, number)
        assert version is not None
        if version.status not in ("queued", "running"):
            return version
        time.sleep(0.02)


def printed(version: KernelVersion) -> str:
    """Return the output of a run."""
    return "".join(event["data"] for event in json.loads(version.log()))


def scored(local: LocalKaggle, ref: int) -> Submission:
    """Wait until a submission is scored."""
    while True:
        submission = local.storage.submissions.get(ref)
        assert submission is not None
        if submission.status != "pending":
            return submission
        time.sleep(0.02)


def uploaded(local: LocalKaggle, name: str, content: bytes) -> str:
    """Have a file uploaded; return its token."""
    token = secrets.token_hex(8)
    local.storage.uploads.add(token, name, len(content))
    (local.storage.root / "uploads" / token).write_bytes(content)
    return token


def published(local: LocalKaggle, files: Mapping[str, bytes], slug: str = "my-data") -> Version:
    """Have a dataset's first or next version made of files by path, and wait for its processing."""
    content = [(path, uploaded(local, Path(path).name, data)) for path, data in files.items()]
    details = {"subtitle": "", "description": "", "license": "unknown", "keywords": []}
    resources, ref = local.storage.resources, f"{USERNAME}/{slug}"
    resource = resources.get("dataset", ref)
    if resource is None:
        added = resources.add(
            "dataset", ref, title="My data", private=True, details=details, first_version=("", content)
        )
        assert added is not None
        version = resources.versions("dataset", ref)[0]
    else:
        version = resources.add_version(resource, "", content)
    local.worker.process(version)
    return processed(local, version.number, slug)


def processed(
    local: LocalKaggle, number: int, slug: str = "my-data", *, ref: str = "", kind: Kind = "dataset"
) -> Version:
    """Wait until a version of the test's dataset, or of what ``ref`` names, has been processed."""
    while True:
        version = local.storage.resources.version(kind, ref or f"{USERNAME}/{slug}", number)
        assert version is not None
        if version.status != "processing":
            return version
        time.sleep(0.01)
