"""Checkpoints reach a kernel as a model whose version it pins, or as a version that is on Kaggle already."""

import json
from typing import Any

import pytest
from kaggle_local.local_kaggle import USERNAME
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.commands.push import push
from kaggle_offline.commands.submit import submit
from kaggle_offline.delivery.target import LocalTarget, open_target
from kaggle_offline.errors import ConfigurationError, RehearsalError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_offline.conftest import result_of, write_checkpoint

MODEL = f"{USERNAME}/small-models/other/checkpoints"


def changed(kernel: KernelFolder, *lines: str) -> KernelFolder:
    """The competition with these settings in place of its checkpoints."""
    settings = kernel.folder / "submission.toml"
    text = settings.read_text().replace('checkpoints = "checkpoints"\n', "\n".join([*lines, ""]))
    settings.write_text(text)
    return read_kernel_folder(kernel.repository, "small")


def go(kernel: KernelFolder) -> dict[str, Any]:
    freeze(kernel)
    with open_target("local", kernel.repository) as target:
        push(kernel, target)
    return result_of(kernel.build)


def sources_of(kernel: KernelFolder) -> Any:
    return json.loads((kernel.build / "kernel" / "kernel-metadata.json").read_text())["model_sources"]


def test_a_model_is_the_store(script: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = changed(script, 'checkpoints = "checkpoints"', 'checkpoints_as = "model"')
    extra = kernel.folder / "checkpoints" / "tokenizer"
    extra.mkdir()
    (extra / "vocab.txt").write_text("a")
    code = kernel.folder / "predict.py"
    look = 'print("seen", *sorted(str(p) for p in Path("/kaggle/input/models").rglob("*.*")))'
    code.write_text(f"{code.read_text()}\n# %%\n{look}\n")
    first = go(kernel)
    assert first["models"]["ref"] == MODEL
    assert sources_of(kernel) == [f"{MODEL}/1"]
    place = f"/kaggle/input/models/{MODEL}/1"
    assert f"seen {place}/model.ckpt {place}/tokenizer/vocab.txt" in capsys.readouterr().out

    # Unchanged: nothing is uploaded, nothing runs.
    second = go(kernel)
    assert second["models"] == {**first["models"], "uploaded_bytes": 0}
    assert second["kernel"] == first["kernel"]

    # Another checkpoint is the next version, and another kernel, which pins it.
    (extra / "vocab.txt").write_text("b")
    third = go(kernel)
    assert (third["models"]["version"], third["kernel"]["version"]) == (2, 2)
    assert sources_of(kernel) == [f"{MODEL}/2"]

    # The notes say what a version holds, so that another clone finds it.
    (kernel.build / "result.json").unlink()
    fourth = go(kernel)
    assert fourth["models"] == {**third["models"], "uploaded_bytes": 0}
    with open_target("local", kernel.repository) as target:
        state = target.client.models.state("small-models")
        assert state is not None
        assert (state.version, state.status) == (2, "ready")
        target.client.models.delete("small-models")
        target.client.models.delete("small-models")
        assert target.client.models.state("small-models") is None


def test_a_model_whose_variation_a_killed_push_did_not_make(script: KernelFolder) -> None:
    kernel = changed(script, 'checkpoints = "checkpoints"', 'checkpoints_as = "model"')
    freeze(kernel)
    with open_target("local", kernel.repository) as target:
        assert isinstance(target, LocalTarget)
        resources = target.local.storage.resources
        details = {"subtitle": "", "description": "", "provenance_sources": ""}
        resources.add("model", f"{USERNAME}/small-models", title="small-models", private=True, details=details)
        push(kernel, target)
    assert result_of(kernel.build)["models"]["version"] == 1


@pytest.mark.nightly
def test_a_version_in_processing_is_waited_for(script: KernelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_LOCAL_SETTINGS", "processing_seconds=1")
    kernel = changed(script, 'checkpoints = "checkpoints"', 'checkpoints_as = "model"')
    assert go(kernel)["models"]["version"] == 1
    write_checkpoint(kernel.folder / "checkpoints" / "model.ckpt", b"\x80\x02}q\x01.")
    assert go(kernel)["models"]["version"] == 2


def test_a_version_that_is_published_needs_no_files(script: KernelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    source = "owner/leaves/pyTorch/base/3"
    kernel = changed(script, f'checkpoints = "{source}"')
    with pytest.raises(RehearsalError, match=source):
        go(kernel)
    weights = kernel.repository / "data" / "weights"
    weights.mkdir(parents=True)
    write_checkpoint(weights / "model.ckpt")
    settings = kernel.folder / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[rehearsal.inputs]\n"{source}" = "data/weights"\n')
    code = kernel.folder / "predict.py"
    place = "/kaggle/input/models/owner/leaves/pytorch/base/3"
    code.write_text(f'{code.read_text()}\n# %%\nprint("seen", *Path("{place}").iterdir())\n')
    kernel = read_kernel_folder(kernel.repository, "small")
    result = go(kernel)
    assert "models" not in result
    assert sources_of(kernel) == [source]
    assert f"seen {place}/model.ckpt" in capsys.readouterr().out
    with open_target("local", kernel.repository) as target:
        submit(kernel, target)
    assert result_of(kernel.build)["submission"]["status"] == "complete"


def test_settings_that_do_not_fit(script: KernelFolder) -> None:
    with pytest.raises(ConfigurationError, match=r"checkpoints_as: 'zip' must be one of dataset, model"):
        changed(script, 'checkpoints = "checkpoints"', 'checkpoints_as = "zip"')
    settings = script.folder / "submission.toml"
    settings.write_text(settings.read_text().replace('"zip"', '"model"').replace('"checkpoints"', '"owner/model/3"'))
    with pytest.raises(ConfigurationError, match="checkpoints: 'owner/model/3' must be"):
        read_kernel_folder(script.repository, "small")
