"""The competition folder that the local Kaggle hosts: held out of the data, or written by a command."""

import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from kaggle_local.errors import CompetitionError
from kaggle_local.scoring.score import check_solution

from kaggle_offline.artifacts.frozen import Frozen
from kaggle_offline.competition.data_folder import files_of
from kaggle_offline.competition.drawing import draw_data
from kaggle_offline.competition.rehearsal import write_rehearsal
from kaggle_offline.competition.sketch import SKETCH
from kaggle_offline.competition.sources import data_of, metric_file, rehearsal_data
from kaggle_offline.environment import environment_for_others
from kaggle_offline.errors import ConfigurationError, RehearsalError
from kaggle_offline.files import Stamp, digest_of_data, new_folder
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.submission_toml import HoldOut
from kaggle_offline.uv import run_uv

_LAST_LINES = 12


def competition_inputs(kernel: KernelFolder, frozen: Frozen) -> str:
    """Return the digest of the competition folder's inputs."""
    rehearsal = kernel.settings.rehearsal
    if isinstance(rehearsal, str):
        return digest_of_data([rehearsal, frozen.rehearsal.digest])
    metric, data = metric_file(kernel, rehearsal), data_of(kernel, rehearsal)
    own = sha256(metric.read_bytes()).hexdigest() if metric else ""
    there: object = files_of(data) if data else sha256((kernel.folder / SKETCH).read_bytes()).hexdigest()
    return digest_of_data([repr(rehearsal), own, kernel.settings.samples, there])


def make_competition(kernel: KernelFolder, frozen: Frozen, python: Path, inputs: str) -> Path:
    """Write the competition folder, unless it is there and its inputs are the same; return it.

    Args:
        kernel: whose.
        frozen: the packages, for a command.
        python: the image's, for a command.
        inputs: the digest of `competition_inputs`.

    Raises:
        RehearsalError: the command fails.
        ConfigurationError: the data and the settings do not fit, or there are neither data nor a sketch.
        LocalKaggleError: what is written is not a competition, or does not suit its metric.
    """
    folder = kernel.build / "competition"
    stamp = Stamp(kernel.build / ".competition.json", inputs)
    is_whole = all((folder / name).is_file() for name in ("competition.toml", "solution.csv"))
    if is_whole and stamp.note():
        return folder
    rehearsal = kernel.settings.rehearsal
    with new_folder(folder) as draft:
        if isinstance(rehearsal, str):
            _run_command(kernel, rehearsal, frozen, python, draft)
        else:
            _hold_out(kernel, rehearsal, draft)
        _check(draft, kernel)
    stamp.write("written")
    return folder


def _check(folder: Path, kernel: KernelFolder) -> None:
    """Check a new competition folder.

    Raises:
        ConfigurationError: the metric that the settings name does not suit the data.
        CompetitionError: the command has written no competition.
    """
    try:
        check_solution(folder)
    except CompetitionError as error:
        rehearsal = kernel.settings.rehearsal
        if isinstance(rehearsal, str):
            raise
        # The folder is a draft, and none of the user's.
        problem = error.problem.replace(f"{folder}/", "")
        where = f"{kernel.folder / 'submission.toml'}: rehearsal.metric {rehearsal.metric!r}"
        raise ConfigurationError(f"{where}: {problem}", error.cure.replace(f"{folder}/", "")) from error


def _hold_out(kernel: KernelFolder, rehearsal: HoldOut, draft: Path) -> None:
    data = data_of(kernel, rehearsal)
    metric = metric_file(kernel, rehearsal)
    if data is None:
        sketch = kernel.folder / SKETCH
        print(f"  drawing data like the competition's from {sketch.name}: {kernel.data} is not there", flush=True)
        data = kernel.build / "drawn"
        with new_folder(data) as drawn:
            draw_data(sketch, rehearsal, drawn)
    else:
        print(f"  holding out a part of {data}", flush=True)
    held = rehearsal_data(kernel, rehearsal, data)
    for notice in write_rehearsal(held, kernel.on_kaggle, f"{kernel.on_kaggle} (rehearsal)", metric, draft):
        print(f"  {notice}", flush=True)


def _run_command(kernel: KernelFolder, command: str, frozen: Frozen, python: Path, draft: Path) -> None:
    """Run the command of ``[rehearsal]``.

    It runs with the image's and the shipped distributions, as the kernel does, but on the host.

    Raises:
        RehearsalError: it fails.
    """
    print(f"  making the competition: {command}", flush=True)
    program, *arguments = shlex.split(command)
    if program == "python":
        program = str(python)
    site = kernel.build / "rehearsal" / "site"
    wheels = [str(p) for p in sorted(frozen.rehearsal.folder.glob("*.whl"))]
    install = ["pip", "install", "--offline", "--no-deps", "--no-config", "--python", str(python)]
    with new_folder(site) as packages:
        result = run_uv(*install, "--target", str(packages), *wheels)
    if result.returncode == 0:
        result = _run([program, *arguments, str(draft)], kernel.repository, site)
    if result.returncode != 0:
        end = "\n".join((result.stderr or "").strip().splitlines()[-_LAST_LINES:])
        raise RehearsalError(
            f"submission.toml: rehearsal.competition: {command!r} ended with {result.returncode}\n{end}",
            "Correct the command; it is given the folder to write as its last argument.",
        )


def _run(command: list[str], cwd: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Run a command, its messages on the terminal where a person watches, else in the result."""
    environment = {**environment_for_others(), "PYTHONPATH": str(site)}
    stderr = None if sys.stderr.isatty() else subprocess.PIPE
    try:
        return subprocess.run(command, cwd=cwd, env=environment, stderr=stderr, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, stderr=str(error))
