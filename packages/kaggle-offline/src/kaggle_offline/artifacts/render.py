"""The kernel: a percent-format file that people edit, rendered to the notebook or script that Kaggle runs.

jupytext and nbformat are imported where a notebook is read or written: they take most of a second.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaggle_offline.artifacts.pack import OWNER, Dataset
from kaggle_offline.code.cells import cells_of
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import (
    Stamp,
    digest_of_data,
    digest_of_file,
    digest_of_names,
    new_folder,
    write_json,
    write_text,
)
from kaggle_offline.repository.checkpoints import FRAMEWORK, VARIATION
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.kernel_metadata import pin_of, sources_of
from kaggle_offline.repository.upstreams import upstreams_of

# Tags of the cells that push writes: of the first there must be one, of the second there may be.
PARAMETERS, INSTALL = "parameters", "install"
RUN_RECORD = "kaggle-offline-run.json"

IMPORTED_EARLY = frozenset(
    {
        "comm",
        "contourpy",
        "cycler",
        "debugpy",
        "decorator",
        "fonttools",
        "ipykernel",
        "ipython",
        "jupyter-client",
        "jupyter-core",
        "kiwisolver",
        "matplotlib",
        "matplotlib-inline",
        "numpy",
        "packaging",
        "pillow",
        "platformdirs",
        "psutil",
        "pygments",
        "pyparsing",
        "python-dateutil",
        "pyzmq",
        "setuptools",
        "six",
        "tornado",
        "traitlets",
        "typing-extensions",
        "wrapt",
    }
)
"""Distributions that a notebook on Kaggle has imported before its first cell.

Kaggle's image sets ``IPKernelApp.matplotlib = 'inline'`` (Kaggle/docker-python, Dockerfile.tmpl) and imports wrapt in
every Python (patches/sitecustomize.py); the rest is what these need, measured with ipykernel.
"""

# On one line, or within brackets on several.
_FUTURE = re.compile(r"^from __future__ import (?:\([^)]*\).*|[^(\n]*)\n", re.MULTILINE)

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

# Appended to every kernel: what only the kernel itself can tell of its run.
_RECORD_CELL = f"""\
# How much memory the run took at its peak, for the report (ru_maxrss is in KiB on Linux), the image that it ran in, and
# the files of W&B's runs, which are offline here and are synced later.
import json, os, resource, sys
from pathlib import Path

runs = []
try:
    if "wandb" in sys.modules:
        sys.modules["wandb"].finish()
    for pattern in ("*.wandb", "files/**/*"):
        runs += [path for path in Path("/kaggle/working").glob(f"wandb/offline-run-*/{{pattern}}") if path.is_file()]
except Exception as error:
    # The predictions are written, and count more.
    print(f"W&B: {{type(error).__name__}}: {{error}}")

peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024
record = {{"peak_memory_bytes": peak, "docker_image": os.environ.get("KAGGLE_DOCKER_IMAGE", "")}}
record["wandb"] = [path.relative_to("/kaggle/working").as_posix() for path in runs]
Path("/kaggle/working/{RUN_RECORD}").write_text(json.dumps(record))
# The last line of the log, so that its time is the run's.
print(f"ran through, {{peak / 2**20:.0f}} MiB of memory at the peak")"""


# Appended to the cell of parameters.
_WITHOUT_NETWORK = """\
# Without a network, W&B's default is to wait for one, and to fail.
import os

os.environ.setdefault("WANDB_MODE", "offline")"""


def _install_cell(packages: Dataset) -> str:
    """Return the code for the cell tagged ``install``; a notebook shows a process's output only if told to."""
    return f"""\
# Written by push: install the packages that the image lacks, with the installer in their dataset.
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

found = [path for at in ("", "datasets/*/") for path in Path("/kaggle/input").glob(at + "{packages.slug}/install.py")]
if not found:
    raise FileNotFoundError("{packages.slug} is not among this kernel's inputs")
command = [sys.executable, "-u", found[0], "--digest", PACKAGES_DIGEST]
# A notebook has imported much before its first cell, which it would keep in the version that the image has.
imported = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
listed = Path(tempfile.mkdtemp()) / "imported.json"
listed.write_text(json.dumps(imported))
variables = {{**os.environ, "KAGGLE_OFFLINE_IMPORTED": str(listed)}}
pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
with subprocess.Popen(command, text=True, env=variables, **pipes) as installing:
    for line in installing.stdout:
        print(line, end="")
if installing.returncode:
    raise RuntimeError(f"install.py ended with {{installing.returncode}}; the reason stands above")
importlib.invalidate_caches()"""


def _checkpoints_cell(models: Dataset, version: int) -> str:
    """Return the code that compares the mounted checkpoints: `files.digest_of_names` in the standard library alone."""
    places, path = ("", "datasets/*/"), models.slug
    if models.is_model:
        places, path = ("", "models/*/"), f"{models.slug}/{FRAMEWORK}/{VARIATION}/{version}"
    return f"""\
# Written by push: refuse to run with other checkpoints than those that this kernel was made with.
import hashlib
from pathlib import Path

found = [path for at in {places!r} for path in Path("/kaggle/input").glob(at + "{path}")]
if not found:
    raise FileNotFoundError("{path} is not among this kernel's inputs")
names = hashlib.sha256()
for name in sorted(path.relative_to(found[0]).as_posix() for path in found[0].rglob("*") if path.is_file()):
    with (found[0] / name).open("rb") as file:
        names.update((name + chr(0) + hashlib.file_digest(file, "sha256").hexdigest() + chr(10)).encode())
if "sha256:" + names.hexdigest() != "{models.digest}":
    raise RuntimeError("{path}: another version is mounted than this kernel was made with")"""


def read_notebook(path: Path) -> Any:
    """Read a percent-format file as a notebook without outputs.

    Raises:
        ConfigurationError: it cannot be read, or lacks the cell tagged ``parameters``.
    """
    import jupytext

    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except Exception as error:  # jupytext raises what YAML, nbformat and their validators do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"{path}: not a percent-format notebook: {reason}", "Begin cells with # %%."
        ) from error
    if _tagged(notebook, PARAMETERS) is None:
        raise ConfigurationError(
            f"{path}: no cell is tagged {PARAMETERS}",
            'Begin the first cell with: # %% tags=["parameters"] and assign PACKAGES_DIGEST = "" in it.',
        )
    return notebook


def _tagged(notebook: Any, tag: str) -> Any:
    """Return the first cell of code with a tag; None without one."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and tag in cell.metadata.get("tags", []):
            return cell
    return None


@dataclass(frozen=True, kw_only=True)
class RenderedKernel:
    """A folder that ``kaggle kernels push -p`` takes.

    Attributes:
        folder: the notebook or script, and its metadata.
        digest: of all that the run's outcome depends on; written into the code.
        sources: the datasets, competitions, kernels and models that it names.
        shipped: the slugs of the datasets that were made for it.
    """

    folder: Path
    digest: str
    sources: frozenset[str]
    shipped: tuple[str, ...]


def render_kernel(
    kernel: KernelFolder,
    packages: Dataset,
    models: Dataset | None,
    *,
    models_version: int = 0,
    owner: str,
    surroundings: Sequence[str],
) -> RenderedKernel:
    """Render the kernel's code and metadata below ``build/``, unless they are up to date.

    The parameters' cell is followed by one that refuses other checkpoints, if the kernel has any. The metadata pin the
    kernel to its image, so that the lock, the run and the rerun on the hidden test set use the same. The digest covers
    the code, its settings, the datasets, the image, the output's name and ``surroundings``: digests of everything
    else that the run sees. `digest_of_source` finds it in the code.

    Args:
        kernel: the competition.
        packages: its packages.
        models: its checkpoints; None without any.
        models_version: the version of a model that the checkpoints are.
        owner: of the kernel and its inputs.
        surroundings: digests.

    Raises:
        ConfigurationError: the code cannot be read.
    """
    datasets = [packages, models] if models else [packages]
    sources = {f"{kind}_sources": list(kernel.metadata.sources[kind]) for kind in ("dataset", "kernel", "model")}
    # Like this kernel's, the ids of those that it reads have the account's name.
    for source in upstreams_of(kernel.repository, kernel.competition):
        names = sources["kernel_sources"]
        names[names.index(source)] = f"{OWNER}/{source.split('/')[1]}"
    for dataset in datasets:
        if dataset.is_model:
            sources["model_sources"].append(f"{OWNER}/{dataset.slug}/{FRAMEWORK}/{VARIATION}/{models_version}")
        else:
            sources["dataset_sources"].append(f"{OWNER}/{dataset.slug}")
    pin = pin_of(kernel.metadata, read_image_manifest(kernel.image))
    settings = {**kernel.metadata.document, **pin, "id": f"{OWNER}/{kernel.slug}", **sources}
    # `kaggle kernels pull -m` writes the number of somebody's kernel, which would win over the id.
    settings.pop("id_no", None)
    image = digest_of_file(kernel.image)
    digests = [dataset.digest for dataset in datasets]
    made_of = [settings, *digests, kernel.settings.weights, image, kernel.settings.output, list(surroundings)]
    folder = kernel.build / "kernel"
    inputs = digest_of_data([made_of, owner, *map(digest_of_file, (kernel.code, Path(__file__)))])
    stamp = Stamp(kernel.build / ".kernel.json", inputs)
    digest = _rendered_digest(folder, stamp.note())
    suffix = ".py" if kernel.is_script else ".ipynb"
    metadata = {**settings, "code_file": kernel.code.with_suffix(suffix).name, "id": f"{owner}/{kernel.slug}"}
    for key, names in sources.items():
        metadata[key] = [re.sub(rf"^{OWNER}/", f"{owner}/", name) for name in names]
    if not digest:
        code, digest = _render(kernel, packages, models, models_version, made_of)
        with new_folder(folder) as draft:
            write_text(draft / metadata["code_file"], code)
            write_json(draft / "kernel-metadata.json", metadata)
        stamp.write({"digest": digest, "files": _digest_of_folder(folder)})
    shipped = tuple(dataset.slug for dataset in datasets)
    return RenderedKernel(folder=folder, digest=digest, sources=sources_of(metadata), shipped=shipped)


def _rendered_digest(folder: Path, note: Any) -> str:
    """Return the digest of the kernel in ``folder`` from the note of its rendering; empty if a file has changed."""
    try:
        return str(note["digest"]) if note["files"] == _digest_of_folder(folder) else ""
    except (OSError, KeyError, TypeError):
        return ""


def _digest_of_folder(folder: Path) -> str:
    return digest_of_names((path.name, digest_of_file(path)) for path in folder.iterdir())


def _render(
    kernel: KernelFolder, packages: Dataset, models: Dataset | None, models_version: int, made_of: list[Any]
) -> tuple[str, str]:
    """Return the notebook or script as text, and the kernel's digest, which the text states."""
    import jupytext
    import nbformat

    notebook = read_notebook(kernel.code)
    parameters, install = _tagged(notebook, PARAMETERS), _tagged(notebook, INSTALL)
    if install is not None:
        install.source = _install_cell(packages)
    if models:
        refusal = nbformat.v4.new_code_cell(_checkpoints_cell(models, models_version))
        notebook.cells.insert(notebook.cells.index(parameters) + 1, refusal)
    notebook.cells.append(nbformat.v4.new_code_cell(_RECORD_CELL))
    digest = digest_of_data([[(cell.cell_type, cell.source) for cell in notebook.cells], made_of])
    parameters.source = (
        f'# Written by push: the origin of this kernel.\nPACKAGES_DIGEST = "{packages.digest}"\n'
        f'KERNEL_DIGEST = "{digest}"\nWEIGHTS = {kernel.settings.weights!r}\n\n{_WITHOUT_NETWORK}'
    )
    if kernel.is_script:
        notebook.metadata = {"jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"}}
        return _with_futures_first(jupytext.writes(notebook, fmt="py:percent")), digest
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata = NOTEBOOK_METADATA
    return nbformat.writes(notebook), digest


def _with_futures_first(code: str) -> str:
    """Move a script's ``from __future__`` lines to the beginning: Python accepts them nowhere else."""
    futures = _FUTURE.findall(code)
    return "".join(futures) + _FUTURE.sub("", code)


def digest_of_source(source: str) -> str:
    """Return the kernel's digest that a notebook's or script's text states, or an empty text."""
    prefix = 'KERNEL_DIGEST = "'
    for line in "\n".join(cells_of(source)).splitlines():
        if line.startswith(prefix):
            return line.removeprefix(prefix).rstrip('"')
    return ""
