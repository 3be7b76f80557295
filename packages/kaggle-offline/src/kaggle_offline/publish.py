"""A dataset folder to a dataset version: published when it is new, and only believed when Kaggle lists it whole."""

from dataclasses import dataclass

from kaggle_offline.errors import KaggleError, NotFrozenError, PublishError, TakenError
from kaggle_offline.kaggle_client import DatasetState
from kaggle_offline.pack import MANIFEST, Dataset
from kaggle_offline.target import Target


@dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset version that Kaggle lists as it should."""

    ref: str
    version: int
    digest: str
    uploaded_bytes: int


def publish(target: Target, dataset: Dataset, known: Published | None = None) -> Published:
    """See to it that the dataset's latest version is ``dataset``, ready and whole.

    A version of this content that is not whole is followed by one more.

    Args:
        target: where to.
        dataset: the folder.
        known: a version that was seen to be whole before; versions never change.

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
        # Kaggle refuses a second version while the first is in processing.
        if state is not None and (state.digest == dataset.digest or state.version == 1):
            state = _wait_until_processed(target, dataset.slug, state)
        if state is not None and state.digest == dataset.digest:
            found = Published(ref=ref, version=state.version, digest=state.digest, uploaded_bytes=uploaded)
            if known is not None and (known.ref, known.version, known.digest) == (ref, found.version, found.digest):
                break
            before, difference = difference, _lasting_difference(target, dataset, state)
            if not difference:
                break
            if before:
                raise PublishError(
                    f"{ref} version {state.version}: {difference}", "Look at it on Kaggle, then push again."
                )
            print(
                f"  {dataset.slug}: version {state.version} is not whole, publishing it once more: {difference}",
                flush=True,
            )
        if not dataset.is_intact():
            raise NotFrozenError(
                f"{dataset.folder}: not what was frozen", f"Delete {dataset.folder}, then run freeze and push again."
            )
        if not tokens:
            tokens = [client.upload(dataset.folder / name) for name in sorted(dataset.files)]
            uploaded += sum(dataset.files.values())
        # The upload took its time: another run may have published meanwhile.
        latest = client.dataset(dataset.slug)
        if latest == state:
            latest = _create_version(target, dataset, state, tokens)
            tokens = []
        state = latest
    done = f"{uploaded:,} bytes uploaded" if uploaded else "unchanged, 0 bytes uploaded"
    print(f"  {dataset.slug}: version {found.version}, {done}", flush=True)
    return found


def _create_version(target: Target, dataset: Dataset, before: DatasetState | None, tokens: list[str]) -> DatasetState:
    """Publish what was uploaded after a version; return the new one as soon as Kaggle shows it.

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
        # Another run was faster, or the title is that of another dataset.
        taken_by = client.dataset(dataset.slug)
        if taken_by is None:
            raise
        return taken_by

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


def _wait_until_processed(target: Target, slug: str, known: DatasetState) -> DatasetState:
    """The dataset's latest version, once Kaggle has processed it."""

    def look() -> DatasetState | None:
        state = target.client.dataset(slug)
        return state if state and state.version >= known.version and state.status != "processing" else None

    if known.status != "processing":
        return known
    seconds = target.waits.patience.processing
    state = target.waits.until(f"processing {slug}", look, seconds=seconds)
    if state is None:
        raise KaggleError(
            f"{slug}: version {known.version} is still in processing after {seconds / 60:.0f} minutes",
            "Run the same command again to go on waiting; if it never ends, delete that version's dataset on Kaggle.",
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
