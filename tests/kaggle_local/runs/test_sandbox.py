"""A kernel can reach nothing but its inputs, its working folder and the system's libraries."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.runs.log import RunLog
from kaggle_local.server import serve
from kaggle_local.storage import KernelSource

from tests.kaggle_local.kernels import ask, printed, run, run_script, scored, settings_of
from tests.kaggle_local.runs.escapes import ATTEMPT, CONTAINED, HELPERS, REAL, attempts


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Facts of the host for attempts to reach: sockets that listen, a file, a variable, a process."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", "not-for-kernels")
    marker = tmp_path / "marker"
    marker.write_text("host")
    abstract = f"kaggle-local-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as host,
        socket.socket(socket.AF_UNIX) as stream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
    ):
        stream.bind(f"\0{abstract}")
        stream.listen()
        datagram.bind(f"\0{abstract}-datagram")
        yield {
            "port": host.getsockname()[1],
            "abstract": abstract,
            "marker": marker,
            "secret": "not-for-kernels",
            "pid": os.getpid(),
        }


def lines(facts: dict[str, object], names: Iterable[str]) -> list[str]:
    """The attempts of those names, and the printing of what came of them."""
    imports = "import ctypes, errno, json, os, socket, urllib.request; from pathlib import Path; outcomes = {}"
    bodies = attempts()
    tries = [ATTEMPT.format(name=name, body=bodies[name].format(**facts)) for name in names]
    return [imports, HELPERS, *tries, "print(json.dumps(outcomes))"]


def test_escapes_are_contained(local: LocalKaggle, competition: Path, facts: dict[str, object]) -> None:
    local.host(competition)
    version = run(local, *lines(facts, attempts()), competitions=["leaves"])
    assert version.status == "complete", version.log()
    outcomes = json.loads(printed(version).strip().splitlines()[-1])
    assert set(outcomes) == set(attempts())
    assert {name: o for name, o in outcomes.items() if o not in CONTAINED} == {}
    assert (competition / "public" / "test_images" / "a").read_text() == "public"
    assert not (competition / "public" / "new").exists()
    assert Path(str(facts["marker"])).read_text() == "host"


def test_the_same_attempts_succeed_where_nothing_contains_them(facts: dict[str, object]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines(facts, REAL))], capture_output=True, text=True, check=True
    )
    outcomes = json.loads(done.stdout)
    assert {name: o for name, o in outcomes.items() if not o.startswith("escaped")} == {}


def test_a_kernel_works_in_its_own_folder_and_can_install(local: LocalKaggle) -> None:
    version = run(
        local,
        "import os, sys, tempfile; open('out.txt', 'w').write(os.getcwd()); print(os.listdir('/kaggle/input'))",
        "import site; open(site.getsitepackages()[0] + '/added_module.py', 'w').write('x = 7')",
        "import added_module; print('installed', added_module.x, os.getuid(), sys.prefix)",
        "tempfile.TemporaryFile().write(b'x'); import ssl, sqlite3, ctypes; print('libraries')",
    )
    assert version.status == "complete", version.log()
    assert dict(version.output())["out.txt"].read_text() == "/kaggle/working"
    assert "installed 7 0 /opt/kaggle/image" in printed(version)
    assert "libraries" in printed(version)
    again = run_script(local, "import added_module")
    assert again.status == "error", "what a kernel installs is gone with it"


def test_what_a_kernel_leaves_leads_nowhere(local: LocalKaggle, competition: Path, tmp_path: Path) -> None:
    """Links, pipes and odd modes in the output are read by nobody on the host."""
    local.host(competition)
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    version = run(
        local,
        f"""
import os
os.symlink({str(secret)!r}, 'link.txt')
os.symlink('/', 'root')
os.mkfifo('pipe')
open('setuid', 'w').write('x'); os.chmod('setuid', 0o4755)
open('a#b?%41.csv', 'w').write('odd name')
os.mkdir('sealed'); open('sealed/file', 'w').write('x'); os.chmod('sealed', 0o555)
""",
        competitions=["leaves"],
    )
    assert version.status == "complete", version.log()
    assert [name for name, _ in version.output()] == ["a#b?%41.csv", "sealed/file", "setuid"]
    assert oct((version.output_folder / "setuid").stat().st_mode) == "0o100444"
    body = {"ownerSlug": version.owner, "kernelSlug": version.slug}
    method = "kernels.KernelsApiService/DownloadKernelOutput"
    assert ask(local, method, **body, filePath="link.txt").status_code == 404
    assert ask(local, method, **body, filePath="a#b?%41.csv").text == "odd name"


@pytest.mark.parametrize("trick", ["os.symlink('/etc/passwd', path)", "os.mkfifo(path)", "os.mkdir(path)"])
def test_a_submission_that_is_no_file_is_refused_and_its_log_is_kept(
    trick: str, local: LocalKaggle, competition: Path
) -> None:
    local.host(competition)
    source = (
        "import os; path = 'submission.csv'\nprint('the rerun')\n"
        f"if 'KAGGLE_IS_COMPETITION_RERUN' in os.environ: {trick}\nelse: open(path, 'w').write('x')"
    )
    version = run_script(local, source, competitions=["leaves"])
    source_of = KernelSource(owner=USERNAME, slug="my-kernel", number=version.number)
    ref = local.storage.submissions.add("leaves", source_of, "submission.csv", "", USERNAME)
    local.worker.score(ref)
    submission = scored(local, ref)
    assert submission.status == "error"
    assert "submission.csv" in submission.reason
    assert "the rerun" in (submission.folder / "log.json").read_text()
    assert not (submission.folder / "output").exists()


def test_a_kernel_that_writes_into_its_own_log_harms_nobody(
    local: LocalKaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaggle_local.runs.log.MAXIMUM_LOG", 100_000)
    version = run(
        local,
        """
import os
driver = os.getppid()
for number in range(3, 12):
    try:
        events = os.open(f'/proc/{driver}/fd/{number}', os.O_WRONLY)
        os.write(events, b'not json\\n5\\n{}\\n[1]\\n{"stream_name": 1, "time": "x", "data": 2}\\n')
    except OSError:
        pass
""",
        "os.write(2, b'y' * 1_000_000)",
        "print('the end')",
    )
    assert version.status == "complete"
    events = json.loads(version.log())
    assert all(set(event) == {"stream_name", "time", "data"} for event in events)
    assert sum(len(event["data"]) for event in events) <= 100_000
    assert events[-1]["data"] == "the end\n", "the end of a log is worth more than its beginning"


def test_names_that_are_no_text_are_kept_as_some(local: LocalKaggle) -> None:
    source = "import os; os.mkdir(b'\\xff'); open(b'\\xff/\\xfe.txt', 'w').write('x'); open('good.txt', 'w').write('y')"
    version = run_script(local, source)
    assert [name for name, _ in version.output()] == ["good.txt", "�/�.txt"]
    body = {"userName": USERNAME, "kernelSlug": "my-kernel"}
    assert len(ask(local, "kernels.KernelsApiService/ListKernelSessionOutput", **body).json()["files"]) == 2


def test_a_cell_that_prints_much_is_text_in_the_log(local: LocalKaggle) -> None:
    version = run(local, "print('x' * 1_500_000)")
    assert printed(version) == "x" * 1_500_000 + "\n"


def test_many_short_lines_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaggle_local.runs.log.MAXIMUM_LOG", 100_000)
    log = RunLog()
    for _ in range(10_000):
        log.add("stdout", "\n")
    kept, number = log.since(0)
    assert len(kept) < 1000
    assert number == 10_000


def test_folders_too_deep_to_walk_fail_the_run(local: LocalKaggle) -> None:
    version = run_script(local, "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')")
    assert version.status == "error"
    assert "too deep" in version.failure
    assert run_script(local, "print('next')").status == "complete"


def test_a_sandbox_that_does_not_start_says_why(local: LocalKaggle, competition: Path) -> None:
    local.host(competition)
    shutil.rmtree(competition / "public")
    version = run_script(local, "print('ran')", competitions=["leaves"])
    assert version.status == "error"
    assert version.failure.startswith("the sandbox did not start: bwrap: ")
    assert str(competition / "public") in version.failure


@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)", "os.kill(1, 9); sys.exit(7)"])
def test_a_kernel_that_ends_itself_has_failed_and_leaves_no_process(end: str, local: LocalKaggle) -> None:
    version = run_script(local, f"import os, subprocess, sys\nsubprocess.Popen(['sleep', '60'])\n{end}")
    assert (version.status, version.failure) == ("error", "")


def test_a_kernel_uses_devices_and_cannot_change_the_hosts(local: LocalKaggle) -> None:
    nodes = [Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom", "tty")]
    before = [(node.stat().st_mode, node.stat().st_uid, node.stat().st_gid) for node in nodes]
    change = """
import os, subprocess
assert len(open('/dev/urandom', 'rb').read(3)) == 3
assert open('/dev/zero', 'rb').read(2) == bytes(2)
subprocess.run(['true'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
for node in ('null', 'zero', 'full', 'random', 'urandom', 'tty'):
    for call in (lambda: os.chmod(f'/dev/{node}', 0), lambda: os.chown(f'/dev/{node}', 0, 0)):
        try: call()
        except OSError: pass
print('tried')
"""
    for _ in range(2):
        version = run_script(local, change)
        assert version.status == "complete", version.log()
    assert [(node.stat().st_mode, node.stat().st_uid, node.stat().st_gid) for node in nodes] == before


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.05, 0.08, 0.12, 0.2])
def test_a_run_that_is_given_up_while_it_starts_leaves_nothing(moment: float, storage: Path) -> None:
    with serve(storage) as local:
        version = local.storage.kernels.add_version(
            USERNAME, "my-kernel", "", "import time; time.sleep(600)", settings_of(kernel_type="script")
        )
        local.worker.run(version)
        while "running" not in str(local.storage.kernels.get(USERNAME, "my-kernel", None)):
            time.sleep(0.001)
        time.sleep(moment)
    left = [p for p in psutil.process_iter(["cmdline"]) if str(storage) in " ".join(p.info["cmdline"] or [])]
    assert left == []
