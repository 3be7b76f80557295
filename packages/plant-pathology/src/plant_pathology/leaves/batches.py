"""Batches of test images, made by worker processes ahead of the network, whatever an image does to a worker."""

import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset, get_worker_info

from plant_pathology.leaves.leaf_dataset import LATE, Leaf, LeafDataset
from plant_pathology.network.cores import count_cores
from plant_pathology.network.ensemble import Batch

# No photograph takes as long to read, in seconds, be the disk ever so slow.
_LONGEST = 300

# Seconds between two looks at the workers.
_PATIENCE = 5


class LeafBatches:
    """Batches of what `LeafDataset` gives, in its order. An image that kills its worker, or holds it up, is black.

    Each is a `plant_pathology.network.ensemble.Batch`: places in the list, int64 ``(n,)``, images of each size, uint8
    ``(n, 3, h, w)``, flaws, and whether each was read, bool ``(n,)``.

    Args:
        leaves: the images.
        places: which of them.
        batch_size: images in a batch.
        workers: processes that decode. 0 decodes in this one, which an image may kill or hold up, then.

    Raises:
        RuntimeError: a worker failed, and no image is to blame.
    """

    def __init__(self, leaves: LeafDataset, places: Sequence[int], *, batch_size: int, workers: int) -> None:
        self.leaves = leaves
        self.places = places
        self.batch_size = batch_size
        self.workers = workers

    def __len__(self) -> int:
        return math.ceil(len(self.places) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        done = 0
        while done < len(self.places):
            for batch in self._until_a_worker_fails(self.places[done:]):
                done += len(batch[0])
                yield batch

    def _until_a_worker_fails(self, places: Sequence[int]) -> Iterator[Batch]:
        """End early where an image has to be given up, having told the images so."""
        watched = _Watched(self.leaves, places, self.workers)
        timeout = _PATIENCE if self.workers else 0
        # Nothing is pinned. Decoding takes far longer than the copy to a GPU, which pinning would speed up, and torch
        # waits without end for a thread that pins and has died.
        loader = DataLoader(
            watched,
            batch_size=self.batch_size,
            num_workers=self.workers,
            timeout=timeout,
        )
        with _default_sigchld(), watched.end_late_workers():
            batches = iter(loader)
            # The first loader of a process sets torch's handler.
            _set_sigchld(signal.SIG_DFL)
            while True:
                try:
                    batch = next(batches)
                except StopIteration:
                    return
                except (RuntimeError, OSError, EOFError) as error:
                    is_waiting = str(error).startswith("DataLoader timed out")
                    if not is_waiting:
                        # A worker that dies closes its sockets before it is gone.
                        time.sleep(1)
                    failures = watched.failures()
                    if failures:
                        self.leaves.given_up |= failures
                        # Its workers end while nobody is told of their deaths.
                        del batches
                        return
                    if not is_waiting:
                        raise
                else:
                    yield batch


@contextmanager
def _default_sigchld() -> Iterator[None]:
    """Let no handler hear of a worker's death until the block ends.

    Torch's raises wherever this process is. The loop above finds a dead worker while it awaits a batch.
    """
    handler = _set_sigchld(signal.SIG_DFL)
    try:
        yield
    finally:
        _set_sigchld(handler)


def _set_sigchld(handler: Any) -> Any:
    """Set the handler of SIGCHLD, where this is the main thread, and return the one before; other threads may not."""
    if threading.current_thread() is not threading.main_thread():
        return handler
    return signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)


class _Watched(Dataset[Leaf]):
    """Test images, and which of them each worker reads, since when."""

    def __init__(self, leaves: LeafDataset, places: Sequence[int], workers: int) -> None:
        self.leaves = leaves
        self.places = places
        # For each worker, in memory that all share: its process, the image's place or -1, and since when.
        self.process = RawArray("q", workers)
        self.place = RawArray("q", [-1] * workers)
        self.since = RawArray("d", workers)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Leaf:
        place, worker = self.places[index], get_worker_info()
        if worker is None or place in self.leaves.given_up:
            return self.leaves[place]
        self.process[worker.id], self.since[worker.id] = os.getpid(), time.monotonic()
        self.place[worker.id] = place
        leaf = self.leaves[place]
        self.place[worker.id] = -1
        return leaf

    def failures(self) -> dict[int, str]:
        """Return why an image has to be given up, by its place: its worker died, or has not come back from it."""
        alive = {child.pid for child in multiprocessing.active_children()}
        found = self._late()
        for process, place in zip(self.process, self.place, strict=True):
            if place >= 0 and process not in alive:
                found.setdefault(place, f"{self.leaves.paths[place].name}: the process that read it was killed")
        return found

    def _late(self) -> dict[int, str]:
        """Return why an image takes too long, by its place."""
        now = time.monotonic()
        found = {}
        for place, since in zip(self.place, self.since, strict=True):
            if place < 0:
                continue
            if now > self.leaves.deadline + _PATIENCE:
                found[place] = LATE
            elif now > since + _LONGEST:
                found[place] = f"{self.leaves.paths[place].name}: not read after {_LONGEST} seconds"
        return found

    @contextmanager
    def end_late_workers(self) -> Iterator[None]:
        """End each worker that an image holds up, until the block ends.

        A decoder that hangs in native code can keep the worker's interpreter lock. Then the worker's thread cannot hand
        over the memory of the batch before, and this process would wait for it without end.
        """
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(_PATIENCE):
                late = self._late()
                held_up = {process for process, place in zip(self.process, self.place, strict=True) if place in late}
                for child in multiprocessing.active_children():
                    if child.pid in held_up:
                        child.kill()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()


class LeafDM(pl.LightningDataModule):
    """The batches of each device's share of the images.

    Args:
        leaves: the images.
        batch_size: images in a batch.
        workers: processes that decode for each device; by default its share of the cores. 0 decodes in this one.
    """

    def __init__(self, leaves: LeafDataset, *, batch_size: int, workers: int | None) -> None:
        super().__init__()
        self.leaves = leaves
        self.batch_size = batch_size
        self.workers = workers

    def setup(self, stage: str) -> None:
        """Have one deadline for all processes."""
        del stage
        assert self.trainer is not None
        self.leaves.deadline = self.trainer.strategy.broadcast(self.leaves.deadline)

    def predict_dataloader(self) -> LeafBatches:
        """Return every so many-th image is this device's."""
        assert self.trainer is not None
        workers = self.workers
        if workers is None:
            workers = max(1, count_cores() // self.trainer.num_devices)
        return LeafBatches(
            self.leaves,
            range(self.trainer.global_rank, len(self.leaves), self.trainer.world_size),
            batch_size=self.batch_size,
            workers=workers,
        )
