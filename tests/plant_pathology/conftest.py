"""A small synthetic competition, drawn once, and a checkpoint trained on it for a moment."""

from pathlib import Path

import pytest
from plant_pathology.synthetic import write_competition
from plant_pathology.train import Settings, train


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competition")
    write_competition(folder, train=24, public=5, hidden=7, size=(120, 80), seed=3)
    return folder


@pytest.fixture(scope="session")
def checkpoint(competition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    settings = Settings(
        data=competition / "public", output=output, height=32, width=48, epochs=1, batch_size=8, workers=0
    )
    train(settings)
    return output
