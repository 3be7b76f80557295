"""The settings of a local Kaggle: where Kaggle differs from case to case, is slow, or is strict."""

from dataclasses import dataclass, fields, replace

from kaggle_local.errors import BehaviourError


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """The limits of all archives of a version together: files and folders, bytes, archives within archives."""

    files: int
    size: int
    depth: int


GIB = 2**30

SANDBOX = "sandbox"
"""The engine that needs nothing else."""

ENGINES = ("podman", "docker")
"""The container engines."""

_Value = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How a local Kaggle behaves; as it comes, like Kaggle, without the waiting.

    Attributes:
        engine: where kernels run: sandbox, or podman or docker for the real image in a container.
        processing_seconds: how long a new version of a dataset or model is in processing.
        fresh_seconds: how long a new dataset answers 403 to its owner, and a new version of a kernel 404.
        listing_seconds: how long the lists of a dataset's versions and files and of submissions lack new entries.
        mount_seconds: how long runs still see the previous version of a dataset after the next one is ready.
        notes_characters: how many characters of a version's notes are returned.
        one_at_a_time: a second version is refused (403) while the first is in processing.
        unpack: archives in a version are replaced by folders with their content.
        unpacked_files: how many files the archives of a version may hold.
        unpacked_bytes: how many bytes.
        unpacked_depth: how deep archives may lie in archives.
        strict_names: file names, titles and slugs that Kaggle refuses are refused, and titles that are taken.
        permissions: only its owner sees a private resource, and only its owner changes a resource.
        old_layout: inputs are mounted as ``/kaggle/input/<slug>``, not under ``datasets/<owner>`` and so on.
        shows_last_complete: a kernel without a version label is its last version that ran through.
        pins_datasets: ``owner/slug/1`` among a kernel's inputs mounts version 1 of a dataset.
        new_version_cancels: a new version of a dataset cancels the runs that have the dataset attached.
        gpu_sessions: how many runs with a GPU a user may have at a time, queued ones included.
        cpu_sessions: the same, of runs without a GPU.
        busy_seconds: how long after the start other runs of each user take all of these.
        gpu_quota_seconds: how much of this week's GPU time each user has left.
        session_seconds: how long a run may take; a push or a competition can ask for less.
        tpu_session_seconds: the same, of a run with a TPU.
        metric_seconds: how long a host's metric may take, for both leaderboards together.
        memory_bytes: how much memory a run may use, its files outside of /kaggle/working included.
        output_bytes: how much a run may leave in /kaggle/working.
        processes: how many processes and threads a run may have at a time.
        network: a kernel that asks for a network gets this machine's, but in a rerun.
        tell_reasons: a failed submission says why, which Kaggle hardly ever does.
    """

    engine: str = SANDBOX
    processing_seconds: float = 0.0
    fresh_seconds: float = 0.0
    listing_seconds: float = 0.0
    mount_seconds: float = 0.0
    notes_characters: int = 10_000
    one_at_a_time: bool = True
    unpack: bool = True
    unpacked_files: int = 200_000
    unpacked_bytes: int = 200 * GIB
    unpacked_depth: int = 5
    strict_names: bool = True
    permissions: bool = True
    old_layout: bool = False
    shows_last_complete: bool = False
    pins_datasets: bool = True
    new_version_cancels: bool = False
    gpu_sessions: int = 2
    cpu_sessions: int = 5
    busy_seconds: float = 0.0
    gpu_quota_seconds: float = 30 * 3600
    session_seconds: int = 12 * 3600
    tpu_session_seconds: int = 9 * 3600
    metric_seconds: int = 1800
    memory_bytes: int = 30 * GIB
    output_bytes: int = 20 * 10**9
    processes: int = 4096
    network: bool = False
    tell_reasons: bool = False

    @property
    def archive_limits(self) -> ArchiveLimits:
        """Return the limits of unpacked archives."""
        return ArchiveLimits(files=self.unpacked_files, size=self.unpacked_bytes, depth=self.unpacked_depth)

    def changed(self, settings: list[str]) -> "Behaviour":
        """Return the same with ``settings``, each like ``old_layout=true``.

        Raises:
            BehaviourError: a setting is not known, or its value is not of its kind.
        """
        defaults: dict[str, _Value] = {field.name: getattr(Behaviour, field.name) for field in fields(self)}
        values: dict[str, _Value] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in defaults:
                raise BehaviourError(f"no setting is called {name!r}", f"Known are: {', '.join(defaults)}.")
            values[name] = _read(setting, text, defaults[name])
        return replace(self, **values)  # type: ignore[arg-type]


def _read(setting: str, text: str, default: _Value) -> _Value:
    """Return the value of a setting.

    Raises:
        BehaviourError: it is not of the default's kind.
    """
    name = setting.partition("=")[0]
    if isinstance(default, str):
        if text in (SANDBOX, *ENGINES):
            return text
        raise BehaviourError(f"{setting}: not an engine", f"Known are: {', '.join((SANDBOX, *ENGINES))}.")
    kind = type(default)
    try:
        value = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        expected, example = ("choice", "true or false") if kind is bool else ("number", default)
        raise BehaviourError(f"{setting}: not a {expected}", f"Write {name}={example}.") from None
    if value < 0:
        raise BehaviourError(f"{setting}: below 0", f"Its default is {default}.")
    return value
