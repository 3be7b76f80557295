"""From images to a checkpoint to a submission."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from plant_pathology.data import PlantPathologyDM, read_image
from plant_pathology.labels import LABELS, decode
from plant_pathology.model import CheckpointError, MultiPlantPathology, load_checkpoint, mean_f1
from plant_pathology.pictures import contact_sheet
from plant_pathology.predict import predict, write_submission
from sklearn.metrics import f1_score


def test_the_data_module_pairs_every_test_image_with_its_name(competition: Path) -> None:
    data = PlantPathologyDM(competition / "hidden", image_size=(32, 48), batch_size=4)
    data.setup("predict")
    batches = list(data.predict_dataloader())
    names = [name for _, batch in batches for name in batch]
    assert names == sorted(p.name for p in (competition / "hidden" / "test_images").iterdir())
    assert batches[0][0].shape == (4, 3, 32, 48)
    assert batches[0][0].dtype == torch.uint8


def test_training_and_validation_do_not_overlap(competition: Path) -> None:
    data = PlantPathologyDM(competition / "public", image_size=(32, 48), validation_fraction=0.25)
    data.setup("fit")
    train, validation = set(data.train.paths), set(data.validation.paths)
    assert (len(train), len(validation)) == (18, 6)
    assert not train & validation
    images, target = next(iter(data.val_dataloader()))
    assert images.shape == (6, 3, 32, 48)
    assert target.shape == (6, len(LABELS))
    assert (target.sum(dim=1) >= 1).all()


def test_an_image_is_read_the_same_at_any_size(tmp_path: Path) -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[:, 300:] = (250, 10, 10)
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=95)
    Image.fromarray(pixels).resize((150, 100)).save(tmp_path / "small.png")
    large, small = (read_image(tmp_path / name, (50, 75)) for name in ("large.jpg", "small.png"))
    assert large.shape == (3, 50, 75)
    assert (large.int() - small.int()).abs().float().mean() < 4


def test_mean_f1_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, target = (torch.rand(200, 6, generator=generator) > 0.6 for _ in range(2))
    expected = f1_score(target.numpy(), predicted.numpy(), average="samples", zero_division=0)
    assert mean_f1(predicted, target).item() == pytest.approx(expected, abs=1e-6)


def test_a_checkpoint_predicts_every_image(competition: Path, checkpoint: Path, tmp_path: Path) -> None:
    table = predict(competition / "hidden", checkpoint, workers=0)
    assert list(table.columns) == ["image", *LABELS]
    assert len(table) == 7
    assert table[list(LABELS)].to_numpy().min() >= 0
    submission = write_submission(table, tmp_path / "submission.csv")
    written = pd.read_csv(tmp_path / "submission.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, submission)
    assert list(written.columns) == ["image", "labels"]
    assert (written["labels"].str.strip() != "").all()
    assert written["labels"][0] == decode(table[list(LABELS)].to_numpy()[0])


def test_the_batch_and_the_workers_do_not_change_the_prediction(competition: Path, checkpoint: Path) -> None:
    one = predict(competition / "hidden", checkpoint, batch_size=2, workers=0)
    other = predict(competition / "hidden", checkpoint, batch_size=5, workers=2)
    pd.testing.assert_frame_equal(one, other, atol=1e-5)


def test_a_training_run_says_how_it_was_made(checkpoint: Path) -> None:
    record = json.loads(checkpoint.with_suffix(".json").read_text())
    assert record["settings"]["backbone"] == "mobilenetv3_small_050"
    assert record["images"] == {"train": 20, "validation": 4}
    assert 0 <= record["validation_f1"] <= 1
    content = torch.load(checkpoint, weights_only=True)
    assert "optimizer_states" not in content
    assert checkpoint.stat().st_size < 3_000_000


def test_any_backbone_of_timm_will_do() -> None:
    model = MultiPlantPathology("resnet10t", (32, 48)).eval()
    assert model(torch.zeros(2, 3, 32, 48, dtype=torch.uint8)).shape == (2, len(LABELS))


class Malice:
    """A pickle that runs code when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_checkpoint_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"state_dict": Malice(trace), "hyper_parameters": {}}, tmp_path / "torch.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Malice(trace)))
    for name in ("torch.ckpt", "plain.ckpt"):
        with pytest.raises(CheckpointError, match=name):
            load_checkpoint(tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize("content", [{}, {"hyper_parameters": {"backbone": "x"}}, [1]])
def test_a_checkpoint_of_something_else_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="not a checkpoint of MultiPlantPathology"):
        load_checkpoint(tmp_path / "model.ckpt")


def test_missing_files_are_named(competition: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ckpt"):
        load_checkpoint(tmp_path / "nowhere.ckpt")
    (tmp_path / "test_images").mkdir()
    with pytest.raises(FileNotFoundError, match="test_images: no images"):
        predict(tmp_path, checkpoint, workers=0)
    assert competition.exists()


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), "green").save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-40])
    (tmp_path / "text.jpg").write_text("no image")
    for name in ("cut.jpg", "text.jpg"):
        with pytest.raises(OSError, match=name):
            read_image(tmp_path / name, (30, 40))


def test_predictions_are_shown_as_pictures(competition: Path) -> None:
    images = sorted((competition / "hidden" / "test_images").iterdir())[:5]
    sheet = contact_sheet(images, ["scab"] * 5)
    assert sheet.size == (4 * 320, 2 * 236)
    assert len(set(sheet.resize((64, 24)).getdata())) > 50


def test_the_command_documents_itself() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "plant_pathology.train", "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--backbone", "--epochs", "--learning-rate", "--seed"):
        assert option in result.stdout
