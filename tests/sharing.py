"""Folders that are made once in a test run, and that all workers of pytest-xdist share."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder of that name, the same for all workers."""
    folder = _place(factory) / name
    folder.mkdir(exist_ok=True)
    return folder


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A shared folder that ``make`` has filled; the first worker that asks for it does that."""
    place = _place(factory)
    folder, done = place / name, place / f"{name}.done"
    with FileLock(place / f"{name}.lock"):
        if not done.exists():
            # A try that failed has left it.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def _place(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    place.mkdir(exist_ok=True)
    return place
