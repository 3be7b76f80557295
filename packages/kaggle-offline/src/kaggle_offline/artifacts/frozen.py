"""``frozen.json``: the result of the last freeze."""

from dataclasses import dataclass, field

from kaggle_offline.artifacts.pack import Dataset
from kaggle_offline.dependencies.lock_table import Row
from kaggle_offline.environment import command
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
        rehearsal: the same versions for this machine's Python; `packages` if it is the image's.
        models: the checkpoints; None if the kernel has none.
        python: the Python that ``rehearsal`` is for.
        of_image: the names of the required distributions that the image has, in any version.
        distributions: the role of each distribution.
        source: the commit that was checked out.
    """

    packages: Dataset
    rehearsal: Dataset
    models: Dataset | None
    python: str
    of_image: tuple[str, ...]
    distributions: tuple[Row, ...]
    source: Source = field(compare=False)


def read_frozen(kernel: KernelFolder) -> Frozen:
    """Read the result of the last freeze.

    Raises:
        NotFrozenError: ``frozen.json`` is missing or malformed.
    """
    try:
        document = read_json(kernel.build / RECORD)
        texts = []
        datasets = {}
        for name, entry in document["datasets"].items():
            folder = kernel.build / entry["folder"]
            is_model = entry.get("is_model") is True
            datasets[name] = Dataset(folder=folder, slug=entry["slug"], digest=entry["digest"], is_model=is_model)
            texts += [entry["slug"], entry["digest"]]
        for row in document["distributions"]:
            texts += row.values()
        frozen = Frozen(
            packages=datasets["packages"],
            rehearsal=datasets["rehearsal"],
            models=datasets.get("models"),
            python=document["python"],
            of_image=tuple(document["of_image"]),
            distributions=tuple(Row(**row) for row in document["distributions"]),
            source=Source(tag=document["source"]["tag"], commit=document["source"]["commit"]),
        )
        texts += [frozen.python, *frozen.of_image, frozen.source.tag, frozen.source.commit]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not a text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotFrozenError(
            f"{kernel.competition}: not frozen", f"Run: {command('freeze', kernel.competition)}"
        ) from error
    return frozen


def write_frozen(kernel: KernelFolder, frozen: Frozen) -> None:
    """Write the result of a freeze, for `read_frozen`."""
    datasets: dict[str, dict[str, str | bool]] = {}
    for name, dataset in (("packages", frozen.packages), ("rehearsal", frozen.rehearsal), ("models", frozen.models)):
        if dataset is not None:
            folder = str(dataset.folder.relative_to(kernel.build))
            entry: dict[str, str | bool] = {"folder": folder, "slug": dataset.slug, "digest": dataset.digest}
            if dataset.is_model:
                entry["is_model"] = True
            datasets[name] = entry
    document = {
        "python": frozen.python,
        "of_image": frozen.of_image,
        "distributions": [vars(row) for row in frozen.distributions],
        "source": vars(frozen.source),
        "datasets": datasets,
    }
    write_json(kernel.build / RECORD, document)
