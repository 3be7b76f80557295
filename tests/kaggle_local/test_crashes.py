"""The server is killed; what is visible after a restart is whole, and the client goes on."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from kaggle_local.local_kaggle import USERNAME
from kaggle_local.storage import Storage

from tests.killing import DIE_AT_CALL, KILL_AT

KILLS = 30
# The work takes about as many calls.
CALLS = 36
BY_DAY = (16,)
SERVE = "from kaggle_local.__main__ import main; main()"
# Seconds that a server lives, at most; an upload, two versions, a run and a submission take about one.
LONGEST = 1.5

CONTENT = bytes(range(256)) * 20_000
SCRIPT = """
import os
images = os.listdir('/kaggle/input/competitions/leaves/test_images')
with open('submission.csv', 'w') as file:
    print('image,labels', *(f'{name},scab' for name in images), sep='\\n', file=file)
print('through')
"""


@pytest.fixture
def command(storage: Path, competition: Path) -> list[str]:
    with (competition / "competition.toml").open("a") as file:
        file.write("[limits]\nsubmissions_per_day = 100\n")
    return [
        *(sys.executable, "-c", DIE_AT_CALL + SERVE, "serve", "--port", "0", "--storage", str(storage)),
        *("--competition", str(competition), "--set", "unpacked_files=100"),
    ]


@contextlib.contextmanager
def server(
    command: list[str], variables: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own process, and its address."""
    environment = {**os.environ, **(variables or {})}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        try:
            yield process, lines[2].split("=")[1].split()[0]
        finally:
            process.kill()


class Client:
    """Does what a client does, from the beginning, each step once more until it has its effect."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer local-{USERNAME}"}
        answer = requests.post(f"{self.url}/api/v1/{method}", json=body, headers=headers, timeout=30)
        return {"http": answer.status_code, **answer.json()}

    def upload(self, name: str, content: bytes) -> str:
        """Upload in three pieces."""
        started = self.call("blobs.BlobApiService/StartBlobUpload", name=name, contentLength=len(content))
        url = f"{self.url}/uploads/{started['token']}"
        step = len(content) // 3 + 1
        for start in range(0, len(content), step):
            piece = content[start : start + step]
            headers = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(content)}"}
            requests.put(url, data=piece, headers=headers, timeout=30)
        return str(started["token"])

    def publish(self, name: str) -> None:
        """A version with a file of that name, unless the latest has it."""
        ref = {"ownerSlug": USERNAME, "datasetSlug": "my-data"}
        service = "datasets.DatasetApiService"
        status = self.call(f"{service}/GetDatasetStatus", **ref)
        listed = self.call(f"{service}/ListDatasetFiles", **ref).get("datasetFiles", [])
        if [file["name"] for file in listed] == [name]:
            return
        if status["http"] == 404:
            files = [{"token": self.upload(name, CONTENT)}]
            self.call(f"{service}/CreateDataset", ownerSlug=USERNAME, slug="my-data", title="My data", files=files)
        elif status["status"] == "READY":
            files = [{"token": self.upload(name, CONTENT)}]
            self.call(f"{service}/CreateDatasetVersion", **ref, body={"versionNotes": name, "files": files})
        while self.call(f"{service}/GetDatasetStatus", **ref)["status"] != "READY":
            time.sleep(0.02)

    def run(self) -> int:
        """A kernel version that has run through; the latest, where it has."""
        service, ref = "kernels.KernelsApiService", {"userName": USERNAME, "kernelSlug": "my-kernel"}
        if self.call(f"{service}/GetKernel", **ref)["http"] != 200:
            self.call(
                f"{service}/SaveKernel",
                slug=f"{USERNAME}/my-kernel",
                newTitle="My kernel",
                text=SCRIPT,
                language="python",
                kernelType="script",
                datasetDataSources=[f"{USERNAME}/my-data"],
                competitionDataSources=["leaves"],
            )
        while (status := self.call(f"{service}/GetKernelSessionStatus", **ref).get("status", "QUEUED")) in (
            "QUEUED",
            "RUNNING",
        ):
            time.sleep(0.02)
        assert status == "COMPLETE"
        return int(self.call(f"{service}/GetKernel", **ref)["metadata"]["currentVersionNumber"])

    def submit(self, version: int, description: str) -> None:
        """A scored submission of the kernel version, under that description."""
        service = "competitions.CompetitionApiService"
        if description not in [s.get("description") for s in self.submissions()]:
            self.call(
                f"{service}/CreateCodeSubmission",
                competitionName="leaves",
                kernelOwner=USERNAME,
                kernelSlug="my-kernel",
                kernelVersion=version,
                fileName="submission.csv",
                submissionDescription=description,
            )
        while self.submissions()[0].get("status", "PENDING") == "PENDING":
            time.sleep(0.02)

    def delete_kernel(self) -> None:
        """Delete the kernel with all its versions."""
        self.call("kernels.KernelsApiService/DeleteKernel", userName=USERNAME, kernelSlug="my-kernel")

    def submissions(self) -> list[dict[str, Any]]:
        method = "competitions.CompetitionApiService/ListSubmissions"
        listed = self.call(method, competitionName="leaves", pageSize=200)
        return list(listed.get("submissions", []))

    def work(self, round_number: int) -> None:
        """All of it; a version with another name in each round."""
        self.publish(f"file-{round_number}.bin")
        self.submit(self.run(), str(round_number))


def check(storage: Path) -> None:
    """See that what is visible is whole, before any server works on it again."""
    opened = Storage(storage)
    try:
        for resource, _ in opened.resources.all("dataset"):
            for version in opened.resources.versions("dataset", resource.ref):
                if version.status == "ready":
                    assert [size for _, size in version.files()] == [len(CONTENT)]
                    assert (version.folder / version.files()[0][0]).read_bytes() == CONTENT
                else:
                    assert version.files() == []
                    assert version.status == "processing"
        for kernel in opened.kernels.all():
            if kernel.status == "complete":
                assert "through" in kernel.log()
                assert [name for name, _ in kernel.output()] == ["submission.csv"]
        for submission in opened.submissions.of_user("leaves", USERNAME):
            assert submission.status in ("pending", "complete"), submission.reason
        for blob in (storage / "blobs").glob("*/*"):
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    finally:
        opened.close()


def go_on(command: list[str]) -> int:
    """Do the whole work once more; see that all that was handed in is scored, and once; return how many that is."""
    with server(command) as (_, url):
        client = Client(url)
        client.work(KILLS + 1)
        submissions = client.submissions()
    assert {s["publicScore"] for s in submissions} == {"0.55556"}, "what was pending has been scored"
    names = [s["description"] for s in submissions]
    assert len(set(names)) == len(names), "nothing was submitted twice"
    return len(names)


@pytest.mark.parametrize(
    "call", [pytest.param(n, marks=[] if n in BY_DAY else pytest.mark.nightly) for n in range(1, CALLS + 1)]
)
def test_killed_at_a_call_it_loses_nothing(call: int, command: list[str], storage: Path) -> None:
    with server(command, {KILL_AT: str(call)}) as (process, url):
        with contextlib.suppress(requests.RequestException):
            Client(url).work(1)
            Client(url).delete_kernel()
            Client(url).work(1)
        if call in BY_DAY:
            assert process.wait(timeout=60) == -signal.SIGKILL, "the work makes more calls than that"
        process.kill()
        process.wait()
    check(storage)
    go_on(command)


@pytest.mark.nightly
def test_thirty_kills_at_random_lose_nothing(command: list[str], storage: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    with server(command) as (_, url):
        Client(url).work(0)  # the image is built once
    for number in range(1, KILLS + 1):
        with server(command) as (process, url):
            killer = threading.Timer(chance.uniform(0, LONGEST), lambda p=process: p.send_signal(signal.SIGKILL))
            killer.start()
            with contextlib.suppress(requests.RequestException):
                Client(url).work(number)
                Client(url).delete_kernel()
                Client(url).work(number)
            killer.join()
            process.wait()
        check(storage)
    assert go_on(command) > 5
