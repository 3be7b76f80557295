"""Training: the folds, the schedule, the thresholds, what a run leaves, and that it goes on when it was stopped."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from plant_pathology.labels import DEFAULT_THRESHOLDS, FREQUENCIES, LABELS, choose, encode
from plant_pathology.network.checkpoint import read_checkpoint
from plant_pathology.network.model import normalisation, share_of_peak
from plant_pathology.synthetic import choose_labels
from plant_pathology.train import Settings, train
from plant_pathology.training.data import PlantPathologyDM, digest_of_data
from plant_pathology.training.scores import mean_f1, tune_thresholds
from sklearn.metrics import f1_score

from tests.browser import measure


def test_training_and_validation_do_not_overlap(competition: Path) -> None:
    held_back: set[Path] = set()
    for fold in range(4):
        data = PlantPathologyDM(competition / "public", image_size=(32, 48), folds=4, fold=fold)
        data.setup("fit")
        train_paths, validation = set(data.train.paths), set(data.validation.paths)
        assert (len(train_paths), len(validation)) == (18, 6)
        assert not validation & (train_paths | held_back)
        held_back |= validation
    assert len(held_back) == 24, "each image is held back once"
    images, target = next(iter(data.val_dataloader()))
    assert images.shape == (6, 3, 32, 48)
    assert target.shape == (6, len(LABELS))
    assert (target.sum(dim=1) >= 1).all()


def test_every_fold_has_its_share_of_each_label(tmp_path: Path) -> None:
    cells = choose_labels(0, "train", 3000)
    table = pd.DataFrame({"image": [f"{n}.jpg" for n in range(3000)], "labels": cells})
    table.to_csv(tmp_path / "train.csv", index=False)
    counts = []
    for fold in range(5):
        data = PlantPathologyDM(tmp_path, image_size=(32, 48), folds=5, fold=fold)
        data.setup("fit")
        counts.append(data.validation.targets.sum(dim=0).numpy())
    total = np.sum([encode(cell) for cell in cells], axis=0)
    assert np.abs(np.array(counts) - total / 5).max() <= len(FREQUENCIES) / 2


@pytest.mark.parametrize(("folds", "fold"), [(1, 0), (5, 5), (5, -1), (0, 0)])
def test_a_fold_that_is_none_is_refused(folds: int, fold: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="counted from 0"):
        PlantPathologyDM(tmp_path, image_size=(32, 48), folds=folds, fold=fold)


def test_a_rare_label_weighs_more(competition: Path) -> None:
    data = PlantPathologyDM(competition / "public", image_size=(32, 48))
    data.setup("fit")
    assert torch.equal(data.label_weights(0), torch.ones(6))
    rare_first = data.train.targets.sum(dim=0).argsort()
    weights = data.label_weights(1)[rare_first].tolist()
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[-1]


def test_the_digest_tells_images_apart(competition: Path, tmp_path: Path) -> None:
    folder = competition / "public"
    assert digest_of_data(folder) == digest_of_data(folder)
    (tmp_path / "train.csv").write_bytes((folder / "train.csv").read_bytes())
    (tmp_path / "train_images").mkdir()
    assert digest_of_data(tmp_path) != digest_of_data(folder)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    rates = [share_of_peak(step, warm_up=10, steps=100) for step in range(101)]
    assert rates[:11] == pytest.approx([*np.arange(1, 11) / 10, 1])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0)


def test_mean_f1_agrees_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    predicted, target = (generator.random((200, 6)) > 0.6 for _ in range(2))
    expected = f1_score(target, predicted, average="samples", zero_division=0)
    assert mean_f1(predicted, target) == pytest.approx(expected, abs=1e-6)


@examples(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_tuned_thresholds_are_never_worse(seed: int) -> None:
    generator = np.random.default_rng(seed)
    target = np.stack([encode(cell) for cell in choose_labels(seed, "train", 60)]).astype(bool)
    probabilities = np.clip(0.35 * target + generator.normal(0.25, 0.15, target.shape), 0, 1)
    tuned = mean_f1(choose(probabilities, tune_thresholds(probabilities, target)), target)
    assert tuned >= mean_f1(choose(probabilities, DEFAULT_THRESHOLDS), target)


def test_where_nothing_is_to_be_gained_thresholds_stay() -> None:
    target = np.eye(6, dtype=bool)
    assert tune_thresholds(target.astype(float), target) == DEFAULT_THRESHOLDS


def test_thresholds_that_are_off_are_found() -> None:
    target = np.stack([encode(cell) for cell in choose_labels(3, "train", 300)]).astype(bool)
    probabilities = np.where(target, 0.3, 0.1)
    assert mean_f1(choose(probabilities, DEFAULT_THRESHOLDS), target) < 1
    assert mean_f1(choose(probabilities, tune_thresholds(probabilities, target)), target) == 1


def test_a_training_run_says_how_it_was_made(checkpoint: Path, settings: Settings) -> None:
    record = json.loads(checkpoint.with_suffix(".json").read_text())
    assert record["settings"]["backbone"] == "mobilenetv3_small_050"
    assert record["images"] == {"train": 20, "validation": 4}
    assert 0 <= record["validation_f1"] <= 1
    metadata = read_checkpoint(checkpoint).metadata
    assert json.loads(json.dumps(record["metadata"])) == record["metadata"]
    assert metadata.data == digest_of_data(settings.data)
    assert (metadata.mean, metadata.std) == normalisation("mobilenetv3_small_050")
    assert record["metadata"]["thresholds"] == list(metadata.thresholds)
    assert checkpoint.stat().st_size < 3_000_000


def test_a_training_run_leaves_a_report_with_pictures(checkpoint: Path, settings: Settings) -> None:
    assert checkpoint.exists()
    report = (settings.folder() / "report.html").read_text()
    for text in (
        "after 2 epochs",
        "frog_eye_leaf_spot",
        "threshold",
        "Confusion",
        "Mistakes",
        "data:image/jpeg;base64,",
    ):
        assert text in report
    record = json.loads(checkpoint.with_suffix(".json").read_text())
    assert f"F1 {record['validation_f1']:.4f}" in report
    assert "<th>learning_rate</th><td>0.004</td>" in report
    # A single fold has nothing to be compared with.
    assert "<h2>Folds</h2>" not in report
    # Each image's labels are counted once for each label that it was given.
    counts = [int(count) for count in re.findall(r'<td class="is"[^>]*>(\d+)</td>', report)]
    assert len(counts) == 36


def test_the_folds_stand_side_by_side(
    checkpoint: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = json.loads(checkpoint.with_suffix(".json").read_text())
    other["settings"]["fold"] = 1
    other["validation_f1"] = 0.25
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "other.json").write_text(json.dumps(other))
    (folder / "of-something-else.json").write_text("[]")
    train(replace(settings, output=folder / "first.ckpt", run=tmp_path / "run"))
    report = (tmp_path / "run" / "first" / "report.html").read_text()
    assert "<th>fold 1</th><td>0.2500</td>" in report
    assert "<th>fold 0</th>" in report
    # A log has a line for each epoch in place of a bar.
    printed = capsys.readouterr().out
    assert [line.partition(":")[0] for line in printed.splitlines() if line.startswith("epoch")] == [
        "epoch 1 of 2",
        "epoch 2 of 2",
    ]


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_can_be_read_everywhere(
    dark: bool, width: int, checkpoint: Path, settings: Settings, tmp_path: Path
) -> None:
    assert checkpoint.exists()
    found = measure(settings.folder() / "report.html", tmp_path, width=width, dark=dark)
    assert (found.errors, found.faint, found.unnamed) == ([], [], 0)
    assert found.widest <= width


def test_a_training_that_was_stopped_goes_on(settings: Settings, tmp_path: Path) -> None:
    again = replace(settings, output=tmp_path / "model.ckpt", run=tmp_path / "run", epochs=400)
    options = {"data": again.data, "output": again.output, "run": again.run, "height": 32, "width": 48, "epochs": 400}
    options |= {"batch-size": 8, "workers": 0}
    command = [sys.executable, "-m", "plant_pathology.train", *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (again.folder() / "last.ckpt").exists():
            assert process.poll() is None
            time.sleep(0.05)
        with pytest.raises(ValueError, match=r"another training is running here\..*--run"):
            train(again)
        process.kill()
    assert not again.output.exists()
    with pytest.raises(ValueError, match=r"other settings or images was stopped here.*--run"):
        train(replace(again, learning_rate=1.0))
    last = torch.load(again.folder() / "last.ckpt", weights_only=True)
    done = int(last["epoch"]) + 1
    best = torch.load(again.folder() / "best.ckpt", weights_only=True)
    assert best["epoch"] <= last["epoch"], "the latest is kept, be it the best or not"
    # The file with its settings is changed, so that it need not go on for 400 epochs.
    (again.folder() / "settings.json").write_text(
        (again.folder() / "settings.json").read_text().replace('"epochs": 400', f'"epochs": {done + 1}')
    )
    train(replace(again, epochs=done + 1))
    assert again.output.exists()
    assert not (again.folder() / "last.ckpt").exists()
    report = (again.folder() / "report.html").read_text()
    assert f"{done + 1} epochs" in report, "what was done before it was stopped is part of it"
    with pytest.raises(FileExistsError, match=r"model\.ckpt: exists\. .*--force"):
        train(replace(again, epochs=1))


@pytest.mark.nightly
def test_the_command_documents_itself() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "plant_pathology.train", "--help"], capture_output=True, text=True, check=True
    )
    for name in Settings.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in result.stdout
