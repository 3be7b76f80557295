"""Kernels in the real image, by a container engine: as in the sandbox, from the command to the score."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import ImageError, SandboxError
from kaggle_local.interpreters import available_python
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.runs import launcher
from kaggle_local.runs.container import Container
from kaggle_local.runs.image import ImageSpec, build_image
from kaggle_local.runs.sandbox import WORKING, Mount
from kaggle_local.server import serve
from kaggle_offline.cli import main
from kaggle_offline.errors import RehearsalError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.containers import imported, require_podman
from tests.kaggle_local.kernels import printed, published, run, run_script
from tests.kaggle_offline.conftest import PREDICT, result_of, write_repository

# One worker imports the image, and has all of its tests.
pytestmark = [pytest.mark.xdist_group("container"), pytest.mark.nightly]

MEGABYTE = 10**6
PINS = {"packaging": "24.2"}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageSpec]:
    """The image of the small competition, imported into podman."""
    require_podman()
    made = ImageSpec(python=available_python("3.12"), pins=PINS, distributions=("packaging",))
    store = tmp_path_factory.mktemp("store")
    image = build_image(made, store)
    with imported(image, store.parent.name) as reference:
        yield ImageSpec(python=made.python, pins=PINS, distributions=("packaging",), docker_image=reference)


@pytest.fixture
def local(spec: ImageSpec, tmp_path: Path) -> Iterator[LocalKaggle]:
    with serve(tmp_path / "storage", behaviour=Behaviour(engine="podman")) as local:
        local.storage.images.use(spec)
        yield local


SEEN = """
import os, socket, sys
from pathlib import Path

print("python", sys.executable, os.getuid(), Path.cwd(), os.environ["KAGGLE_KERNEL_RUN_TYPE"])
print("image", os.environ["KAGGLE_DOCKER_IMAGE"])
print("input", Path("/kaggle/input/datasets/kaggler/my-data/file.txt").read_text())
for write in ("datasets/kaggler/my-data/file.txt", "datasets/kaggler/my-data/other", "datasets/other", "other"):
    try:
        Path("/kaggle/input", write).write_text("changed")
    except OSError as error:
        print("read-only", error.strerror)
try:
    socket.create_connection(("192.0.2.1", 80), 3)
except OSError as error:
    print("network", error.strerror)
print("capabilities", [line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line])
print("hosts", [name for name in ("/home", "/work", "/opt/kaggle/image") if Path(name).exists()])
Path("/kaggle/working/out.txt").write_text("kept")
"""


def test_a_script_sees_its_inputs_and_neither_the_network_nor_the_host(local: LocalKaggle, spec: ImageSpec) -> None:
    published(local, {"file.txt": b"content"})
    version = run_script(local, SEEN, datasets=["kaggler/my-data"], docker_image=spec.docker_image)
    lines = printed(version).splitlines()
    assert version.status == "complete", lines
    assert lines[0].startswith("python /usr/local/bin/python3 0 /kaggle/working Batch")
    assert lines[1:] == [
        f"image {spec.docker_image}",
        "input content",
        *["read-only Read-only file system"] * 4,
        "network Network is unreachable",
        "capabilities ['CapEff:\\t0000000000000000']",
        "hosts []",
    ]
    assert (version.output_folder / "out.txt").read_text() == "kept"
    limits = json.loads((version.folder / "limits.json").read_text())
    assert limits["kept_by_the_system"] == ["memory_bytes", "processes"]


def test_a_notebook_runs_and_is_kept_as_it_was_executed(local: LocalKaggle) -> None:
    version = run(local, "import matplotlib\nx = 6", "print(7 * x)")
    assert version.status == "complete", printed(version)
    assert "42" in printed(version)
    assert "42" in (version.folder / "notebook.ipynb").read_text()


def test_an_exception_fails_the_run(local: LocalKaggle) -> None:
    version = run_script(local, "raise KeyError('missing')")
    assert version.status == "error"
    assert "KeyError: 'missing'" in printed(version)


EXCESSES = {
    "sleeps": ({"session_seconds": 2}, "longer than its limit of 2 s", "import time; time.sleep(60)"),
    "grows": ({"memory_bytes": 200 * MEGABYTE}, "more memory than", "x = bytearray(400 * 10**6)"),
    "writes": (
        {"output_bytes": 50 * MEGABYTE},
        "left more than its limit of 0.05 GB",
        "import time; open('/kaggle/working/x', 'wb').write(bytes(80 * 10**6)); time.sleep(60)",
    ),
    "forks": (
        {"processes": 50},
        "Resource temporarily unavailable",
        "import os, time\nfor _ in range(100):\n    if not os.fork():\n        time.sleep(60)",
    ),
}


@pytest.mark.parametrize(
    "what", ["grows", *(pytest.param(what, marks=pytest.mark.nightly) for what in EXCESSES if what != "grows")]
)
def test_a_run_over_a_limit_is_ended(what: str, spec: ImageSpec, tmp_path: Path) -> None:
    limits, cause, source = EXCESSES[what]
    with serve(tmp_path / "storage", behaviour=Behaviour(engine="podman", **limits)) as local:  # type: ignore[arg-type]
        local.storage.images.use(spec)
        version = run_script(local, source)
    assert version.status == ("cancelled" if what == "sleeps" else "error")
    assert cause in version.failure + printed(version)
    assert containers(tmp_path / "storage") == []


def containers(storage: Path) -> list[str]:
    """The containers of a storage."""
    command = ["podman", "ps", "--all", "--quiet", "--filter", f"label=kaggle-local={storage}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture
def left(spec: ImageSpec, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A container of a storage, which sleeps."""
    container = Container(engine="podman", reference=spec.docker_image, owner=str(tmp_path / "storage"))
    (tmp_path / "working").mkdir()
    command = container.create(
        f"kaggle-local-{tmp_path.name}",
        ["-I", "-S", "/launcher.py", "1000000000", "100", "lifeline", "-c", "import time; time.sleep(600)"],
        mounts=[Mount(Path(launcher.__file__), "/launcher.py")],
        writable=[Mount(tmp_path / "working", WORKING)],
        environment={},
        memory_bytes=10**9,
        processes=100,
        gpu=False,
        network=False,
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as started:
        while not container.was_started(f"kaggle-local-{tmp_path.name}"):
            assert started.poll() is None
        try:
            yield started
        finally:
            container.remove(f"kaggle-local-{tmp_path.name}")


def test_a_container_ends_with_the_process_that_has_started_it(left: subprocess.Popen[bytes]) -> None:
    assert left.stdin is not None
    left.stdin.close()
    assert left.wait(20) == 1


def test_a_container_that_a_killed_server_left_is_removed(left: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert len(containers(tmp_path / "storage")) == 1
    with serve(tmp_path / "storage", behaviour=Behaviour(engine="podman")):
        assert containers(tmp_path / "storage") == []
    left.wait(20)


def test_the_whole_way(
    spec: ImageSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = write_repository(tmp_path / "repository")
    (repository / "kernels" / "small" / "predict.py").write_text(PREDICT)
    kernel = read_kernel_folder(repository, "small")
    manifest = kernel.image.read_text().replace("# platform", f"# docker-image: {spec.docker_image}\n# platform")
    kernel.image.write_text(manifest)
    monkeypatch.chdir(repository)
    for verb in ("lock", "freeze", "push", "submit"):
        assert main([verb]) == 0, capsys.readouterr()
    assert "small-kernel: version 1, pushed" in capsys.readouterr().out

    # The run in the sandbox does not stand for one in the real image.
    monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", "engine=podman")
    for verb in ("freeze", "push", "submit"):
        assert main([verb]) == 0, capsys.readouterr()
    output = capsys.readouterr().out
    assert "small-kernel: version 2, pushed" in output
    assert "| installed iniconfig" in output
    result = result_of(kernel.build)
    assert result["run"]["docker_image"] == spec.docker_image
    assert result["submission"]["score"] == pytest.approx(2 / 3, abs=1e-5)

    # A version of the image that does not fit is found before anything is installed.
    manifest_of = kernel.build / "packages" / "freeze.json"
    assert json.loads(manifest_of.read_text())["python"] == spec.python
    kernel.image.write_text(manifest.replace("packaging==24.2", "packaging==24.1"))
    (repository / "packages" / "small" / "pyproject.toml").write_text(
        (repository / "packages" / "small" / "pyproject.toml").read_text().replace("packaging>=22", "packaging<24.2")
    )
    assert main(["lock"]) == main(["freeze"]) == 0
    assert main(["push"]) != 0
    assert "packaging: small 1.0 requires packaging<24.2, but this image has 24.2" in capsys.readouterr().err


def test_the_size_of_an_image_is_told_before_it_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    require_podman()
    reference = "127.0.0.1:9/kaggle/python@sha256:" + "0" * 64
    with pytest.raises(ImageError, match=r"podman cannot fetch 127\.0\.0\.1:9/kaggle/python@sha256:0+"):
        Container(engine="podman", reference=reference, owner="").fetch()
    assert f"fetching {reference}: about 12 GB, once\n" in capsys.readouterr().err


def test_a_manifest_without_a_digest_cannot_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require_podman()
    repository = write_repository(tmp_path / "repository")
    monkeypatch.chdir(repository)
    monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", "engine=podman")
    assert main(["lock"]) == main(["freeze"]) == 0
    assert main(["push"]) == RehearsalError.exit_code
    assert "engine=podman: the manifest has no docker-image" in capsys.readouterr().err


def test_an_engine_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(SandboxError, match="docker: not found"),
        serve(tmp_path / "storage", behaviour=Behaviour(engine="docker")),
    ):
        pass
