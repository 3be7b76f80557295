"""The cost of a local Kaggle: to start, list, move files, run a kernel, ask it, each against doing without it."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import requests
from kaggle_local.interpreters import OWN_VERSION
from kaggle_local.runs.calls import read_calls
from kaggle_local.runs.execution import Executor
from kaggle_local.runs.image import Image, ImageSpec, build_image
from kaggle_local.runs.isolation import Program
from kaggle_local.runs.limits import RunLimits
from kaggle_local.runs.log import RunLog
from kaggle_local.runs.sandbox import Mount
from kaggle_local.runs.served import gateway_program, run_served
from kaggle_local.scoring.competition import load_competition
from kaggle_local.storage import Storage
from kaggle_local.storage.database import now
from kaggle_offline.competition.served import add_stand_in
from kaggle_offline.repository.submission_toml import HoldOut

REPOSITORY = Path(__file__).resolve().parents[1]
# A test runs it with small sizes, to see that it works; its figures mean nothing then.
QUICK = "--quick" in sys.argv
RESULT = REPOSITORY / "build" / "bench" / ("quick" if QUICK else ".") / "local.json"
RUNS = 1 if QUICK else 7

CALLS = 20 if QUICK else 1000
DATASETS, VERSIONS = (30, 2) if QUICK else (1000, 10)
PAGE = 200
FILE_BYTES = 2**24 if QUICK else 2**30

# The goals, in seconds.
START_SECONDS, LIST_SECONDS, OVERHEAD_SECONDS = 1.0, 1.0, 0.5
SANDBOX_SECONDS, CALL_SECONDS = 0.5, 0.005


def main() -> None:
    """Measure, print the table, write it as JSON."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        image = build_image(ImageSpec(python=OWN_VERSION, pins={}, distributions=()), scratch / "images")
        python = _median(lambda: _python_alone(image))
        result = {
            "python alone, s": python,
            "start to first answer, s": _median(lambda: _start(scratch / "empty")),
            "script kernel, s": _median(lambda: _empty_kernel(image, scratch)),
            "served rerun without a call, s": _median(lambda: _empty_rerun(image, scratch)),
            **_calls_of_gateway(scratch),
            f"list {DATASETS} datasets of {VERSIONS} versions, s": _list(scratch / "many"),
            **_transfer(scratch),
        }
    overhead = result["script kernel, s"] - python
    second = result["served rerun without a call, s"] - result["script kernel, s"]
    print(f"{'':44}  measured     asked")
    print(f"{'start to first answer':44} {result['start to first answer, s']:7.2f} s  < {START_SECONDS} s")
    print(f"{'python alone':44} {python:7.3f} s")
    print(f"{'an empty script kernel, beyond python alone':44} {overhead:7.3f} s  < {OVERHEAD_SECONDS} s")
    print(f"{'a second sandbox, for a gateway':44} {second:7.3f} s  < {SANDBOX_SECONDS} s")
    call = result["call of a gateway, s"] - result["call in one process, s"]
    print(f"{'a call in one process, by run_local_gateway':44} {result['call in one process, s']:7.4f} s")
    print(f"{'a call from sandbox to sandbox, beyond that':44} {call:7.4f} s  < {CALL_SECONDS} s")
    listing = f"list {DATASETS} datasets of {VERSIONS} versions"
    print(f"{listing:44} {result[f'{listing}, s']:7.2f} s  < {LIST_SECONDS} s")
    print(f"{f'copy {FILE_BYTES / 2**30:.0f} GiB with cp':44} {result['copy, s']:7.2f} s")
    for way in ("upload", "download"):
        print(f"{way:44} {result[f'{way}, s']:7.2f} s  {result[f'{way}, s'] / result['copy, s']:.1f} times cp")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({**result, "overhead, s": overhead, "second sandbox, s": second}, indent=1) + "\n")


def _median(measure: Callable[[], float]) -> float:
    """The median of some measurements."""
    return statistics.median(measure() for _ in range(RUNS))


def _python_alone(image: Image) -> float:
    started = time.perf_counter()
    subprocess.run([image.python, "-c", ""], check=True)
    return time.perf_counter() - started


@contextmanager
def _server(storage: Path) -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-m", "kaggle_local", "serve", "--port", "0", "--storage", str(storage)]
    # The first start compiles what it imports, where it may keep that; so it does for whoever starts it twice.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r"HTTP_PROXY=(\S+)", "".join(process.stdout.readline() for _ in range(4)))
        assert found is not None
        try:
            yield found.group(1)
        finally:
            process.terminate()


def _call(url: str, method: str, **body: object) -> dict[str, object]:
    headers = {"Authorization": "Bearer local-kaggler"}
    answer = requests.post(f"{url}/api/v1/{method}", json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return dict(answer.json())


def _start(storage: Path) -> float:
    """Seconds from the command to the first answer."""
    started = time.perf_counter()
    with _server(storage) as url:
        _call(url, "datasets.DatasetApiService/ListDatasets")
        return time.perf_counter() - started


def _empty_kernel(image: Image, scratch: Path) -> float:
    """Seconds of a run, from its source to its log."""
    started = time.perf_counter()
    executor = Executor(image=image, given_up=lambda: False, cancelled=lambda: False)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        outcome = executor.run(_program(""), Path(folder), RunLog())
    assert not outcome.failed
    return time.perf_counter() - started


def _program(source: str, *mounts: Mount) -> Program:
    limits = RunLimits(seconds=60, memory_bytes=2**32, output_bytes=2**30, processes=100)
    return Program(source=source, kind="script", mounts=mounts, environment={}, limits=limits, gpu=False)


def _rerun(image: Image, kernel: Program, gateway: Program, folder: Path) -> None:
    served = run_served(image, kernel, gateway, folder, given_up=lambda: False, cancelled=lambda: False)
    assert not served.gateway.failed
    assert not served.kernel_ended


def _empty_rerun(image: Image, scratch: Path) -> float:
    """Seconds of a rerun in two sandboxes, whose gateway asks nothing."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        _rerun(image, _program("import time; time.sleep(60)"), _program(""), Path(folder))
    return time.perf_counter() - started


# Answers with what it was sent: in the rerun, or in one process, where it times itself.
_SERVER = """
import os, statistics, sys, time
from pathlib import Path
sys.path.append("/kaggle/input/competitions/served")
from kaggle_evaluation.core.relay import Client
from kaggle_evaluation.served_inference_server import ServedInferenceServer
def predict(batch):
    return batch[["row_id", "x"]]
server = ServedInferenceServer(predict)
if os.getenv("KAGGLE_IS_COMPETITION_RERUN"):
    server.serve()
seconds, send = [], Client.send
def timed(self, name, batch):
    began = time.time()
    answer = send(self, name, batch)
    seconds.append(time.time() - began)
    return answer
Client.send = timed
server.run_local_gateway()
Path("seconds").write_text(str(statistics.median(seconds[1:])))
"""


def _calls_of_gateway(scratch: Path) -> dict[str, float]:
    """Seconds of a call of the stand-in's gateway with one row, the median: in two sandboxes, and in one process."""
    folder = scratch / "served"
    gateway = "kaggle_evaluation/served_gateway.py"
    for side in ("public", "hidden"):
        add_stand_in(
            folder / side, HoldOut(train="", target=("x",), metric="mae", gateway=gateway), "t.csv", "row_id", "x"
        )
        rows = [f"{number},{number}" for number in range(CALLS)]
        (folder / side / "t.csv").write_text("\n".join(["row_id,x", *rows, ""]))
    (folder / "competition.toml").write_text(
        f'slug = "served"\ntitle = "Served"\nmetric = "mae"\nid = "row_id"\ntarget = "x"\ngateway = "{gateway}"\n'
    )
    (folder / "solution.csv").touch()
    competition = load_competition(folder)
    spec = ImageSpec(python=OWN_VERSION, pins={}, distributions=("grpcio", "pandas", "pyarrow"))
    image = build_image(spec, scratch / "images")
    program = _program(_SERVER, Mount(competition.public, "/kaggle/input/competitions/served"))
    alone, rerun = scratch / "alone", scratch / "rerun"
    alone.mkdir()
    executor = Executor(image=image, given_up=lambda: False, cancelled=lambda: False)
    assert not executor.run(program, alone, RunLog()).failed
    rerun.mkdir()
    kernel = replace(program, environment={"KAGGLE_IS_COMPETITION_RERUN": "1"})
    _rerun(image, kernel, gateway_program(kernel, competition), rerun)
    calls = read_calls(rerun)
    assert calls is not None
    assert calls.number == CALLS
    in_one = float((alone / "output" / "seconds").read_text())
    return {"call of a gateway, s": calls.median, "call in one process, s": in_one}


def _list(root: Path) -> float:
    """Seconds of listing everything, page by page."""
    storage = Storage(root)
    details = json.dumps({"subtitle": "", "description": "", "license": "unknown", "keywords": []})
    with storage._database.transaction() as db:  # noqa: SLF001 - ten thousand uploads would measure something else
        for number in range(DATASETS):
            cursor = db.execute(
                "INSERT INTO resources (kind, owner, ref, title, private, details)"
                " VALUES ('dataset', 'kaggler', ?, 'Some data', 1, ?)",
                (f"kaggler/data-{number}", details),
            )
            rows = [(cursor.lastrowid, version, now()) for version in range(1, VERSIONS + 1)]
            db.executemany(
                "INSERT INTO versions (resource, number, notes, content, status, created)"
                " VALUES (?, ?, '', '[]', 'ready', ?)",
                rows,
            )
    storage.close()
    with _server(root) as url:
        started = time.perf_counter()
        token, found = "", 0
        while True:
            page = _call(
                url,
                "datasets.DatasetApiService/ListDatasets",
                group="DATASET_SELECTION_GROUP_MY",
                pageSize=PAGE,
                pageToken=token,
            )
            datasets = page["datasets"]
            assert isinstance(datasets, list)
            found += len(datasets)
            token = str(page.get("nextPageToken", ""))
            if not token:
                break
        assert found == DATASETS
        return time.perf_counter() - started


def _transfer(scratch: Path) -> dict[str, float]:
    """Seconds of a large file up and down, and of copying it."""
    file = scratch / "large.bin"
    with file.open("wb") as sink:
        for _ in range(FILE_BYTES // 2**20):
            sink.write(os.urandom(2**20))
    started = time.perf_counter()
    shutil.copyfile(file, scratch / "copy.bin")
    copy = time.perf_counter() - started
    with _server(scratch / "files") as url:
        started = time.perf_counter()
        upload = _call(url, "blobs.BlobApiService/StartBlobUpload", name="large.bin", contentLength=FILE_BYTES)
        with file.open("rb") as source:
            requests.put(str(upload["createUrl"]), data=source, timeout=600).raise_for_status()
        up = time.perf_counter() - started
        ref = {"ownerSlug": "kaggler", "datasetSlug": "large-data"}
        service = "datasets.DatasetApiService"
        _call(
            url,
            f"{service}/CreateDataset",
            ownerSlug="kaggler",
            slug="large-data",
            title="Large data",
            files=[{"token": upload["token"]}],
        )
        while _call(url, f"{service}/GetDatasetStatus", **ref)["status"] != "READY":
            time.sleep(0.1)
        started = time.perf_counter()
        method = f"{url}/api/v1/{service}/DownloadDataset"
        headers = {"Authorization": "Bearer local-kaggler"}
        with (
            requests.post(
                method, json={**ref, "fileName": "large.bin"}, headers=headers, stream=True, timeout=60
            ) as answer,
            (scratch / "back.bin").open("wb") as sink,
        ):
            for chunk in answer.iter_content(2**20):
                sink.write(chunk)
        down = time.perf_counter() - started
    assert (scratch / "back.bin").stat().st_size == FILE_BYTES
    return {"copy, s": copy, "upload, s": up, "download, s": down}


if __name__ == "__main__":
    main()
