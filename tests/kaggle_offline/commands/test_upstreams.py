"""Kernels that read the output of other kernels: pushed in their order, and again when that output is new."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from kaggle_offline.cli import main
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.doctor.examination import examine
from kaggle_offline.errors import ConfigurationError, RunError
from kaggle_offline.repository.competition_inputs import inputs_of, submitted
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder, read_kernel_folders
from kaggle_offline.repository.upstreams import chains_of

from tests.kaggle_offline.conftest import METADATA, SUBMISSION, result_of

# Neither kernel needs its package.
FEATURES = """\
# %% tags=["parameters"]
PACKAGES_DIGEST = ""

# %%
from pathlib import Path
Path("/kaggle/working/features.bin").write_bytes(b"one")
"""
READS = """
print("features:", next(Path("/kaggle/input").rglob("features.bin")).read_text())
"""


@pytest.fixture
def kernel(script: KernelFolder) -> KernelFolder:
    """The small competition, whose kernel reads what another kernel of the repository writes."""
    repository = script.repository
    features = repository / "kernels" / "features"
    features.mkdir()
    (features / "predict.py").write_text(FEATURES)
    settings = SUBMISSION.replace('checkpoints = "checkpoints"\n', 'competition = "small"\nsubmit = false\n')
    (features / "submission.toml").write_text(settings.replace("submission.csv", "features.bin"))
    change(repository, "features", id="someone/small-features", title="Small features", kernel_type="script")
    change(repository, "small", kernel_sources=["someone/small-features/3"], kernel_type="script")
    script.code.write_text(script.code.read_text() + READS)
    return read_kernel_folder(repository, "small")


def change(repository: Path, name: str, **changes: Any) -> None:
    path = repository / "kernels" / name / "kernel-metadata.json"
    before = json.loads(path.read_text()) if path.exists() else METADATA
    path.write_text(json.dumps({**before, **changes}))


def test_a_kernel_is_pushed_after_those_that_it_reads(
    kernel: KernelFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = kernel.repository
    monkeypatch.chdir(repository)
    monkeypatch.setenv("KAGGLE_TARGET", "local")
    for verb in ("freeze", "push"):
        assert main([verb, "small"]) == 0
    output = capsys.readouterr().out
    assert output.index("small-features: complete") < output.index("small-kernel: version 1, pushed")
    assert "| features: one" in output
    metadata = json.loads((kernel.build / "kernel" / "kernel-metadata.json").read_text())
    assert metadata["kernel_sources"] == ["kaggler/small-features"]
    assert main(["submit"]) == 0
    assert "features: not submitted" in capsys.readouterr().out
    assert result_of(kernel.build)["submission"]["status"] == "complete"

    # Nothing has changed, so nothing runs.
    assert main(["push", "small"]) == 0
    assert capsys.readouterr().out.count("unchanged, already run") == 2

    # With another output, both run again.
    code = repository / "kernels" / "features" / "predict.py"
    code.write_text(code.read_text().replace("one", "two"))
    assert main(["push", "small"]) == 0
    assert "| features: two" in capsys.readouterr().out


def test_a_failed_run_stops_the_kernel_that_reads_it(kernel: KernelFolder) -> None:
    repository = kernel.repository
    features, small = read_kernel_folders(repository, ["small"], upstreams=True)
    for each in (features, small):
        freeze(each)
    with open_target("local", repository) as target:
        with pytest.raises(RunError, match="kaggler/small-features: not there, and small-kernel reads its output"):
            push(small, target)
        push(features, target)
        features.code.write_text(FEATURES + "raise ValueError('broken')\n")
        with pytest.raises(RunError, match="broken"):
            push(features, target)
        with pytest.raises(RunError, match="small-features version 2 failed, and small-kernel would read") as refusal:
            push(small, target)
    assert refusal.value.cure == "Run: kaggle-offline freeze push features"


@pytest.mark.nightly
def test_a_run_under_way_is_waited_for(kernel: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    repository = kernel.repository
    features, small = read_kernel_folders(repository, ["small"], upstreams=True)
    features.code.write_text(FEATURES.replace("# %%\nfrom", "# %%\nimport time; time.sleep(2)\nfrom"))
    for each in (features, small):
        freeze(each)
    with open_target("local", repository) as target:
        push(features, target)
        # Somebody pushes it once more.
        target.client.kernels.push(features.build / "kernel", after=1)
        push(small, target)
    assert "small-features: version 2 runs; small-kernel reads its output" in capsys.readouterr().out


def test_its_inputs_are_inputs_of_those_that_read_it(kernel: KernelFolder) -> None:
    found = inputs_of(kernel.repository)
    assert found["small"] >= found["features"] >= {"kernels/features", "requirements/features.txt"}
    assert "kernels/small" not in found["features"]
    assert submitted(kernel.repository) == {"small": False}


def test_kernels_that_read_each_other_are_refused(kernel: KernelFolder) -> None:
    change(kernel.repository, "features", kernel_sources=["OWNER/small-kernel"])
    with pytest.raises(ConfigurationError, match="features and small read each other's output"):
        read_kernel_folders(kernel.repository, ["small"], upstreams=True)
    assert "kernels/small" in inputs_of(kernel.repository)["small"]
    shutil.rmtree(kernel.repository / "kernels" / "features")
    assert len(read_kernel_folders(kernel.repository, [], upstreams=True)) == 1


def test_doctor_knows_them(kernel: KernelFolder) -> None:
    change(kernel.repository, "features", id="OWNER/small-features")
    change(kernel.repository, "small", kernel_sources=["OWNER/small-features", "OWNER/other"])
    problems = [finding.problem for finding in examine(kernel.repository, "small")]
    problems = [problem for problem in problems if "kernel_sources" in problem]
    assert problems == ["kernels/small/kernel-metadata.json: kernel_sources: 'OWNER/other'"]


def test_a_folder_does_not_stand_in_for_a_kernel_of_the_repository(kernel: KernelFolder) -> None:
    settings = kernel.folder / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[rehearsal.inputs]\n"someone/small-features/3" = "packages"\n')
    freeze(kernel)
    refused = pytest.raises(ConfigurationError, match="which is run itself")
    with open_target("local", kernel.repository) as target, refused:
        push(read_kernel_folder(kernel.repository, "small"), target)


@pytest.mark.nightly
def test_a_version_that_was_only_saved_is_not_waited_for(kernel: KernelFolder) -> None:
    features, small = read_kernel_folders(kernel.repository, ["small"], upstreams=True)
    for each in (features, small):
        freeze(each)
    with open_target("local", kernel.repository) as target:
        assert isinstance(target, LocalTarget)
        push(features, target)
        storage = target.local.storage.kernels
        ran = storage.get("kaggler", "small-features")
        assert ran is not None
        storage.add_version("kaggler", "small-features", ran.title, ran.source, dict(ran.settings), runs=False)
        push(small, target)


def test_kernels_that_read_the_same_have_a_chain_in_common(kernel: KernelFolder) -> None:
    repository = kernel.repository
    for name, source in (("other", "small-features"), ("alone", "nothing"), ("both", "small-kernel")):
        shutil.copytree(repository / "kernels" / "features", repository / "kernels" / name)
        change(repository, name, id=f"someone/{name}", kernel_sources=[f"someone/{source}"])
    change(repository, "small", id="someone/small-kernel")
    change(repository, "both", kernel_sources=["someone/small-kernel", "someone/alone"])
    assert chains_of(repository, ["alone", "small", "other"]) == {"alone": "alone", "small": "small", "other": "small"}
    chains = chains_of(repository, ["alone", "small", "other", "both"])
    assert len(set(chains.values())) == 1
