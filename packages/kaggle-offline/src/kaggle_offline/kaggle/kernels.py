"""Kernels on Kaggle: pushed, followed, their output fetched, deleted."""

import contextlib
import io
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from kagglesdk.kernels.types.kernels_api_service import (
    ApiDeleteKernelRequest,
    ApiGetAcceleratorQuotaStatisticsRequest,
    ApiGetKernelRequest,
    ApiGetKernelSessionStatusRequest,
    ApiListKernelSessionOutputRequest,
)

from kaggle_offline.code.cells import cells_of
from kaggle_offline.environment import command
from kaggle_offline.errors import KaggleError, NotThereError, RepeatedError, SessionLimitError, TransientError
from kaggle_offline.files import write_json, write_text
from kaggle_offline.kaggle.calls import MOST_VERSIONS, Calls
from kaggle_offline.kaggle.http_errors import senseless, translated
from kaggle_offline.repository.kernel_metadata import SOURCES, sources_of

# How many versions after the one that a kernel shows are looked for.
_MOST_HIDDEN = 20

# Kaggle's words for a push that exceeds the number of runs at a time (Kaggle/kaggle-cli issue 185), and for one that
# would turn a notebook into a script or the reverse (reported live).
_SESSIONS = re.compile(r"(?i)maximum batch \w+ session count")
_EDITOR = re.compile(r"(?i)cannot change the editor type")


@dataclass(frozen=True, kw_only=True)
class KernelState:
    """A version of a kernel: its source, and in lower case the datasets, competitions and others that it sees."""

    version: int
    source: str
    sources: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands, and Kaggle's message if it failed.

    ``status`` is ``queued``, ``running``, ``complete`` or ``error``, or ``saved`` for a version that never runs.

    ``said`` is Kaggle's own word for the status.
    """

    status: str
    said: str
    failure: str


_RUN_STATUS = {
    "RUNNING": "running",
    "COMPLETE": "complete",
    "ERROR": "error",
    "CANCEL_REQUESTED": "error",
    "CANCEL_ACKNOWLEDGED": "error",
    "NEW_SCRIPT": "saved",
}


def _is_within(name: str) -> bool:
    """Tell whether an output file's name, which a kernel chooses, stays in the folder that it is downloaded to."""
    path = PurePosixPath(name)
    # The last two lead elsewhere on Windows.
    return bool(path.name) and not path.is_absolute() and not {"..", "\\", ":"} & {*path.parts, *name}


def _label(version: int) -> str:
    """Return a kernel version as the API writes it; a bare number answers 404 (Kaggle/kaggle-cli pull request 1201)."""
    return f"v{version}"


@contextlib.contextmanager
def _explained_push(settings: dict[str, Any]) -> Iterator[None]:
    """Explain Kaggle's refusals of a push that give no reason.

    Args:
        settings: those of the kernel, as ``kernel-metadata.json`` has them.
    """
    try:
        yield
    except NotThereError as error:
        image = settings.get("docker_image")
        if not (error.forbidden and image and not error.message):
            raise
        raise KaggleError(
            f"{error.problem}, without a reason: this account may not use the image {image}",
            "Capture the image that your own sessions run in, and name it in submission.toml: "
            f"KAGGLE_TARGET=kaggle {command('image', 'capture NAME')}. "
            "If kernel-metadata.json has docker_image, take it out.",
        ) from error
    except (TransientError, RepeatedError) as error:
        failure = error.__cause__ if isinstance(error, RepeatedError) else error
        if not (isinstance(failure, TransientError) and failure.status == HTTPStatus.INTERNAL_SERVER_ERROR):
            raise
        datasets = ", ".join(settings.get("dataset_sources", [])) or "no dataset"
        raise KaggleError(
            f"{failure.problem}\nKaggle answers this to every push that names a dataset which was deleted and made "
            "again under its name (Kaggle/kaggle-cli issue 187)",
            f"If one was, rename it, or the kernel folder that names it (this kernel names {datasets}). "
            "Else run the same command again later.",
        ) from error


def _push_refusal(error: str) -> KaggleError:
    """Return the error for a push that Kaggle refuses in an answer with the status 200."""
    problem = f"Kaggle refuses the kernel: {error}"
    if _SESSIONS.search(error):
        return SessionLimitError(problem, "Wait for a kernel of yours to end, then run the same command again.")
    if _EDITOR.search(error):
        cure = "A kernel cannot turn from notebook to script or back: give it another title and id."
        return KaggleError(problem, cure)
    return KaggleError(problem, "Correct kernel-metadata.json.")


class Kernels:
    """The owner's kernels."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def state(self, slug: str, version: int | None = None) -> KernelState | None:
        """Return a version of the owner's kernel, by default the latest; None if it does not exist."""
        what = f"kernel {self._calls.owner}/{slug}"
        if version:
            what += f" version {version}"
        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = self._calls.owner, slug
        if version:
            request.version_label = _label(version)

        def look() -> KernelState:
            with self._calls.open() as client:
                answer = client.kernels.kernels_api_client.get_kernel(request)
            metadata = answer.metadata
            if not metadata.current_version_number:
                raise senseless(what)
            sources: list[str] = []
            for kind in SOURCES:
                sources += getattr(metadata, f"{kind}_data_sources") or []
            return KernelState(
                version=version or metadata.current_version_number,
                source=answer.blob.source,
                sources=frozenset(source.casefold() for source in sources),
            )

        return self._calls.lookup(what, look)

    def pull(self, ref: str, folder: Path) -> Path | None:
        """Write anybody's kernel and its metadata into a folder, as `kaggle kernels pull --metadata` does.

        Args:
            ref: the kernel as ``owner/slug``.
            folder: to write to.

        Returns:
            The notebook or script; None if Kaggle shows this account no such kernel.
        """
        request = ApiGetKernelRequest()
        request.user_name, _, request.kernel_slug = ref.partition("/")

        def look() -> Path:
            with self._calls.open() as client:
                answer = client.kernels.kernels_api_client.get_kernel(request)
            path = folder / f"{request.kernel_slug}.py"
            if answer.blob.kernel_type == "notebook":
                path = path.with_suffix(".ipynb")
            write_text(path, answer.blob.source or "")
            settings: dict[str, Any] = {"code_file": path.name, "enable_gpu": bool(answer.metadata.enable_gpu)}
            for kind in SOURCES:
                settings[f"{kind}_sources"] = list(getattr(answer.metadata, f"{kind}_data_sources") or [])
            write_json(folder / "kernel-metadata.json", settings)
            return path

        return self._calls.lookup(f"kernel {ref}", look)

    def versions_from(self, slug: str, shown: KernelState) -> Iterator[KernelState]:
        """Yield the version that the owner's kernel shows, and those after it, as long as there are any.

        A kernel may show its last complete version while a later one runs, or has failed.
        """
        yield shown
        for number in range(shown.version + 1, shown.version + 1 + _MOST_HIDDEN):
            state = self.state(slug, number)
            if state is None:
                return
            yield state

    def push(self, folder: Path, *, after: int, most: int = MOST_VERSIONS) -> int:
        """Push a rendered kernel folder after version ``after``; return the number of the new version.

        ``most`` is the largest number of versions that this command may make.

        Raises:
            SessionLimitError: the account already runs as many kernels as it may.
            RepeatedError: Kaggle accepted the push and does not show it.
            KaggleError: Kaggle refuses the push, or does not know one of its inputs.
        """
        settings = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))
        cells = cells_of((folder / settings["code_file"]).read_text(encoding="utf-8"))
        slug = settings["id"].partition("/")[2]
        wanted = sources_of(settings)
        what = f"kernel {self._calls.owner}/{slug}"

        def act() -> tuple[int, set[str]]:
            # The preflight has printed the client's warnings already.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                answer = self._calls.api.kernels_push(str(folder))
            if answer.error:
                raise _push_refusal(answer.error)
            if not answer.version_number:
                raise senseless(what)
            unknown: set[str] = set()
            for kind in SOURCES:
                unknown.update(getattr(answer, f"invalid_{kind}_sources") or [])
            return int(answer.version_number), unknown

        def is_there() -> tuple[int, set[str]] | None:
            state = self.state(slug)
            if state is None or state.version <= after:
                # The kernel itself may show its last complete version: the next number is a second witness.
                state = self.state(slug, after + 1)
            if state is None or state.version <= after or cells_of(state.source) != cells:
                return None
            return state.version, {source for source in wanted if source.casefold() not in state.sources}

        expected = f"a version after {after} with the source of {folder}"
        with _explained_push(settings):
            version, unknown = self._calls.once(what, act, is_there, most=most, expected=expected)
        if unknown:
            raise KaggleError(
                f"Kaggle refuses the kernel: it does not know {', '.join(sorted(unknown))}",
                "Correct kernel-metadata.json.",
            )
        return version

    def run(self, slug: str, version: int) -> RunState:
        """Return the state of a kernel version's run."""
        request = ApiGetKernelSessionStatusRequest()
        request.user_name, request.kernel_slug, request.version_label = self._calls.owner, slug, _label(version)

        def look() -> RunState:
            with self._calls.open() as client:
                answer = client.kernels.kernels_api_client.get_kernel_session_status(request)
            said = answer.status.name
            return RunState(status=_RUN_STATUS.get(said, "queued"), said=said, failure=answer.failure_message or "")

        return self._calls.fresh(f"run of {self._calls.owner}/{slug} version {version}", look)

    def delete(self, slug: str) -> None:
        """Delete the owner's kernel, if there is one; a run of it ends.

        Raises:
            KaggleError: Kaggle refuses it.
        """
        request = ApiDeleteKernelRequest()
        request.user_name, request.kernel_slug = self._calls.owner, slug

        def delete(client: Any) -> str:
            return str(client.kernels.kernels_api_client.delete_kernel(request).error_message or "")

        self._calls.delete(f"kernel {self._calls.owner}/{slug}", delete)

    def follow_log(self, slug: str, version: int) -> Iterator[str]:
        """Yield the text that a kernel version's run prints, from its beginning, while it runs.

        Raises:
            KaggleError: the log cannot be read for now.
        """
        with translated(f"log of {self._calls.owner}/{slug}"):
            # The client makes the label of the number.
            for event in self._calls.api.kernels_logs_stream(f"{self._calls.owner}/{slug}/{version}"):
                yield str(event.get("data", ""))

    def fetch_output(
        self,
        slug: str,
        version: int,
        folder: Path,
        wanted: Callable[[str], bool],
        *,
        needed: Collection[str],
    ) -> str:
        """Fetch the files that the run of a kernel version left, of the names that are ``wanted``; return its log.

        The listing is read until all that are ``needed`` have been seen: a kernel can leave thousands of files, and
        Kaggle answers 429 to later pages for a quarter of an hour (reported live).

        Raises:
            KaggleError: it cannot be had.
        """
        what = f"output of {self._calls.owner}/{slug} version {version}"
        request = ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug, request.version_label = self._calls.owner, slug, _label(version)

        def look(client: Any) -> Any:
            return client.kernels.kernels_api_client.list_kernel_session_output(request)

        def read(page: Any) -> tuple[str, list[tuple[str, str]]]:
            return page.log or "", [(file.file_name, file.url) for file in page.files or []]

        logs, missing = [], set(needed)
        for log, files in self._calls.pages(what, request, look, read):
            logs.append(log)
            for name, link in files:
                if wanted(name) and _is_within(name):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    self._calls.repeat(what, partial(self._calls.fetch, what, link, folder / name))
            missing -= {name for name, _ in files}
            if not missing:
                break
        return next(filter(None, logs), "")

    def gpu_seconds_left(self) -> float | None:
        """Return the account's remaining GPU time of this week, in seconds; None if Kaggle does not say."""
        request = ApiGetAcceleratorQuotaStatisticsRequest()

        def look() -> float | None:
            with self._calls.open() as client:
                quota = client.kernels.kernels_api_client.get_accelerator_quota_statistics(request).gpu_quota
            if quota is None or quota.total_time_allowed is None:
                return None
            used = quota.time_used.total_seconds() if quota.time_used else 0.0
            return max(0.0, float(quota.total_time_allowed.total_seconds()) - used)

        # It is a courtesy: nothing depends on it.
        with contextlib.suppress(KaggleError), translated("quota"):
            return look()
        return None
