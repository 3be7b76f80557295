"""`kaggle kernels`, each subcommand as a subprocess: the effect is checked, not the exit code alone."""

import json
import time
from pathlib import Path

import requests
from kaggle_local.local_kaggle import USERNAME, LocalKaggle

from tests.kaggle_local.conftest import Kaggle
from tests.kaggle_local.kernels import finished, printed, published, run_script, settings_of, write_kernel
from tests.kaggle_local.services.test_models import VARIATION, wait, write_model, write_variation

REF = f"{USERNAME}/my-kernel"


def test_push_status_output_files_and_logs_of_a_notebook(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    source = "print('hello'); open('out.txt', 'w').write('result')"
    folder = write_kernel(tmp_path / "kernel", source)
    assert "version 1 successfully pushed" in kaggle("kernels", "push", "-p", str(folder)).stdout
    assert finished(local).status == "complete"
    assert "COMPLETE" in kaggle("kernels", "status", REF).stdout
    assert "out.txt,6," in kaggle("kernels", "files", REF, "--csv").stdout
    kaggle("kernels", "output", REF, "-p", str(tmp_path / "output"))
    assert (tmp_path / "output" / "out.txt").read_text() == "result"
    assert "hello" in (tmp_path / "output" / "my-kernel.log").read_text()
    assert "hello" in kaggle("kernels", "logs", REF).stdout
    assert kaggle("kernels", "logs", REF, "--follow").stdout == "hello\n", "of a run that has ended"


def test_a_script_runs_as_it_is_and_its_log_is_followed_live(
    local: LocalKaggle, kaggle: Kaggle, tmp_path: Path
) -> None:
    source = (
        "import sys, time\nprint('first', flush=True)\n"
        "time.sleep(5)\nprint('{\"stream_name\": 1}')\nprint('last', file=sys.stderr)"
    )
    folder = write_kernel(tmp_path / "kernel", source, kernel_type="script")
    kaggle("kernels", "push", "-p", str(folder))
    url = f"{local.url}/api/v1/kernels/logs/stream/{REF}"
    headers = {"Authorization": f"Bearer {local.token}"}
    with requests.get(url, headers=headers, stream=True, timeout=30) as stream:
        assert '"data": "first\\n"' in next(line for line in stream.iter_lines(decode_unicode=True) if line)
        running = local.storage.kernels.get(USERNAME, "my-kernel")
        assert running is not None
        assert running.status == "running", "the log is there while the run goes on"
    seen = kaggle("kernels", "logs", REF, "--follow").stdout
    assert finished(local).status == "complete"
    assert sorted(seen.splitlines()) == ["first", "last", '{"stream_name": 1}'], "a line is no event of ours"


def test_pull_gives_back_what_was_pushed(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    run_script(local, "print('an earlier version')")
    folder = write_kernel(tmp_path / "kernel", "print('pulled')", kernel_type="script", title="My kernel")
    kaggle("kernels", "push", "-p", str(folder))
    kaggle("kernels", "pull", REF, "-p", str(tmp_path / "pulled"), "-m")
    assert (tmp_path / "pulled" / "my-kernel.py").read_text() == "print('pulled')"
    metadata = json.loads((tmp_path / "pulled" / "kernel-metadata.json").read_text())
    assert (metadata["id"], metadata["kernel_type"], metadata["enable_internet"]) == (REF, "script", False)
    kaggle("kernels", "pull", f"{REF}/1", "-p", str(tmp_path / "first"))
    assert "earlier" in (tmp_path / "first" / "my-kernel.py").read_text()


def test_list_shows_what_may_be_seen(local: LocalKaggle, kaggle: Kaggle) -> None:
    run_script(local, "", slug="my-kernel")
    run_script(local, "", slug="our-kernel", is_private=False)
    mine = kaggle("kernels", "list", "--mine", "--csv").stdout
    assert "my-kernel" in mine
    assert "our-kernel" in mine
    others = kaggle("kernels", "list", "--csv", user="somebody").stdout
    assert "our-kernel" in others
    assert "my-kernel" not in others
    assert "our-kernel" not in kaggle("kernels", "list", "--kernel-type", "notebook", "--csv").stdout
    assert "our-kernel" in kaggle("kernels", "list", "-s", "our", "--csv").stdout


def test_a_failed_kernel_says_so(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    folder = write_kernel(tmp_path / "kernel", "print('so far')", "import nowhere_to_be_found")
    kaggle("kernels", "push", "-p", str(folder))
    assert finished(local).status == "error"
    assert "ERROR" in kaggle("kernels", "status", REF).stdout
    log = kaggle("kernels", "logs", REF).stdout
    assert "so far" in log
    assert "No module named 'nowhere_to_be_found'" in log


def test_delete(local: LocalKaggle, kaggle: Kaggle) -> None:
    version = run_script(local, "open('out.txt', 'w').write('x')")
    kaggle("kernels", "delete", REF, "--yes", user="somebody", code=1)
    kaggle("kernels", "delete", REF, "--yes")
    assert local.storage.kernels.get(USERNAME, "my-kernel") is None
    assert not version.folder.exists()


def test_a_kernel_that_is_deleted_while_it_runs_is_stopped(local: LocalKaggle, kaggle: Kaggle) -> None:
    for slug in ("my-kernel", "queued"):
        settings = settings_of(kernel_type="script")
        version = local.storage.kernels.add_version(USERNAME, slug, slug, "import time; time.sleep(3600)", settings)
        local.worker.run(version)
    while (running := local.storage.kernels.get(USERNAME, "my-kernel")) is None or running.status != "running":
        time.sleep(0.01)
    for slug in ("queued", "my-kernel"):
        kaggle("kernels", "delete", f"{USERNAME}/{slug}", "--yes")
    assert run_script(local, "", slug="next").status == "complete", "it does not hold up others"
    assert not running.folder.exists()


def test_what_a_push_names_is_mounted(local: LocalKaggle, kaggle: Kaggle, competition: Path, tmp_path: Path) -> None:
    local.host(competition)
    published(local, {"data.txt": b"1"})
    run_script(local, "open('out.txt', 'w').write('x')", slug="first")
    kaggle("models", "create", "-p", str(write_model(tmp_path / "model")))
    kaggle("models", "variations", "create", "-p", str(write_variation(tmp_path / "variation", weights=b"one")))
    wait(local, 1)
    source = "from pathlib import Path; print(*sorted(p.name for p in Path('/kaggle/input').rglob('*.*')))"
    folder = write_kernel(
        tmp_path / "kernel",
        source,
        kernel_type="script",
        dataset_sources=[f"{USERNAME}/my-data"],
        kernel_sources=[f"{USERNAME}/first"],
        model_sources=[f"{VARIATION}/1"],
        competition_sources=["leaves"],
    )
    assert "not valid" not in kaggle("kernels", "push", "-p", str(folder)).stdout
    assert printed(finished(local)).split() == ["data.txt", "out.txt", "sample_submission.csv", "weights.bin"]
    unknown = write_kernel(
        tmp_path / "unknown",
        source,
        kernel_type="script",
        kernel_sources=[f"{USERNAME}/nowhere"],
        competition_sources=["no"],
    )
    said = kaggle("kernels", "push", "-p", str(unknown)).stdout
    assert f"not valid kernel sources and could not be added to the kernel: ['{USERNAME}/nowhere']" in said
    assert "not valid competition sources" in said


def test_titles_and_slugs_follow_kaggles_rules(local: LocalKaggle, kaggle: Kaggle, tmp_path: Path) -> None:
    def push(code: int = 0, **metadata: str) -> str:
        folder = write_kernel(tmp_path / "kernel", "pass", kernel_type="script", **metadata)
        result = kaggle("kernels", "push", "-p", str(folder), code=code)
        return result.stdout + result.stderr

    push(id=f"{USERNAME}/other-slug", title="My kernel")
    assert [v.slug for v in local.storage.kernels.all()] == ["my-kernel"], "the slug is the title's"
    assert "409 Client Error" in push(1, id=f"{USERNAME}/other-slug", title="My kernel")
    assert "409 Client Error" in push(1, id=f"{USERNAME}/my_kernel", title="My-Kernel")
    assert "403 Client Error" in push(1, id="somebody/my-kernel", title="My kernel")
    assert "at least five characters" in push(1, id=f"{USERNAME}/abcd", title="abcd")
    assert [v.number for v in local.storage.kernels.all()] == [1]
