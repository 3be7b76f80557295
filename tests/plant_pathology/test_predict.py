"""From checkpoints and a folder of images to a submission."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from plant_pathology.labels import LABELS, choose, decode, prior
from plant_pathology.leaves.leaf_dataset import LATE, LeafDataset, list_test_images
from plant_pathology.leaves.pictures import contact_sheet
from plant_pathology.network.ensemble import Ensemble, load_ensemble
from plant_pathology.predict import Predictions, main, predict

from tests.plant_pathology.conftest import MakeCheckpoint

NAMES = list(LABELS)


def probabilities_of(predictions: Predictions) -> pd.DataFrame:
    return predictions.table.set_index("image")


def test_a_checkpoint_predicts_every_image(competition: Path, checkpoint: Path, tmp_path: Path) -> None:
    predictions = predict(competition / "hidden", [checkpoint], workers=0)
    assert predictions.report() == "7 of 7 images predicted"
    table = predictions.table
    assert list(table.columns) == ["image", *LABELS]
    assert list(table["image"]) == sorted(p.name for p in (competition / "hidden" / "test_images").iterdir())
    assert table[NAMES].to_numpy().min() >= 0
    arguments = ["--data", str(competition / "hidden"), "--checkpoints", str(checkpoint.parent), "--workers", "0"]
    files = ["--output", str(tmp_path / "submission.csv"), "--probabilities", str(tmp_path / "probabilities.csv")]
    main([*arguments, *files])
    written = pd.read_csv(tmp_path / "submission.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, predictions.submission())
    assert list(written.columns) == ["image", "labels"]
    assert list(written["labels"]) == decode(choose(table[NAMES].to_numpy(), predictions.thresholds))
    kept = pd.read_csv(tmp_path / "probabilities.csv", dtype=dict.fromkeys(LABELS, np.float32))
    pd.testing.assert_frame_equal(kept, table)


def test_batches_workers_and_processes_do_not_change_the_prediction(
    competition: Path, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoints = [make_checkpoint("a.ckpt"), make_checkpoint("b.ckpt", "resnet10t", (64, 64))]
    expected = predict(competition / "hidden", checkpoints, batch_size=7, workers=0)
    for batch_size, workers in ((1, 0), (5, 2)):
        found = predict(competition / "hidden", checkpoints, batch_size=batch_size, workers=workers)
        pd.testing.assert_frame_equal(found.table, expected.table, atol=1e-5)
        pd.testing.assert_frame_equal(found.submission(), expected.submission())

    command = [sys.executable, "-m", "plant_pathology.predict", "--accelerator", "cpu", "--devices", "2"]
    command += ["--data", str(competition / "hidden"), "--checkpoints", *map(str, checkpoints), "--workers", "0"]
    files = ["--output", str(tmp_path / "submission.csv"), "--probabilities", str(tmp_path / "probabilities.csv")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=True)
    assert "MEMBER: 2/2" in done.stderr
    assert done.stdout.count("7 of 7 images predicted") == 1
    table = pd.read_csv(tmp_path / "probabilities.csv", dtype=dict.fromkeys(LABELS, np.float32))
    pd.testing.assert_frame_equal(table, expected.table, atol=1e-5)
    written = pd.read_csv(tmp_path / "submission.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, expected.submission())


@pytest.mark.parametrize(("images", "devices"), [(1, 2), (2, 3)])
def test_fewer_images_than_devices_are_predicted(
    images: int, devices: int, checkpoint: Path, competition: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_images").mkdir()
    for path in list_test_images(competition / "hidden")[:images]:
        shutil.copy(path, tmp_path / "test_images")
    files = ["--data", str(tmp_path), "--checkpoints", str(checkpoint), "--output", str(tmp_path / "out.csv")]
    main([*files, "--accelerator", "cpu", "--devices", str(devices)])
    assert len(pd.read_csv(tmp_path / "out.csv")) == images


def test_an_ensemble_is_the_weighted_mean_of_its_members(competition: Path, make_checkpoint: MakeCheckpoint) -> None:
    one = make_checkpoint("one.ckpt", thresholds=(0.2,) * 6)
    # Another network sees images of another size, normalised in another way.
    other = make_checkpoint("other.ckpt", "mobilenetv4_conv_small_050", (64, 64), thresholds=(0.5,) * 6)
    alone = [predict(competition / "hidden", [path], workers=0) for path in (one, other)]
    tables = [predictions.table[NAMES].to_numpy() for predictions in alone]
    assert np.abs(tables[0] - tables[1]).max() > 0.01
    for weights, shares in (({}, (1 / 2, 1 / 2)), ({"one.ckpt": 3.0}, (3 / 4, 1 / 4))):
        together = predict(competition / "hidden", [one, other], weights=weights, workers=0)
        # The smaller network sees images that were decoded for the larger.
        expected = shares[0] * tables[0] + shares[1] * tables[1]
        np.testing.assert_allclose(together.table[NAMES], expected, atol=0.05)
        np.testing.assert_allclose(together.thresholds, shares[0] * 0.2 + shares[1] * 0.5)


@pytest.mark.parametrize(
    "weights", [{"another.ckpt": 1.0}, {"one.ckpt": 0.0}, {"one.ckpt": -1.0}, {"one.ckpt": float("inf")}]
)
def test_a_weight_that_is_none_is_refused(weights: dict[str, float], make_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ValueError, match=r"weights .*: each must be above 0, and of one of \['one.ckpt'\]"):
        load_ensemble([make_checkpoint("one.ckpt")], weights)


@pytest.mark.parametrize("scales", [(0.0,), (-1.0,), (float("inf"),), (1.0, 5.0), ()])
def test_a_scale_that_is_none_is_refused(scales: tuple[float, ...], make_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ValueError, match="each must be above 0, and at most 4"):
        load_ensemble([make_checkpoint("one.ckpt")], scales=scales)


def test_a_checkpoint_that_is_given_twice_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint("one.ckpt")
    with pytest.raises(ValueError, match="is there 2 times"):
        load_ensemble([path, path.parent / "." / path.name])


def test_what_is_no_number_is_told(
    competition: Path, make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ensemble, "forward", lambda _, images: torch.full((len(images[0]), 6), float("nan")))
    predictions = predict(competition / "hidden", [make_checkpoint("one.ckpt")], workers=0)
    assert not predictions.predicted.any()
    assert predictions.report().count("the network gave no number") == 7


def test_flips_make_the_prediction_the_same_for_a_mirrored_image(make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint("one.ckpt")
    image = torch.zeros((2, 3, 32, 48), dtype=torch.uint8)
    image[:, :, :16, :16] = 255
    plain, flipping = load_ensemble([path]), load_ensemble([path], flips=True)
    with torch.inference_mode():
        for axes in ((2,), (3,), (2, 3)):
            assert not torch.allclose(plain([image]), plain([image.flip(axes)]), atol=1e-3)
            assert torch.allclose(flipping([image]), flipping([image.flip(axes)]), atol=1e-5)
        views = torch.stack([plain([image.flip(axes)]) for axes in ((), (2,), (3,), (2, 3))])
        assert torch.allclose(flipping([image]), views.mean(dim=0), atol=1e-5)


def test_scales_show_the_image_at_other_sizes(competition: Path, make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint("one.ckpt", size=(64, 96))
    assert load_ensemble([path], scales=(0.5, 1.0, 1.3)).sizes == ((32, 64), (64, 96), (96, 128))
    predictions = predict(competition / "hidden", [path], scales=(0.5, 1.0), workers=0)
    assert predictions.predicted.all()
    alone = [predict(competition / "hidden", [path], scales=(scale,), workers=0) for scale in (0.5, 1.0)]
    expected = np.mean([one.table[NAMES].to_numpy() for one in alone], axis=0)
    np.testing.assert_allclose(predictions.table[NAMES], expected, atol=0.05)


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
    odd = (
        "a blank.jpg",
        "not \udcff utf-8.jpg",
        "it's.jpg",
        'say "leaf".jpg',
        "Blätter.jpg",
        "葉.jpg",
        "-rf.jpg",
        "a,b.jpg",
    )
    files |= dict.fromkeys(odd, whole)
    files |= {f"cut {share}.jpg": whole[: len(whole) * share // 100] for share in range(10, 100, 10)}
    files |= {
        f"bit {place}.jpg": whole[:place] + b"\xff\xff\xff" + whole[place + 3 :] for place in range(200, 1000, 100)
    }
    files |= {"empty.jpg": b"", "blank.jpg": b" ", "text.jpg": b"no image", "html.jpg": b"<html>404</html>"}
    files |= {"eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n", "a\rreturn.jpg": whole}
    files |= {"zip.jpg": b"PK\x05\x06" + b"\0" * 18, "half a header.jpg": whole[:20], "zeros.jpg": b"\0" * 5000}
    return {**files, "pdf.jpg": b"%PDF-1.7", "folder.jpg": None, "folder.png": None}


def test_no_file_of_a_test_folder_stops_it_and_every_one_has_its_row(
    competition: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    os.mkfifo(folder / "pipe.jpg")
    (folder / "endless.jpg").touch()
    os.truncate(folder / "endless.jpg", 2**40)
    (folder / "notes.txt").write_text("not asked for")
    (tmp_path / "sample_submission.csv").write_text("image,labels\nmissing.jpg,scab\n")
    predictions = predict(tmp_path, [checkpoint], workers=1, batch_size=8)

    table = probabilities_of(predictions)
    assert list(table.index) == sorted(
        [*(p.name for p in good), *files, "broken link.jpg", "endless.jpg", "missing.jpg", "pipe.jpg"]
    )
    alone = probabilities_of(predict(competition / "hidden", [checkpoint], workers=0))
    np.testing.assert_allclose(table.loc[alone.index], alone, atol=1e-5)
    unknown = {"empty.jpg", "blank.jpg", "text.jpg", "html.jpg", "zip.jpg", "half a header.jpg", "zeros.jpg", "pdf.jpg"}
    unknown |= {"folder.jpg", "folder.png", "broken link.jpg", "missing.jpg", "pipe.jpg", "endless.jpg", "eps.jpg"}
    assert unknown <= set(table.index[~predictions.predicted])
    np.testing.assert_allclose(table[~predictions.predicted], np.tile(prior(), (sum(~predictions.predicted), 1)))
    told = {flaw.partition(": ")[0] for flaw in predictions.flaws}
    assert unknown | {f"cut {share}.jpg" for share in range(10, 100, 10)} <= told
    assert not told & {*alone.index, "cmyk.jpg", "deep.png", "alpha.png", "gif.jpg", "turned.jpg", "wide.jpg", "葉.jpg"}
    assert "  missing.jpg: No such file or directory" in predictions.report()
    submission = predictions.submission().set_index("image")
    assert set(submission["labels"][sorted(unknown)]) == {"scab"}

    outputs = ["--output", str(tmp_path / "submission.csv"), "--probabilities", str(tmp_path / "probabilities.csv")]
    main(["--data", str(tmp_path), "--checkpoints", str(checkpoint), *outputs])
    assert "  missing.jpg: No such file or directory" in capsys.readouterr().out
    with (tmp_path / "submission.csv").open(newline="", errors="surrogateescape") as file:
        assert [row["image"] for row in csv.DictReader(file)] == list(table.index)
    # As the kernel reads it.
    read = pd.read_csv(tmp_path / "submission.csv", keep_default_na=False, dtype=str, encoding_errors="surrogateescape")
    assert list(read["image"]) == list(table.index)


def test_when_the_time_is_over_the_rest_gets_the_commonest_label_loudly(
    competition: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "submission.csv"
    arguments = ["--data", str(competition / "hidden"), "--checkpoints", str(checkpoint), "--output", str(output)]
    main([*arguments, "--time-limit", "0", "--workers", "0"])
    said = capsys.readouterr().out
    assert "0 of 7 images predicted" in said
    assert "THE TIME LIMIT WAS OVER: 7 images were not looked at, and got the label scab" in said
    assert set(pd.read_csv(output)["labels"]) == {"scab"}
    assert len(pd.read_csv(output)) == 7
    main([*arguments, "--time-limit", "3600", "--workers", "0"])
    assert "7 of 7 images predicted" in capsys.readouterr().out


def test_what_was_decoded_in_time_but_not_predicted_is_late(
    competition: Path, make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is not asked for what lies ready when the time is over."""
    forward = Ensemble.forward

    def slow(model: Ensemble, images: list[torch.Tensor]) -> torch.Tensor:
        model.deadline = 0
        return forward(model, images)

    monkeypatch.setattr(Ensemble, "forward", slow)
    predictions = predict(competition / "hidden", [make_checkpoint("one.ckpt")], workers=0, batch_size=3, time_limit=99)
    assert (int(predictions.predicted.sum()), predictions.late) == (3, 4)


def test_what_was_read_before_the_deadline_counts(competition: Path) -> None:
    leaves = LeafDataset(list_test_images(competition / "hidden"), ((32, 48),), time.monotonic() + 60)
    assert leaves[0][3]
    leaves.deadline = time.monotonic()
    place, (pixels,), flaw, read = leaves[1]
    assert (place, flaw, read) == (1, LATE, False)
    assert pixels.shape == (3, 32, 48)


def test_what_cannot_be_done_is_said_in_a_line(
    competition: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_images").mkdir()
    output = ["--output", str(tmp_path / "submission.csv")]
    hidden, model = str(competition / "hidden"), str(checkpoint)
    sampled = tmp_path / "sampled"
    shutil.copytree(competition / "hidden", sampled)
    (sampled / "sample_submission.csv").write_text("image,labels\n../secret.jpg,scab\n")
    for data, checkpoints, why in (
        (str(sampled), model, "'../secret.jpg' is not a file name"),
        (str(tmp_path), model, "test_images: no images"),
        (hidden, str(tmp_path / "nowhere.ckpt"), "No such file"),
        (hidden, str(tmp_path), "no checkpoint"),
    ):
        with pytest.raises(SystemExit):
            main(["--data", data, "--checkpoints", checkpoints, *output])
        assert re.search(rf"^python -m plant_pathology.predict: .*{why}", capsys.readouterr().err, re.MULTILINE)


MEASURE = """
import resource, sys
from plant_pathology.predict import main
main(sys.argv[1:])
print("MiB", *(resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""


@pytest.mark.nightly
def test_memory_does_not_grow_with_the_number_of_images(
    competition: Path, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    leaf = list_test_images(competition / "hidden")[0]
    peaks = []
    for images in (2_000, 20_000):
        folder = tmp_path / str(images) / "test_images"
        folder.mkdir(parents=True)
        for n in range(images):
            (folder / f"{n:05}.jpg").hardlink_to(leaf)
        command = [sys.executable, "-c", MEASURE, "--data", str(folder.parent), "--workers", "1"]
        command += ["--checkpoints", str(make_checkpoint("model.ckpt")), "--output", str(tmp_path / "out.csv")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"{images} of {images} images predicted" in done.stdout
        peaks.append([float(value) for value in done.stdout.rpartition("MiB")[2].split()])
    (main_few, worker_few), (main_many, worker_many) = peaks
    assert main_many < 1.05 * main_few
    assert worker_many < 1.05 * worker_few


def test_predictions_are_shown_as_pictures(competition: Path) -> None:
    images = sorted((competition / "hidden" / "test_images").iterdir())[:5]
    sheet = contact_sheet([*images[:4], images[0].with_name("missing.jpg")], ["scab"] * 5)
    assert sheet.size == (4 * 320, 2 * 246)
    assert len(set(sheet.resize((64, 24)).getdata())) > 50
    assert contact_sheet(images, ["is scab\nsaid rust"] * 5).size == (4 * 320, 2 * 272)
