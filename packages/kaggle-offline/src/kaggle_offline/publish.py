"""A dataset folder to a dataset version: published when it is new, and only believed when Kaggle lists it whole."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from kaggle_offline.errors import KaggleError, NotFrozenError, PublishError, TakenError
from kaggle_offline.kaggle_client import DatasetState, KaggleClient
from kaggle_offline.pack import MANIFEST, Dataset
from kaggle_offline.target import Target


@dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset version that Kaggle lists as it should."""

    ref: str
    version: int
    digest: str
    uploaded_bytes: int


def publish(target: Target, dataset: Dataset, known: dict[str, Any] | None = None) -> Published:
    """See to it that the dataset's latest version is ``dataset``, ready and whole.

    A version of this content that is not whole is followed by one more.

    Args:
        target: where to.
        dataset: the folder.
        known: from the result, a version that was seen to be whole before; versions never change.

    Raises:
        NotFrozenError: the folder is not what its digest says.
        PublishError: Kaggle lists other files than were published, twice.
        KaggleError: Kaggle refused something, or never gets ready.
    """
    client = target.client
    ref = f"{client.owner}/{dataset.slug}"
    uploaded, difference = 0, ""
    # Uploaded, but not yet in a version: kept for the next round, should somebody else have published meanwhile.
    tokens: list[str] = []
    state = client.dataset(dataset.slug)
    while True:
        # What is in processing may be this very content; and while the first version is, Kaggle takes no second.
        if state is not None and state.status == "processing":
            state = client.processed_dataset(dataset.slug)
        if state is not None and state.digest == dataset.digest:
            found = Published(ref=ref, version=state.version, digest=state.digest, uploaded_bytes=uploaded)
            if _is_known(found, known):
                break
            before, difference = difference, _lasting_difference(target, dataset, state)
            if not difference:
                break
            problem = f"{ref} version {state.version} is not whole: {difference}"
            if before:
                raise PublishError(problem, "Look at it on Kaggle, then push again.")
            print(f"  {problem}; publishing it once more", flush=True)
        if not tokens:
            tokens = _upload(client, dataset)
            uploaded += sum(dataset.files.values())
        # Another run may have published meanwhile, or one that was killed, what is still in processing.
        latest = client.processed_dataset(dataset.slug)
        if _is_same(latest, state):
            latest = _create_version(target, dataset, state, tokens)
        state = latest
    done = f"{uploaded:,} bytes uploaded" if uploaded else "unchanged, 0 bytes uploaded"
    print(f"  {dataset.slug}: version {found.version}, {done}", flush=True)
    return found


def _is_same(one: DatasetState | None, other: DatasetState | None) -> bool:
    """Whether two looks at a dataset saw the same version, or both saw none."""
    if one is None or other is None:
        return one is other
    return (one.version, one.digest) == (other.version, other.digest)


def _is_known(found: Published, known: dict[str, Any] | None) -> bool:
    """Whether a version was seen to be whole before."""
    return known is not None and all(known[name] == vars(found)[name] for name in ("ref", "version", "digest"))


def _upload(client: KaggleClient, dataset: Dataset) -> list[str]:
    """Upload the files; return the tokens that name them.

    Raises:
        NotFrozenError: the folder is not what its digest says, before or after.
    """
    _require_intact(dataset)
    tokens = [client.upload(dataset.folder / name) for name in sorted(dataset.files)]
    _require_intact(dataset)
    return tokens


def _require_intact(dataset: Dataset) -> None:
    if not dataset.is_intact():
        raise NotFrozenError(
            f"{dataset.folder}: not what was frozen", f"Delete {dataset.folder}, then run freeze and push again."
        )


def _create_version(target: Target, dataset: Dataset, before: DatasetState | None, tokens: list[str]) -> DatasetState:
    """Publish what was uploaded after a version; return the new one as soon as Kaggle shows it.

    The tokens of what was uploaded are used up then, and gone from the list.

    Raises:
        KaggleError: Kaggle refuses it, or never shows it.
    """
    client = target.client
    after = before.version if before else 0
    try:
        if before is None:
            client.create_dataset(dataset.slug, dataset.digest, tokens)
        else:
            client.create_dataset_version(dataset.slug, dataset.digest, tokens, after=after)
    except TakenError:
        # Another run was faster, and it may take a moment to show; or the title is that of another dataset.
        find = partial(client.dataset, dataset.slug)
        taken_by = target.waits.until(f"dataset {dataset.slug}", find, seconds=target.waits.patience.settle)
        if taken_by is None:
            raise
        return taken_by
    tokens.clear()

    def look() -> DatasetState | None:
        state = client.dataset(dataset.slug)
        return state if state and state.version > after else None

    state = target.waits.until(f"version {after + 1} of {dataset.slug}", look, seconds=target.waits.patience.processing)
    if state is None:
        raise KaggleError(
            f"{client.owner}/{dataset.slug}: Kaggle took version {after + 1} and does not show it",
            "Look at it on Kaggle, then run the same command again.",
        )
    return state


def _lasting_difference(target: Target, dataset: Dataset, state: DatasetState) -> str:
    """What a version has otherwise than it should, or an empty text; a listing may need a while to be right."""
    difference = ""

    def matches() -> bool | None:
        nonlocal difference
        difference = _difference(target, dataset, state)
        return None if difference else True

    settle = target.waits.patience.settle if state.status == "ready" else 0
    target.waits.until(f"listing of {dataset.slug}", matches, seconds=settle)
    return difference


def _difference(target: Target, dataset: Dataset, state: DatasetState) -> str:
    """What a version has otherwise than it should.

    The manifest may differ in what its digest does not cover: the commit, for instance. What Kaggle
    unpacks is not among the files: archives are renamed, or refused as checkpoints, before they are packed.
    """
    if state.status != "ready":
        return f"its processing {state.status}"
    wanted, listed = dataset.files, target.client.dataset_files(dataset.slug, state.version)
    changes = [f"{name} is missing" for name in wanted if name not in listed]
    changes += [f"{name} should not be there" for name in listed if name not in wanted]
    changes += [
        f"{name} has {listed[name]} bytes, not {size}"
        for name, size in wanted.items()
        if name != MANIFEST and listed.get(name, size) != size
    ]
    return ", ".join(changes)
