"""A stand-in for Kaggle's image in a container engine: a root file system made here, imported without a registry."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from kaggle_local.interpreters import available_python, find_python
from kaggle_local.runs.container import Container
from kaggle_local.runs.image import Image

REPOSITORY = "gcr.io/kaggle-images/python"


def require_podman() -> None:
    """Skip the test where podman does not run, or cannot bound a kernel."""
    problem = _problem_of_podman()
    if problem:
        pytest.skip(problem)


@cache
def _problem_of_podman() -> str:
    """Return why podman cannot run kernels here; empty if it can."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _copy_python(root, Path(str(find_python(available_python("3.12")))))
        # Written by hand: an option of ours that podman refuses must fail the tests, and not skip them.
        options = ["--network", "none", "--ulimit", "nproc=64:64", "--ulimit", "nofile=256:256", "--memory", "256m"]
        podman, name = Container(engine="podman", reference="", owner="").program, f"kaggle-local-probe-{os.getpid()}"
        command = [*podman, "run", "--name", name, *options, "--rootfs", str(root), "python3", "-I", "-S", "-c", ""]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        command = [*podman, "container", "inspect", "--format", "{{.HostConfig.Memory}}", name]
        memory = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        subprocess.run([*podman, "rm", "--force", name], capture_output=True, check=False)
    if done.returncode != 0:
        return f"podman does not run containers here: {done.stderr.strip()[-300:]}"
    return "podman cannot bound memory here" if memory == "0" else ""


@contextmanager
def imported(image: Image, tag: str) -> Iterator[str]:
    """Import a root file system with the Python and the libraries of an image; yield its reference by digest.

    Args:
        image: of the sandbox.
        tag: for the image in the engine, which is deleted at the end.
    """
    name = f"{REPOSITORY}:{tag}"
    with tempfile.TemporaryDirectory() as folder:
        root, archive = Path(folder) / "root", Path(folder) / "root.tar"
        root.mkdir()
        base = image.python.resolve()
        _copy_python(root, base)
        (site,) = image.folder.glob("lib/python*/site-packages")
        inside = root / "usr/local/lib" / site.parent.name / "site-packages"
        shutil.copytree(site, inside, dirs_exist_ok=True)
        _copy_libraries(root, [*inside.rglob("*.so"), *inside.rglob("*.so.*")])
        for program in (image.folder / "bin").iterdir():
            if program.name in ("uv", "pip"):
                shutil.copyfile(program, root / "usr/local/bin" / program.name)
                (root / "usr/local/bin" / program.name).chmod(0o755)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        with tarfile.open(archive, "w") as tar:
            tar.add(root, ".")
        variables = ["--change", "ENV HOME=/root", "--change", "ENV LANG=C.UTF-8"]
        _podman("import", "--quiet", *variables, str(archive), name)
    try:
        yield f"{REPOSITORY}@{_podman('image', 'inspect', '--format', '{{.Digest}}', name).strip()}"
    finally:
        _podman("rmi", "--force", name)


def _podman(*arguments: str) -> str:
    container = Container(engine="podman", reference="", owner="")
    command = [*container.program, *arguments]
    return subprocess.run(command, env=container.environment, check=True, capture_output=True, text=True).stdout


def _copy_python(root: Path, python: Path) -> None:
    """Copy an interpreter with its standard library to ``/usr/local``, and all shared libraries that these need."""
    for folder in ("bin", "dev", "etc", "kaggle", "lib64", "proc", "root", "sys", "tmp", "usr/local/bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    command = [str(python), "-I", "-S", "-c", "import os; print(os.__file__)"]
    library = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout).parent
    inside = root / "usr/local/lib" / library.name
    ignored = shutil.ignore_patterns("test", "site-packages", "idlelib", "ensurepip", "config-*", "__pycache__", "*.a")
    shutil.copytree(library, inside, ignore=ignored, symlinks=False)
    (inside / "site-packages").mkdir()
    program = root / "usr/local/bin/python3"
    shutil.copyfile(python, program)
    program.chmod(0o755)
    (root / "usr/local/bin/python").symlink_to("python3")
    _copy_libraries(root, [python, *(inside / "lib-dynload").glob("*.so")])


def _copy_libraries(root: Path, files: list[Path]) -> None:
    """Copy the shared libraries that files need to where they are on the host."""
    printed = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    for name in sorted(set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", printed, re.MULTILINE))):
        target = root / name.removeprefix("/")
        if not target.exists() and not str(name).startswith(str(root)):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, target)
            target.chmod(0o755)
