"""A small synthetic competition, drawn once, and checkpoints: one trained on it for a moment, others not at all."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from plant_pathology.labels import DEFAULT_THRESHOLDS, LABELS
from plant_pathology.network.checkpoint import Checkpoint, Metadata, write_checkpoint
from plant_pathology.network.model import Classifier, normalisation
from plant_pathology.synthetic import write_competition
from plant_pathology.train import Settings, train

MakeCheckpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competition")
    write_competition(folder, train=24, public=5, hidden=7, size=(120, 80), seed=3)
    return folder


@pytest.fixture(scope="session")
def settings(competition: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("training")
    return Settings(
        data=competition / "public",
        output=folder / "model.ckpt",
        run=folder / "run",
        height=32,
        width=48,
        epochs=2,
        batch_size=8,
        workers=0,
    )


@pytest.fixture(scope="session")
def checkpoint(settings: Settings) -> Path:
    train(settings)
    return settings.output


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """Writes checkpoints of networks that have learned nothing; other metadata than usual as keywords."""

    def make(name: str, backbone: str = "lcnet_035", size: tuple[int, int] = (32, 48), **other: object) -> Path:
        mean, std = normalisation(backbone)
        values = {"backbone": backbone, "image_size": size, "mean": mean, "std": std, "labels": LABELS}
        metadata = Metadata(**{**values, "thresholds": DEFAULT_THRESHOLDS, **other})  # type: ignore[arg-type]
        write_checkpoint(Checkpoint(metadata=metadata, weights=_weights(backbone, size, len(name))), tmp_path / name)
        return tmp_path / name

    return make


@cache
def _weights(backbone: str, size: tuple[int, int], seed: int) -> dict[str, torch.Tensor]:
    """Return the weights of a network that has learned nothing; making them takes seconds."""
    torch.manual_seed(seed)
    network = Classifier(backbone, *normalisation(backbone)).network
    # As it is made, a network says nearly the same of everything: have its normalisations see something.
    for _ in range(20):
        network(torch.randn(16, 3, 1, 1) + torch.randn(16, 3, *size))
    network.get_classifier().weight.data *= 100
    weights: dict[str, torch.Tensor] = network.state_dict()
    return weights
