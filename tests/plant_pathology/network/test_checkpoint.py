"""Checkpoints: what is written is read; what is none, or not whole, is refused with what to do."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import timm
import torch
from plant_pathology.import_checkpoint import main
from plant_pathology.labels import LABELS
from plant_pathology.network.checkpoint import CheckpointError, read_checkpoint
from plant_pathology.network.ensemble import load_ensemble
from torch import nn

from tests.plant_pathology.conftest import MakeCheckpoint

GIVEN = {
    "backbone": "lcnet_035",
    "image_size": (32, 48),
    "mean": (0.4, 0.5, 0.6),
    "std": (0.2, 0.2, 0.2),
    "labels": LABELS,
    "thresholds": (0.4,) * 6,
    "commit": "abc",
    "data": "sha256:1",
}
OPTIONS = [
    *("--backbone", "lcnet_035", "--image-size", "32,48", "--mean", "0.4,0.5,0.6", "--std", "0.2,0.2,0.2"),
    *("--labels", ",".join(LABELS), "--thresholds", "0.4,0.4,0.4,0.4,0.4,0.4"),
    *("--commit", "abc", "--data", "sha256:1"),
]


def test_what_is_written_is_read(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint("model.ckpt", thresholds=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), commit="abc", data="sha256:1")
    metadata = read_checkpoint(path).metadata
    assert (metadata.backbone, metadata.image_size, metadata.labels) == ("lcnet_035", (32, 48), LABELS)
    assert (metadata.thresholds, metadata.commit, metadata.data) == ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), "abc", "sha256:1")
    assert len(load_ensemble([path]).classifiers) == 1


class Old(pl.LightningModule):
    """As somebody trained before: a network under a name of its own, and hyperparameters."""

    def __init__(self, backbone: str = "lcnet_035", learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.learning_rate = learning_rate
        self.net = timm.create_model(backbone, num_classes=len(LABELS))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", default_root_dir=tmp_path)
    trainer.strategy.connect(Old())
    trainer.save_checkpoint(tmp_path / "old.ckpt", weights_only=True)
    return tmp_path / "old.ckpt"


def test_an_old_checkpoint_of_lightning_works_with_the_missing_values_given(old: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as told:
        read_checkpoint(old)
    message = str(told.value)
    assert "it does not say its image_size, mean, std, labels, thresholds, commit, data" in message, (
        "the backbone it does say"
    )
    assert "python -m plant_pathology.import_checkpoint" in message
    assert read_checkpoint(old, GIVEN).metadata.thresholds == (0.4,) * 6
    main([str(old), str(tmp_path / "new.ckpt"), *OPTIONS])
    state = torch.load(old, weights_only=True)["state_dict"]
    image = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)
    network = timm.create_model("lcnet_035", num_classes=len(LABELS)).eval()
    network.load_state_dict({name.removeprefix("net."): value for name, value in state.items()})
    mean, std = (torch.tensor(GIVEN[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        expected = network((image / 255 - mean) / std).sigmoid()
        found = load_ensemble([tmp_path / "new.ckpt"])([image])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_bare_state_dict_works_likewise(tmp_path: Path) -> None:
    torch.save(timm.create_model("lcnet_035", num_classes=len(LABELS)).state_dict(), tmp_path / "bare.pth")
    main([str(tmp_path / "bare.pth"), str(tmp_path / "new.ckpt"), *OPTIONS])
    assert len(load_ensemble([tmp_path / "new.ckpt"]).classifiers) == 1


class Malice:
    """A pickle that runs code when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_checkpoint_that_would_run_code_is_refused_and_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    torch.save({"state_dict": Malice(trace), "metadata": {}}, tmp_path / "torch.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Malice(trace)))
    for name in ("torch.ckpt", "plain.ckpt"):
        with pytest.raises(CheckpointError, match=rf"{name}: .*without running code"):
            read_checkpoint(tmp_path / name)
        with pytest.raises(SystemExit):
            main([str(tmp_path / name), str(tmp_path / "new.ckpt"), *OPTIONS])
        assert "without running code" in capsys.readouterr().err
    assert not trace.exists()
    assert not (tmp_path / "new.ckpt").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([1], "it holds a list"),
        ({}, "no state_dict"),
        ({"state_dict": {}}, "no state_dict"),
        ({"state_dict": {"a": 1}}, "no state_dict"),
        ({"state_dict": {"a": torch.tensor([1.0, float("nan")])}}, "a is not finite"),
        ({"state_dict": {1: torch.zeros(1)}}, "no plain tensors by name"),
        ({"state_dict": {"a": torch.zeros(1).to_sparse()}}, "no plain tensors by name"),
        ({"a": torch.zeros(1)}, "does not say its backbone, image_size"),
        ({"state_dict": {"a": torch.zeros(1)}, "metadata": 3}, "does not say its backbone"),
        ({"state_dict": {"a": torch.zeros(1)}, "metadata": GIVEN}, "weights are not those of lcnet_035"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(content: object, why: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match=rf"model\.ckpt: .*{why}"):
        load_ensemble([tmp_path / "model.ckpt"])


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("labels", LABELS[::-1], "labels are scab, rust"),
        ("labels", "scab", "labels are s, c, a, b"),
        ("thresholds", (0.5,), "thresholds is (0.5,), not 6 numbers"),
        ("thresholds", 0.5, "thresholds is 0.5"),
        ("thresholds", (1.5, *[0.5] * 5), "none may be above 1"),
        ("thresholds", (True, *[0.5] * 5), "not 6 numbers"),
        ("image_size", (10**9, 48), "at most 4096"),
        ("mean", (120.0, 110.0, 100.0), "none may be above 1"),
        ("commit", 3, "commit is 3, not a text"),
        ("image_size", (0, 48), "must be above 0"),
        ("image_size", (32.5, 48), "must be above 0"),
        ("mean", ("a", "b", "c"), "not 3 numbers"),
        ("std", (0.0, 0.1, 0.1), "must be above 0"),
        ("backbone", 3, "backbone is 3"),
        ("backbone", "no_such_net", "Unknown model"),
        ("backbone", "local-dir:/nowhere", "Unknown model"),
        ("backbone", "mobilenetv3_small_050", "weights are not those of mobilenetv3_small_050"),
    ],
)
def test_a_checkpoint_that_does_not_match_is_refused_with_what_is_wrong(
    name: str, value: object, why: str, make_checkpoint: MakeCheckpoint
) -> None:
    path = make_checkpoint("model.ckpt")
    content = torch.load(path, weights_only=True)
    content["metadata"][name] = value
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=rf"model\.ckpt: .*{re.escape(why)}"):
        load_ensemble([path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ckpt"):
        load_ensemble([tmp_path / "nowhere.ckpt"])
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_ensemble([])


def test_any_backbone_of_timm_will_do(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint("model.ckpt", "resnet10t")
    assert isinstance(load_ensemble([path]).classifiers[0], nn.Module)
