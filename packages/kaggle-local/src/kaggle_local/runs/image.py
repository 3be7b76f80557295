"""Kaggle's image, as far as a kernel needs it: an environment that uv builds from pins.

The environment lies in a folder on the host, where programs can use it, and is composed anew in
the sandbox: the libraries below `PREFIX`, where a kernel can install into an overlay of them, and
the host's Python below `BASE`, so that no path a kernel works with is one of the host.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from packaging.utils import canonicalize_name

from kaggle_local.errors import ImageError
from kaggle_local.interpreters import UV, find_python

PREFIX = "/opt/kaggle/image"
BASE = "/opt/kaggle/python"

# The version of the files that `_compose` writes: with another number, images are built anew.
_FORMAT = 6

USUAL = ("numpy", "pandas", "scipy", "scikit-learn", "pillow", "tqdm")
"""Distributions that most kernels import."""

# A notebook's run needs these; Kaggle's image has them all. matplotlib is imported before a notebook's first cell,
# wrapt at the start of every Python (Kaggle/docker-python: Dockerfile.tmpl, patches/sitecustomize.py).
_RUNNER = ("ipykernel", "matplotlib", "nbclient", "pip", "uv", "wrapt")
_AT_START = "kaggle_at_start.pth", "import wrapt\n"

# Follow from the build of torch that is installed here, which need not be the image's.
_ACCELERATOR = ("nvidia-", "cuda-")


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """The content of an image.

    Attributes:
        python: the image's Python, such as ``"3.12"``.
        pins: the version of every distribution of the image, by name.
        distributions: those that kernels need; their dependencies come along.
        docker_image: the real image by its digest, for a container engine; empty where it is not known.
    """

    python: str
    pins: Mapping[str, str]
    distributions: tuple[str, ...]
    docker_image: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        lists = {"pins": dict(self.pins), "distributions": list(self.distributions)}
        return {"python": self.python, **lists, "docker_image": self.docker_image}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "ImageSpec":
        """Return the spec that `to_json` wrote."""
        return cls(**{**document, "distributions": tuple(document["distributions"])})


def read_manifest(path: Path, also: Collection[str] = ()) -> ImageSpec:
    """Read an image manifest: one pin a line, and the Python in a comment such as ``# python: 3.12.13``.

    Kaggle's image has dozens of gigabytes; only the pinned distributions of `USUAL` are installed.

    Args:
        path: the manifest.
        also: the names of further distributions to install.

    Raises:
        ImageError: the manifest cannot be read, has no Python, or does not pin one of ``also``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{path}: {error}", "Name a manifest, such as requirements/images/kaggle-cpu.txt.") from error
    python = next((line.partition(":")[2].strip() for line in lines if line.startswith("# python:")), "")
    if not re.fullmatch(r"3\.\d+(\.\d+)?", python):
        raise ImageError(f"{path}: the header has no python", "Add a line such as: # python: 3.12.13")
    pins: dict[str, str] = {}
    for line in lines:
        name, pinned, version = line.partition("==")
        if line.strip() and not line.startswith("#"):
            if not pinned:
                raise ImageError(f"{path}: {line!r} is not a pin", "Write it as name==version.")
            pins[canonicalize_name(name)] = version
    missing = sorted({*map(canonicalize_name, also)} - set(pins))
    if missing:
        raise ImageError(f"{path}: {missing[0]} is not pinned", "Name distributions that the manifest pins.")
    python = ".".join(python.split(".")[:2])
    found = re.search(r"^# docker-image: (\S+)$", "\n".join(lines), re.MULTILINE)
    docker_image = found[1] if found else ""
    wanted = [*(name for name in USUAL if name in pins), *map(canonicalize_name, also)]
    distributions = tuple(dict.fromkeys(wanted))
    return ImageSpec(python=python, pins=pins, distributions=distributions, docker_image=docker_image)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An environment that is ready to run kernels.

    Attributes:
        folder: where it is on the host.
        base: the parts of the interpreter that the sandbox mounts below `BASE`: paths relative to the
            interpreter's prefix on the host. Empty where it belongs to the system's libraries.
        prefix: that prefix.
    """

    folder: Path
    base: tuple[str, ...]
    prefix: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter, for use on the host."""
        return self.folder / "bin" / "python"

    def modules_of(self, distributions: Collection[str]) -> list[str]:
        """Return the top-level modules of some of its distributions, sorted."""
        wanted = {canonicalize_name(name) for name in distributions}
        (site,) = self.folder.glob("lib/python*/site-packages")
        modules = set()
        for distribution in importlib.metadata.distributions(path=[str(site)]):
            if canonicalize_name(distribution.name) in wanted:
                for file in distribution.files or ():
                    top = file.parts[0].removesuffix(".py")
                    if file.suffix == ".py" and top.isidentifier():
                        modules.add(top)
        return sorted(modules)


def image_folder(spec: ImageSpec, store: Path) -> Path:
    """Return the folder of the environment for ``spec``, which may not be built yet."""
    key = json.dumps([_FORMAT, spec.python, dict(spec.pins), spec.distributions, _RUNNER], sort_keys=True)
    return store / hashlib.sha256(key.encode()).hexdigest()[:16]


def is_whole(folder: Path) -> bool:
    """Tell whether an image is there, and nothing of it was deleted since it was built."""
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        return bool(facts["entries"] <= _entries_of(folder, (folder / "facts.json").stat().st_ino))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


@functools.cache
def _entries_of(folder: Path, _built: int) -> int:
    """Count the installed files: 15,000 take a tenth of a second, once in a process. Bytecode comes and goes."""
    entries = 0
    for _, folders, files in os.walk(folder / "lib"):
        folders[:] = [name for name in folders if name != "__pycache__"]
        entries += len(folders) + len(files)
    return entries


def build_image(spec: ImageSpec, store: Path) -> Image:
    """Build the environment for ``spec`` below ``store``, or find it there.

    CPU builds of torch are used if their index answers, else the builds of the package index.

    Raises:
        ImageError: the Python is not on this machine, or uv cannot resolve or install the distributions.
    """
    folder = image_folder(spec, store)
    if not is_whole(folder):
        python = find_python(spec.python)
        if python is None:
            raise ImageError(f"Python {spec.python}: not found", f"Install it: {UV} python install {spec.python}")
        store.mkdir(parents=True, exist_ok=True)
        # Storages that share their images may want the same one at once.
        lock = store / f".{folder.name}.lock"
        with FileLock(lock):
            if not is_whole(folder):
                draft = folder.with_suffix(".draft")
                shutil.rmtree(draft, ignore_errors=True)
                _build(spec, python, draft)
                shutil.rmtree(folder, ignore_errors=True)
                draft.rename(folder)
            # Whoever waits for it finds the folder.
            lock.unlink(missing_ok=True)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return Image(folder=folder, base=tuple(facts["base"]), prefix=Path(facts["prefix"]))


def _build(spec: ImageSpec, python: Path, folder: Path) -> None:
    """Build the environment for ``spec`` in ``folder``."""
    _uv("venv", "--quiet", "--no-project", "--relocatable", "--python", str(python), str(folder))
    _install(spec, folder)
    (site,) = folder.glob("lib/python*/site-packages")
    name, line = _AT_START
    (site / name).write_text(line)
    for module in sorted(Path(__file__).with_name("kaggle_modules").glob("*.py")):
        shutil.copyfile(module, site / module.name)
    _compose(folder)


def _install(spec: ImageSpec, folder: Path) -> None:
    pins: dict[str, str] = {canonicalize_name(n): version.partition("+")[0] for n, version in spec.pins.items()}
    wanted = sorted({*map(canonicalize_name, spec.distributions), *_RUNNER})
    requirements = folder / "requirements.txt"
    lines = {name: f"{name}=={version}\n" for name, version in pins.items()}
    requirements.write_text("".join(lines.get(name, f"{name}\n") for name in wanted))
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(line for name, line in sorted(lines.items()) if not name.startswith(_ACCELERATOR)))
    install = ["pip", "install", "--python", str(folder / "bin" / "python")]
    install += ["--requirement", str(requirements), "--constraint", str(constraints)]
    cpu: tuple[str, ...] = ("--torch-backend", "cpu")
    try:
        _uv(*install, *cpu, "--dry-run", UV_HTTP_RETRIES="0")
    except ImageError:
        cpu = ()
    # uv's own progress where a person watches: this can be gigabytes.
    _uv(*install, *cpu, show=sys.stderr.isatty())


def _uv(*arguments: str, show: bool = False, **environment: str) -> None:
    """Run uv, its messages on the terminal or in the error.

    Raises:
        ImageError: it failed.
    """
    command = [UV, *arguments]
    stderr = None if show else subprocess.PIPE
    result = subprocess.run(command, stderr=stderr, text=True, env={**os.environ, **environment}, check=False)
    if result.returncode != 0:
        reason = result.stderr.strip() if result.stderr else "see above"
        raise ImageError(
            f"uv {' '.join(arguments[:2])} failed:\n{reason}",
            "Check the network and the image's pins; if they have no wheels for the Python of this machine, "
            "install the image's (for instance with: uv python install 3.12). Then run the same command again.",
        )


def _compose(folder: Path) -> None:
    """Write the ``bin/`` and the ``pyvenv.cfg`` that the sandbox mounts over the environment's."""
    report = "import json, sys; print(json.dumps([sys.base_prefix, sys._base_executable, *sys.version_info[:2]]))"
    output = subprocess.run([folder / "bin" / "python", "-c", report], capture_output=True, text=True, check=True)
    base, executable, major, minor = json.loads(output.stdout)
    # Behind a chain of links, the interpreter itself: links do not survive being mounted elsewhere.
    prefix, real = Path(base).resolve(), Path(executable).resolve()
    parts: list[str] = []
    inside = str(real)
    if prefix != Path("/usr"):
        # The interpreter, its library, headers and the standard library, without anything else installed there.
        relative = str(real.relative_to(prefix))
        libraries = [str(p.relative_to(prefix)) for p in sorted((prefix / "lib").glob("libpython*.so*"))]
        headers = [p for p in (f"include/python{major}.{minor}",) if (prefix / p).is_dir()]
        parts = [relative, f"lib/python{major}.{minor}", *headers, *libraries]
        inside = f"{BASE}/{relative}"
    bin_folder = folder / "sandbox-bin"
    bin_folder.mkdir()
    for entry in (folder / "bin").iterdir():
        if entry.name.startswith("python"):
            (bin_folder / entry.name).symlink_to(inside)
        elif entry.is_file():
            os.link(entry, bin_folder / entry.name)
    (folder / "sandbox.cfg").write_text(f"home = {Path(inside).parent}\ninclude-system-site-packages = false\n")
    entries = _entries_of(folder, 0)
    (folder / "facts.json").write_text(json.dumps({"prefix": str(prefix), "base": parts, "entries": entries}))
