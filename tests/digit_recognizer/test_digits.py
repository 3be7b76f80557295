"""From the competition's tables to a submission, as the kernel does it."""

import csv
from pathlib import Path

import numpy as np
import pytest
from digit_recognizer.data import read_test, read_training
from digit_recognizer.predict import contact_sheet, predict
from digit_recognizer.rehearsal import write_competition


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competition")
    write_competition(folder)
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_competition_has_what_kaggles_has(competition: Path) -> None:
    for side, images in (("public", 297), ("hidden", 500)):
        pixels, digits = read_training(competition / side)
        assert pixels.shape == (1000, 64)
        assert set(digits.tolist()) == set(range(10))
        assert read_test(competition / side).shape == (images, 64)
        sample = rows(competition / side / "sample_submission.csv")
        assert sample == [["ImageId", "Label"], *([str(n), "0"] for n in range(1, images + 1))]
    assert len(rows(competition / "solution.csv")) == 501


def test_no_digit_is_in_two_sets(competition: Path) -> None:
    images = [*read_training(competition / "public")[0], *read_test(competition / "public")]
    known = {image.tobytes() for image in images}
    shared = [image for image in read_test(competition / "hidden") if image.tobytes() in known]
    assert not shared, "of the 1,797 digits no two are alike"


def test_the_same_seed_gives_the_same_bytes(competition: Path, tmp_path: Path) -> None:
    write_competition(tmp_path / "again")
    for path in competition.rglob("*.csv"):
        assert (tmp_path / "again" / path.relative_to(competition)).read_bytes() == path.read_bytes()


def test_nearly_every_hidden_digit_is_read(
    competition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(competition / "hidden", tmp_path / "submission.csv")
    said, known = rows(tmp_path / "submission.csv"), rows(competition / "solution.csv")
    assert said[0] == known[0]
    assert np.mean([one == other for one, other in zip(said[1:], known[1:], strict=True)]) >= 0.98
    assert "predicted 500 images: " in capsys.readouterr().out
    assert (tmp_path / "predictions.png").read_bytes().startswith(b"\x89PNG")


def test_pixels_may_be_as_many_as_kaggle_has_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    header = ",".join(f"pixel{n}" for n in range(784))
    images = [",".join(map(str, generator.integers(0, 256, 784))) for _ in range(20)]
    (tmp_path / "train.csv").write_text("\n".join([f"label,{header}", *(f"{n % 2},{i}" for n, i in enumerate(images))]))
    (tmp_path / "test.csv").write_text("\n".join([header, *images[:3]]))
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n2,0\n3,0\n")
    predict(tmp_path, tmp_path / "submission.csv")
    assert rows(tmp_path / "submission.csv")[1:] == [["1", "0"], ["2", "1"], ["3", "0"]]


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("pixel0,label\n0,1\n")
    with pytest.raises(ValueError, match=r"train\.csv: the first column is pixel0, not label"):
        read_training(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_test(tmp_path)


def test_predictions_are_shown_as_pictures(competition: Path) -> None:
    pixels, digits = read_training(competition / "public")
    sheet = contact_sheet(pixels[:10], digits[:10])
    assert sheet.size == (768, 2 * 132)
    assert len(sheet.getcolors() or ()) > 10
