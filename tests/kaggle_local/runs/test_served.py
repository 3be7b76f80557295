"""A served competition's rerun: the gateway asks, the kernel answers, and neither sees more than on Kaggle."""

import json
import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import CompetitionError
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.runs.image import ImageSpec
from kaggle_local.scoring.competition import load_competition
from kaggle_local.server import serve
from kaggle_local.storage import KernelSource, Submission

from tests.kaggle_local.kernels import run, run_script, scored

# They share an image that takes a while to build.
pytestmark = pytest.mark.xdist_group("served")

FILES = Path(__file__).parents[2] / "served_data"
SETTINGS = {"start_seconds": 60, "call_seconds": 60, "fails": False, "shares": False, "shuffles": False}
FOLDER = "/kaggle/input/competitions/drawn-series"

KERNEL = """
import os, sys
sys.path.append({folder!r})
import pandas as pd
from kaggle_evaluation.drawn_inference_server import DrawnInferenceServer

def predict(batch):
    {body}

server = DrawnInferenceServer({name})
if os.getenv("KAGGLE_IS_COMPETITION_RERUN"):
    {start}
else:
    server.run_local_gateway(({folder!r},))
"""
DOUBLE = "return batch[['row_id']].assign(y=2 * batch['x'])"


def kernel(body: str = DOUBLE, folder: str = FOLDER, start: str = "server.serve()", name: str = "predict") -> str:
    return KERNEL.format(body=body, folder=folder, start=start, name=name)


def write_competition(folder: Path, **settings: object) -> Path:
    """A time series of two public steps and four hidden ones, whose answer is twice x."""
    rows = {"public": range(4), "hidden": range(10, 22)}
    for side, numbers in rows.items():
        shutil.copytree(FILES, folder / side, ignore=shutil.ignore_patterns("__pycache__"))
        lines = [f"{number},{number // 3},{number * 10}" for number in numbers]
        (folder / side / "test.csv").write_text("\n".join(["row_id,step,x", *lines, ""]))
        (folder / side / "gateway.json").write_text(json.dumps({**SETTINGS, **settings}))
        (folder / side / "notes.txt").write_text(f"{side} notes")
    answers = [f"{number},{number * 20}" for number in rows["hidden"]]
    (folder / "solution.csv").write_text("\n".join(["row_id,y", *answers, ""]))
    (folder / "competition.toml").write_text(
        'slug = "drawn-series"\ntitle = "Drawn series"\nmetric = "mae"\nid = "row_id"\ntarget = "y"\n'
        'gateway = "kaggle_evaluation/drawn_gateway.py"\n'
    )
    return folder


@pytest.fixture
def spec() -> ImageSpec:
    """Not with gRPC: it comes because the competition's files import it."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return ImageSpec(python=python, pins={"grpcio": "1.84.0"}, distributions=("pandas", "pyarrow"))


@pytest.fixture
def served(local: LocalKaggle, spec: ImageSpec) -> LocalKaggle:
    local.set_image(spec)
    return local


def submit(local: LocalKaggle, number: int = 1) -> Submission:
    source = KernelSource(owner=USERNAME, slug="my-kernel", number=number)
    ref = local.storage.submissions.add("drawn-series", source, "submission.parquet", "", USERNAME)
    local.worker.score(ref)
    return scored(local, ref)


def log_of(submission: Submission, name: str = "log.json") -> str:
    return "".join(event["data"] for event in json.loads((submission.folder / name).read_text()))


def rerun(local: LocalKaggle, source: str, folder: Path, **settings: object) -> Submission:
    """Run a script on the public data, and submit it."""
    local.host(write_competition(folder, **settings))
    version = run_script(local, source, competitions=["drawn-series"])
    assert version.status == "complete", version.log()
    assert "submission.parquet" in [name for name, _ in version.output()]
    return submit(local)


LOOK = """
    print('seen', len(pd.read_csv({folder!r} + '/test.csv')), os.path.exists('/kaggle/shared'))
    try: open('/kaggle/shared/mine', 'w')
    except OSError as error: print('shared', error.strerror)
    import glob, socket
    print('processes', len(glob.glob('/proc/[0-9]*')), 'networks', [name for _, name in socket.if_nameindex()])
    """


def test_the_gateway_asks_and_its_submission_is_scored(served: LocalKaggle, tmp_path: Path) -> None:
    submission = rerun(served, kernel(LOOK.format(folder=FOLDER) + DOUBLE), tmp_path / "drawn")
    assert (submission.status, submission.score) == ("complete", 0), (submission.reason, log_of(submission))
    said = log_of(submission)
    # The public data, a folder that is not the kernel's, no process but its own, nothing but a loopback.
    assert "seen 4 True" in said
    assert "shared Read-only file system" in said
    assert "processes 2 networks ['lo']" in said
    assert sorted(path.name for path in submission.folder.iterdir()) == ["gateway-log.json", "log.json"]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("source", "settings", "name", "details"),
    [
        (kernel(start="import time; time.sleep(600)"), {"start_seconds": 1}, "Server never started", "within 1 s"),
        (
            kernel("assert not os.getenv('KAGGLE_IS_COMPETITION_RERUN'); " + DOUBLE),
            {},
            "Server raised exception",
            "AssertionError",
        ),
        (
            kernel("if os.getenv('KAGGLE_IS_COMPETITION_RERUN'): return batch.head(1).assign(y=0)\n    " + DOUBLE),
            {},
            "Invalid submission",
            "1 rows, for a batch of",
        ),
        (
            kernel(
                "import time\n    if batch['step'].max() > 4: time.sleep(9 * bool(os.getenv("
                "'KAGGLE_IS_COMPETITION_RERUN')))\n    " + DOUBLE
            ),
            {"call_seconds": 1},
            "Grpc deadline exceeded",
            "Deadline Exceeded",
        ),
        (
            kernel("if os.getenv('KAGGLE_IS_COMPETITION_RERUN'): os._exit(3)\n    " + DOUBLE),
            {},
            "Server connection failed",
            "",
        ),
        (
            kernel(start="server._functions.clear(); server.serve()"),
            {},
            "Server missing endpoint",
            "Method not found",
        ),
    ],
    ids=["never started", "raises", "too few rows", "too slow", "ends", "no endpoint"],
)
def test_each_failure_has_its_name(  # noqa: PLR0917
    source: str, settings: dict[str, object], name: str, details: str, served: LocalKaggle, tmp_path: Path
) -> None:
    submission = rerun(served, source, tmp_path / "drawn", **settings)
    assert (submission.status, submission.kind) == ("error", name), submission.reason
    assert details in submission.reason


@pytest.mark.nightly
def test_a_gateway_that_fails_is_told(served: LocalKaggle, tmp_path: Path) -> None:
    folder = write_competition(tmp_path / "drawn")
    (folder / "hidden" / "gateway.json").write_text(json.dumps({**SETTINGS, "fails": True}))
    served.host(folder)
    assert run_script(served, kernel(), competitions=["drawn-series"]).status == "complete"
    submission = submit(served)
    assert submission.kind == "Gateway raised exception"
    assert "the gateway fails" in submission.reason


@pytest.mark.nightly
def test_a_kernel_that_ends_before_it_answers_is_at_fault(served: LocalKaggle, tmp_path: Path) -> None:
    submission = rerun(served, kernel(start="raise SystemExit(3)"), tmp_path / "drawn")
    assert submission.kind == "Notebook Threw Exception"
    assert "the kernel ended before the gateway: 3" in submission.reason


@pytest.mark.nightly
def test_what_depends_on_the_order_of_rows_shows_when_a_gateway_shuffles(served: LocalKaggle, tmp_path: Path) -> None:
    body = "return batch[['row_id']].assign(y=sorted(2 * batch['x']))"
    assert rerun(served, kernel(body), tmp_path / "drawn", shuffles=True).score != 0


@pytest.mark.nightly
def test_files_come_through_the_shared_folder(served: LocalKaggle, tmp_path: Path) -> None:
    body = f"print('read', open(batch['file'].iloc[0]).read())\n    {DOUBLE}"
    submission = rerun(served, kernel(body), tmp_path / "drawn", shares=True)
    assert submission.score == 0, submission.reason
    assert "read hidden notes" in log_of(submission)


@pytest.mark.nightly
def test_a_notebook_under_the_old_layout_answers_too(storage: Path, spec: ImageSpec, tmp_path: Path) -> None:
    with serve(storage, behaviour=Behaviour(old_layout=True)) as local:
        local.set_image(spec)
        local.host(write_competition(tmp_path / "drawn"))
        version = run(local, kernel(folder="/kaggle/input/drawn-series"), competitions=["drawn-series"])
        assert version.status == "complete", version.log()
        assert submit(local).score == 0


@pytest.mark.nightly
def test_a_server_that_closes_leaves_nothing_and_repeats_the_rerun(
    storage: Path, spec: ImageSpec, tmp_path: Path
) -> None:
    slow = "import time\n    time.sleep(2 * bool(os.getenv('KAGGLE_IS_COMPETITION_RERUN')))\n    " + DOUBLE
    with serve(storage) as local:
        local.set_image(spec)
        local.host(write_competition(tmp_path / "drawn"))
        run_script(local, kernel(slow), competitions=["drawn-series"])
        source = KernelSource(owner=USERNAME, slug="my-kernel", number=1)
        ref = local.storage.submissions.add("drawn-series", source, "submission.parquet", "", USERNAME)
        local.worker.score(ref)
        time.sleep(3)
    left = [p for p in psutil.process_iter(["cmdline"]) if str(storage) in " ".join(p.info["cmdline"] or [])]
    assert left == []
    with serve(storage) as local:
        assert scored(local, ref).score == 0


def test_a_gateway_must_be_in_the_data(tmp_path: Path) -> None:
    folder = write_competition(tmp_path / "drawn")
    settings = folder / "competition.toml"
    text = settings.read_text()
    for name, problem in (("../x.py", "gateway must be a file of the data"), ("x.py", "x.py: not there")):
        settings.write_text(text.replace("kaggle_evaluation/drawn_gateway.py", name))
        with pytest.raises(CompetitionError, match=problem):
            load_competition(folder)
