"""Locks of the small package on an image and an index of a test's own."""

from pathlib import Path

from kaggle_offline.dependencies.lock import Lock
from kaggle_offline.dependencies.locking import lock_kernel
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.conftest import require

IMAGE = """\
# image: small
# python: 3.12.13
# platform: manylinux_2_35_x86_64
torch==2.10.0
datasets==4.0.0
"""

# Needs nothing of an index.
BACKEND = """\
import tomllib
import zipfile


def build_wheel(folder, settings=None, metadata=None):
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    stem = f"{project['name']}-{project['version']}"
    with zipfile.ZipFile(f"{folder}/{stem}-py3-none-any.whl", "w") as wheel:
        lines = [f"Requires-Dist: {line}" for line in project["dependencies"]]
        head = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
        wheel.writestr(f"{stem}.dist-info/METADATA", "\\n".join([*head, *lines, ""]))
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nTag: py3-none-any\\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return f"{stem}-py3-none-any.whl"
"""


def lock(repository: Path, *requirements: str, image: str = IMAGE) -> Lock:
    """Lock the package with these requirements."""
    prepare(repository, *requirements, image=image)
    return lock_kernel(read_kernel_folder(repository, "small")).lock


def prepare(repository: Path, *requirements: str, image: str = IMAGE) -> None:
    """Give the package these requirements, and a backend that needs nothing of an index."""
    (repository / "requirements" / "images" / "small.txt").write_text(image)
    require(repository, *requirements)
    project = repository / "packages" / "small" / "pyproject.toml"
    text = project.read_text().replace('["flit_core"]', "[]").replace("flit_core.buildapi", "backend")
    project.write_text(text.replace('build-backend = "backend"', 'build-backend = "backend"\nbackend-path = ["."]'))
    (project.parent / "backend.py").write_text(BACKEND)


def versions(lock: Lock) -> dict[str, str]:
    """Return the versions of the pins by name."""
    return {pin.name: pin.version for pin in lock.pins}
