"""What a kernel can reach: nothing but its inputs, its working folder and the system's libraries."""

import json
import os
import socket
from pathlib import Path

import pytest
from kaggle_local.server import LocalKaggle

from tests.kaggle_local.kernels import printed, run

# What being contained looks like; anything else, a mistake in an attempt for instance, is a failure.
CONTAINED = (
    "AssertionError",
    "ConnectionRefusedError",
    "FileNotFoundError",
    "IndexError",
    "OSError",
    "PermissionError",
    "ProcessLookupError",
    "URLError",
    "gaierror",
)

ATTEMPT = """
def attempt():
    {body}
try:
    result = repr(attempt())
except BaseException as error:
    outcomes[{name!r}] = type(error).__name__
else:
    outcomes[{name!r}] = 'escaped: ' + result
"""


def attempts() -> dict[str, str]:
    home = str(Path.home())
    return {
        "TCP to the outside": "return socket.create_connection(('1.1.1.1', 443), timeout=3)",
        "TCP to the host's loopback": "return socket.create_connection(('127.0.0.1', {port}), timeout=3)",
        "UDP": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); return s.sendto(b'x', ('1.1.1.1', 53))",
        "DNS": "return socket.getaddrinfo('example.org', 80)",
        "HTTP": "return urllib.request.urlopen('http://example.org', timeout=3)",
        "IPv6": "return socket.create_connection(('2606:4700:4700::1111', 443), timeout=3)",
        "an abstract socket of the host": (
            "s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + '{abstract}'); return 'connected'"
        ),
        "writing to the input": "return Path('/kaggle/input/competitions/leaves/new').write_text('x')",
        "changing the input": "return Path('/kaggle/input/competitions/leaves/test_images/a').write_text('x')",
        "a file beside the input": "return Path('/kaggle/input/new').write_text('x')",
        "the host's home folder": f"return os.listdir({home!r})",
        "the hidden test set": "return [p for p in Path('/').rglob('solution.csv')][0]",
        "this repository": f"return os.listdir({str(Path.cwd())!r})",
        "the host's temporary folder": "return Path('{marker}').read_text()",
        "the host's passwords": "return Path('/etc/shadow').read_text()",
        "another process": (
            "mine = [int(p) for p in os.listdir('/proc') if p.isdigit()]; "
            "return [p for p in mine if p > 200 or '{secret}' in Path(f'/proc/{{p}}/environ').read_text()][0]"
        ),
        "a signal to the server": "return os.kill({pid}, 0)",
        "the server's environment": "return [v for v in os.environ.values() if v == '{secret}'][0]",
        "mount": (
            "libc = ctypes.CDLL(None, use_errno=True); "
            "assert libc.mount(b'none', b'/kaggle/working', b'tmpfs', 0, None) == 0, os.strerror(ctypes.get_errno())"
        ),
        "a device": "return os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))",
        "the system's libraries": "return Path('/usr/lib/new').write_text('x')",
    }


def test_escapes_are_contained(
    local: LocalKaggle, competition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "not-for-kernels")
    marker = tmp_path / "marker"
    marker.write_text("host")
    local.host(competition)
    abstract = f"kaggle-local-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as host, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{abstract}")
        unix.listen()
        port = host.getsockname()[1]
        facts = {"port": port, "abstract": abstract, "marker": marker, "secret": "not-for-kernels", "pid": os.getpid()}
        cells = [ATTEMPT.format(name=name, body=body.format(**facts)) for name, body in attempts().items()]
        imports = "import ctypes, json, os, socket, urllib.request; from pathlib import Path; outcomes = {}"
        version = run(local, imports, *cells, "print(json.dumps(outcomes))", competitions=["leaves"])
    assert version.status == "complete", version.log()
    outcomes = json.loads(printed(version).strip().splitlines()[-1])
    assert set(outcomes) == set(attempts())
    assert {name: o for name, o in outcomes.items() if o not in CONTAINED} == {}
    assert (competition / "public" / "test_images" / "a").read_text() == "public"
    assert not (competition / "public" / "new").exists()


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
    again = run(local, "import added_module")
    assert again.status == "error", "what a kernel installs is gone with it"


def test_a_run_over_its_time_is_ended_and_says_so(local: LocalKaggle, competition: Path) -> None:
    with (competition / "competition.toml").open("a") as file:
        file.write("[limits]\nseconds = 3\n")
    local.host(competition)
    version = run(local, "import time; time.sleep(600)", competitions=["leaves"])
    assert version.status == "error"
    assert "longer than its limit of 3 s" in version.failure


def test_both_mount_layouts(storage: Path, competition: Path) -> None:
    from kaggle_local.server import serve

    source = "from pathlib import Path; print(sorted(str(p) for p in Path('/kaggle/input').rglob('*.csv')))"
    with serve(storage) as local:
        local.host(competition)
        assert "/kaggle/input/competitions/leaves/sample" in printed(run(local, source, competitions=["leaves"]))
    with serve(storage, old_layout=True) as local:
        assert "/kaggle/input/leaves/sample" in printed(run(local, source, competitions=["leaves"]))
