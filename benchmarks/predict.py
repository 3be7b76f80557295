"""Predicting photographs of the competition's size: against the published loop, and against what the machine allows.

The published loop is what competitors copy: matplotlib decodes each JPEG whole, in this process, one after
the other. The machine's limit is the time of decoding alone and the network alone, on the same cores.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib.pyplot as plt
import plant_pathology  # noqa: F401 - before torch, whose threads it sets
import torch
from PIL import Image
from plant_pathology.labels import FREQUENCIES
from plant_pathology.leaves.images import read_image
from plant_pathology.network.checkpoint import list_checkpoints
from plant_pathology.network.cores import count_cores
from plant_pathology.network.devices import best_precision
from plant_pathology.network.ensemble import Ensemble, load_ensemble
from plant_pathology.predict import predict
from plant_pathology.synthetic import MAXIMUM_SIZE, Job, render
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm import tqdm

REPOSITORY = Path(__file__).resolve().parents[1]
CHECKPOINTS = REPOSITORY / "kernels" / "plant-pathology-2021-fgvc8" / "checkpoints"
# A test runs it with small sizes, to see that it works; its figures mean nothing then.
QUICK = "--quick" in sys.argv
RESULT = REPOSITORY / "build" / "bench" / ("quick" if QUICK else ".") / "predict.json"
# Each takes seconds to draw.
LEAVES = RESULT.with_name("leaves")
SIZE = (600, 400) if QUICK else MAXIMUM_SIZE
DRAWN, IMAGES, PUBLISHED_IMAGES, RUNS, BATCH = (2, 8, 4, 1, 4) if QUICK else (16, 480, 32, 3, 32)

# The goals: ours in units of the published loop, and of the machine's limit.
FASTER, OF_POSSIBLE = 4.0, 0.85

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# On a GPU as it was published; on the CPU batches gain nothing.
PUBLISHED_BATCH = 32 if DEVICE.type == "cuda" else 1


class PublishedLeaves(Dataset[tuple[Tensor, str]]):
    """The dataset of the published notebooks."""

    prepare = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        image = plt.imread(self.paths[index])
        return self.prepare(Image.fromarray(image)), self.paths[index].name


def published_loop(paths: Sequence[Path], model: Ensemble) -> None:
    """The prediction of the published notebooks: ``num_workers=0``, the labels of one batch after the other."""
    network = model.classifiers[0].get_submodule("network").to(DEVICE)
    submission: list[dict[str, object]] = []
    with torch.no_grad():
        for images, names in DataLoader(PublishedLeaves(paths), batch_size=PUBLISHED_BATCH, num_workers=0):
            found = network(images.to(DEVICE)).cpu() > 0
            submission += [{"image": name, "labels": row.tolist()} for name, row in zip(names, found, strict=True)]


def _decode(path: Path) -> None:
    read_image(path, _decode.sizes)  # type: ignore[attr-defined]


def _begin(sizes: tuple[tuple[int, int], ...]) -> None:
    _decode.sizes = sizes  # type: ignore[attr-defined]


def decode_only(paths: Sequence[Path], model: Ensemble) -> float:
    """Images a second that all cores decode, with nothing else to do."""
    with ProcessPoolExecutor(count_cores(), initializer=_begin, initargs=(model.sizes,)) as pool:
        list(pool.map(_decode, paths[:DRAWN]))
        return _rate(lambda: list(pool.map(_decode, paths, chunksize=8)), len(paths))


def network_only(paths: Sequence[Path], model: Ensemble) -> float:
    """Images a second that the network takes, of pixels that lie in memory."""
    model.to(DEVICE)
    decoded = zip(*(read_image(path, model.sizes).pixels for path in paths[:BATCH]), strict=True)
    batch = [torch.stack(pixels).to(DEVICE) for pixels in decoded]
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(best_precision("auto"))

    def run(batches: int) -> None:
        with torch.inference_mode(), torch.autocast(DEVICE.type, kind, enabled=kind is not None):
            for _ in range(batches):
                model(batch).cpu()

    run(2)
    return _rate(lambda: run(IMAGES // BATCH), IMAGES // BATCH * BATCH)


def _rate(work: Callable[[], object], images: int) -> float:
    """Images a second, the median of some runs."""
    seconds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return images / statistics.median(seconds)


def main() -> None:
    """Measure, print the tables, write them as JSON."""
    checkpoints = list_checkpoints(CHECKPOINTS)
    with tempfile.TemporaryDirectory(dir=_draw().parent) as folder:
        paths = list(_link(Path(folder)))
        rows = _speeds(Path(folder), paths, checkpoints[:1])
        members = [_rate(lambda path=path: predict(Path(folder), [path]), IMAGES) for path in checkpoints]  # type: ignore[misc]
        together = _rate(lambda: predict(Path(folder), checkpoints), IMAGES)
    alone = sum(1 / rate for rate in members)
    RESULT.write_text(
        json.dumps(
            {"device": str(DEVICE), "images_per_second": rows, "members": members, "ensemble": together}, indent=2
        )
        + "\n"
    )
    where = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    print(f"{where}, {count_cores()} cores; JPEGs of {SIZE[0]}x{SIZE[1]}, {checkpoints[0].stem}; images per second,")
    print(f"of the published loop in batches of {PUBLISHED_BATCH}:")
    for name, rate in rows.items():
        print(f"  {name:38} {rate:8.1f}")
    faster, share = rows["ours"] / rows["published loop"], rows["ours"] / rows["what the two allow together"]
    print(f"  ours is {faster:.1f} times the published loop; asked is {FASTER:.0f}")
    print(f"  ours is {share:.2f} of what the machine allows; asked is {OF_POSSIBLE}")
    print(f"{len(checkpoints)} checkpoints as one ensemble; milliseconds for an image:")
    for path, rate in zip(checkpoints, members, strict=True):
        print(f"  {path.stem + ' alone':38} {1000 / rate:8.1f}")
    print(f"  {'together':38} {1000 / together:8.1f}   {together * alone:.2f} times as fast as one after the other")


def _speeds(folder: Path, paths: list[Path], checkpoints: list[Path]) -> dict[str, float]:
    model = load_ensemble(checkpoints)
    decode, network = decode_only(paths, model), network_only(paths, model)
    # On a CPU the two share the cores, on a GPU each works while the other does.
    allowed = min(decode, network) if DEVICE.type == "cuda" else 1 / (1 / decode + 1 / network)
    few = paths[:PUBLISHED_IMAGES]
    return {
        "published loop": _rate(lambda: published_loop(few, model), len(few)),
        "ours": _rate(lambda: predict(folder, checkpoints), len(paths)),
        "decode only": decode,
        "network only": network,
        "what the two allow together": allowed,
    }


def _draw() -> Path:
    """A folder of photographs as large as the competition's, drawn when they are first needed."""
    LEAVES.mkdir(parents=True, exist_ok=True)
    cells = list(FREQUENCIES)
    jobs = [
        Job(seed=1, split="hidden", number=n, labels=cells[n % len(cells)], size=SIZE, path=LEAVES / f"{n}.jpg")
        for n in range(DRAWN)
    ]
    missing = [job for job in jobs if not job.path.exists()]
    # Each takes 800 MB.
    with ProcessPoolExecutor(min(4, count_cores())) as pool:
        list(tqdm(pool.map(render, missing), total=len(missing), desc="drawing leaves", disable=not missing))
    return LEAVES


def _link(folder: Path) -> Iterator[Path]:
    """The drawn photographs under as many names as there are to be predicted."""
    (folder / "test_images").mkdir()
    for n in range(IMAGES):
        path = folder / "test_images" / f"{n:04}.jpg"
        os.link(LEAVES / f"{n % DRAWN}.jpg", path)
        yield path


if __name__ == "__main__":
    main()
