"""Push and submit where Kaggle is slow, full, strict, or other than we think: each as a setting or a fault has it."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kaggle_local.faults import Fault
from kaggle_local.services import METHODS
from kaggle_local.services.rpc import Method
from kaggle_offline.artifacts.frozen import read_frozen
from kaggle_offline.artifacts.render import digest_of_source
from kaggle_offline.code.cells import cells_of
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.commands.submit import submit
from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.target import PATIENCE, LocalTarget, Target, open_target
from kaggle_offline.doctor.examination import examine
from kaggle_offline.errors import DeadlineError, EntryError, KaggleError, NotAllowedError, PublishError, RunError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_local.kernels import finished, printed
from tests.kaggle_offline.commands.test_push import faults_of
from tests.kaggle_offline.conftest import PREDICT, change_metadata, require, result_of

SERVICES = {
    "SaveKernel": "kernels.KernelsApiService/SaveKernel",
    "GetDataset": "datasets.DatasetApiService/GetDataset",
    "ListDatasetFiles": "datasets.DatasetApiService/ListDatasetFiles",
    "ListSubmissions": "competitions.CompetitionApiService/ListSubmissions",
    "CreateCodeSubmission": "competitions.CompetitionApiService/CreateCodeSubmission",
    "GetKernelSessionStatus": "kernels.KernelsApiService/GetKernelSessionStatus",
}

SCRIPT = "\n\n".join([PREDICT.split("\n\n")[0], '# %% tags=["install"]\n# Here.', *PREDICT.split("\n\n")[2:]])


@pytest.fixture
def kernel(script: KernelFolder) -> KernelFolder:
    """The small competition as a script, whose install cell is written by push; frozen."""
    script.code.write_text(SCRIPT)
    freeze(script)
    return script


def changed(kernel: KernelFolder) -> KernelFolder:
    """The same with another package, frozen."""
    source = kernel.package / "src" / "small" / "__init__.py"
    source.write_text(f'{source.read_text()}"""Changed."""\n')
    freeze(kernel)
    return kernel


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Open the local Kaggle of a competition, with settings."""

    def opened(kernel: KernelFolder, minutes: float | None = None, **settings: Any) -> Any:
        monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", " ".join(f"{name}={value}" for name, value in settings.items()))
        return open_target("local", kernel.repository, minutes=minutes)

    return opened


def versions(target: Target, name: str) -> int:
    assert isinstance(target, LocalTarget)
    return len(target.local.storage.resources.versions("dataset", f"kaggler/small-{name}"))


def kernels(target: Target) -> int:
    assert isinstance(target, LocalTarget)
    version = target.local.storage.kernels.get("kaggler", "small-kernel")
    return version.number if version else 0


def prepare(kernel: KernelFolder, kaggle: Callable[..., Any]) -> None:
    """Build the image and the competition beforehand: both take a while."""
    with kaggle(kernel) as target:
        target.prepare(kernel, read_frozen(kernel))


# Waiting


def test_a_free_session_is_waited_for_and_said_once(
    kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(kernel, kaggle)
    with kaggle(kernel, busy_seconds=5) as target:
        push(kernel, target)
        assert kernels(target) == 1
    said = capsys.readouterr().out
    assert said.count("Maximum batch CPU session count of 5 reached. Waiting for one of them to end.") == 1


@pytest.mark.nightly
def test_a_free_session_is_not_waited_for_longer_than_the_command_may_take(
    kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(kernel, kaggle)
    with kaggle(kernel, minutes=0.1, busy_seconds=3600) as target, pytest.raises(DeadlineError):
        push(kernel, target)
    assert "Waiting for one of them to end" in capsys.readouterr().out


def test_a_version_that_is_mounted_late_is_run_again(
    kernel: KernelFolder,
    kaggle: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PATIENCE, "local", replace(PATIENCE["local"], mount=2.5))
    with kaggle(kernel, mount_seconds=4) as target:
        push(kernel, target)
        first = kernels(target)
        assert 1 < first <= 4
        assert "is not among this kernel's inputs: Kaggle mounts new versions late" in capsys.readouterr().out
    changed(kernel)
    with kaggle(kernel, mount_seconds=4) as target:
        push(kernel, target)
        assert first + 1 < kernels(target) <= first + 4
        assert "but sha256:" in capsys.readouterr().out
        submit(kernel, target)
    assert result_of(kernel.build)["submission"]["status"] == "complete"


@pytest.mark.nightly
def test_a_version_that_is_never_mounted_is_tried_four_times(
    kernel: KernelFolder, kaggle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PATIENCE, "local", replace(PATIENCE["local"], mount=0.1))
    with kaggle(kernel, mount_seconds=3600) as target:
        with pytest.raises(RunError, match="missed an input"):
            push(kernel, target)
        assert kernels(target) == 4


def test_push_waits_for_new_versions_to_show(kernel: KernelFolder, kaggle: Callable[..., Any]) -> None:
    with kaggle(kernel, fresh_seconds=2, listing_seconds=2, processing_seconds=1) as target:
        push(kernel, target)
        submit(kernel, target)
        assert (versions(target, "packages"), versions(target, "models"), kernels(target)) == (1, 1, 1)
        assert len(target.client.competitions.submissions("small")) == 1


# Refusals


@pytest.mark.parametrize(
    ("metadata", "fault", "said", "cure"),
    [
        (
            {"docker_image": "gcr.io/somebody/python"},
            None,
            "this account may not use the image gcr.io/somebody/python",
            "Capture the image that your own sessions run in",
        ),
        ({}, Fault(on=SERVICES["SaveKernel"], status=500, times=1000), "deleted and made again", "rename it"),
        (
            {},
            Fault(on=SERVICES["SaveKernel"], body='{"error": "You cannot change the editor type of a notebook."}'),
            "You cannot change the editor type",
            "give it another title",
        ),
        (
            {"title": "Small packages", "id": "OWNER/small-packages"},
            None,
            "in use by one of your datasets",
            "Choose another title",
        ),
    ],
)
def test_a_refused_push_is_explained(
    *,
    metadata: dict[str, Any],
    fault: Fault | None,
    said: str,
    cure: str,
    kernel: KernelFolder,
    kaggle: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PATIENCE, "local", replace(PATIENCE["local"], repeat=1, settle=0.1))
    change_metadata(kernel.repository, **metadata)
    kernel = read_kernel_folder(kernel.repository, "small")
    freeze(kernel)
    with kaggle(kernel) as target:
        faults_of(target).add(*filter(None, [fault]))
        with pytest.raises(KaggleError, match=said) as refusal:
            push(kernel, target)
        assert cure in refusal.value.cure


def test_kaggles_own_words_are_shown(kernel: KernelFolder, kaggle: Callable[..., Any]) -> None:
    kernel.code.write_text(SCRIPT + "# " + "x" * 1_000_000)
    freeze(kernel)
    with (
        kaggle(kernel) as target,
        pytest.raises(KaggleError, match="400 The kernel source must be less than 1 megabytes in size"),
    ):
        push(kernel, target)


# The competition


@pytest.mark.parametrize(
    ("line", "said", "cure"),
    [
        ("entered = false", "kaggler has not accepted its rules", "competitions/small/rules"),
        ("closed = true", "submissions are disabled", "competitions/small"),
    ],
)
def test_a_competition_that_takes_nothing_stops_before_a_byte_is_sent(
    line: str, said: str, cure: str, kernel: KernelFolder, kaggle: Callable[..., Any]
) -> None:
    source = kernel.package / "src" / "small" / "competition.py"
    source.write_text(source.read_text().replace('"labels"\\n', f'"labels"\\n{line}\\n'))
    freeze(kernel)
    with kaggle(kernel) as target:
        with pytest.raises(EntryError, match=said) as refusal:
            push(kernel, target)
        assert cure in refusal.value.cure
        assert (versions(target, "packages"), kernels(target)) == (0, 0)
        assert list((kernel.repository / ".kaggle-local" / "uploads").iterdir()) == []


def test_rules_that_are_accepted_later_are_enough(kernel: KernelFolder, kaggle: Callable[..., Any]) -> None:
    with kaggle(kernel) as target:
        assert isinstance(target, LocalTarget)
        target.prepare(kernel, read_frozen(kernel))
        settings = kernel.build / "competition" / "competition.toml"
        text = settings.read_text()
        settings.write_text(f"{text}entered = false\n")
        with pytest.raises(EntryError):
            push(kernel, target)
        settings.write_text(text)
        push(kernel, target)
        settings.write_text(f"{text}closed = true\n")
        with pytest.raises(EntryError, match="submissions are disabled"):
            submit(kernel, target)
        settings.write_text(text)
        submit(kernel, target)


def test_gpu_time_is_looked_at(
    kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    change_metadata(kernel.repository, enable_gpu=True, machine_shape="NvidiaTeslaP100")
    settings = kernel.folder / "submission.toml"
    settings.write_text(f"{settings.read_text()}\n[limits]\nrows = 3\nhours = 9\n")
    kernel = read_kernel_folder(kernel.repository, "small")
    freeze(kernel)
    with kaggle(kernel, gpu_quota_seconds=0) as target:
        with pytest.raises(EntryError, match="no GPU time is left this week"):
            push(kernel, target)
        assert versions(target, "packages") == 0
    capsys.readouterr()
    with kaggle(kernel, gpu_quota_seconds=7200) as target:
        Preflight(target, kernel).before_sending()
    said = capsys.readouterr().out
    assert "2.0 hours of GPU time are left this week, less than the 9 that a run may take" in said
    assert "NvidiaTeslaP100 is retired: the kernel runs on NvidiaTeslaT4 instead" in said
    assert "5 submissions are left today" in said


# Running sessions


def run_for(kernel: KernelFolder, seconds: float) -> None:
    kernel.code.write_text(f"{SCRIPT}\nimport time\ntime.sleep({seconds})\n")
    freeze(kernel)


@pytest.mark.parametrize("force", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_a_new_version_waits_for_the_run_that_uses_the_dataset(
    *, force: bool, kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run_for(kernel, 3600)
    prepare(kernel, kaggle)
    with kaggle(kernel, new_version_cancels="true") as target:
        with pytest.raises(DeadlineError), kaggle_minutes(target, 5):
            push(kernel, target)
        assert kernels(target) == 1
        run_for(kernel, 0)
        changed(kernel)
        storage = target.local.storage
        if force:
            push(kernel, target, force=True)
        else:
            with pytest.raises(DeadlineError), kaggle_minutes(target, 5):
                push(kernel, target)
            assert versions(target, "packages") == 1
        first = storage.kernels.get("kaggler", "small-kernel", 1)
        assert first.status == ("cancelled" if force else "running")
    said = "version 1 is running: a new dataset version could cancel that; waiting for its end"
    assert (said in capsys.readouterr().out) != force


@pytest.mark.nightly
def test_a_new_version_waits_for_the_submission_that_uses_the_dataset(
    kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.code.write_text(
        f"{SCRIPT}\nimport os, time\ntime.sleep(6 if 'KAGGLE_IS_COMPETITION_RERUN' in os.environ else 0)\n"
    )
    freeze(kernel)
    with kaggle(kernel, new_version_cancels="true") as target:
        push(kernel, target)
        with pytest.raises(DeadlineError), kaggle_minutes(target, 3):
            submit(kernel, target)
        push(changed(kernel), target)
        (submission,) = target.client.competitions.submissions("small")
        assert submission.status == "complete"
    assert "submission 1 is pending: a new dataset version could cancel that" in capsys.readouterr().out


class kaggle_minutes:  # noqa: N801 - a block
    """End the command's time after so many seconds, until the block ends."""

    def __init__(self, target: Target, seconds: float) -> None:
        self._waits, self._seconds = target.waits, seconds

    def __enter__(self) -> None:
        self._end, self._waits._end = self._waits._end, time.monotonic() + self._seconds

    def __exit__(self, *_: object) -> None:
        self._waits._end = self._end


# Wrong assumptions about Kaggle


@pytest.mark.parametrize(
    ("kept", "told"),
    [pytest.param(71, False, marks=pytest.mark.nightly), pytest.param(30, False, marks=pytest.mark.nightly), (0, True)],
)
def test_notes_that_come_back_shortened_or_not_at_all_publish_nothing_twice(
    kept: int, told: bool, kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with kaggle(kernel, notes_characters=kept) as target:
        push(kernel, target)
        changed(kernel)
        push(kernel, target)
        assert versions(target, "packages") == 2
        assert ("its file names are compared" in capsys.readouterr().out) == told
        push(kernel, target)
        assert (versions(target, "packages"), kernels(target)) == (2, 2)


@pytest.mark.nightly
def test_a_listing_that_is_never_right_ends_after_two_versions(
    kernel: KernelFolder, kaggle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PATIENCE, "local", replace(PATIENCE["local"], settle=1))
    with kaggle(kernel) as target:
        empty = Fault(on=SERVICES["ListDatasetFiles"], body='{"datasetFiles": []}', times=10_000)
        faults_of(target).add(empty)
        with pytest.raises(PublishError, match=r"version 2 is incomplete: .* is missing"):
            push(kernel, target)
        assert (versions(target, "packages"), kernels(target)) == (2, 0)


def test_a_size_that_differs_is_told_and_stops_nothing(
    kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    names = read_frozen(kernel).rehearsal.files
    listing = json.dumps({"datasetFiles": [{"name": name, "totalBytes": 1} for name in names]})
    with kaggle(kernel) as target:
        faults_of(target).add(Fault(on=SERVICES["ListDatasetFiles"], body=listing))
        push(kernel, target)
        assert versions(target, "packages") == 1
    assert "install.py is listed with 1 bytes, not" in capsys.readouterr().out


def test_a_listing_with_an_error_is_asked_for_again(kernel: KernelFolder, kaggle: Callable[..., Any]) -> None:
    with kaggle(kernel) as target:
        faults_of(target).add(Fault(on=SERVICES["ListDatasetFiles"], body='{"errorMessage": "not now"}', times=3))
        push(kernel, target)
        assert versions(target, "packages") == 1


@pytest.mark.nightly
def test_a_kernel_that_shows_its_last_complete_version_is_not_pushed_twice(
    kernel: KernelFolder, kaggle: Callable[..., Any]
) -> None:
    with kaggle(kernel, shows_last_complete="true") as target:
        push(kernel, target)
        run_for(kernel, 9)
        with pytest.raises(DeadlineError), kaggle_minutes(target, 5):
            push(kernel, target)
        assert kernels(target) == 2, "and it still runs"
        push(kernel, target)
        assert kernels(target) == 2


def test_a_submission_that_kaggle_took_without_a_word_is_not_made_again(
    kernel: KernelFolder, kaggle: Callable[..., Any]
) -> None:
    with kaggle(kernel) as target:
        push(kernel, target)
        faults_of(target).add(
            Fault(on=SERVICES["CreateCodeSubmission"], body='{"message": "ok"}', times=5),
            Fault(on=SERVICES["ListSubmissions"], body='{"submissions": []}', times=10_000),
        )
        with pytest.raises(
            KaggleError,
            match=r"took it 1 times in this command, .* expected a submission with sha256:\w+ in its description",
        ):
            submit(kernel, target)
        left = [fault for fault, _ in faults_of(target)._faults if fault.on == SERVICES["CreateCodeSubmission"]]
        assert left, "it was asked for once"
        assert faults_of(target)._faults[0][1] == 4


@pytest.mark.nightly
def test_a_submission_whose_description_is_lost_is_known_by_its_number(
    kernel: KernelFolder, kaggle: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with kaggle(kernel) as target:
        push(kernel, target)
        submit(kernel, target)
        assert isinstance(target, LocalTarget)
        with target.local.storage._database.transaction() as db:
            db.execute("UPDATE submissions SET description = ''")
        submit(kernel, target)
        assert len(target.client.competitions.submissions("small")) == 1
    assert "is submitted already" in capsys.readouterr().out


def test_the_digest_leads_the_description(kernel: KernelFolder, kaggle: Callable[..., Any]) -> None:
    with kaggle(kernel) as target:
        push(kernel, target)
        submit(kernel, target)
        (submission,) = target.client.competitions.submissions("small")
        digest = result_of(kernel.build)["kernel"]["digest"]
        assert submission.description.startswith(f"{digest} - commit")
        assert isinstance(target, LocalTarget)
        with target.local.storage._database.transaction() as db:
            db.execute("UPDATE submissions SET description = substr(description, 1, 40)")
        (kernel.build / "result.json").unlink()
        freeze(kernel)
        push(kernel, target)
        submit(kernel, target)
        assert len(target.client.competitions.submissions("small")) == 1, (
            "another machine finds it by what is left of it"
        )


def test_an_account_whose_submission_is_refused_is_told_where_to_click(
    kernel: KernelFolder, kaggle: Callable[..., Any]
) -> None:
    with kaggle(kernel) as target:
        push(kernel, target)
        faults_of(target).add(Fault(on=SERVICES["CreateCodeSubmission"], status=403))
        with pytest.raises(NotAllowedError, match="click"):
            submit(kernel, target)


@pytest.mark.nightly
def test_a_full_queue_that_took_the_push_all_the_same_gets_it_once(
    kernel: KernelFolder, kaggle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaggle refuses the push for want of a session, and has saved the version."""
    save = METHODS[SERVICES["SaveKernel"]]

    def refused(call: Any, request: Any) -> Any:
        answer: Any = save.handle(call, request)
        answer.version_number, answer.error = 0, "Maximum batch CPU session count of 5 reached."
        return answer

    monkeypatch.setitem(METHODS, SERVICES["SaveKernel"], Method(save.request, refused))
    with kaggle(kernel) as target:
        push(kernel, target)
        assert kernels(target) == 1


@pytest.mark.parametrize(
    ("lost", "most"),
    [
        pytest.param("CreateDataset", 1, marks=pytest.mark.nightly),
        ("SaveKernel", 2),
        pytest.param("CreateCodeSubmission", 2, marks=pytest.mark.nightly),
    ],
)
def test_lost_answers_are_not_repeated_without_end(
    lost: str, most: int, kernel: KernelFolder, kaggle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything takes effect, no answer arrives, and nothing shows."""
    monkeypatch.setitem(PATIENCE, "local", replace(PATIENCE["local"], repeat=10, settle=0.2))
    asked: list[str] = []
    with kaggle(kernel) as target:
        if lost == "CreateCodeSubmission":
            push(kernel, target)
        take = faults_of(target).take
        hidden = {
            "CreateDataset": "datasets.DatasetApiService/GetDataset",
            "SaveKernel": "kernels.KernelsApiService/GetKernel",
            "CreateCodeSubmission": SERVICES["ListSubmissions"],
        }[lost]

        def noted(place: str, size: float = 0) -> Fault | None:
            asked.append(place.rpartition("/")[2])
            return take(place, size)

        monkeypatch.setattr(faults_of(target), "take", noted)
        empty = Fault(on=hidden, status=404, times=10_000)
        if lost == "CreateCodeSubmission":
            empty = Fault(on=hidden, body='{"submissions": []}', times=10_000)
            limits = '{"numToday": 1, "numAllowedNow": 4}'
            faults_of(target).add(
                Fault(on="competitions.CompetitionApiService/GetSubmissionLimits", body=limits, times=10_000)
            )
        place = "datasets.DatasetApiService/CreateDataset" if lost == "CreateDataset" else SERVICES[lost]
        faults_of(target).add(Fault(on=place, reset="after", times=10_000), empty)
        with pytest.raises(KaggleError):
            (submit if lost == "CreateCodeSubmission" else push)(kernel, target)
    # The official client opens a connection anew for a request that it sees reset at once.
    assert asked.count(lost) <= 2 * most


# Small things


def test_the_listing_of_outputs_is_read_no_further_than_needed(
    kernel: KernelFolder, kaggle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel can leave thousands of files, and Kaggle answers 429 to later pages."""
    kernel.code.write_text(f"{SCRIPT}\nfor n in range(250):\n    Path(f'/kaggle/working/z{{n}}.txt').write_text('x')\n")
    freeze(kernel)
    with kaggle(kernel) as target:
        assert isinstance(target, LocalTarget)
        take, asked = faults_of(target).take, list[str]()

        def noted(place: str, size: float = 0) -> Fault | None:
            asked.append(place)
            return take(place, size)

        monkeypatch.setattr(faults_of(target), "take", noted)
        push(kernel, target)
        finished(target.local, slug="small-kernel")
    assert asked.count("kernels.KernelsApiService/ListKernelSessionOutput") == 1


def test_source_that_comes_back_with_other_ends_of_lines_is_the_same() -> None:
    source = 'KERNEL_DIGEST = "sha256:abc"\nprint(1)\n'
    assert cells_of(source.replace("\n", "\r\n")) == cells_of(source)
    assert digest_of_source(source.replace("\n", "\r\n")) == "sha256:abc"
    notebook = json.dumps({"cells": [{"source": source.replace("\n", "\r\n")}]})
    assert cells_of(notebook) == [source]


# Modules imported before the first cell


@pytest.mark.parametrize("kernel_type", [pytest.param("notebook", marks=pytest.mark.nightly), "script"])
def test_the_installer_refuses_to_replace_an_imported_distribution(
    kernel_type: str, rehearsed: Path, kaggle: Callable[..., Any]
) -> None:
    require(rehearsed, "packaging==25.0", "iniconfig>=2")
    change_metadata(rehearsed, kernel_type=kernel_type, is_private=True)
    (rehearsed / "kernels" / "small" / "predict.py").write_text(
        f"{SCRIPT}\nimport packaging\nprint('packaging', packaging.__version__)\n"
    )
    kernel = read_kernel_folder(rehearsed, "small")
    freeze(kernel)
    found = [finding.problem for finding in examine(rehearsed, "small") if "packaging" in finding.problem]
    with kaggle(kernel) as target:
        if kernel_type == "script":
            assert found == []
            push(kernel, target)
            assert isinstance(target, LocalTarget)
            assert "packaging 25.0" in printed(finished(target.local, slug="small-kernel"))
            return
        (problem,) = found
        assert problem.startswith("requirements/small.txt: replaces packaging, which a notebook on Kaggle imports")
        with pytest.raises(RunError, match=r"packaging: 25\.0 would replace 24\.2, which the notebook has imported"):
            push(kernel, target)
