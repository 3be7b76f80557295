"""A served competition's rerun: the gateway asks, the kernel answers, and neither sees more than on Kaggle."""

import json
import sys
import time
from pathlib import Path

import psutil
import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import CompetitionError
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.runs.calls import read_calls
from kaggle_local.runs.image import ImageSpec
from kaggle_local.scoring.competition import load_competition
from kaggle_local.server import serve
from kaggle_local.storage import KernelSource, Submission
from kaggle_offline.competition.served import add_stand_in
from kaggle_offline.repository.submission_toml import HoldOut

from tests.kaggle_local.kernels import run, run_script, scored

# They share an image that takes a while to build.
pytestmark = pytest.mark.xdist_group("served")

SETTINGS = {"start_seconds": 60, "call_seconds": 60, "fails": False, "shares": False}
FOLDER = "/kaggle/input/competitions/drawn-series"

# The stand-in's gateway, which can also fail, share a file, and be in a hurry.
GATEWAY = """
import json
from pathlib import Path
from kaggle_evaluation.core.templates import IS_RERUN, Gateway

FOLDER = Path(__file__).parents[1]
SETTINGS = json.loads((FOLDER / "gateway.json").read_text())

class DrawnGateway(Gateway):
    def batches(self):
        if SETTINGS["fails"]:
            raise ValueError("the gateway fails")
        for batch in super().batches():
            yield batch.assign(file=self.share(FOLDER / "notes.txt")) if SETTINGS["shares"] else batch

if __name__ == "__main__" and IS_RERUN:
    DrawnGateway((), SETTINGS["start_seconds"], SETTINGS["call_seconds"]).run()
"""
SERVER = """
from kaggle_evaluation.core.templates import InferenceServer
from kaggle_evaluation.drawn_gateway import DrawnGateway

class DrawnInferenceServer(InferenceServer):
    def gateway(self, paths):
        return DrawnGateway(paths)
"""
REHEARSAL = HoldOut(train="", target=("y",), metric="mae", group="step", gateway="kaggle_evaluation/drawn_gateway.py")

KERNEL = """
import os
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
        add_stand_in(folder / side, REHEARSAL, "test.csv", "row_id", ["y"])
        for name, text in (("drawn_gateway", GATEWAY), ("drawn_inference_server", SERVER)):
            (folder / side / "kaggle_evaluation" / f"{name}.py").write_text(text)
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
    assert sorted(path.name for path in submission.folder.iterdir()) == ["calls.json", "gateway-log.json", "log.json"]
    calls = read_calls(submission.folder)
    assert calls is not None
    assert (calls.number, calls.rows, calls.depends_on_order, calls.depends_on_size) == (5, 12, False, False)
    assert calls.start > 0
    assert 0 < calls.median <= calls.slowest <= calls.total


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("source", "settings", "name", "details"),
    [
        (
            kernel(start="import time; time.sleep(600)"),
            {"start_seconds": 1},
            "Notebook Inference Server Never Started",
            "within 1 s",
        ),
        (
            kernel("assert not os.getenv('KAGGLE_IS_COMPETITION_RERUN'); " + DOUBLE),
            {},
            "Notebook Inference Server Error",
            "AssertionError",
        ),
        (
            kernel("if os.getenv('KAGGLE_IS_COMPETITION_RERUN'): return batch.head(1).assign(y=0)\n    " + DOUBLE),
            {},
            "Submission Scoring Error",
            "1 rows, for a batch of",
        ),
        (
            kernel(
                "import time\n    if batch['step'].max() > 4: time.sleep(9 * bool(os.getenv("
                "'KAGGLE_IS_COMPETITION_RERUN')))\n    " + DOUBLE
            ),
            {"call_seconds": 1},
            "Notebook Inference Server Error",
            "Deadline Exceeded",
        ),
        (
            kernel("if os.getenv('KAGGLE_IS_COMPETITION_RERUN'): os._exit(3)\n    " + DOUBLE),
            {},
            "Notebook Inference Server Error",
            "",
        ),
        (
            kernel(start="server._functions.clear(); server.serve()"),
            {},
            "Notebook Inference Server Error",
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
    assert submission.kind == "Kaggle Error"
    assert "the gateway fails" in submission.reason


@pytest.mark.nightly
def test_a_kernel_that_ends_before_it_answers_is_at_fault(served: LocalKaggle, tmp_path: Path) -> None:
    submission = rerun(served, kernel(start="raise SystemExit(3)"), tmp_path / "drawn")
    assert submission.kind == "Notebook Inference Server Never Started"
    assert "the kernel ended before the gateway: 3" in submission.reason


@pytest.mark.nightly
def test_what_depends_on_the_order_of_rows_shows_when_a_gateway_shuffles(served: LocalKaggle, tmp_path: Path) -> None:
    body = "return batch[['row_id']].assign(y=sorted(2 * batch['x']))"
    submission = rerun(served, kernel(body), tmp_path / "drawn")
    assert submission.score != 0
    calls = read_calls(submission.folder)
    assert calls is not None
    assert calls.depends_on_order


@pytest.mark.nightly
def test_an_answer_that_depends_on_the_size_of_a_batch_is_noted(served: LocalKaggle, tmp_path: Path) -> None:
    calls = read_calls(
        rerun(served, kernel("return batch[['row_id']].assign(y=batch['x'].sum())"), tmp_path / "drawn").folder
    )
    assert calls is not None
    assert (calls.depends_on_order, calls.depends_on_size) == (False, True)


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
