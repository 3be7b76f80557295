"""``frozen.json``: what the last freeze made."""

from dataclasses import dataclass, field

from kaggle_offline.artifacts.pack import Dataset
from kaggle_offline.dependencies.lock_table import Row
from kaggle_offline.errors import NotFrozenError
from kaggle_offline.files import read_json, write_json
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.repository.provenance import Source

RECORD = "frozen.json"


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """The result of a freeze.

    Attributes:
        packages: for Kaggle's image.
        rehearsal: the same versions for this machine's Python; `packages` where it is the image's.
        models: the checkpoints; None where the kernel has none.
        python: the Python that ``rehearsal`` is for.
        of_image: the names of what the image has of the requirements, in whatever version.
        distributions: what becomes of each.
        source: what was checked out.
    """

    packages: Dataset
    rehearsal: Dataset
    models: Dataset | None
    python: str
    of_image: tuple[str, ...]
    distributions: tuple[Row, ...]
    source: Source = field(compare=False)


def read_frozen(kernel: KernelFolder) -> Frozen:
    """Return the result of the last freeze.

    Raises:
        NotFrozenError: there was none.
    """
    try:
        document = read_json(kernel.build / RECORD)
        datasets = {
            name: Dataset(folder=kernel.build / entry["folder"], slug=entry["slug"], digest=entry["digest"])
            for name, entry in document["datasets"].items()
        }
        frozen = Frozen(
            packages=datasets["packages"],
            rehearsal=datasets["rehearsal"],
            models=datasets.get("models"),
            python=document["python"],
            of_image=tuple(document["of_image"]),
            distributions=tuple(Row(**row) for row in document["distributions"]),
            source=Source(tag=document["source"]["tag"], commit=document["source"]["commit"]),
        )
        texts = [frozen.python, *frozen.of_image, frozen.source.tag, frozen.source.commit]
        texts += [text for dataset in datasets.values() for text in (dataset.slug, dataset.digest)]
        texts += [text for row in frozen.distributions for text in vars(row).values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not a text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotFrozenError(
            f"{kernel.competition}: nothing is frozen", f"Run: nox -s freeze -- {kernel.competition}"
        ) from error
    return frozen


def write_frozen(kernel: KernelFolder, frozen: Frozen) -> None:
    """Write what a freeze made, for `read_frozen`."""
    datasets = {"packages": frozen.packages, "rehearsal": frozen.rehearsal, "models": frozen.models}
    document = {
        "python": frozen.python,
        "of_image": frozen.of_image,
        "distributions": [vars(row) for row in frozen.distributions],
        "source": vars(frozen.source),
        "datasets": {
            name: {"folder": str(d.folder.relative_to(kernel.build)), "slug": d.slug, "digest": d.digest}
            for name, d in datasets.items()
            if d is not None
        },
    }
    write_json(kernel.build / RECORD, document)
