"""Publish a folder as a version of a dataset or model, and check that Kaggle lists every file of it."""

from functools import partial

from kaggle_offline.artifacts.pack import MANIFEST, Dataset
from kaggle_offline.delivery.preflight import Preflight
from kaggle_offline.delivery.target import Target
from kaggle_offline.errors import KaggleError, NotFrozenError, PublishError, TakenError
from kaggle_offline.kaggle.calls import MOST_VERSIONS
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.stores import Store, VersionState
from kaggle_offline.reports.result import Published


def publish(
    target: Target,
    dataset: Dataset,
    preflight: Preflight,
    known: Published | None = None,
) -> Published:
    """Make ``dataset`` the latest version of its dataset or model on Kaggle, ready and complete.

    Each round looks at the latest version and does one of these:

    ==============================  ====================================================
    latest version                  action
    ==============================  ====================================================
    in processing                   wait, then look again
    this content, complete          done
    this content, files missing     publish the content once more
    other content, or no version    publish; if another run was faster, look again
    ``MOST_VERSIONS`` already made  `PublishError`
    ==============================  ====================================================

    Args:
        target: kaggle.com or the local Kaggle.
        dataset: the folder.
        preflight: checks before the upload, and before a version is added to an existing dataset.
        known: the version that an earlier run found complete; versions never change.

    Raises:
        NotFrozenError: the folder's content does not match its digest.
        PublishError: Kaggle lists other files than were published.
        KaggleError: Kaggle refused a call, or did not finish processing.
    """
    store = _store_of(target.client, dataset)
    uploaded = 0
    made = 0
    newest = 0
    # They name uploaded files that no version has yet: the next round uses them if another run was faster.
    tokens: dict[str, str] = {}
    state = store.state(dataset.slug)
    while True:
        # The version in processing may have this content. Kaggle accepts no second version before the first is ready.
        if state is not None and state.status == "processing":
            state = store.processed(dataset.slug)
        problem = _problem(target, dataset, state, newest=newest, known=known)
        if state is not None and not problem:
            break
        if made == MOST_VERSIONS:
            raise PublishError(problem, "Look at it on Kaggle, then push again.")
        if made or (state is not None and state.shows(dataset.digest)):
            print(f"  {problem}; publishing it once more", flush=True)
        preflight.before_sending()
        if not tokens:
            tokens = _upload(store, dataset)
            uploaded += sum(dataset.files.values())
        if state is not None and not dataset.is_model:
            # A kernel sees the version of a model that it names, whatever the newest is.
            preflight.before_next_version()
        # Another run may have published meanwhile; a killed run may have left a version in processing.
        latest = store.processed(dataset.slug)
        if _is_same(latest, state):
            latest, created = _create_version(target, dataset, state, tokens)
            if created:
                made, newest = made + 1, latest.version
        state = latest
    done = f"{uploaded:,} bytes uploaded" if uploaded else "unchanged, 0 bytes uploaded"
    print(f"  {dataset.slug}: version {state.version}, {done}", flush=True)
    ref = store.ref(dataset.slug)
    return Published(ref=ref, version=state.version, digest=dataset.digest, uploaded_bytes=uploaded)


def _store_of(client: KaggleClient, dataset: Dataset) -> Store:
    return client.models if dataset.is_model else client.datasets


def _problem(
    target: Target, dataset: Dataset, state: VersionState | None, *, newest: int, known: Published | None
) -> str:
    """Return the problem with a dataset's latest version; empty if it is ``dataset``, complete.

    ``newest`` is the version that this command has just made; ``known`` one that an earlier run found complete.
    """
    ref = _store_of(target.client, dataset).ref(dataset.slug)
    if state is None:
        return f"{ref}: no version is listed"
    if known and (known.ref, known.version, known.digest) == (ref, state.version, dataset.digest):
        return ""
    if not (state.shows(dataset.digest) or state.version == newest):
        return f"{ref}: {_seen(state)} is the latest, not {dataset.digest}"
    difference = _lasting_difference(target, dataset, state)
    return f"{ref} version {state.version} is incomplete: {difference}" if difference else ""


def _seen(state: VersionState) -> str:
    return f"version {state.version} with the notes {state.notes!r}"


def _is_same(one: VersionState | None, other: VersionState | None) -> bool:
    """Tell whether two answers show the same version, or both show no version."""
    if one is None or other is None:
        return one is other
    return (one.version, one.notes) == (other.version, other.notes)


def _upload(store: Store, dataset: Dataset) -> dict[str, str]:
    """Upload the files and return their tokens, by name.

    Raises:
        NotFrozenError: the folder's content does not match its digest, before or after.
    """
    _require_intact(dataset)
    tokens = store.upload(dataset.folder, sorted(dataset.files))
    _require_intact(dataset)
    return tokens


def _require_intact(dataset: Dataset) -> None:
    if not dataset.is_intact():
        raise NotFrozenError(
            f"{dataset.folder}: changed since it was frozen",
            f"Delete {dataset.folder}, then run freeze and push again.",
        )


def _create_version(
    target: Target, dataset: Dataset, before: VersionState | None, tokens: dict[str, str]
) -> tuple[VersionState, bool]:
    """Publish the uploaded files as the version after ``before``; a published token is used up, and removed.

    Returns:
        The new version as soon as Kaggle shows it, and True; or the dataset that has the name already, and False.

    Raises:
        KaggleError: Kaggle refuses the version, or never shows it.
    """
    store, patience = _store_of(target.client, dataset), target.waits.patience
    after = before.version if before else 0
    try:
        if before is None:
            store.create(dataset.slug, dataset.digest, tokens)
        else:
            store.create_version(dataset.slug, dataset.digest, tokens, after=after)
    except TakenError:
        # Another run was faster, and its version may show late; or another dataset has this title.
        find = partial(store.state, dataset.slug)
        taken_by = target.waits.until(f"dataset {dataset.slug}", find, seconds=patience.settle)
        if taken_by is None:
            raise
        return taken_by, False
    tokens.clear()
    seen: list[VersionState] = []

    def look(*, for_notes: bool) -> VersionState | None:
        state = store.state(dataset.slug)
        if state is None or state.version <= after:
            return None
        seen.append(state)
        return state if state.shows(dataset.digest) or not for_notes else None

    what = f"version {after + 1} of {dataset.slug}"
    state = target.waits.until(what, partial(look, for_notes=False), seconds=patience.processing)
    if state is None:
        raise KaggleError(
            f"{store.ref(dataset.slug)}: Kaggle accepted version {after + 1} and does not show it",
            "Look at it on Kaggle, then run the same command again.",
        )
    if dataset.is_model:
        # Kaggle shows a model's version, and its notes, once it is in use.
        store.processed(dataset.slug)
    # Notes may show later than the version.
    state = target.waits.until(what, partial(look, for_notes=True), seconds=patience.settle)
    if state is None:
        state = seen[-1]
        print(
            f"  {store.ref(dataset.slug)}: {_seen(state)}, not {dataset.digest}; its file names are compared, and "
            "the kernel checks their content",
            flush=True,
        )
    return state, True


def _lasting_difference(target: Target, dataset: Dataset, state: VersionState) -> str:
    """Return the differences of a version from its folder, or an empty text; waits for a listing without any."""
    if state.status != "ready":
        return f"its processing {state.status}"
    listed: dict[str, int] = {}
    difference = ""

    def matches() -> bool | None:
        nonlocal listed, difference
        in_folders = any("/" in name for name in dataset.files)
        listed = _store_of(target.client, dataset).files(dataset.slug, state.version, in_folders=in_folders)
        difference = _difference(dataset, listed)
        return None if difference else True

    target.waits.until(f"listing of {dataset.slug}", matches, seconds=target.waits.patience.settle)
    if not difference:
        _warn_of_sizes(dataset, listed)
    return difference


def _difference(dataset: Dataset, listed: dict[str, int]) -> str:
    """Return the name the missing and the unexpected files of a version.

    Kaggle unpacks archives; no file is one: packing renames source distributions and refuses archives as checkpoints.
    """
    wanted = dataset.files
    changes = [f"{name} is missing" for name in wanted if name not in listed]
    changes += [f"{name} is unexpected" for name in listed if name not in wanted]
    return ", ".join(changes)


def _warn_of_sizes(dataset: Dataset, listed: dict[str, int]) -> None:
    """Warn of sizes that differ: install.py checks hashes, so that a listing with other sizes fails no push.

    The manifest is left out: fields outside its digest, such as the commit, may differ.
    """
    for name, size in dataset.files.items():
        if name != MANIFEST and listed[name] != size:
            print(f"  {dataset.slug}: {name} is listed with {listed[name]:,} bytes, not {size:,}", flush=True)
