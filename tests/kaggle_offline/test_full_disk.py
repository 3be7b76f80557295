"""A disk that is full: said with its path and the space that is needed, and nothing is lost."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from kaggle_local.errors import NO_SPACE_LEFT
from kaggle_local.runs.sandbox import find_bwrap
from kaggle_offline.delivery.kernel_run import run_error
from kaggle_offline.delivery.run_log import read_log
from kaggle_offline.errors import NoSpaceError, SystemProblemError
from kaggle_offline.kaggle.kernels import RunState
from kaggle_offline.kaggle.transfers import save

# Uploads to a local Kaggle in the current folder.
UPLOAD = """
from pathlib import Path
from kaggle_offline.errors import OfflineError
from kaggle_offline.delivery.target import open_target
with open_target("local", Path.cwd()) as target:
    try:
        target.client.datasets.upload(Path.cwd(), ["weights.bin"])
    except OfflineError as error:
        print(error.exit_code, error.problem)
"""


def test_an_upload_to_a_full_storage_names_the_disk_and_what_is_needed(tmp_path: Path) -> None:
    storage = tmp_path / ".kaggle-local"
    storage.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(4_000_000))
    # A disk of one megabyte.
    small = [find_bwrap(), "--dev-bind", "/", "/", "--size", "1000000", "--tmpfs", str(storage), "--"]
    done = subprocess.run(
        [*small, sys.executable, "-c", UPLOAD], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    code, _, problem = done.stdout.strip().splitlines()[-1].partition(" ")
    assert int(code) == SystemProblemError.exit_code, done.stdout + done.stderr
    assert f"{NO_SPACE_LEFT} {storage}, where " in problem
    assert "weights.bin needs 4" in problem or "weights.bin needs 3" in problem
    assert problem.endswith("MB more")


def test_a_run_that_lacked_space_is_not_the_kernels_fault() -> None:
    run = RunState(status="error", said="", failure=f"{NO_SPACE_LEFT} /storage, where 0.1 MB are free")
    error = run_error("kaggler/small version 1", run, read_log(json.dumps([])))
    assert isinstance(error, NoSpaceError)
    assert error.exit_code == SystemProblemError.exit_code


def test_a_download_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    answer = requests.Response()
    answer.status_code = 200
    answer.headers["Content-Length"] = str(10**18)
    with pytest.raises(OSError, match=r"1,000,000,000,000\.0 MB are needed") as caught:
        save(answer, tmp_path / "output" / "file", lambda: None)
    assert caught.value.errno == errno.ENOSPC
    assert not (tmp_path / "output" / "file").exists()
