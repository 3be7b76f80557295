"""The checkpoints in this repository, on the hidden leaves that the rehearsal scores them on."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from plant_pathology.labels import encode
from plant_pathology.leaves.images import read_image
from plant_pathology.network.checkpoint import UNKNOWN, list_checkpoints, read_checkpoint
from plant_pathology.network.ensemble import load_ensemble
from plant_pathology.predict import Predictions, predict
from plant_pathology.synthetic import write_competition
from plant_pathology.training.scores import mean_f1

CHECKPOINTS = list_checkpoints(
    Path(__file__).resolve().parents[2] / "kernels" / "plant-pathology-2021-fgvc8" / "checkpoints"
)


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rehearsal's competition, but for the images that are trained on."""
    folder = tmp_path_factory.mktemp("rehearsal")
    write_competition(folder, train=1, public=1, hidden=150, size=(1000, 668), seed=2021)
    return folder / "hidden"


@pytest.fixture(scope="module")
def together(hidden: Path) -> Predictions:
    return predict(hidden, CHECKPOINTS)


def score(predictions: Predictions, hidden: Path) -> float:
    """The competition's metric."""
    table = predictions.submission().merge(pd.read_csv(hidden.parent / "solution.csv"), on="image")
    assert len(table) == len(predictions.table)
    said, known = ([encode(cell) for cell in table[name]] for name in ("labels_x", "labels_y"))
    return mean_f1(pd.DataFrame(said).to_numpy(dtype=bool), pd.DataFrame(known).to_numpy(dtype=bool))


def test_every_checkpoint_says_what_it_was_made_of() -> None:
    assert len({read_checkpoint(path).metadata.backbone for path in CHECKPOINTS}) == 3
    for path in CHECKPOINTS:
        metadata = read_checkpoint(path).metadata
        assert metadata.commit != UNKNOWN
        assert not metadata.commit.endswith("dirty")
        assert metadata.data.startswith("sha256:")
        assert path.with_suffix(".json").exists()


@pytest.mark.nightly
def test_together_they_are_at_least_as_good_as_the_best_of_them(tmp_path: Path) -> None:
    """On 600 leaves: of the rehearsal's 150, the label of one is more than what is between them."""
    write_competition(tmp_path, train=1, public=1, hidden=600, size=(600, 400), seed=77)
    hidden = tmp_path / "hidden"
    alone = [score(predict(hidden, [path]), hidden) for path in CHECKPOINTS]
    assert score(predict(hidden, CHECKPOINTS), hidden) >= max(alone)


@pytest.mark.nightly
def test_the_rehearsal_is_scored_well(hidden: Path, together: Predictions) -> None:
    assert score(together, hidden) >= 0.9


@pytest.mark.nightly
def test_scaled_decoding_changes_next_to_no_label(hidden: Path, together: Predictions, tmp_path: Path) -> None:
    """Against Pillow alone, which decodes each image whole; it is then read from a file that is not scaled again."""
    (largest,) = {max(size) for size in [load_ensemble(CHECKPOINTS).sizes]}
    (tmp_path / "test_images").mkdir()
    for path in (hidden / "test_images").iterdir():
        whole = Image.open(path).convert("RGB").resize(largest[::-1], Image.Resampling.BILINEAR)
        whole.save(tmp_path / "test_images" / path.name, "PNG")
        assert (read_image(tmp_path / "test_images" / path.name, [largest]).pixels[0].numpy().shape) == (3, *largest)
    full = predict(tmp_path, CHECKPOINTS)
    cells = zip(full.submission()["labels"], together.submission()["labels"], strict=True)
    same = [(encode(one) == encode(other)).mean() for one, other in cells]
    assert sum(same) / len(same) >= 0.995
    assert score(together, hidden) >= score(full, hidden)
