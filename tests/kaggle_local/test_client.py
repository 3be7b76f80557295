"""The official command line, as a subprocess, against the local Kaggle: the effect is checked, not the exit code."""

import json
import zipfile
from pathlib import Path

import requests
from kaggle_local.server import USERNAME, LocalKaggle

from tests.kaggle_local.conftest import Kaggle
from tests.kaggle_local.kernels import finished, scored, write_kernel

PREDICT = """
import csv, os
from pathlib import Path
images = sorted(p.name for p in Path('/kaggle/input/competitions/leaves/test_images').iterdir())
with open('/kaggle/working/submission.csv', 'w') as file:
    csv.writer(file).writerows([('image', 'labels'), *((name, 'scab') for name in images)])
print('predicted', images, 'rerun', os.environ.get('KAGGLE_IS_COMPETITION_RERUN'))
"""


def write_dataset(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    metadata = {"id": f"{USERNAME}/my-data", "title": "My data", "licenses": [{"name": "unknown"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def wait_until_ready(local: LocalKaggle, kaggle: Kaggle, number: int) -> None:
    while local.storage.dataset_versions(USERNAME, "my-data")[number - 1].status == "processing":
        pass
    assert kaggle("datasets", "status", f"{USERNAME}/my-data").stdout.strip() == "ready"


def test_a_dataset_is_created_versioned_and_listed(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data", one="1", two="22")
    kaggle("datasets", "create", "-p", str(folder))
    wait_until_ready(local, kaggle, 1)
    (folder / "one.txt").unlink()
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("inner/three.txt", "333")
    kaggle("datasets", "version", "-p", str(folder), "-m", "second")
    wait_until_ready(local, kaggle, 2)

    listing = kaggle("datasets", "files", f"{USERNAME}/my-data", "--csv").stdout
    assert "two.txt,2," in listing
    assert "more/inner/three.txt,3," in listing, "archives are unpacked"
    assert "one.txt" not in listing, "a version is a snapshot"
    assert [v.notes for v in local.storage.dataset_versions(USERNAME, "my-data")][-1] == "second"


def test_a_kernel_is_pushed_run_and_submitted(
    local: LocalKaggle, kaggle: Kaggle, competition: Path, tmp_path: Path
) -> None:
    local.host(competition)
    folder = write_kernel(tmp_path / "kernel", PREDICT, competition_sources=["leaves"])
    assert "version 1 successfully pushed" in kaggle("kernels", "push", "-p", str(folder)).stdout
    assert finished(local).status == "complete"
    name = f"{USERNAME}/my-kernel"
    assert "COMPLETE" in kaggle("kernels", "status", name).stdout
    kaggle("kernels", "output", name, "-p", str(tmp_path / "output"))
    assert (tmp_path / "output" / "submission.csv").read_text().split() == ["image,labels", "a,scab", "b,scab"]
    assert "predicted ['a', 'b'] rerun None" in (tmp_path / "output" / "my-kernel.log").read_text()

    kaggle("competitions", "submit", "leaves", "-k", name, "-v", "1", "-f", "submission.csv", "-m", "first")
    submission = scored(local, 1)
    # One row is right, one has one of two labels, one is wrong: (1 + 2/3 + 0) / 3.
    assert submission.score is not None
    assert abs(submission.score - 5 / 9) < 1e-9
    assert "rerun 1" in (submission.folder / "log.json").read_text()
    listing = kaggle("competitions", "submissions", "leaves", "--csv").stdout
    assert "submission.csv" in listing
    assert "0.55556" in listing


def test_a_failed_kernel_says_so(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    folder = write_kernel(tmp_path / "kernel", "print('so far')", "import nowhere_to_be_found")
    kaggle("kernels", "push", "-p", str(folder))
    assert finished(local).status == "error"
    assert "ERROR" in kaggle("kernels", "status", f"{USERNAME}/my-kernel").stdout
    kaggle("kernels", "output", f"{USERNAME}/my-kernel", "-p", str(tmp_path / "output"))
    log = (tmp_path / "output" / "my-kernel.log").read_text()
    assert "so far" in log
    assert "No module named 'nowhere_to_be_found'" in log


def test_a_method_that_is_not_there_is_named(local: LocalKaggle) -> None:
    answer = requests.post(
        f"{local.url}/api/v1/datasets.DatasetApiService/NoSuchMethod",
        json={},
        headers={"Authorization": f"Bearer {local.token}"},
        timeout=10,
    )
    assert answer.status_code == 501
    assert "datasets.DatasetApiService/NoSuchMethod" in answer.json()["message"]
    assert requests.post(f"{local.url}/api/v1/x.Y/Z", data="{", timeout=10).status_code == 501
