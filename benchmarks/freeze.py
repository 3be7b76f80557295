"""Freeze against the published recipe done by hand, for the seed competition, in one run.

The recipe, as a monorepo's user would write it: `pip download` of the whole tree, the own wheels by
`--find-links`; in the kernel copy it, rename source archives, and `pip install --no-index --find-links`, once torch
and the CUDA wheels have been removed by hand.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaggle_local.runs.execution import Executor
from kaggle_local.runs.image import Image, ImageSpec, build_image
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.limits import RunLimits
from kaggle_local.runs.log import RunLog
from kaggle_local.runs.sandbox import INPUT, WORKING, Mount
from kaggle_offline.artifacts.frozen import Frozen, read_frozen
from kaggle_offline.dependencies.wheels import read_wheel
from kaggle_offline.repository.image_manifest import ImageManifest, read_image_manifest
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from tqdm import tqdm

REPOSITORY = Path(__file__).resolve().parents[1]
# A test runs it with small sizes, to see that it works; its figures mean nothing then.
QUICK = "--quick" in sys.argv
COMPETITION, PACKAGE = ("digit-recognizer",) * 2 if QUICK else ("plant-pathology-2021-fgvc8", "plant-pathology")
RESULT = REPOSITORY / "build" / "bench" / ("quick" if QUICK else ".") / "freeze.json"
RUNS = 1 if QUICK else 5

# The goals: how many times less, or at most how many seconds.
FEWER_BYTES, FASTER_COLD, UNCHANGED_SECONDS, FASTER_INSTALL = 4000, 5, 1.0, 10

# The downloads of the recipe that a competitor removes by hand: the image has them, and they are gigabytes.
BY_HAND = ("torch-", "nvidia_", "cuda_")

RECIPE = f"""\
import os, shutil, subprocess, sys, time
started = time.perf_counter()
shutil.copytree("{INPUT}/recipe", "{WORKING}/recipe")
for name in os.listdir("{WORKING}/recipe"):
    if name.endswith(".xyz"):
        os.rename(f"{WORKING}/recipe/{{name}}", f"{WORKING}/recipe/{{name[:-4]}}.tar.gz")
command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", "{WORKING}/recipe"]
subprocess.run([*command, "{PACKAGE}"], check=True, stderr=subprocess.DEVNULL)
print(time.perf_counter() - started)
"""

OURS = f"""\
import subprocess, sys, time
started = time.perf_counter()
subprocess.run([sys.executable, "{INPUT}/packages/install.py"], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - started)
"""


def main() -> None:
    """Measure, print the table, write it as JSON."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as folder:
        scratch = Path(folder)
        clone = _clone(scratch / "clone")
        steps = tqdm(total=3 + 2 * RUNS, desc="bench freeze", disable=None)
        environment = {"UV_CACHE_DIR": str(scratch / "uv"), "PIP_CACHE_DIR": str(scratch / "pip")}
        cold = _freeze(clone, environment)
        steps.update()
        unchanged = statistics.median(_freeze(clone, environment) for _ in range(RUNS))
        steps.update()
        kernel = read_kernel_folder(clone, COMPETITION)
        frozen, manifest = read_frozen(kernel), read_image_manifest(kernel.image)
        wheels = scratch / "wheels"
        wheels.mkdir()
        for path in kernel.build.glob("dist/*/*.whl"):
            shutil.copy(path, wheels)
        recipe = scratch / "recipe"
        recipe_seconds = _pip_download(wheels, recipe, manifest)
        steps.update()
        recipe_bytes = _size(recipe)
        for path in recipe.iterdir():
            if path.name.startswith(BY_HAND):
                path.unlink()
        image = _image(frozen, manifest)
        installs: dict[str, list[float]] = {"recipe": [], "ours": []}
        for _ in range(RUNS):
            installs["recipe"].append(_in_kernel(image, RECIPE, recipe, "recipe", scratch))
            installs["ours"].append(_in_kernel(image, OURS, frozen.rehearsal.folder, "packages", scratch))
            steps.update(2)
        steps.close()
        rows = {
            "bytes, own wheel included": (recipe_bytes, _size(frozen.packages.folder), FEWER_BYTES),
            "seconds, nothing cached": (recipe_seconds, cold, FASTER_COLD),
            "seconds in the kernel": (*(statistics.median(installs[k]) for k in ("recipe", "ours")), FASTER_INSTALL),
        }
    _report(rows, unchanged)


def _report(rows: Mapping[str, tuple[float, ...]], unchanged: float) -> None:
    result: dict[str, Any] = {"unchanged_seconds": {"ours": unchanged, "at_most": UNCHANGED_SECONDS}}
    print(f"{'':28}{'recipe':>16}{'freeze':>16}{'ratio':>10}{'asked':>10}  met")
    for name, (recipe, ours, asked) in rows.items():
        result[name] = {"recipe": recipe, "ours": ours, "ratio": recipe / ours, "at_least": asked}
        print(f"{name:28}{recipe:16,.2f}{ours:16,.2f}{recipe / ours:10,.1f}{asked:10}  {_met(recipe / ours >= asked)}")
    print(
        f"{'seconds, nothing changed':28}{'':16}{unchanged:16,.2f}{'':10}{f'≤ {UNCHANGED_SECONDS:.0f}':>10}"
        f"  {_met(unchanged <= UNCHANGED_SECONDS)}"
    )
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {RESULT.relative_to(REPOSITORY)}")


def _met(fits: bool) -> str:
    return "yes" if fits else "NO"


def _clone(folder: Path) -> Path:
    """This working tree as Git sees it, elsewhere."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


def _freeze(clone: Path, environment: Mapping[str, str]) -> float:
    """Seconds of the command as a person runs it."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "kaggle_offline", "freeze", COMPETITION]
    subprocess.run(command, cwd=clone, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _pip_download(wheels: Path, folder: Path, manifest: ImageManifest) -> float:
    """Seconds of downloading the whole tree for the image, nothing cached; ``wheels`` are the repository's own."""
    version = read_wheel(next(wheels.glob(f"{PACKAGE.replace('-', '_')}-*.whl"))).version
    started = time.perf_counter()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--dest", str(folder)]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", manifest.python]
    command += [option for platform in manifest.platforms for option in ("--platform", platform)]
    subprocess.run(
        [*command, "--find-links", str(wheels), f"{PACKAGE}=={version}"], check=True, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _image(frozen: Frozen, manifest: ImageManifest) -> Image:
    """The image that rehearsals run in: for this machine's Python where the image's is not here."""
    pins: dict[str, str] = {name: str(version) for name, version in manifest.pins.items()}
    spec = ImageSpec(python=frozen.python, pins=pins, distributions=frozen.of_image)
    return build_image(spec, REPOSITORY / ".kaggle-local" / "images")


def _in_kernel(image: Image, script: str, files: Path, name: str, scratch: Path) -> float:
    """Seconds that a script takes in a fresh sandbox with ``files`` among its inputs."""
    limits = RunLimits(seconds=3600, memory_bytes=2**40, output_bytes=2**40, processes=4096)
    program = Program(
        source=script,
        kind="script",
        mounts=[Mount(files, f"{INPUT}/{name}")],
        environment={},
        limits=limits,
        gpu=False,
    )
    log = RunLog()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        executor = Executor(image=image, given_up=lambda: False, cancelled=lambda: False)
        outcome = executor.run(program, Path(folder), log)
    printed = "".join(event["data"] for event in log.since(0)[0])
    if outcome.failed:
        raise RuntimeError(printed)
    return float(printed.split()[-1])


if __name__ == "__main__":
    main()
