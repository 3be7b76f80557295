"""``new``: ask Kaggle about a competition, write its folders, and lock its requirements."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from kaggle_offline.commands.lock import lock_and_report
from kaggle_offline.competition.inference import Kind, Profile
from kaggle_offline.competition.profile import read_profile
from kaggle_offline.delivery.preflight import entered_competition
from kaggle_offline.delivery.target import open_target
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError, OfflineError
from kaggle_offline.kaggle.authentication import has_credentials
from kaggle_offline.kaggle.client import KaggleClient
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.scaffold.adopt import adopt
from kaggle_offline.scaffold.competition import (
    DRAWN,
    Names,
    check_new,
    drawn_profile,
    image_for_new,
    names_of,
    paths_of,
    with_package,
    write_competition,
)

# The import of the modules that serve (kaggle_evaluation, in the competition's data).
_SERVED = re.compile(rb"\b(?:import|from)\s+kaggle_evaluation\b")
# A kernel on Kaggle: owner/slug, or its address.
_KERNEL = re.compile(r"(?:https://www\.kaggle\.com/code/)?([\w-]+/[\w-]+)/?")


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    finish(*begin(options, repository), repository)


def begin(options: argparse.Namespace, repository: Path) -> tuple[Names, Profile]:
    """Write a competition's files; return the names of its parts, and its profile.

    Raises:
        ConfigurationError: an option is wrong, or a file is there already; nothing is written then.
        KaggleError: Kaggle does not answer.
    """
    image = image_for_new(repository)
    known = {*image.pins, *image.unlisted}
    names = _names(options, repository, known)
    with _client(options.target, repository) as client, TemporaryDirectory() as scratch:
        code = _code(options.code, client, Path(scratch))
        served = options.served or (code is not None and options.kind in (None, "tabular") and _answers_a_gateway(code))
        profile = _profile(options, names, client, repository, served=served)
        adopted = adopt(code, names.slug, known) if code else None
    if adopted:
        image = image_for_new(repository, gpu=adopted.settings.get("enable_gpu") is True)
        modules = {Path(name).parts[0].removesuffix(".py") for name in adopted.modules}
        names = names_of(options.competition, known | modules, options.name)
    written = write_competition(repository, names, profile, image, adopted)
    if options.metric.endswith(".py"):
        written.append(Path("kernels", names.competition, Path(options.metric).name))
        shutil.copyfile(options.metric, repository / written[-1])
    for path in sorted(written):
        print(f"  {path}")
    left = list(profile.left)
    if adopted:
        _print_list("changed:", adopted.done)
        left += adopted.left
        left += [f"{path}: write the files and columns that {options.code} reads" for path in _rehearsals(written)]
    if adopted or left:
        _print_list("left to you:", left)
    if adopted and adopted.offline:
        _print_list("cannot work offline; ship it as a requirement, a checkpoint or an input:", adopted.offline)
    return names, profile


def finish(names: Names, profile: Profile, repository: Path) -> None:
    """Lock a competition that was begun, and say what is next."""
    _lock(names, repository)
    if profile.rehearsal and not profile.sketch:
        print(f"Now: {command('data', names.competition)}, which downloads the rest of the data and sketches them")
    elif profile.kind not in DRAWN:
        print(f"Now: write [rehearsal] in kernels/{names.competition}/submission.toml")
    print(f"Now: {command('freeze push submit', names.competition)}")


def _names(options: argparse.Namespace, repository: Path, taken: Collection[str]) -> Names:
    """Return the names of the competition's parts.

    Raises:
        ConfigurationError: one is not valid, the competition is there already, or the code would need another package
            than the one that is there.
    """
    names = names_of(options.competition, taken, options.name)
    # Before Kaggle is asked for the data; the package's name may still change.
    check_new(repository, f"kernels/{names.competition}")
    if not options.package:
        return names
    if options.code:
        raise ConfigurationError(
            "--from: becomes a kernel with a package of its own", "Leave --package out, or import your package later."
        )
    return with_package(names, repository, options.package)


@contextmanager
def _client(word: str, repository: Path) -> Iterator[KaggleClient | None]:
    """Yield a client for the target, or None if the user has neither an account nor named a target."""
    if "KAGGLE_TARGET" not in os.environ and not has_credentials():
        yield None
        return
    with open_target(word, repository) as target:
        yield target.client


def _profile(
    options: argparse.Namespace, names: Names, client: KaggleClient | None, repository: Path, *, served: bool
) -> Profile:
    """Return the profile that Kaggle gives, or that of a competition whose data are drawn."""
    metric = options.metric
    if metric.endswith(".py") and not Path(metric).is_file():
        raise ConfigurationError(f"{metric}: not there", "Name the file with the host's metric.")
    # A competition with --kind, or on the local Kaggle, need not exist.
    may_be_drawn = options.kind or options.target == "local"
    if client is None or (may_be_drawn and client.competitions.state(names.slug) is None):
        if metric:
            raise ConfigurationError(
                f"--metric {metric}: Kaggle was not asked, and data that are made up have a metric of their own",
                "Leave --metric out, or log in: kaggle auth login",
            )
        kind = options.kind
        if not kind and served:
            kind = "tabular"
        if not kind:
            kind = _ask_kind() if sys.stdin.isatty() else "tabular"
        return drawn_profile(names, kind, served=served)
    state = entered_competition(client, names.slug)
    profile = read_profile(client, state, repository / "data" / names.slug, Path(metric).name)
    if options.served and not profile.gateway:
        raise ConfigurationError(f"{names.slug}: its data have no gateway", "Leave --served out.")
    if names.has_package and profile.sample.endswith(".zip"):
        profile = profile.with_left(f"predict.py hands {profile.sample} in as it is: write the submission")
    if options.kind:
        profile = replace(profile, kind=options.kind)
    asked = ", ".join(profile.columns[:5])
    print(f"{profile.title}: {profile.kind} data, {profile.sample or 'no sample submission'}, to predict: {asked}")
    return profile


def _code(code: str, client: KaggleClient | None, folder: Path) -> Path | None:
    """Return the notebook or script that becomes the kernel; one on Kaggle is written to the folder.

    Raises:
        ConfigurationError: Kaggle shows this account no such kernel, or the user has no account.
    """
    found = _KERNEL.fullmatch(code)
    if not code or Path(code).exists() or found is None:
        return Path(code) if code else None
    if client is None:
        raise ConfigurationError(f"{code}: not there", "To take a kernel of Kaggle's, log in: kaggle auth login")
    path = client.kernels.pull(found[1], folder)
    if path is None:
        raise ConfigurationError(f"{code}: Kaggle shows this account no such kernel", "Look for its address on Kaggle.")
    return path


def _answers_a_gateway(code: Path) -> bool:
    """Tell whether a notebook or script has the import of a served competition's modules."""
    return code.is_file() and _SERVED.search(code.read_bytes()) is not None


def _rehearsals(written: Sequence[Path]) -> list[Path]:
    return [path for path in written if path.name == "rehearsal.py"]


def _lock(names: Names, repository: Path) -> None:
    """Lock the requirements of a competition that has just been written."""
    try:
        lock_and_report([read_kernel_folder(repository, names.competition)], frozenset())
    except OfflineError:
        again = command("lock", names.competition)
        print(f"Every file is written. Correct the following, then run: {again}", flush=True)
        raise
    except KeyboardInterrupt:
        # The same command would refuse to write over a half-made competition.
        for made in paths_of(names):
            if (repository / made).is_dir():
                shutil.rmtree(repository / made)
            else:
                (repository / made).unlink(missing_ok=True)
        raise


def _print_list(title: str, lines: Sequence[str]) -> None:
    print(title)
    for line in lines or ["nothing"]:
        print(f"  {line}")


def _ask_kind() -> Kind:
    while True:
        try:
            answer = input(f"Kind of data ({', '.join(DRAWN)}): ").strip()
        except EOFError:
            raise KeyboardInterrupt from None
        for kind in DRAWN:
            if answer == kind:
                return kind
        print("Enter one of these words.")
