r"""``requirements/<competition>.txt``: the packages that a competition ships, pinned and hashed, and their origin.

In requirements format; what only this tool needs is in comments::

    # inputs: sha256:…
    # pins: sha256:…
    # index: pytorch https://example.org/simple
    # overridden: numpy>=2
    # builds with: hatchling==1.28.0
    # provided: torch==2.10.0
    # replaced: pydantic==2.12.3: albumentationsx 2.3.1 requires pydantic>=2.12.4
    torchmetrics==1.9.0 \
        --hash=sha256:…
        # via: my-package

``inputs`` is the digest of the requirements, the image, the user's choices and the build requirements; ``pins`` is
the digest of the other lines. While both match, nothing is resolved.
"""

import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from kaggle_offline.dependencies.image_resolver import Resolved, Solution, matching
from kaggle_offline.dependencies.index.download import fetch_sources
from kaggle_offline.dependencies.index.metadata import read_metadata
from kaggle_offline.dependencies.index.package_index import (
    Files,
    compile_requirements,
    look_up,
    newest_with_wheel,
    options_for,
)
from kaggle_offline.dependencies.index.source_distributions import (
    ON_KAGGLE,
    MachineWheelError,
    against_torch,
    build_source,
    dynamic_requirements,
    no_wheel_against_torch,
    unpacked,
)
from kaggle_offline.dependencies.own_wheels import OwnWheel, own_files, read_own_wheels
from kaggle_offline.dependencies.pins import Kind, Pin, read_pins, refuse_secrets
from kaggle_offline.dependencies.solution import Problem, Resolution, find_solution
from kaggle_offline.dependencies.wheels import Wheel, build_requirements
from kaggle_offline.environment import command
from kaggle_offline.errors import BuildError, LockError, StaleLockError, UnbuiltError
from kaggle_offline.files import digest_of_data, write_text
from kaggle_offline.progress import reporting
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.submission_toml import FreezeSettings
from kaggle_offline.uv import is_network

ALL = frozenset({"*"})
"""The packages to upgrade where none is named: all."""

# The parts of CUDA, and the bytes of them that somebody wants to know of.
_CUDA = ("cuda-*", "nvidia-*")
_MUCH = 10**8

# The oldest Python that packages may be built with; see requires-python of this one.
_OLDEST_PYTHON = "3.11"


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A distribution of the image whose version does not fit.

    Attributes:
        name: canonical.
        version: the image's.
        reason: what requires another.
    """

    name: NormalizedName
    version: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock's file, read.

    Attributes:
        path: where it is.
        inputs: the digest of the lock's inputs.
        pins: the shipped distributions.
        provided: the versions of required distributions that the image provides, by name.
        replaced: what of the pins takes the place of another version in the image.
        builds_with: constraints on what wheels are built with, such as ``"hatchling==1.28.0"``.
        overridden: requirements that take the place of others, and distributions without their dependencies.
        indexes: the further package indexes, by name and address.
        edited: whether the file is not as it was written.
    """

    path: Path
    inputs: str
    pins: tuple[Pin, ...]
    provided: Mapping[NormalizedName, str] = field(default_factory=dict)
    replaced: tuple[Replaced, ...] = ()
    builds_with: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    edited: bool = False

    @property
    def installed(self) -> tuple[Pin, ...]:
        """The pins that a kernel ends up with."""
        return tuple(pin for pin in self.pins if pin.kind is not Kind.BUILDER)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of a lock.

    Attributes:
        packages: the wheels of this repository by the folders that they were built from, the project's first.
        extras: of the project.
        image: the image.
        freeze: the user's choices.
        repository: that the user's own wheels are in.
        copies: the folders that have the files of datasets, by ``owner/slug``.
    """

    packages: Mapping[Path, Wheel]
    extras: Sequence[str]
    image: ImageManifest
    freeze: FreezeSettings
    repository: Path
    copies: Mapping[str, Path]

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """The wheels of this repository, the project's first."""
        return tuple(self.packages.values())

    @cached_property
    def own_files(self) -> Mapping[str, str]:
        """Return the user's own wheels, and the digests of their files; see `own_wheels.own_files`."""
        return own_files(self.freeze.wheels, self.repository)

    @cached_property
    def digest(self) -> str:
        """Return the digest of all inputs; the packages' code is not among them."""
        wheels = [[wheel.name, sorted(wheel.requirements), wheel.requires_python] for wheel in self.wheels]
        others: list[object] = [sorted(self.extras), self.builds_with, self.image.digest]
        others.append(sorted(self.freeze.protected))
        if self.freeze.overriding:
            others.append(self.freeze.overriding)
        if self.freeze.indexes:
            others.append(self.indexes)
        if self.freeze.wheels:
            others.append(sorted(self.own_files.items()))
        return digest_of_data([3, wheels, *others])

    @property
    def indexes(self) -> tuple[str, ...]:
        """Return the further package indexes, as a lock has them."""
        return tuple(f"{name} {url}" for name, url in sorted(self.freeze.indexes.items()))

    @property
    def builds_with(self) -> list[str]:
        """Return the requirements for building the packages."""
        found: set[str] = set()
        for folder in self.packages:
            found.update(build_requirements(folder))
        return sorted(found)


def lock(inputs: Inputs, path: Path, *, renew: bool = True, upgrade: Collection[str] = ()) -> Lock:
    """Resolve ``inputs`` into ``path``, unless it holds just that already.

    Args:
        inputs: what to resolve.
        path: the lock's file.
        renew: whether a stale lock may be renewed.
        upgrade: canonical names whose pins are not kept, or `ALL`; if there are any, it is resolved anew.

    Raises:
        StaleLockError: the lock is stale and may not be renewed.
        ProtectedError: something protected would have to be replaced.
        LockError: nothing satisfies the requirements on this image; says what stands in the way.
    """
    _refuse_credentials(inputs)
    current = read_lock(path)
    stale = _reason_to_resolve(current, inputs)
    if current is not None and not stale and not upgrade:
        return current
    if not renew:
        raise StaleLockError(f"{path}: {stale}", f"Run: {command('lock')}, and commit the file.")
    print(f"  resolving the requirements of {inputs.wheels[0].name} on {inputs.image.name}", flush=True)
    kept = {} if upgrade == ALL else pinned(current)
    kept = {name: version for name, version in kept.items() if name not in upgrade}
    with tempfile.TemporaryDirectory() as scratch, reporting("resolving") as say:
        made = _resolve(inputs, path, kept, Path(scratch), say)
    write_text(path, _text(made, inputs.image))
    return made


def _reason_to_resolve(current: Lock | None, inputs: Inputs) -> str:
    """Return why a lock is stale; empty if it is not."""
    if current is None:
        return "missing"
    if current.inputs != inputs.digest:
        return "stale: the requirements or the image have changed since it was written"
    if current.edited:
        return "edited since it was written"
    return ""


def _refuse_credentials(inputs: Inputs) -> None:
    """Refuse secrets that the wheels' metadata and the lock would publish.

    Raises:
        LockError: a requirement has a URL with credentials, or a build requires a folder of this machine.
    """
    for wheel in inputs.wheels:
        for requirement in map(Requirement, wheel.requirements):
            refuse_secrets(f"{wheel.name}: its requirement {requirement.name}", requirement.url or "")
    for override in map(Requirement, inputs.freeze.overrides):
        refuse_secrets(f"freeze.override-dependencies: {override.name}", override.url or "")
    for name, url in inputs.freeze.indexes.items():
        refuse_secrets(f"freeze.index: {name}", url)
    for line in inputs.builds_with:
        name, _, url = line.partition("@")
        refuse_secrets(f"build-system.requires: {name.strip()}", url.strip())
        if url.strip().startswith("file:"):
            raise LockError(
                f"build-system.requires: {name.strip()}: a file of this machine",
                "Require a release that other machines can fetch.",
            )


def pinned(current: Lock | None) -> dict[NormalizedName, str]:
    """Return the versions that a lock pins, build requirements included, by name."""
    versions: dict[NormalizedName, str] = {}
    if current is None:
        return versions
    for line in current.builds_with:
        match = _PROVIDED.match(line)
        if match:
            versions[canonicalize_name(match[1])] = match[2]
    for pin in current.pins:
        if not pin.url:
            versions[pin.name] = pin.version
    return versions


def _resolve(
    inputs: Inputs, path: Path, kept: Mapping[NormalizedName, str], scratch: Path, say: Callable[[str], None]
) -> Lock:
    image = inputs.image
    own = read_own_wheels([*inputs.own_files], inputs.repository, inputs.copies, image, scratch / "own")
    problem = Problem(
        wheels=(*inputs.wheels, *(each.wheel for each in own)),
        extras=inputs.extras,
        image=image,
        freeze=inputs.freeze,
        kept=kept,
        scratch=scratch,
    )
    found = find_solution(problem, say)
    _report_unknown_extras(found.resolver.unknown_extras, inputs)
    shipped = [resolved for resolved in found.solution.values() if resolved.shipped]
    of_index = look_up([resolved.requirement() for resolved in shipped], options_for(image))
    _check_python(of_index, image)
    pins = [_pin(resolved, of_index[resolved.name]) for resolved in shipped]
    pins, builds_with = _settle_sources(pins, inputs, kept, scratch, say)
    pins += _own_pins(own, found.solution)
    say("looking for the reasons of replacements")
    for release, reason in sorted(found.resolver.yanked.items()):
        print(f"  {release} was withdrawn from the index: {reason or 'for no stated reason'}", flush=True)
    _report_cuda(of_index, image)
    replaced = []
    for name, reason in sorted(_reasons(found, inputs, own).items()):
        replaced.append(Replaced(name=name, version=str(image.pins[name]), reason=reason))
    provided = {name: found.solution[name].version for name in sorted(found.solution) if found.solution[name].provided}
    return Lock(
        path=path,
        inputs=inputs.digest,
        pins=tuple(sorted(pins, key=lambda pin: (pin.kind is Kind.BUILDER, pin.name))),
        provided=provided,
        replaced=tuple(replaced),
        builds_with=tuple(builds_with),
        overridden=inputs.freeze.overriding,
        indexes=inputs.indexes,
    )


def _check_python(files: Mapping[NormalizedName, Files], image: ImageManifest) -> None:
    """Check that wheels allow the image's Python.

    uv ignores an upper bound of Requires-Python (docs.astral.sh/uv, Resolution); pip, which downloads them and may
    install them, does not.

    Raises:
        LockError: one does not.
    """
    wheels, _ = read_metadata(files)
    for wheel in wheels.values():
        bound = wheel.requires_python
        try:
            fits = not bound or SpecifierSet(bound).contains(image.header["python"], prereleases=True)
        except InvalidSpecifier:
            continue
        if not fits:
            raise LockError(
                f"{wheel.name} {wheel.version}: it does not allow the image's Python {image.python}: "
                f"Requires-Python is {bound}",
                f"Require a version of {wheel.name} that allows Python {image.python}, or another distribution.",
            )


def _own_pins(own: Iterable[OwnWheel], solution: Solution) -> list[Pin]:
    """Return the pins of the user's own wheels, those that something requires."""
    pins = []
    for each in own:
        name = each.wheel.name
        if name in solution:
            via, hashes = solution[name].via, (each.sha256,)
            pin = Pin(name=name, version=each.wheel.version, kind=each.kind, hashes=hashes, url=each.source, via=via)
            if each.kind is Kind.MOUNTED:
                pin = replace(pin, requires=tuple(each.wheel.requirements))
            pins.append(pin)
        else:
            print(f"  {each.source}: not shipped, as nothing requires {name}", flush=True)
    return pins


def _reasons(found: Resolution, inputs: Inputs, own: Iterable[OwnWheel]) -> dict[NormalizedName, str]:
    """Return why distributions of the image are replaced."""
    reasons: dict[NormalizedName, str] = {}
    for name, resolved in found.solution.items():
        if not resolved.shipped:
            continue
        if name in found.left_out:
            reasons[name] = found.left_out[name]
        elif name in inputs.image.pins:
            reasons[name] = found.resolver.reason(found.solution, name, inputs.wheels)
    reasons |= {each.wheel.name: "it is a wheel of your own" for each in own if each.wheel.name in found.solution}
    reasons |= {wheel.name: "it is a package of this repository" for wheel in inputs.wheels}
    return {name: reason for name, reason in reasons.items() if name in inputs.image.pins}


def _report_unknown_extras(extras: Iterable[str], inputs: Inputs) -> None:
    """Print the extras that distributions of the index do not have.

    Raises:
        LockError: it is an extra of a package of this repository.
    """
    own = {wheel.name for wheel in inputs.wheels}
    for extra in sorted(extras):
        if extra.partition("[")[0] in own:
            raise LockError(f"{extra}: unknown extra", "Correct the requirement, or package in submission.toml.")
        print(f"  {extra}: unknown extra, ignored", flush=True)


def _report_cuda(files: Mapping[NormalizedName, Files], image: ImageManifest) -> None:
    """Print how much CUDA is shipped to an image without a GPU."""
    names = sorted(matching(files, _CUDA)) if image.header.get("accelerator") == "cpu" else []
    size = sum(files[name].size for name in names)
    if size > _MUCH:
        print(f"  {size / 1e9:.1f} GB of CUDA for a kernel without a GPU: {', '.join(names)}", flush=True)


def _pin(resolved: Resolved, files: Files) -> Pin:
    kind = Kind.WHEEL if files.wheels else Kind.BUILT
    return Pin(
        name=resolved.name,
        version=files.version or resolved.version,
        kind=kind,
        hashes=files.wheels or files.source,
        url=files.url,
        via=resolved.via,
    )


def _settle_sources(
    pins: Sequence[Pin],
    inputs: Inputs,
    kept: Mapping[NormalizedName, str],
    scratch: Path,
    say: Callable[[str], None],
) -> tuple[list[Pin], list[str]]:
    """Build every source here, to learn which of them have to be built in the kernel.

    Returns:
        The pins, with the kinds of sources settled and the builders of sources in the kernel added; and
        the constraints on builds.

    Raises:
        LockError: a builder has no wheel for the image.
    """
    folder = scratch / "sources"
    folder.mkdir()
    archives = fetch_sources([pin for pin in pins if pin.is_source], folder)
    requires: dict[Pin, tuple[str, ...]] = {}
    for pin, archive in archives.items():
        with unpacked(archive) as tree:
            requires[pin] = build_requirements(tree)
        if any(canonicalize_name(Requirement(line).name) == "torch" for line in requires[pin]):
            raise no_wheel_against_torch(pin.requirement(hashes=False), inputs.image)
    lines = set(inputs.builds_with).union(*requires.values())
    builds_with = _constraints(sorted(lines), kept)
    settled = [pin for pin in pins if not pin.is_source]
    in_kernel: set[str] = set()
    for pin, archive in archives.items():
        say(f"building {pin}")
        try:
            wheel = build_source(pin, archive, scratch, inputs.image, builds_with)
        except MachineWheelError as error:
            print(f"  {error.problem}\n  {pin} is shipped as source and built in the kernel", flush=True)
            settled.append(replace(pin, kind=Kind.SOURCE))
            in_kernel.update(requires[pin], dynamic_requirements(pin, archive))
        except BuildError as error:
            if is_network(error.problem):
                raise
            raise _no_build(pin, error, inputs) from error
        else:
            settled.append(replace(pin, version=wheel.name.split("-")[1]))
    return [*settled, *_builders(sorted(in_kernel), settled, inputs.image)], builds_with


def _no_build(pin: Pin, error: BuildError, inputs: Inputs) -> UnbuiltError:
    """Return the error for a source that does not build; its hint is a version that has a wheel, if there is one."""
    image = inputs.image
    if against_torch(error.problem):
        return no_wheel_against_torch(pin.requirement(hashes=False), image)
    hint = f"Install what the build lacks, require another version, or {ON_KAGGLE}"
    newest = newest_with_wheel(pin.name, image)
    if newest and set(pin.via) & {wheel.name for wheel in inputs.wheels}:
        hint = f"Require {pin.name}=={newest}, which has a wheel; the index has none of {pin.version}."
    elif newest:
        hint = f"Require a version of {', '.join(pin.via)} that allows {pin.name} {newest}, which has a wheel."
    return UnbuiltError(error.problem, hint, requirement=pin.requirement(hashes=False))


def _constraints(lines: Sequence[str], kept: Mapping[NormalizedName, str]) -> list[str]:
    """Pin the build requirements, for every Python that may run a build."""
    text = _compile(lines, kept, ["--universal", "--python-version", _OLDEST_PYTHON, "--no-annotate"])
    return [line for line in text.splitlines() if not line.startswith("#")]


def _builders(lines: Sequence[str], pins: Sequence[Pin], image: ImageManifest) -> list[Pin]:
    """Pin the build requirements of sources that the kernel builds, in the image's versions where they fit.

    pip builds in an isolated environment: the kernel can use the shipped files for it alone.
    """
    if not lines:
        return []
    target = options_for(image)
    versions = {name: version.public for name, version in image.pins.items()}
    text = _compile(lines, versions, [*target, "--only-binary", ":all:", "--no-annotate"])
    shipped = {(pin.name, pin.version) for pin in pins}
    builders = []
    for name, files in look_up(text.splitlines(), target).items():
        if (name, files.version) not in shipped:
            builders.append(Pin(name=name, version=files.version, kind=Kind.BUILDER, hashes=files.wheels))
    return builders


def _compile(lines: Sequence[str], preferred: Mapping[NormalizedName, str], options: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch) / "build.in", Path(scratch) / "build.txt"
        source.write_text("".join(f"{line}\n" for line in lines))
        output.write_text("".join(f"{name}=={version}\n" for name, version in preferred.items()))
        result = compile_requirements(source, *options, "--quiet", "--output-file", str(output))
        if result.returncode != 0:
            raise LockError(
                f"the build requirements cannot be met:\n{result.stderr.strip()}",
                "Correct build-system.requires in pyproject.toml, or require another version of the package.",
            )
        return output.read_text(encoding="utf-8")


def pins_for_python(pins: Sequence[Pin], python: str, image: ImageManifest) -> list[Pin]:
    """Return the same versions with the hashes of wheels for this machine's Python, to rehearse on it.

    Args:
        pins: the image's.
        python: the version of this machine's Python.
        image: named in the error's hint.

    Raises:
        LockError: one of the versions has no wheel for that Python.
    """
    # A wheel of one's own has no other for another Python.
    own = [pin for pin in pins if pin.is_own]
    wheels = [pin for pin in pins if not pin.is_source and not pin.is_own]
    found = look_up([pin.requirement(hashes=False) for pin in wheels], ["--python-version", python])
    without = [str(pin) for pin in wheels if not found[pin.name].wheels]
    without += [str(pin) for pin in own if not urlsplit(pin.url).path.endswith("-none-any.whl")]
    if without:
        raise LockError(
            f"no wheel for Python {python}, which the rehearsal would run on: {', '.join(without)}",
            f"Install the image's Python, for instance with: uv python install {image.python}",
        )
    sources = [pin for pin in pins if pin.is_source]
    return [*sources, *own, *(replace(pin, hashes=found[pin.name].wheels) for pin in wheels)]


_HEADER = re.compile(r"# (inputs|pins|builds with|index|overridden|provided|replaced): (.*)")
_INPUTS = re.compile(r"sha256:[0-9a-f]{64}")
_PROVIDED = re.compile(r"([\w.-]+)==(\S+)", re.ASCII)
_REPLACED = re.compile(r"([\w.-]+)==(\S+): (.+)", re.ASCII)


def read_lock(path: Path) -> Lock | None:
    """Read a lock; None if the file does not exist.

    Raises:
        LockError: not a valid lock file.
    """
    cure = f"Resolve the merge, or delete or move the file; then run: {command('lock')}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"{path}: {error}", cure) from error
    header: dict[str, list[str]] = {"inputs": [], "pins": [], "builds with": [], "overridden": []}
    header |= {"index": [], "provided": [], "replaced": []}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match:
            header[match[1]].append(match[2])
    if len(header["inputs"]) != 1 or not _INPUTS.fullmatch(header["inputs"][0]):
        raise LockError(f"{path}: not a valid lock file, or it contains merge-conflict markers", cure)
    try:
        pins = read_pins(lines)
    except ValueError as error:
        raise LockError(f"{path}: {error}", cure) from error
    provided = _matches(_PROVIDED, header["provided"])
    replaced = _matches(_REPLACED, header["replaced"])
    return Lock(
        path=path,
        inputs=header["inputs"][0],
        pins=pins,
        provided={canonicalize_name(match[1]): match[2] for match in provided},
        replaced=tuple(Replaced(name=canonicalize_name(m[1]), version=m[2], reason=m[3]) for m in replaced),
        builds_with=tuple(header["builds with"]),
        overridden=tuple(header["overridden"]),
        indexes=tuple(header["index"]),
        edited=header["pins"] != [_digest_of_lines(lines)],
    )


def _matches(pattern: re.Pattern[str], lines: Iterable[str]) -> list[re.Match[str]]:
    """Match whole lines; leave out those that do not match."""
    return [match for line in lines if (match := pattern.fullmatch(line))]


def _digest_of_lines(lines: Sequence[str]) -> str:
    """Return the digest of a lock's lines, without the line of the digest: it shows edits and merges."""
    return digest_of_data([line for line in lines if not line.startswith("# pins: ")])


def _text(made: Lock, image: ImageManifest) -> str:
    head = [
        f"# The packages that {made.path.stem} ships, pinned and hashed, for the image {image.name}",
        f"# (Python {image.python}, {image.platform}). `kaggle-offline lock` writes this file.",
        f"# inputs: {made.inputs}",
    ]
    body = [f"# index: {line}" for line in made.indexes]
    body += [f"# overridden: {line}" for line in made.overridden]
    body += [f"# builds with: {line}" for line in made.builds_with]
    body += [f"# provided: {name}=={version}" for name, version in made.provided.items()]
    body += [f"# replaced: {item.name}=={item.version}: {item.reason}" for item in made.replaced]
    for pin in made.pins:
        body += pin.lines().splitlines()
    lines = [*head, f"# pins: {_digest_of_lines([*head, *body])}", *body]
    return "".join(f"{line}\n" for line in lines)
