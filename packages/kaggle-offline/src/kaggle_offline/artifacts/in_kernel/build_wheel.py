"""Build a wheel against this image, in a kernel with a network; freeze fills in the first three lists.

The build sees what the image has: it is not isolated. Standard library only.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# A requirements file, the build requirements of its source, and further package indexes.
SOURCE: list[str] = []
REQUIRES: list[str] = []
INDEXES: list[str] = []

WORKING = Path("/kaggle/working")
RECORD = "wheels.json"
# A build requirement must not replace what the wheel is built against.
FIXED = ("torch", "numpy")


def main() -> None:
    """Install the build requirements that the image lacks, build the wheel, and record its hash and the image."""
    folder = Path(tempfile.mkdtemp())
    constraints, source = folder / "constraints.txt", folder / "source.txt"
    constraints.write_text("".join(f"{line}\n" for line in installed(*FIXED)))
    source.write_text("".join(f"{line}\n" for line in SOURCE))
    settings = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_CONSTRAINT": ""}
    variables = {**os.environ, **settings, "MAX_JOBS": str(os.cpu_count() or 1)}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    indexes = [f"--extra-index-url={url}" for url in INDEXES]
    if REQUIRES:
        print("installing", *REQUIRES, flush=True)
        install = [*pip, "install", "--quiet", "--constraint", str(constraints), *indexes, *REQUIRES]
        subprocess.run(install, check=True, env=variables)
    print("building", SOURCE[0].split()[0], flush=True)
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(WORKING)]
    subprocess.run([*build, *indexes, "--requirement", str(source)], check=True, env=variables)
    wheels = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in WORKING.glob("*.whl")}
    record = {"wheels": wheels, "docker_image": os.environ.get("KAGGLE_DOCKER_IMAGE", "")}
    (WORKING / RECORD).write_text(json.dumps(record))
    print("built", *wheels, flush=True)


def installed(*names: str) -> list[str]:
    """Return a pin for each distribution that the image has."""
    pins = []
    for name in names:
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pins


if __name__ == "__main__":
    main()
