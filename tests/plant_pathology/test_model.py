"""From images to a checkpoint to a submission."""

import io
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from plant_pathology.data import PlantPathologyDM
from plant_pathology.labels import LABELS, decode, prior
from plant_pathology.model import CheckpointError, MultiPlantPathology, load_checkpoint, mean_f1
from plant_pathology.pictures import contact_sheet
from plant_pathology.predict import predict, write_submission
from sklearn.metrics import f1_score


def test_the_data_module_pairs_every_test_image_with_its_name(competition: Path) -> None:
    data = PlantPathologyDM(competition / "hidden", image_size=(32, 48), batch_size=4)
    data.setup("predict")
    batches = list(data.predict_dataloader())
    names = [name for _, batch, _, _ in batches for name in batch]
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


def test_mean_f1_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, target = (torch.rand(200, 6, generator=generator) > 0.6 for _ in range(2))
    expected = f1_score(target.numpy(), predicted.numpy(), average="samples", zero_division=0)
    assert mean_f1(predicted, target).item() == pytest.approx(expected, abs=1e-6)


def test_a_checkpoint_predicts_every_image(competition: Path, checkpoint: Path, tmp_path: Path) -> None:
    predictions = predict(competition / "hidden", checkpoint, workers=0)
    assert predictions.report() == "7 images predicted"
    table = predictions.table
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
    pd.testing.assert_frame_equal(one.table, other.table, atol=1e-5)


def hostile_files(leaf: Path) -> dict[str, bytes | None]:
    """Forty files that somebody's camera, disk or wit could leave in a test folder; None is a folder."""
    whole = leaf.read_bytes()
    image = Image.open(leaf)
    buffers = {
        name: io.BytesIO() for name in ("cmyk.jpg", "deep.png", "alpha.png", "gif.jpg", "turned.jpg", "wide.jpg")
    }
    image.convert("CMYK").save(buffers["cmyk.jpg"], "JPEG")
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(buffers["deep.png"], "PNG")
    image.convert("RGBA").save(buffers["alpha.png"], "PNG")
    image.save(buffers["gif.jpg"], "GIF", save_all=True, append_images=[image.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(buffers["turned.jpg"], "JPEG", exif=exif)
    image.resize((30_000, 40)).save(buffers["wide.jpg"], "JPEG")
    files: dict[str, bytes | None] = {name: buffer.getvalue() for name, buffer in buffers.items()}
    odd = ("a blank.jpg", "it's.jpg", 'say "leaf".jpg', "Blätter.jpg", "葉.jpg", "-rf.jpg", "a,b.jpg")
    files |= dict.fromkeys(odd, whole)
    files |= {f"cut {share}.jpg": whole[: len(whole) * share // 100] for share in range(10, 100, 10)}
    files |= {
        f"bit {place}.jpg": whole[:place] + b"\xff\xff\xff" + whole[place + 3 :] for place in range(200, 1000, 100)
    }
    files |= {"empty.jpg": b"", "blank.jpg": b" ", "text.jpg": b"no image", "html.jpg": b"<html>404</html>"}
    files |= {"zip.jpg": b"PK\x05\x06" + b"\0" * 18, "half a header.jpg": whole[:20], "zeros.jpg": b"\0" * 5000}
    return {**files, "pdf.jpg": b"%PDF-1.7", "folder.jpg": None, "folder.png": None}


def test_no_file_of_a_test_folder_stops_it_and_every_one_has_its_row(
    competition: Path, checkpoint: Path, tmp_path: Path
) -> None:
    good = sorted((competition / "hidden" / "test_images").iterdir())
    files = hostile_files(good[0])
    assert len(files) >= 40
    folder = tmp_path / "test_images"
    shutil.copytree(good[0].parent, folder)
    for name, content in files.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    (folder / "broken link.jpg").symlink_to("nowhere")
    (folder / "notes.txt").write_text("not asked for")
    (tmp_path / "sample_submission.csv").write_text("image,labels\nmissing.jpg,scab\n")
    predictions = predict(tmp_path, checkpoint, workers=1, batch_size=8)

    table = predictions.table.set_index("image")
    assert list(table.index) == sorted([*(p.name for p in good), *files, "broken link.jpg", "missing.jpg"])
    alone = predict(competition / "hidden", checkpoint, workers=0).table.set_index("image")
    np.testing.assert_allclose(table.loc[alone.index], alone, atol=1e-5)
    unknown = {"empty.jpg", "blank.jpg", "text.jpg", "html.jpg", "zip.jpg", "half a header.jpg", "zeros.jpg", "pdf.jpg"}
    unknown |= {"folder.jpg", "folder.png", "broken link.jpg", "missing.jpg"}
    np.testing.assert_allclose(table.loc[sorted(unknown)], np.tile(prior(), (len(unknown), 1)))
    told = {flaw.partition(": ")[0] for flaw in predictions.flaws}
    assert unknown | {f"cut {share}.jpg" for share in range(10, 100, 10)} <= told
    assert not told & {*alone.index, "cmyk.jpg", "deep.png", "alpha.png", "gif.jpg", "turned.jpg", "wide.jpg", "葉.jpg"}
    assert "  missing.jpg: No such file or directory" in predictions.report()
    submission = write_submission(predictions.table, tmp_path / "submission.csv").set_index("image")
    assert set(submission["labels"][sorted(unknown)]) == {"scab"}
    assert list(pd.read_csv(tmp_path / "submission.csv", keep_default_na=False)["image"]) == list(table.index)


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


def test_predictions_are_shown_as_pictures(competition: Path) -> None:
    images = sorted((competition / "hidden" / "test_images").iterdir())[:5]
    sheet = contact_sheet([*images[:4], images[0].with_name("missing.jpg")], ["scab"] * 5)
    assert sheet.size == (4 * 320, 2 * 236)
    assert len(set(sheet.resize((64, 24)).getdata())) > 50


def test_the_command_documents_itself() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "plant_pathology.train", "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--backbone", "--epochs", "--learning-rate", "--seed"):
        assert option in result.stdout
