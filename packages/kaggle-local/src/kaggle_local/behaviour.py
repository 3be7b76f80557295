"""What can be set of a local Kaggle: where Kaggle differs from case to case, is slow, or is strict."""

from dataclasses import dataclass, fields, replace

from kaggle_local.archives import ArchiveLimits
from kaggle_local.errors import BehaviourError

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How a local Kaggle behaves; as it comes, like Kaggle, without the waiting.

    Attributes:
        processing_seconds: how long a new version of a dataset or model is in processing.
        one_at_a_time: a second version is refused (403) while the first is in processing.
        unpack: archives in a version are replaced by folders with their content.
        unpacked_files: how many files the archives of a version may hold.
        unpacked_bytes: how many bytes.
        unpacked_depth: how deep archives may lie in archives.
        strict_names: file names, titles and slugs that Kaggle refuses are refused, and titles that are taken.
        permissions: what is private is its owner's alone, and nobody changes what is another's.
        old_layout: inputs are mounted as ``/kaggle/input/<slug>``, not under ``datasets/<owner>`` and so on.
        session_seconds: how long a run may take; a push or a competition can ask for less.
        gpu_session_seconds: the same, of a run with a GPU.
        memory_bytes: how much memory a run may use, its files outside of /kaggle/working included.
        output_bytes: how much a run may leave in /kaggle/working.
        processes: how many processes and threads a run may have at a time.
        isolation: kernels run in a sandbox; without, every result says so.
        tell_reasons: a failed submission says why, which Kaggle hardly ever does.
    """

    processing_seconds: float = 0.0
    one_at_a_time: bool = True
    unpack: bool = True
    unpacked_files: int = 200_000
    unpacked_bytes: int = 200 * GIB
    unpacked_depth: int = 5
    strict_names: bool = True
    permissions: bool = True
    old_layout: bool = False
    session_seconds: int = 12 * 3600
    gpu_session_seconds: int = 9 * 3600
    memory_bytes: int = 30 * GIB
    output_bytes: int = 20 * 10**9
    processes: int = 4096
    isolation: bool = True
    tell_reasons: bool = False

    @property
    def archive_limits(self) -> ArchiveLimits:
        """What archives may unpack to."""
        return ArchiveLimits(files=self.unpacked_files, size=self.unpacked_bytes, depth=self.unpacked_depth)

    def changed(self, settings: list[str]) -> "Behaviour":
        """The same with ``settings``, each like ``old_layout=true``.

        Raises:
            BehaviourError: a setting is not known, or its value is not of its kind.
        """
        defaults: dict[str, bool | int | float] = {field.name: getattr(Behaviour, field.name) for field in fields(self)}
        values: dict[str, bool | int | float] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in defaults:
                raise BehaviourError(f"no setting is called {name!r}", f"Known are: {', '.join(defaults)}.")
            kind = type(defaults[name])
            try:
                value = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
            except (KeyError, ValueError):
                raise BehaviourError(
                    f"{setting}: not a {'number' if kind is not bool else 'choice'}",
                    f"Write {name}={'true or false' if kind is bool else defaults[name]}.",
                ) from None
            if value < 0:
                raise BehaviourError(f"{setting}: below 0", f"Its default is {defaults[name]}.")
            values[name] = value
        return replace(self, **values)  # type: ignore[arg-type]
