"""The synthetic competition: its layout, its bytes, and what can be told from its pictures."""

import csv
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plant_pathology.labels import FREQUENCIES, LABELS
from plant_pathology.synthetic import MAXIMUM_SIZE, Job, choose_labels, draw, main, render, write_competition


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_layout_is_the_competitions(competition: Path) -> None:
    settings = tomllib.loads((competition / "competition.toml").read_text())
    assert settings["slug"] == "plant-pathology-2021-fgvc8"
    for side, tests in (("public", 5), ("hidden", 7)):
        images = {p.name for p in (competition / side / "test_images").iterdir()}
        assert len(images) == tests
        sample = rows(competition / side / "sample_submission.csv")
        assert {row["image"] for row in sample} == images
        assert {row["labels"] for row in sample} == {max(FREQUENCIES, key=FREQUENCIES.__getitem__)}
        assert len(rows(competition / side / "train.csv")) == 24
        assert len(list((competition / side / "train_images").iterdir())) == 24
    public, hidden = ({p.name for p in (competition / s / "test_images").iterdir()} for s in ("public", "hidden"))
    assert not public & hidden
    solution = rows(competition / "solution.csv")
    assert {row["image"] for row in solution} == hidden
    assert {label for row in solution for label in row["labels"].split()} <= set(LABELS)


def test_the_seed_fixes_every_byte(competition: Path, tmp_path: Path) -> None:
    options = {"train": 24, "public": 5, "hidden": 7, "size": (120, 80)}
    write_competition(tmp_path / "same", **options, seed=3)  # type: ignore[arg-type]
    write_competition(tmp_path / "other", **options, seed=4)  # type: ignore[arg-type]
    assert contents(tmp_path / "same") == contents(competition)
    assert contents(tmp_path / "other") != contents(competition)


def test_an_image_does_not_depend_on_the_number_of_images(competition: Path, tmp_path: Path) -> None:
    write_competition(tmp_path, train=2, public=1, hidden=1, size=(120, 80), seed=3)
    fewer, more = contents(tmp_path / "public" / "train_images"), contents(competition / "public" / "train_images")
    assert fewer.items() <= more.items()


def test_a_second_competition_takes_the_place_of_the_first(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_competition(tmp_path / "folder", train=1, public=2, hidden=3, size=(60, 40), seed=seed)
    images = {p.name for p in (tmp_path / "folder" / "hidden" / "test_images").iterdir()}
    assert images == {row["image"] for row in rows(tmp_path / "folder" / "solution.csv")}
    # One that was stopped while it was drawn, too.
    (tmp_path / "folder" / "competition.toml").rename(tmp_path / "folder" / ".drawing")
    write_competition(tmp_path / "folder", train=1, public=1, hidden=1, size=(60, 40), seed=3)
    assert not (tmp_path / "folder" / ".drawing").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="mine is not empty"):
        write_competition(tmp_path / "mine", train=1, public=1, hidden=1, size=(60, 40), seed=1)


def test_labels_come_as_unevenly_as_in_the_competition() -> None:
    counts = Counter(choose_labels(0, "train", 20_000))
    total = sum(FREQUENCIES.values())
    for cell, frequency in FREQUENCIES.items():
        assert counts[cell] / 20_000 == pytest.approx(frequency / total, abs=0.01)


def test_images_can_be_as_large_as_the_competitions(tmp_path: Path) -> None:
    path = tmp_path / "leaf.jpg"
    render(Job(seed=1, split="public", number=0, labels="rust scab", size=MAXIMUM_SIZE, path=path))
    with Image.open(path) as image:
        assert (image.size, image.format, image.mode) == ((4000, 2672), "JPEG", "RGB")


@pytest.mark.parametrize("label", [label for label in LABELS if label != "healthy"])
def test_a_disease_changes_the_same_leaf(label: str) -> None:
    def pixels(labels: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
        return np.asarray(draw(labels, (240, 160), np.random.default_rng(5)), dtype=np.int16)

    changed = np.abs(pixels(label) - pixels("healthy")).max(axis=2) > 60
    assert changed.mean() > 0.002


@pytest.mark.parametrize(
    "arguments", [["--size", "8x8"], ["--size", "4001x2672"], ["--size", "wide"], ["--hidden", "0"]]
)
def test_what_cannot_be_drawn_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "folder"), *arguments])
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err
    assert not (tmp_path / "folder").exists()
