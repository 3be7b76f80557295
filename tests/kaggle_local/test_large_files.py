"""A file of many gigabytes goes up and down, and the server's memory does not notice."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

# More than a signed number of 32 bits counts.
SIZE = 3 * 2**30
MOST_MEMORY = 200 * 10**6
# The disk that is needed at the worst moment: the upload, which then becomes the blob.
DISK = 2 * SIZE


def write_large(path: Path) -> str:
    """A file with holes, which takes no disk here, and something between them; return its SHA-256."""
    with path.open("wb") as file:
        file.truncate(SIZE)
        for number in range(0, SIZE, 2**28):
            file.seek(number)
            file.write(number.to_bytes(8, "little") * 1000)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.nightly
def test_three_gigabytes_up_and_down(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < DISK:
        pytest.fail(f"{DISK / 2**30:.0f} GiB of free disk are needed for this test")
    folder = tmp_path / "data"
    folder.mkdir()
    digest = write_large(folder / "large.bin")
    metadata = {"id": "kaggler/large-data", "title": "Large data", "licenses": [{"name": "unknown"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    command = [sys.executable, "-m", "kaggle_local", "serve", "--port", "0", "--storage", str(tmp_path / "storage")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        exports = dict(re.findall(r"(\w+)=(\S*)", "".join(server.stdout.readline() for _ in range(4))))
        try:
            client = [str(Path(sys.executable).with_name("kaggle")), "datasets"]
            create = [*client, "create", "-p", str(folder), "--quiet"]
            subprocess.run(create, env={"HOME": str(tmp_path), **exports}, check=True, capture_output=True)
            status = [*client, "status", "kaggler/large-data"]
            while True:
                said = subprocess.run(
                    status, env={"HOME": str(tmp_path), **exports}, check=True, capture_output=True, text=True
                )
                if said.stdout.strip() == "ready":
                    break
            url = f"{exports['HTTP_PROXY']}/api/v1/datasets.DatasetApiService/DownloadDataset"
            body = {"ownerSlug": "kaggler", "datasetSlug": "large-data", "fileName": "large.bin"}
            headers = {"Authorization": f"Bearer {exports['KAGGLE_API_TOKEN']}"}
            received = hashlib.sha256()
            with requests.post(url, json=body, headers=headers, stream=True, timeout=60) as answer:
                for chunk in answer.iter_content(2**20):
                    received.update(chunk)
            assert received.hexdigest() == digest
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
            assert peak is not None
            assert int(peak.group(1)) * 1024 < MOST_MEMORY
            print(f"the server's peak memory: {int(peak.group(1)) / 1024:.0f} MiB")
        finally:
            server.terminate()
    blobs = list((tmp_path / "storage" / "blobs").glob("*/*"))
    assert [path.stat().st_size for path in blobs] == [SIZE]
    assert sum(p.stat().st_blocks * 512 for p in (tmp_path / "storage").rglob("*")) < 4 * SIZE
