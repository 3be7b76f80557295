"""Push or submit against a Kaggle in which one thing goes wrong, and once more when nothing does.

A case is a scenario, a place and a fault. Each runs on a Kaggle of its own, and tells how the command
ended, and what is wrong with what Kaggle holds after a clean re-run.
"""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest
from kaggle_local.faults import Fault
from kaggle_local.interpreters import OWN_VERSION
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.runs.image import ImageSpec
from kaggle_local.server import serve
from kaggle_offline.artifacts.pack import METADATA
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.commands.submit import submit
from kaggle_offline.delivery.target import LocalTarget, Target, open_target
from kaggle_offline.errors import OfflineError
from kaggle_offline.kaggle.retries import Patience
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.canary import CANARY, USER, leaks_in_files
from tests.kaggle_offline.conftest import METADATA as KERNEL
from tests.kaggle_offline.conftest import share_images, write_repository
from tests.stand_in import TOKENS, standing_in

# Whose credentials the commands are given: the token must be seen nowhere.
TOKEN = CANARY

PREDICT = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %%
from pathlib import Path
images = sorted(path.name for path in next(Path("/kaggle/input").rglob("test_images")).iterdir())
rows = [f"{name},scab" for name in images]
Path("/kaggle/working/submission.csv").write_text("\\n".join(["image,labels", *rows]) + "\\n")
"""

PATIENCE = Patience(
    answer=0.6, repeat=3, first_pause=0.02, longest_pause=0.2, poll=0.03, settle=1.2, processing=3, run=60, scoring=60
)
# Longer than an answer may take, and shorter than an effect may take to show.
LATE = 1.2

# The competition's limit: a run that hangs is ended by Kaggle.
RUN_SECONDS = 15


@dataclass(frozen=True)
class Case:
    """A fault, and where it occurs.

    Attributes:
        scenario: the ``first`` push, the push of an ``update`` of the packages, a push of the same
            ``again`` from another machine, ``submit``, or the same when it is ``submitted``.
        place: where, as faults have it.
        kind: what, in words.
        faults: the same for the local Kaggle.
        predict: what the kernel does in the first try.
        failed: versions of packages and kernel that are there in the end beside those that are wanted.
        details: tell cases of one kind apart.
    """

    scenario: str
    place: str
    kind: str
    faults: tuple[Fault, ...] = ()
    predict: str = PREDICT
    failed: tuple[int, int] = (0, 0)
    details: str = ""

    def __str__(self) -> str:
        words = (self.scenario, self.place.rpartition("/")[2], self.kind, self.details)
        return "-".join(filter(None, words))


@dataclass(frozen=True)
class Outcome:
    """How the first try ended: 0, or an error's exit code.

    ``wrong`` is what was wrong after the second, empty if nothing; ``places`` are those that both came by.
    """

    code: int
    wrong: str
    places: frozenset[str] = frozenset()


def prepare(folder: Path) -> None:
    """Freeze the small competition, and push it to Kaggles that later cases begin with."""
    repository = write_repository(folder / "repository")
    (repository / "kernels" / "small" / "predict.py").write_text(PREDICT)
    # A script: it takes a tenth of a notebook's time.
    metadata = json.dumps({**KERNEL, "kernel_type": "script", "enable_gpu": True})
    (repository / "kernels" / "small" / "kernel-metadata.json").write_text(metadata)
    source = repository / "packages" / "small" / "src" / "small" / "competition.py"
    source.write_text(source.read_text().replace('"labels"\\n', f'"labels"\\n[limits]\\nseconds = {RUN_SECONDS}\\n'))
    kernel = read_kernel_folder(repository, "small")
    (folder / "images").mkdir()
    share_images(repository, folder / "images")
    freeze(kernel)
    with open_target("local", repository) as target:
        assert isinstance(target, LocalTarget)
        # It builds the image and makes the competition.
        push(kernel, target)
    shutil.rmtree(repository / ".kaggle-local")
    _forget(kernel)
    shutil.copytree(repository, folder / "first")
    with kaggle_of(folder, folder, repository):
        assert command(kernel, push) == 0
    for scenario in ("submit", "submitted"):
        shutil.copytree(repository, folder / scenario)
    package = repository / "packages" / "small" / "src" / "small" / "__init__.py"
    package.write_text('"""Changed."""\n')
    freeze(kernel)
    _forget(kernel)
    shutil.copytree(repository, folder / "update")
    shutil.copytree(folder / "first", folder / "again")


def run_case(folder: Path, work: Path, case: Case) -> Outcome:
    """Run a case of what was prepared in ``folder``, in the folder ``work``."""
    repository = copied(folder, work, case.scenario)
    populated = case.scenario != "first"
    kernel = read_kernel_folder(repository, "small")
    verb = submit if case.scenario.startswith("submit") else push
    said = StringIO()
    places: set[str] = set()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            with kaggle_of(work, folder, repository, populated=populated) as local:
                kernel.code.write_text(case.predict)
                if case.scenario == "submitted":
                    assert command(kernel, verb) == 0
                _note_places(local, places)
                local.faults.add(*case.faults)
                code = command(kernel, verb)
                local.faults.clear()
            kernel.code.write_text(PREDICT)
            # Work that waits in there is taken up again, as Kaggle would sooner or later.
            with kaggle_of(work, folder, repository, populated=populated) as local:
                _note_places(local, places)
                again = command(kernel, verb)
                wrong = [f"the re-run ended with {again}"] if again else []
                wrong += _wrong(local, case, kernel.build)
    except BaseException as error:  # noqa: BLE001 - a case that breaks must not hide the others
        return Outcome(-1, f"{type(error).__name__}: {error}\n{said.getvalue()}")
    if "\x1b" in said.getvalue():
        wrong.append("the output steers the terminal")
    leaks = [*leaks_in_files(work), *(["the output"] if TOKEN in said.getvalue() else []), *LEAKED_ARGUMENTS]
    wrong += [f"the token is in {leak}" for leak in leaks]
    return Outcome(code, "\n".join([*wrong, said.getvalue()]) if wrong else "", frozenset(places))


def _note_places(local: LocalKaggle, places: set[str]) -> None:
    """Note what is asked of a Kaggle."""
    take = local.faults.take

    def noted(place: str, size: float = 0) -> Fault | None:
        places.add(place)
        return take(place, size)

    local.faults.take = noted  # type: ignore[method-assign]


LEAKED_ARGUMENTS: list[str] = []


def watch_arguments() -> None:
    """Note each program that this process starts with the token among its arguments."""

    def look(event: str, details: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" and TOKEN in str(details[1]):
            LEAKED_ARGUMENTS.append(f"the arguments of {details[0]}")

    sys.addaudithook(look)


def command(kernel: KernelFolder, verb: Callable[[KernelFolder, Target], None], patience: Patience = PATIENCE) -> int:
    """Push or submit to kaggle.com, which is the local Kaggle here; return the exit code.

    Any of the project's errors will do, and nothing else.
    """
    try:
        with open_target("kaggle", kernel.repository, patience=patience) as target:
            verb(kernel, target)
    except OfflineError as error:
        print(f"{type(error).__name__}: {error}")
        return error.exit_code
    return 0


def _wrong(local: LocalKaggle, case: Case, build: Path) -> list[str]:
    """Return how Kaggle differs from its state after one push, and one submission where that was asked for."""
    before = 1 if case.scenario == "update" else 0
    failed_packages, failed_kernels = case.failed
    wanted = {
        "packages": Counter({"ready": 1 + before, "failed": failed_packages}),
        "models": Counter({"ready": 1}),
    }
    wrong = []
    for name, statuses in wanted.items():
        found = Counter(v.status for v in local.storage.resources.versions("dataset", f"{USER}/small-{name}"))
        wrong += [f"{name}: {dict(found)}"] if found != statuses else []
        latest = local.storage.resources.latest_ready("dataset", f"{USER}/small-{name}")
        packed = {p.name: p.stat().st_size for p in (build / name).iterdir() if p.name != METADATA}
        if latest is None or dict(latest.files()) != packed:
            wrong.append(f"{name} has not the files that were packed")
    kernel = local.storage.kernels.get(USER, "small-kernel")
    run = (kernel.number, kernel.status) if kernel else None
    if run != (1 + before + failed_kernels, "complete"):
        wrong.append(f"kernel: {run}")
    statuses_of = [s.status for s in local.storage.submissions.of_user("small", USER)]
    if statuses_of != (["complete"] if case.scenario.startswith("submit") else []):
        wrong.append(f"submissions: {statuses_of}")
    return wrong


def _forget(kernel: KernelFolder) -> None:
    """Be another machine, to which nothing is known of what was pushed."""
    (kernel.build / "result.json").unlink()
    shutil.rmtree(kernel.build / "output", ignore_errors=True)


def copied(folder: Path, work: Path, scenario: str) -> Path:
    """A copy of the repository as a scenario begins with it, in ``work``."""
    repository = Path(shutil.copytree(folder / scenario, work / "repository"))
    return share_images(repository, folder / "images")


@contextmanager
def kaggle_of(work: Path, folder: Path, repository: Path, *, populated: bool = False) -> Iterator[LocalKaggle]:
    """A Kaggle in ``work`` that hosts the competition, and stands in for kaggle.com as long as the block lasts.

    Args:
        work: where its storage is, or will be.
        folder: what was prepared.
        repository: where the competition is.
        populated: it begins with what the first push left there.
    """
    root = work / "kaggle"
    if populated and not root.exists():
        shutil.copytree(folder / "kaggle", root, symlinks=True)
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "images").exists():
        (root / "images").symlink_to(folder / "images")
    with serve(root, tokens=TOKENS) as local:
        local.set_image(ImageSpec(python=OWN_VERSION, pins={"packaging": "24.2"}, distributions=("packaging",)))
        local.host(repository / "build" / "small" / "competition")
        with standing_in(local), pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(work / "cache"))
            yield local


def cases() -> list[Case]:
    """The matrix: every place that the two verbs come by, and everything that can become of a call there."""
    blobs, data, kernels = ("blobs.BlobApiService", "datasets.DatasetApiService", "kernels.KernelsApiService")
    competitions = "competitions.CompetitionApiService"
    entry = [f"{competitions}/GetCompetition", f"{competitions}/GetSubmissionLimits"]
    quota = [f"{kernels}/GetAcceleratorQuotaStatistics"]
    token = "security.OAuthService/IntrospectToken"
    again = [token, f"{data}/GetDataset", f"{data}/ListDatasetFiles", f"{kernels}/GetKernel"]
    again += [f"{kernels}/GetKernelSessionStatus"]
    first = [
        *again,
        *entry,
        *quota,
        f"{blobs}/StartBlobUpload",
        "upload",
        f"{data}/CreateDataset",
        f"{kernels}/SaveKernel",
        "log",
    ]
    first += [f"{kernels}/ListKernelSessionOutput", "download", f"{competitions}/DownloadDataFile"]
    submitting = [f"{competitions}/{name}" for name in ("ListSubmissions", "CreateCodeSubmission", "GetSubmission")]
    submitting += entry
    places = {"first": first, "update": [f"{data}/CreateDatasetVersion", f"{data}/GetDatasetStatus"], "again": again}
    places |= {"submit": [token, *submitting], "submitted": [submitting[0], submitting[2]]}
    found = [
        Case(scenario, place, kind, faults)
        for scenario, where in places.items()
        for place in where
        for kind, faults in _faults(place).items()
    ]
    gone = [Case("again", place, "404", (Fault(on=place, status=404),)) for place in again if place != token]
    return found + gone + _special_cases()


def _faults(place: str) -> dict[str, tuple[Fault, ...]]:
    fault = Fault(on=place, status=503)
    return {
        "429": (replace(fault, status=429, times=2),),
        "429 wait": (replace(fault, status=429, retry_after=1),),
        "500": (replace(fault, status=500),),
        "503": (replace(fault, times=2),),
        "outage": (replace(fault, times=1000),),
        "late, not done": (replace(fault, delay=LATE),),
        "late, done": (Fault(on=place, delay=LATE),),
        "reset before": (Fault(on=place, reset="before"),),
        "reset after": (Fault(on=place, reset="after"),),
        "wrong": (Fault(on=place, body='{"surprise": [1]}'),),
        "not JSON": (Fault(on=place, body="<html>Sign in</html>"),),
        "stale": (Fault(on=place, stale=True, times=4),),
        "empty": (Fault(on=place, body=""),),
        "nested": (Fault(on=place, body="[" * 100_000),),
        "a number": (Fault(on=place, body="1" * 5000),),
        "infinite": (Fault(on=place, body='{"totalBytes": 1e999, "versionNumber": 1e999, "id": NaN}'),),
        "lists of nothing": (Fault(on=place, body=_NOTHING),),
        "steering": (Fault(on=place, body=_STEERING),),
    }


_NAMES = "token createUrl url ref files datasetFiles submissions versionNumber currentVersionNumber metadata blob error"
_NOTHING = json.dumps({name: [None] for name in _NAMES.split()})
# A title for the terminal, a screen to clear, and a command to GitHub's runner.
_ESCAPES = "\x1b]0;owned\x07\x1b[2J\n::set-env name=A::b"
_STEERING = json.dumps({"code": 503, "message": _ESCAPES})


def _special_cases() -> list[Case]:
    cut = Fault(on="upload", keep_bytes=60)
    failed, stuck = Fault(on="processing", outcome="failed"), Fault(on="processing", outcome="stuck")
    written = {
        "nothing": "pass",
        "no rows": 'Path("/kaggle/working/submission.csv").write_text("image,labels\\n")',
        "NaN": "rows = [f'{name},nan' for name in images]",
        "empty cell": "rows = [f'{name},' for name in images]",
        "other ids": "rows = [f'{name}.jpg,scab' for name in images]",
        "a row less": "rows = rows[1:]",
        "a row twice": "rows = rows + rows[:1]",
        "other columns": None,
    }
    start, write = PREDICT.rsplit("Path(", 1)
    kernels = {
        name: PREDICT.replace("labels", "label")
        if line is None
        else start + line + ("" if name in ("nothing", "no rows") else "\nPath(" + write) + "\n"
        for name, line in written.items()
    }
    return [
        *_combined(),
        *_two_at_once(),
        Case("first", "upload", "cut off", (cut,)),
        Case("first", "upload", "cut off again and again", (replace(cut, times=3),)),
        Case("first", "upload", "cut off to the end", (replace(cut, keep_bytes=1, times=1000),)),
        Case("first", "processing", "fails", (failed,), failed=(1, 0)),
        Case("update", "processing", "fails", (failed,), failed=(1, 0)),
        Case("first", "processing", "fails twice", (replace(failed, times=2),), failed=(2, 0)),
        Case("first", "processing", "never ends", (stuck,)),
        Case("update", "processing", "never ends", (stuck,)),
        Case("first", "run", "fails", (Fault(on="run", outcome="failed"),), failed=(0, 1)),
        Case("first", "run", "hangs", (Fault(on="run", outcome="stuck"),), failed=(0, 1)),
        *(Case("first", "output", name, predict=code, failed=(0, 1)) for name, code in kernels.items()),
    ]


def _two_at_once() -> list[Case]:
    """A lost answer at each call that makes something, with another fault at each call that looks at it."""
    data, kernels = "datasets.DatasetApiService", "kernels.KernelsApiService"
    competitions = "competitions.CompetitionApiService"
    pairs = {
        ("first", f"{data}/CreateDataset"): [f"{data}/GetDataset", f"{data}/ListDatasetFiles"],
        ("update", f"{data}/CreateDatasetVersion"): [f"{data}/GetDataset", f"{data}/GetDatasetStatus"],
        ("first", f"{kernels}/SaveKernel"): [f"{kernels}/GetKernel", f"{kernels}/GetKernelSessionStatus"],
        ("submit", f"{competitions}/CreateCodeSubmission"): [
            f"{competitions}/ListSubmissions",
            f"{competitions}/GetSubmission",
        ],
    }
    lost = {"lost": Fault(on="*", reset="after"), "late": Fault(on="*", delay=LATE), "503": Fault(on="*", status=503)}
    return [
        Case(
            scenario,
            making,
            "two at once",
            (replace(fault, on=making), *other),
            details=f"{how}, {kind} of {looking.rpartition('/')[2]}",
        )
        for (scenario, making), lookings in pairs.items()
        for how, fault in lost.items()
        for looking in lookings
        for kind, other in _faults(looking).items()
        if kind not in ("outage", "429 wait")
    ]


def _combined() -> list[Case]:
    """Two faults that hide each other's effect, and refusals in what seems a success."""
    submit, submissions = (
        f"competitions.CompetitionApiService/{n}" for n in ("CreateCodeSubmission", "ListSubmissions")
    )
    save, kernel = (f"kernels.KernelsApiService/{name}" for name in ("SaveKernel", "GetKernel"))
    create, dataset = (f"datasets.DatasetApiService/{name}" for name in ("CreateDataset", "GetDataset"))
    lost = Fault(on=submit, reset="after")
    hidden = Fault(on=submissions, body='{"submissions": []}', times=3)
    shown_late = Fault(on=kernel, body="{}", times=3)
    gone = Fault(on=dataset, status=404, times=3)
    found = [
        Case("submit", submit, "done, and listed late", (lost, hidden)),
        Case("submit", submit, "done, and never listed", (lost, replace(hidden, times=1000))),
        Case("first", save, "done, and shown late", (replace(lost, on=save), shown_late)),
        Case("first", create, "done, and gone", (replace(lost, on=create), gone)),
        Case("first", "upload", "its link expires", (Fault(on="upload", status=404),)),
    ]
    refusal = '{"code": 503, "message": "not now"}'
    return found + [
        Case("submit" if place == submit else "first", place, "503 in a 200", (Fault(on=place, body=refusal),))
        for place in (create, dataset, save, kernel, submit)
    ]
