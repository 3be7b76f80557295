"""Push and submit, on a local Kaggle: the whole way of a small competition, and how it can fail."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from kaggle_local.faults import Fault, Faults
from kaggle_local.interpreters import find_python
from kaggle_offline.artifacts.frozen import read_frozen, write_frozen
from kaggle_offline.artifacts.render import digest_of_source, render_kernel
from kaggle_offline.cli import main
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.history import history
from kaggle_offline.commands.push import push
from kaggle_offline.commands.status import status
from kaggle_offline.commands.submit import submit
from kaggle_offline.delivery.target import LocalTarget, Target, open_target
from kaggle_offline.errors import (
    DailyLimitError,
    DeadlineError,
    NotAllowedError,
    NotFrozenError,
    OfflineError,
    OutputError,
    RehearsalError,
    RunError,
    ScoringError,
)
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_offline.conftest import PREDICT, change_metadata, require, result_of


@pytest.fixture
def kernel(script: KernelFolder) -> KernelFolder:
    """The small competition, frozen; a script, but where a test is about notebooks."""
    return script


@contextmanager
def opened(kernel: KernelFolder) -> Iterator[Target]:
    with open_target("local", kernel.repository) as target:
        yield target


def faults_of(target: Target) -> Faults:
    """Return the faults of a local Kaggle that is open."""
    assert isinstance(target, LocalTarget)
    return target.local.faults


def go(kernel: KernelFolder) -> dict[str, Any]:
    freeze(kernel)
    with opened(kernel) as target:
        push(kernel, target)
        submit(kernel, target)
    return result_of(kernel.build)


def test_settings_reach_the_rehearsal(kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", "surprise=1")
    with pytest.raises(RehearsalError, match="surprise"):
        go(kernel)


def nothing_submitted(kernel: KernelFolder) -> None:
    with opened(kernel) as target:
        assert target.client.competitions.submissions("small") == []
        with pytest.raises(NotFrozenError):
            submit(kernel, target)


def test_the_whole_way_and_once_more(notebook: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    first = go(notebook)
    assert first["target"] == "local"
    assert first["run"]["status"] == "complete"
    assert first["run"]["seconds"] > 0
    assert first["run"]["peak_memory_bytes"] > 10**6
    assert first["submission"]["status"] == "complete"
    assert first["submission"]["score"] == pytest.approx(2 / 3, abs=1e-5)
    assert first["submission"]["baseline"] == pytest.approx(2 / 3, abs=1e-5)
    assert {"freeze", "push", "submit"} <= set(first["seconds"])
    assert "0.66667" in (notebook.build / "summary.md").read_text()
    assert "0.66667" in (notebook.build / "report.html").read_text()

    capsys.readouterr()
    second = go(notebook)
    for name in ("packages", "models"):
        assert second[name] == {**first[name], "uploaded_bytes": 0}
    for name in ("kernel", "run", "submission"):
        assert second[name] == first[name]
    # The times are still those of what was done.
    assert second["seconds"] == first["seconds"]
    output = capsys.readouterr().out
    assert "nothing changed" in output
    assert "version 1, unchanged, already run" in output
    assert "version 1 is submitted already" in output


@pytest.mark.nightly
def test_a_script_without_checkpoints_goes_the_same_way(kernel: KernelFolder) -> None:
    """And what an earlier version had as checkpoints is not told of any more."""
    go(kernel)
    settings = kernel.folder / "submission.toml"
    settings.write_text(settings.read_text().replace('checkpoints = "checkpoints"\n', ""))
    # The installer is written by push, where there is a place for it.
    cells = PREDICT.split("\n\n")
    kernel.code.write_text("\n\n".join([cells[0], '# %% tags=["install"]\n# Here.', *cells[2:]]))
    kernel = read_kernel_folder(kernel.repository, "small")
    result = go(kernel)
    assert "models" not in result
    assert result["submission"]["score"] == pytest.approx(2 / 3, abs=1e-5)
    assert sorted(p.name for p in (kernel.build / "kernel").iterdir()) == ["kernel-metadata.json", "predict.py"]
    code = (kernel.build / "kernel" / "predict.py").read_text()
    assert result["kernel"]["digest"] == digest_of_source(code)
    assert "small-models" not in code
    compile(code, "predict.py", "exec")
    for name in ("summary.md", "report.html"):
        assert "models" not in (kernel.build / name).read_text()
    with opened(kernel) as target:
        (entry,) = history(target.client, "small")
        assert entry.origin is not None
        assert entry.origin.models is None
    again = go(kernel)
    assert (again["kernel"], again["run"]) == (result["kernel"], result["run"])


@pytest.mark.nightly
def test_the_last_score_stands_beside_the_next(kernel: KernelFolder) -> None:
    assert go(kernel)["submission"]["last_score"] is None
    kernel.code.write_text(f"{kernel.code.read_text()}\n# Changed.\n")
    assert go(kernel)["submission"]["last_score"] == pytest.approx(2 / 3, abs=1e-5)
    assert "| previous score | 0.66667 |" in (kernel.build / "summary.md").read_text()


def test_an_unchanged_push_asks_little(kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    go(kernel)
    freeze(kernel)
    asked: list[str] = []
    send = requests.Session.send

    def counted(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        asked.append(str(request.url).rpartition("/")[2])
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    with opened(kernel) as target:
        push(kernel, target)
    assert asked == ["IntrospectToken", "GetDataset", "GetDataset", "GetKernel"]
    assert result_of(kernel.build)["packages"]["uploaded_bytes"] == 0


def test_an_account_that_may_not_submit_is_told_where_to_click(kernel: KernelFolder) -> None:
    freeze(kernel)
    with opened(kernel) as target:
        push(kernel, target)
        faults_of(target).add(Fault(on="competitions.CompetitionApiService/CreateCodeSubmission", status=403))
        with pytest.raises(NotAllowedError, match=r"https://www\.kaggle\.com/code/kaggler/small-kernel, .*version 1"):
            submit(kernel, target)
        assert target.client.competitions.submissions("small") == []
        submit(kernel, target)
    assert result_of(kernel.build)["submission"]["status"] == "complete"


@pytest.mark.nightly
def test_the_daily_limit_is_respected_and_history_shows_the_chains(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = kernel.package / "src" / "small" / "competition.py"
    source.write_text(source.read_text().replace('"labels"\\n', '"labels"\\n[limits]\\nsubmissions_per_day = 2\\n'))
    monkeypatch.chdir(kernel.repository)
    main(["history"])
    assert "small: no submissions" in capsys.readouterr().out
    (kernel.repository / ".gitignore").write_text("/build/\n/.kaggle-local/\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], check=True)
    subprocess.run(["git", "tag", "submit-v7"], check=True)
    go(kernel)
    kernel.code.write_text(PREDICT + "# changed\n")
    go(kernel)
    kernel.code.write_text(PREDICT + "# changed again\n")
    with pytest.raises(DailyLimitError, match="midnight UTC"):
        go(kernel)
    capsys.readouterr()
    (kernel.build / "result.json").unlink()
    assert main(["history", "small"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout[:12]
    assert [row[2:] for row in rows[2:]] == [
        ["0.66667", "submit-v7", f"{commit}+", "1", "1", "2", "2"],
        ["0.66667", "submit-v7", commit, "1", "1", "1", "1"],
    ]


@pytest.mark.nightly
def test_the_command_ends_at_its_deadline_and_goes_on_later(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.code.write_text(PREDICT + "import time\ntime.sleep(3)\n")
    freeze(kernel)
    with opened(kernel) as target:
        assert isinstance(target, LocalTarget)
        target.prepare(kernel, read_frozen(kernel))
    monkeypatch.chdir(kernel.repository)
    assert main(["push", "--minutes", "0.04"]) == DeadlineError.exit_code
    assert "it goes on from here" in capsys.readouterr().err
    assert main(["push"]) == 0
    assert result_of(kernel.build)["kernel"]["version"] == 1
    with pytest.raises(SystemExit):
        main(["push", "--minutes", "-1"])


def test_other_checkpoints_than_those_that_were_published_are_refused(kernel: KernelFolder) -> None:
    freeze(kernel)
    with opened(kernel) as target:
        push(kernel, target)
        folder = kernel.repository / ".kaggle-local" / "datasets" / "kaggler" / "small-models" / "1"
        (folder / "model.ckpt").unlink()
        (folder / "model.ckpt").write_text("another")
        with pytest.raises(ScoringError, match="small-models: another version is mounted"):
            submit(kernel, target)


def test_checkpoints_in_folders_reach_the_kernel(kernel: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert kernel.checkpoints is not None
    for name in ("tokenizer/vocab.json", "tokenizer/sub.v1/merges.txt", "tokenizer.json"):
        path = kernel.checkpoints / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    find = 'next(Path("/kaggle/input").rglob("merges.txt"))'
    kernel.code.write_text(f"{PREDICT}\nprint('read', {find}.read_text(), {find}.parents[1].name)\n")
    result = go(kernel)
    assert "read tokenizer/sub.v1/merges.txt tokenizer" in capsys.readouterr().out
    assert result["models"]["version"] == 1
    assert go(kernel)["models"]["uploaded_bytes"] == 0
    (kernel.checkpoints / "tokenizer" / "vocab.json").unlink()
    assert go(kernel)["models"]["version"] == 2


def test_what_changed_is_published_and_nothing_else(kernel: KernelFolder) -> None:
    go(kernel)
    (kernel.package / "src" / "small" / "__init__.py").write_text('"""Changed."""\n')
    result = go(kernel)
    assert (result["packages"]["version"], result["models"]["version"], result["kernel"]["version"]) == (2, 1, 2)
    assert result["models"]["uploaded_bytes"] == 0

    assert kernel.checkpoints is not None
    (kernel.checkpoints / "more.json").write_text("{}")
    result = go(kernel)
    assert (result["packages"]["version"], result["models"]["version"], result["kernel"]["version"]) == (2, 2, 3)

    kernel.code.write_text(PREDICT + "# changed\n")
    result = go(kernel)
    assert (result["packages"]["version"], result["models"]["version"], result["kernel"]["version"]) == (2, 2, 4)


def test_a_package_that_is_not_required_fails_the_run_and_is_named(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    require(kernel.repository, "packaging>=22")
    settings = kernel.folder / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[freeze]\nno-deps = ["packaging"]\n')
    kernel = read_kernel_folder(kernel.repository, "small")
    freeze(kernel)
    with opened(kernel) as target, pytest.raises(RunError) as failure:
        push(kernel, target)
    headline, exception, overrides = failure.value.problem.splitlines()
    assert overrides == "submission.toml overrides: packaging without its dependencies"
    assert "could not import iniconfig" in headline
    assert exception == "ModuleNotFoundError: No module named 'iniconfig'"
    shown = capsys.readouterr().out
    assert shown.count("  | ModuleNotFoundError: No module named 'iniconfig'") == 1, "the log was shown live"
    nothing_submitted(kernel)


def test_a_kernel_that_writes_nothing_is_not_submitted(kernel: KernelFolder) -> None:
    kernel.code.write_text('# %% tags=["parameters"]\nPACKAGES_DIGEST = ""\n')
    freeze(kernel)
    with opened(kernel) as target, pytest.raises(OutputError, match=r"did not write submission\.csv"):
        push(kernel, target)
    nothing_submitted(kernel)


@pytest.mark.parametrize("name", ["gender_submission.csv", "sampleSubmission.csv"])
def test_the_sample_submission_is_found_by_the_names_that_kaggle_uses(
    name: str, kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    competition = kernel.package / "src" / "small" / "competition.py"
    competition.write_text(competition.read_text().replace('"sample_submission.csv"', f'"{name}"'))
    freeze(kernel)
    with opened(kernel) as target:
        push(kernel, target)
    assert "2 rows, as in the sample" in capsys.readouterr().out


def test_a_failure_after_a_success_leaves_nothing_to_submit_by_mistake(kernel: KernelFolder) -> None:
    go(kernel)
    kernel.code.write_text(PREDICT + "raise ValueError('broken')\n")
    freeze(kernel)
    with opened(kernel) as target:
        with pytest.raises(RunError, match="ValueError: broken"):
            push(kernel, target)
        with pytest.raises(NotFrozenError):
            submit(kernel, target)
        assert len(target.client.competitions.submissions("small")) == 1


def test_a_rerun_that_fails_is_explained_and_not_repeated(notebook: KernelFolder) -> None:
    notebook.code.write_text(PREDICT + "import os\nif 'KAGGLE_IS_COMPETITION_RERUN' in os.environ: import nowhere\n")
    freeze(notebook)
    with opened(notebook) as target:
        push(notebook, target)
        for _ in range(2):
            with pytest.raises(ScoringError, match="could not import nowhere") as failure:
                submit(notebook, target)
            assert "  | ModuleNotFoundError: No module named 'nowhere'" in failure.value.problem
        assert len(target.client.competitions.submissions("small")) == 1
    assert result_of(notebook.build)["submission"]["status"] == "error"


@pytest.mark.nightly
def test_a_version_that_lacks_a_file_is_followed_by_a_whole_one(kernel: KernelFolder) -> None:
    go(kernel)
    folder = kernel.repository / ".kaggle-local" / "datasets" / "kaggler" / "small-packages" / "1"
    next(folder.glob("iniconfig-*.whl")).unlink()
    # As on another machine: what was seen to be whole is not looked at again.
    (kernel.build / "result.json").unlink()
    result = go(kernel)
    assert result["packages"]["version"] == 2
    assert result["kernel"]["version"] == 1, "its inputs are the same"


def test_what_was_changed_since_it_was_frozen_is_not_published(kernel: KernelFolder) -> None:
    frozen = freeze(kernel)
    for folder in (frozen.rehearsal.folder, kernel.build / "models"):
        (folder / "extra.txt").write_text("x")
        with opened(kernel) as target, pytest.raises(NotFrozenError, match="changed since it was frozen"):
            push(kernel, target)
        (folder / "extra.txt").unlink()
    (kernel.build / "models" / "model.ckpt").write_bytes(b"x" * (kernel.build / "models" / "model.ckpt").stat().st_size)
    with opened(kernel) as target, pytest.raises(NotFrozenError, match="models: changed since it was frozen"):
        push(kernel, target)


@pytest.mark.nightly
def test_another_competition_or_output_is_another_run(kernel: KernelFolder) -> None:
    assert go(kernel)["kernel"]["version"] == 1
    settings = kernel.folder / "submission.toml"
    text = settings.read_text()
    settings.write_text(text.replace("small.competition", "small.competition "))
    assert go(read_kernel_folder(kernel.repository, "small"))["kernel"]["version"] == 2
    image = kernel.image.read_text()
    kernel.image.write_text(image + "click==8.1.8\n")
    assert go(read_kernel_folder(kernel.repository, "small"))["kernel"]["version"] == 3


def test_an_input_that_is_not_there_is_refused_again(kernel: KernelFolder) -> None:
    path = kernel.folder / "kernel-metadata.json"
    metadata = json.loads(path.read_text())
    for kind in ("dataset", "kernel"):
        path.write_text(json.dumps({**metadata, f"{kind}_sources": ["nobody/nothing-here"]}))
        kernel = read_kernel_folder(kernel.repository, "small")
        freeze(kernel)
        for _ in range(2):
            with opened(kernel) as target, pytest.raises(RehearsalError, match=f"{kind} nobody/nothing-here"):
                push(kernel, target)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('"ab"', '""', "test_images: the folder is empty"),
        ('"small"\\ntitle', '"small"\\nname', "title must be a text"),
        ("import sys", "import syss", "No module named 'syss'"),
    ],
)
def test_a_competition_that_cannot_be_hosted_stops_before_anything_is_pushed(
    before: str, after: str, named: str, kernel: KernelFolder
) -> None:
    source = kernel.package / "src" / "small" / "competition.py"
    source.write_text(source.read_text().replace(before, after, 1))
    freeze(kernel)
    with opened(kernel) as target:
        with pytest.raises(RehearsalError, match=named):
            push(kernel, target)
        assert target.client.datasets.state("small-packages") is None
        assert target.client.kernels.state("small-kernel") is None


@pytest.mark.nightly
def test_pictures_of_any_name_do_no_harm(rehearsed: Path) -> None:
    change_metadata(rehearsed, kernel_type="script")
    names = ["a\nb.png", "::error::x.png", "\x1b[2J.png", 'a<b>&".png', "x" * 240 + ".png", "ü.png", "a/b.png"]
    write = "import os\nos.makedirs('/kaggle/working/a', exist_ok=True)\n"
    write += f"for name in {names!r}: open('/kaggle/working/' + name, 'wb').write(b'picture')\n"
    (rehearsed / "kernels" / "small" / "predict.py").write_text(PREDICT + write)
    kernel = read_kernel_folder(rehearsed, "small")
    assert go(kernel)["run"]["status"] == "complete"
    go(kernel)
    assert 'alt="a&lt;b&gt;' in (kernel.build / "report.html").read_text()


def test_there_is_nothing_to_push_before_a_freeze(rehearsed: Path) -> None:
    kernel = read_kernel_folder(rehearsed, "small")
    with opened(kernel) as target, pytest.raises(NotFrozenError, match="not frozen"):
        push(kernel, target)


def test_the_rendered_kernel_is_what_kaggle_takes(notebook: KernelFolder) -> None:
    go(notebook)
    metadata = json.loads((notebook.build / "kernel" / "kernel-metadata.json").read_text())
    assert metadata["id"] == "kaggler/small-kernel"
    assert metadata["dataset_sources"] == ["kaggler/small-packages", "kaggler/small-models"]
    assert "id_no" not in metadata
    text = (notebook.build / "kernel" / metadata["code_file"]).read_text()
    assert result_of(notebook.build)["kernel"]["digest"] in text
    with opened(notebook) as target:
        push(notebook, target)
    assert (notebook.build / "kernel" / metadata["code_file"]).read_text() == text, "rendering is reproducible"


def test_the_kernel_runs_in_the_image_that_the_lock_is_for(kernel: KernelFolder) -> None:
    digest = "gcr.io/kaggle-images/python@sha256:" + "1" * 64
    kernel.image.write_text(kernel.image.read_text().replace("# platform", f"# docker-image: {digest}\n# platform"))
    kernel.code.write_text(
        f'{kernel.code.read_text()}\nimport os\nprint("ran in", os.environ["KAGGLE_DOCKER_IMAGE"])\n'
    )
    go(kernel)
    metadata = json.loads((kernel.build / "kernel" / "kernel-metadata.json").read_text())
    assert metadata["docker_image"] == digest
    assert metadata["docker_image_pinning_type"] == "original"
    with opened(kernel) as target:
        log = "".join(target.client.kernels.follow_log("small-kernel", 1))
    assert f"ran in {digest}" in log


def test_an_image_that_does_not_fit_stops_the_kernel_before_it_installs_anything(kernel: KernelFolder) -> None:
    """The image of the run has another version than the manifest."""
    freeze(kernel)
    manifest = kernel.image.read_text()
    kernel.image.write_text(manifest.replace("packaging==24.2", "packaging==21.3"))
    with opened(kernel) as target, pytest.raises(RunError) as failed:
        push(kernel, target)
    why = "packaging: small 1.0 requires packaging>=22, but this image has 21.3"
    assert failed.value.problem == f"kaggler/small-kernel version 1 failed: {why}"


@pytest.mark.nightly
def test_another_python_stops_the_kernel_before_it_installs_anything(kernel: KernelFolder) -> None:
    freeze(kernel)
    frozen = read_frozen(kernel)
    other = next(version for version in ("3.11", "3.12", "3.13") if version != frozen.python and find_python(version))
    write_frozen(kernel, replace(frozen, python=other))
    with opened(kernel) as target, pytest.raises(RunError) as failed:
        push(kernel, target)
    assert f"failed: Python {other}: the packages were locked for small, which has" in failed.value.problem


def test_the_weights_of_submission_toml_reach_the_kernel(notebook: KernelFolder) -> None:
    settings = notebook.folder / "submission.toml"
    before = rendered(notebook)
    settings.write_text(f'{settings.read_text()}\n[weights]\n"model.ckpt" = 2.5\n')
    after = rendered(read_kernel_folder(notebook.repository, notebook.competition))
    assert "WEIGHTS = {}" in before
    assert "WEIGHTS = {'model.ckpt': 2.5}" in after
    assert digest_of_source(before) != digest_of_source(after), "with other weights it is another kernel"


def rendered(kernel: KernelFolder) -> str:
    """The notebook that would be pushed."""
    freeze(kernel)
    frozen = read_frozen(kernel)
    folder = render_kernel(kernel, frozen.packages, frozen.models, owner="kaggler", surroundings=[]).folder
    return (folder / "predict.ipynb").read_text()


def test_errors_have_exit_codes_of_their_own() -> None:
    codes = [error.exit_code for error in OfflineError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_rehearsal_runs_on_the_images_python_with_the_files_that_would_be_pushed(
    version: str, rehearsed: Path
) -> None:
    """A compiled wheel among them, which no other Python could import."""
    if find_python(version) is None:
        pytest.skip(f"Python {version} not found")
    image = rehearsed / "requirements" / "images" / "small.txt"
    # A NumPy that has wheels for both: another would be compiled for ten minutes.
    text = image.read_text().replace("3.12.13", f"{version}.1").replace("numpy==2.0.2", "numpy==2.2.6")
    image.write_text(text)
    require(rehearsed, "iniconfig>=2", "markupsafe==3.0.3")
    change_metadata(rehearsed, kernel_type="script")
    check = f"import markupsafe._speedups, sys\nassert sys.version.startswith('{version}.')\n"
    (rehearsed / "kernels" / "small" / "predict.py").write_text(PREDICT + check)
    kernel = read_kernel_folder(rehearsed, "small")
    assert go(kernel)["submission"]["status"] == "complete"
    frozen = read_frozen(kernel)
    assert frozen.rehearsal == frozen.packages
    (wheel,) = frozen.packages.folder.glob("markupsafe-*.whl")
    assert f"-cp{version.replace('.', '')}-" in wheel.name


def test_a_command_need_not_wait_for_the_run_and_the_score(
    kernel: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.code.write_text(f"{kernel.code.read_text()}\n# %%\nimport time\n\ntime.sleep(3)\n")
    freeze(kernel)
    with opened(kernel) as target:
        push(kernel, target, detach=True)
        assert "it goes on; to wait for its end, run: kaggle-offline push small" in capsys.readouterr().out
        assert status(kernel, target).run in ("queued", "running")
        with pytest.raises(NotFrozenError):
            submit(kernel, target)
        push(kernel, target)
        assert "version 1, unchanged, already pushed" in capsys.readouterr().out
        submit(kernel, target, detach=True)
        assert "it is scored meanwhile" in capsys.readouterr().out
        assert status(kernel, target).submission_status == "pending"
        submit(kernel, target)
    assert result_of(kernel.build)["submission"]["status"] == "complete"
