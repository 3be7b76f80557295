"""Batches of test images: nothing that an image does to a worker process stops them."""

import ctypes
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from plant_pathology.leaves import batches, leaf_dataset
from plant_pathology.leaves.batches import LeafBatches
from plant_pathology.leaves.images import Picture, read_image
from plant_pathology.leaves.leaf_dataset import LATE, LeafDataset
from plant_pathology.predict import predict
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data._utils import signal_handling


@pytest.fixture(autouse=True)
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have reading a file do what its name says, as a flaw of a decoder might: no file is known that does."""

    def read(path: Path, sizes: Sequence[tuple[int, int]]) -> Picture:
        if "kills" in path.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hangs" in path.name:
            time.sleep(600)
        if "holds the lock" in path.name:
            # As native code does that does not let go of the interpreter's lock.
            ctypes.PyDLL(None).sleep(600)
        if "fails" in path.name:
            raise RuntimeError("a mistake of ours")
        return read_image(path, sizes)

    monkeypatch.setattr(leaf_dataset, "read_image", read)
    monkeypatch.setattr(batches, "_PATIENCE", 1)


def read_all(
    names: Sequence[str], deadline: float = float("inf"), workers: int = 2, pause: float = 0
) -> dict[str, tuple[str, bool]]:
    """By name, what is wrong with an image, and whether it was read; a network takes ``pause`` seconds for a batch."""
    leaves = LeafDataset([Path(name) for name in names], ((8, 8),), deadline)
    found = {}
    for places, (pixels,), flaws, readable in LeafBatches(leaves, range(len(names)), batch_size=2, workers=workers):
        assert len(pixels) == len(places) == len(flaws) == len(readable)
        for place, flaw, read in zip(places.tolist(), flaws, readable.tolist(), strict=True):
            assert names[place] not in found
            found[names[place]] = flaw, read
        time.sleep(pause)
    return found


def test_an_image_that_kills_its_worker_is_given_up_and_no_other(competition: Path) -> None:
    good = [str(path) for path in sorted((competition / "hidden" / "test_images").iterdir())]
    names = ["kills.jpg", *good[:3], "kills too.jpg", *good[3:], "missing.jpg"]
    found = read_all(names)
    assert list(found) == names
    assert {name for name in names if found[name][1]} == set(good)
    for name in ("kills.jpg", "kills too.jpg"):
        assert found[name][0] == f"{name}: the process that read it was killed"
    assert found["missing.jpg"][0] == "missing.jpg: No such file or directory"


def test_an_image_that_holds_its_worker_up_is_given_up(competition: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_LONGEST", 2)
    good = [str(path) for path in sorted((competition / "hidden" / "test_images").iterdir())]
    found = read_all([*good, "hangs.jpg"])
    assert found.pop("hangs.jpg") == ("hangs.jpg: not read after 2 seconds", False)
    assert all(read for _, read in found.values())


def test_an_image_that_hangs_in_native_code_is_given_up_as_well(
    competition: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # While the first batch is predicted the second lies in the worker, whose thread cannot hand it over any more.
    monkeypatch.setattr(batches, "_LONGEST", 2)
    good = [str(path) for path in sorted((competition / "hidden" / "test_images").iterdir())]
    found = read_all([*good[:4], "holds the lock.jpg", *good[4:]], workers=1, pause=1)
    assert found.pop("holds the lock.jpg") == ("holds the lock.jpg: not read after 2 seconds", False)
    assert all(read for _, read in found.values())


def test_a_dead_worker_is_found_when_another_loader_ran_before(monkeypatch: pytest.MonkeyPatch) -> None:
    # Torch sets its handler of SIGCHLD once in a process; it raises wherever the main thread is.
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    list(DataLoader(TensorDataset(torch.zeros(2)), num_workers=1))
    handler = signal.getsignal(signal.SIGCHLD)
    assert callable(handler), "torch has a handler"
    leaves = LeafDataset([Path("kills.jpg"), Path("missing.jpg")], ((8, 8),))
    found: list[str] = []
    for _, _, flaws, _ in LeafBatches(leaves, range(2), batch_size=1, workers=1):
        found += flaws
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    assert found == ["kills.jpg: the process that read it was killed", "missing.jpg: No such file or directory"]
    assert signal.getsignal(signal.SIGCHLD) is handler


def test_what_is_being_read_when_the_time_is_over_is_late() -> None:
    found = read_all(["hangs.jpg", "a.jpg", "b.jpg"], time.monotonic() + 2)
    assert found["hangs.jpg"] == (LATE, False)
    assert not any(read for _, read in found.values())


def test_a_mistake_of_ours_is_no_images_fault() -> None:
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        read_all(["fails.jpg"], workers=0)


def test_such_an_image_costs_a_prediction_nothing_but_itself(
    competition: Path, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(competition / "hidden" / "test_images", tmp_path / "test_images")
    (tmp_path / "test_images" / "kills.jpg").touch()
    predictions = predict(tmp_path, [checkpoint], workers=2, batch_size=2)
    assert predictions.flaws == ["kills.jpg: the process that read it was killed"]
    assert predictions.table["image"][~predictions.predicted].tolist() == ["kills.jpg"]
