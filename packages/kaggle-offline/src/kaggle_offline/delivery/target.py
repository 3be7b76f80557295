"""The targets of a push: kaggle.com, and the local Kaggle, which only this module opens."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kaggle_local.behaviour import SANDBOX, Behaviour
from kaggle_local.errors import LocalKaggleError, SubmissionError
from kaggle_local.runs.calls import Calls, read_calls
from kaggle_local.runs.image import ImageSpec
from kaggle_local.scoring.competition import load_competition
from kaggle_local.scoring.score import metric_of
from platformdirs import user_cache_path

from kaggle_offline.artifacts.frozen import Frozen
from kaggle_offline.artifacts.pack import Dataset
from kaggle_offline.delivery.hosted import competition_inputs, make_competition
from kaggle_offline.delivery.stand_ins import provide_inputs
from kaggle_offline.dependencies.lock import read_lock
from kaggle_offline.environment import command, variables_set
from kaggle_offline.errors import RehearsalError, TargetError
from kaggle_offline.files import alone
from kaggle_offline.kaggle.authentication import find_token
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.kaggle.retries import Patience, Waits
from kaggle_offline.reports.result import SCORE_DIGITS, Submission
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.kernel_folder import KernelFolder

if TYPE_CHECKING:
    from kaggle_local.local_kaggle import LocalKaggle

# Variables that lead the official client away from kaggle.com.
_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_LOOPBACK = re.compile(r"(?i)^(?:\w+://)?(?:[^@/]*@)?(?:localhost|127\.[\d.]+|\[::1\])(?::|/|$)")

# Between two looks at whether another process is done.
_LOCK_SECONDS = 0.1


class Target(Protocol):
    """An open target: kaggle.com, or the local Kaggle.

    Attributes:
        name: ``kaggle`` or ``local``.
        client: asks it.
        waits: those of the command.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def client(self) -> KaggleClient: ...  # noqa: D102
    @property
    def waits(self) -> Waits: ...  # noqa: D102

    def page_of(self, kernel: KernelFolder) -> str:
        """Return the address of a kernel's page; empty for the local Kaggle, which has no pages."""

    def alone(self, folder: Path) -> AbstractContextManager[None]:
        """Hold a lock as `files.alone` does, and wait for it no longer than the command may take."""

    def alone_with(self, kernel: KernelFolder) -> AbstractContextManager[None]:
        """Keep other processes of this user, from other clones too, from working on the same competition there."""

    def prepare(self, kernel: KernelFolder, frozen: Frozen) -> list[str]:
        """Set up the image and the competition; return the digests of everything else that a push depends on.

        Raises:
            RehearsalError: the image cannot be built, or the competition's command fails.
        """

    def prepare_build(self, kernel: KernelFolder, distributions: Sequence[str]) -> None:
        """Set up the image for a kernel with a network that builds a wheel.

        Args:
            kernel: the competition that the wheel is for.
            distributions: the names of those of the image that the build may use.

        Raises:
            RehearsalError: the local Kaggle gives kernels no network, or the image cannot be built.
        """

    def packages_of(self, frozen: Frozen) -> Dataset:
        """Return the packages for the Python that kernels run on there."""

    def check_image(self) -> None:
        """Check that there is an image that kernels were given.

        Raises:
            RehearsalError: the local Kaggle has no image.
        """

    def comparison(self, kernel: KernelFolder, submission: Submission) -> Submission:
        """Return a submission with ``greater_is_better`` and ``baseline`` filled in; kaggle.com gives neither.

        A baseline that it has already is kept.
        """

    def calls(self, ref: str) -> Calls | None:
        """Return the gateway's calls in the rerun of a submission; None without a gateway, and on kaggle.com."""

    def reason(self, ref: str) -> tuple[str, str] | None:
        """Return why a submission failed, and the log of its rerun; None on kaggle.com, which keeps both to itself."""


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """The part that both targets have in common."""

    client: KaggleClient
    waits: Waits

    def alone(self, folder: Path) -> AbstractContextManager[None]:
        """See `Target`."""
        return _alone(folder, self.waits)


@dataclass(frozen=True, kw_only=True)
class KaggleCom(_Opened):
    """kaggle.com, as a target."""

    name: str = "kaggle"

    def page_of(self, kernel: KernelFolder) -> str:
        """See `Target`."""
        return f"https://www.kaggle.com/code/{self.client.owner}/{kernel.slug}"

    def alone_with(self, kernel: KernelFolder) -> AbstractContextManager[None]:
        """See `Target`."""
        return self.alone(user_cache_path("kaggle-offline") / "alone" / self.client.owner / kernel.competition)

    def prepare(self, kernel: KernelFolder, frozen: Frozen) -> list[str]:
        """See `Target`; Kaggle has both."""
        _refuse_rehearsed_wheels(kernel)
        del frozen
        return []

    def prepare_build(self, kernel: KernelFolder, distributions: Sequence[str]) -> None:
        """See `Target`; Kaggle has both."""
        del kernel, distributions

    def packages_of(self, frozen: Frozen) -> Dataset:
        """See `Target`."""
        return frozen.packages

    def check_image(self) -> None:
        """See `Target`; Kaggle has one."""

    def comparison(self, kernel: KernelFolder, submission: Submission) -> Submission:
        """See `Target`."""
        del kernel
        return submission

    def calls(self, ref: str) -> None:
        """See `Target`."""
        del ref

    def reason(self, ref: str) -> None:
        """See `Target`."""
        del ref


@dataclass(frozen=True, kw_only=True)
class LocalTarget(_Opened):
    """The local Kaggle, as a target; ``local`` is the server behind the client."""

    local: "LocalKaggle"
    name: str = "local"

    def page_of(self, kernel: KernelFolder) -> str:
        """See `Target`."""
        del kernel
        return ""

    def alone_with(self, kernel: KernelFolder) -> AbstractContextManager[None]:
        """See `Target`; a local Kaggle is open in one process only."""
        del kernel
        return nullcontext()

    def prepare(self, kernel: KernelFolder, frozen: Frozen) -> list[str]:
        """See `Target`; the image holds as much of the manifest as the kernel needs."""
        manifest = read_image_manifest(kernel.image)
        spec = ImageSpec(
            python=frozen.python,
            pins={name: str(version) for name, version in manifest.pins.items()},
            distributions=frozen.of_image,
            docker_image=manifest.docker_image,
        )
        # Computed once, since it looks at every file of the data.
        inputs = competition_inputs(kernel, frozen)
        with _explained():
            if not self.local.has_image(spec):
                parts = [f"Python {frozen.python}", *spec.distributions]
                print(f"  building the image: {', '.join(parts)}", flush=True)
            image = self.local.set_image(spec)
            self.local.fetch_image(kernel.metadata.docker_image or manifest.docker_image)
            self.local.host(make_competition(kernel, frozen, image.python, inputs))
        with _explained():
            stand_ins = provide_inputs(kernel, self.local)
        # A run in another engine is another run.
        return [inputs, self.local.behaviour.engine, stand_ins]

    def prepare_build(self, kernel: KernelFolder, distributions: Sequence[str]) -> None:
        """See `Target`."""
        if not self.local.behaviour.network:
            raise RehearsalError(
                "the build needs a network, which the local Kaggle gives no kernel",
                "Build on kaggle.com, with KAGGLE_TARGET=kaggle; or allow it here: "
                "KAGGLE_LOCAL_SETTINGS=network=true, whose wheel is for rehearsals alone.",
            )
        manifest = read_image_manifest(kernel.image)
        spec = ImageSpec(
            python=manifest.python,
            pins={name: str(version) for name, version in manifest.pins.items()},
            distributions=tuple(distributions),
            docker_image=manifest.docker_image,
        )
        with _explained():
            self.local.set_image(spec)
            self.local.fetch_image(kernel.metadata.docker_image or manifest.docker_image)

    def packages_of(self, frozen: Frozen) -> Dataset:
        """See `Target`; the real image has its own Python, whatever this machine has."""
        return frozen.rehearsal if self.local.behaviour.engine == SANDBOX else frozen.packages

    def check_image(self) -> None:
        """See `Target`."""
        if not self.local.image_is_set:
            raise RehearsalError(
                "the local Kaggle has no image yet", f"Run: {command('freeze push')}, which builds it."
            )

    def comparison(self, kernel: KernelFolder, submission: Submission) -> Submission:
        """See `Target`."""
        baseline = submission.baseline
        with _explained():
            competition = load_competition(kernel.build / "competition", check_data=False)
            greater_is_better = metric_of(competition).greater_is_better
            if baseline is None:
                # A host's metric may refuse the same prediction for every row.
                with suppress(SubmissionError):
                    baseline = round(self.local.baseline(competition), SCORE_DIGITS)
        return replace(submission, greater_is_better=greater_is_better, baseline=baseline)

    def calls(self, ref: str) -> Calls | None:
        """See `Target`."""
        submission = self.local.storage.submissions.get(int(ref))
        return read_calls(submission.folder) if submission else None

    def reason(self, ref: str) -> tuple[str, str]:
        """See `Target`."""
        submission = self.local.storage.submissions.get(int(ref))
        if submission is None:
            return "", ""
        log = submission.folder / "log.json"
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        return submission.reason, text


def _refuse_rehearsed_wheels(kernel: KernelFolder) -> None:
    """Refuse to publish wheels that the local Kaggle has built.

    Raises:
        TargetError: the lock has one.
    """
    folder = kernel.rehearsed_wheels.relative_to(kernel.repository).as_posix()
    lock = read_lock(kernel.lock)
    if lock is None:
        return
    for pin in lock.pins:
        if pin.url.startswith(f"{folder}/"):
            raise TargetError(
                f"{pin}: its wheel was built by the local Kaggle, for this machine",
                f"Run: KAGGLE_TARGET=kaggle {command('freeze', f'--on-kaggle {kernel.competition}')}",
            )


# On a Kaggle of this machine nothing is far away, and nothing shows late.
PATIENCE = {
    "local": Patience(repeat=20, first_pause=0.1, longest_pause=2, poll=0.1, settle=5, mount=2),
    "kaggle": Patience(),
}


@contextmanager
def open_target(
    word: str, repository: Path, *, patience: Patience | None = None, minutes: float | None = None
) -> Iterator[Target]:
    """Open the target that ``word`` names: ``local`` or ``kaggle``; one process at a time opens a local one.

    Args:
        word: the name.
        repository: whose local Kaggle it is.
        patience: how long to wait; by default what suits the target.
        minutes: until the whole command gives up; by default the patience's.

    Raises:
        TargetError: ``kaggle`` would not lead to kaggle.com.
        RehearsalError: the local one cannot be opened.
        CredentialsError: kaggle.com does not know who asks.
    """
    patience = patience or PATIENCE[word]
    if minutes is not None:
        patience = replace(patience, total=minutes * 60)
    waits = Waits(patience)
    if word == "kaggle":
        _require_kaggle_com()
        yield KaggleCom(client=KaggleClient(waits), waits=waits)
    else:
        with _alone(repository / "build", waits), _local(repository) as local:
            # Neither the user's credentials nor their proxy have any business here.
            direct = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1"]))
            loopback = {"NO_PROXY": direct, "no_proxy": direct}
            client = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "KAGGLE_API_TOKEN": local.token}
            with variables_set({**loopback, **client}):
                yield LocalTarget(client=KaggleClient(waits, local.url), waits=waits, local=local)


def _require_kaggle_com() -> None:
    """Check that the official client would go to kaggle.com.

    Raises:
        TargetError: the environment leads it elsewhere, as that of `kaggle-local serve` does.
    """
    problem = "KAGGLE_TARGET=kaggle is kaggle.com, but"
    if os.environ.get("KAGGLE_API_ENVIRONMENT", "PROD") not in ("", "PROD"):
        raise TargetError(f"{problem} KAGGLE_API_ENVIRONMENT leads elsewhere", _unset("KAGGLE_API_ENVIRONMENT"))
    for name in _PROXIES:
        if _LOOPBACK.search(os.environ.get(name, "")):
            raise TargetError(f"{problem} the proxy in {name} is on this machine", _unset(*_PROXIES))
    # Do not print the token: all but its prefix may be real.
    if find_token().startswith("local-"):
        raise TargetError(f"{problem} the access token is that of a local Kaggle", _unset("KAGGLE_API_TOKEN"))


def _unset(*names: str) -> str:
    there = [name for name in names if name in os.environ]
    return f"Run: unset {' '.join(there)}" if there else "Put your own token into ~/.kaggle/access_token."


def _alone(folder: Path, waits: Waits) -> AbstractContextManager[None]:
    return alone(folder, partial(waits.sleep, _LOCK_SECONDS, "another process"))


@contextmanager
def _local(repository: Path) -> Iterator["LocalKaggle"]:
    """Yield the local Kaggle of a repository; `KAGGLE_LOCAL_SETTINGS` changes how it behaves (see `Behaviour`).

    Raises:
        RehearsalError: this is not Linux, a setting is not known, or another process uses it.
    """
    if sys.platform != "linux":
        raise RehearsalError(
            f"a rehearsal needs Linux, and this is {sys.platform}: kernels run in a sandbox of its namespaces",
            "Use the devcontainer of this repository, or push to kaggle.com: KAGGLE_TARGET=kaggle",
        )
    from kaggle_local.server import serve

    with _explained():
        behaviour = Behaviour().changed(os.environ.get("KAGGLE_LOCAL_SETTINGS", "").split())
        with serve(repository / ".kaggle-local", behaviour=behaviour) as local:
            yield local


@contextmanager
def _explained() -> Iterator[None]:
    """Yield the local Kaggle's errors as the project's own."""
    try:
        yield
    except LocalKaggleError as error:
        raise RehearsalError(error.problem, error.cure) from error
