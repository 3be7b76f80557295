"""A dataset folder to a dataset version: published when it is new, and only believed when Kaggle lists it whole."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from kaggle_offline.artifacts.pack import MANIFEST, Dataset
from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.target import Target
from kaggle_offline.errors import KaggleError, NotFrozenError, PublishError, TakenError
from kaggle_offline.kaggle.calls import MOST_VERSIONS
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.datasets import DatasetState


@dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset version that Kaggle lists as it should."""

    ref: str
    version: int
    digest: str
    uploaded_bytes: int


def publish(
    target: Target,
    dataset: Dataset,
    preflight: Preflight,
    known: dict[str, Any] | None = None,
) -> Published:
    """See to it that the dataset's latest version is ``dataset``, ready and whole.

    A version of this content that is not whole is followed by one more. Whatever Kaggle lists, no more than
    `MOST_VERSIONS` are made.

    Args:
        target: where to.
        dataset: the folder.
        preflight: is asked before anything is uploaded, and before a version is added to a dataset that exists.
        known: from the result, a version that was seen to be whole before; versions never change.

    Raises:
        NotFrozenError: the folder is not what its digest says.
        PublishError: Kaggle lists something else than was published.
        KaggleError: Kaggle refused something, or never gets ready.
    """
    client = target.client
    uploaded, made, newest = 0, 0, 0
    # Uploaded, but not yet in a version: kept for the next round, should somebody else have published meanwhile.
    tokens: list[str] = []
    state = client.datasets.state(dataset.slug)
    while True:
        # A version in processing may have this very content; and while the first version is, Kaggle takes no second.
        if state is not None and state.status == "processing":
            state = client.datasets.processed(dataset.slug)
        problem = _problem(target, dataset, state, newest=newest, known=known or {})
        if state is not None and not problem:
            break
        if made == MOST_VERSIONS:
            raise PublishError(problem, "Look at it on Kaggle, then push again.")
        if made or (state is not None and state.shows(dataset.digest)):
            print(f"  {problem}; publishing it once more", flush=True)
        preflight.before_sending()
        if not tokens:
            tokens = _upload(client, dataset)
            uploaded += sum(dataset.files.values())
        if state is not None:
            preflight.before_next_version()
        # Another run may have published meanwhile, or one that was killed, what is still in processing.
        latest = client.datasets.processed(dataset.slug)
        if _is_same(latest, state):
            latest, created = _create_version(target, dataset, state, tokens)
            if created:
                made, newest = made + 1, latest.version
        state = latest
    done = f"{uploaded:,} bytes uploaded" if uploaded else "unchanged, 0 bytes uploaded"
    print(f"  {dataset.slug}: version {state.version}, {done}", flush=True)
    ref = f"{client.owner}/{dataset.slug}"
    return Published(ref=ref, version=state.version, digest=dataset.digest, uploaded_bytes=uploaded)


def _problem(
    target: Target, dataset: Dataset, state: DatasetState | None, *, newest: int, known: dict[str, Any]
) -> str:
    """Return the problem with a dataset's latest version, or an empty text where it is ``dataset``, whole.

    ``newest`` is the version that this command has just made; ``known`` one that was seen to be whole before.
    """
    ref = f"{target.client.owner}/{dataset.slug}"
    if state is None:
        return f"{ref}: no version is listed"
    if (known.get("ref"), known.get("version"), known.get("digest")) == (ref, state.version, dataset.digest):
        return ""
    if not (state.shows(dataset.digest) or state.version == newest):
        return f"{ref}: {_seen(state)} is the latest, not {dataset.digest}"
    difference = _lasting_difference(target, dataset, state)
    return difference and f"{ref} version {state.version} is not whole: {difference}"


def _seen(state: DatasetState) -> str:
    """A dataset's latest version, for messages."""
    return f"version {state.version} with the notes {state.notes!r}"


def _is_same(one: DatasetState | None, other: DatasetState | None) -> bool:
    """Tell whether two looks at a dataset saw the same version, or both saw none."""
    if one is None or other is None:
        return one is other
    return (one.version, one.notes) == (other.version, other.notes)


def _upload(client: KaggleClient, dataset: Dataset) -> list[str]:
    """Upload the files; return the tokens that name them.

    Raises:
        NotFrozenError: the folder is not what its digest says, before or after.
    """
    _require_intact(dataset)
    tokens = [client.datasets.upload(dataset.folder / name) for name in sorted(dataset.files)]
    _require_intact(dataset)
    return tokens


def _require_intact(dataset: Dataset) -> None:
    if not dataset.is_intact():
        raise NotFrozenError(
            f"{dataset.folder}: not what was frozen", f"Delete {dataset.folder}, then run freeze and push again."
        )


def _create_version(
    target: Target, dataset: Dataset, before: DatasetState | None, tokens: list[str]
) -> tuple[DatasetState, bool]:
    """Publish what was uploaded after a version.

    The tokens of what was uploaded are used up then, and gone from the list.

    Returns:
        The new version as soon as Kaggle shows it, and True; or the dataset that has the name already, and False.

    Raises:
        KaggleError: Kaggle refuses it, or never shows it.
    """
    client, patience = target.client, target.waits.patience
    after = before.version if before else 0
    try:
        if before is None:
            client.datasets.create(dataset.slug, dataset.digest, tokens)
        else:
            client.datasets.create_version(dataset.slug, dataset.digest, tokens, after=after)
    except TakenError:
        # Another run was faster, and it may take a moment to show; or the title is that of another dataset.
        find = partial(client.datasets.state, dataset.slug)
        taken_by = target.waits.until(f"dataset {dataset.slug}", find, seconds=patience.settle)
        if taken_by is None:
            raise
        return taken_by, False
    tokens.clear()
    seen: list[DatasetState] = []

    def look(*, for_notes: bool) -> DatasetState | None:
        state = client.datasets.state(dataset.slug)
        if state is None or state.version <= after:
            return None
        seen.append(state)
        return state if state.shows(dataset.digest) or not for_notes else None

    what = f"version {after + 1} of {dataset.slug}"
    state = target.waits.until(what, partial(look, for_notes=False), seconds=patience.processing)
    if state is None:
        raise KaggleError(
            f"{client.owner}/{dataset.slug}: Kaggle took version {after + 1} and does not show it",
            "Look at it on Kaggle, then run the same command again.",
        )
    # Notes may show later than the version.
    state = target.waits.until(what, partial(look, for_notes=True), seconds=patience.settle)
    if state is None:
        state = seen[-1]
        print(
            f"  {client.owner}/{dataset.slug}: {_seen(state)}, not {dataset.digest}; its files' names decide, and the "
            "kernel checks their content",
            flush=True,
        )
    return state, True


def _lasting_difference(target: Target, dataset: Dataset, state: DatasetState) -> str:
    """Return how a version differs from its dataset folder, or an empty text; a listing may be right only later."""
    if state.status != "ready":
        return f"its processing {state.status}"
    listed: dict[str, int] = {}
    difference = ""

    def matches() -> bool | None:
        nonlocal listed, difference
        listed = target.client.datasets.files(dataset.slug, state.version)
        difference = _difference(dataset, listed)
        return None if difference else True

    target.waits.until(f"listing of {dataset.slug}", matches, seconds=target.waits.patience.settle)
    if not difference:
        _warn_of_sizes(dataset, listed)
    return difference


def _difference(dataset: Dataset, listed: dict[str, int]) -> str:
    """List the files of a version that are missing or superfluous.

    Archives, which Kaggle unpacks, are not among the files: they are renamed, or refused as checkpoints, before they
    are packed.
    """
    wanted = dataset.files
    changes = [f"{name} is missing" for name in wanted if name not in listed]
    changes += [f"{name} should not be there" for name in listed if name not in wanted]
    return ", ".join(changes)


def _warn_of_sizes(dataset: Dataset, listed: dict[str, int]) -> None:
    """Warn of sizes that differ. Kaggle may count bytes otherwise; install.py checks hashes.

    The manifest may differ in what its digest does not cover: the commit, for instance.
    """
    for name, size in dataset.files.items():
        if name != MANIFEST and listed[name] != size:
            print(f"  {dataset.slug}: {name} is listed with {listed[name]:,} bytes, not {size:,}", flush=True)
