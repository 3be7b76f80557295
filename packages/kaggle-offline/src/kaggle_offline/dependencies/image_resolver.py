"""Resolve what a project needs beyond an image, with uv's resolver, which is told what the image has.

To uv the image is a folder of wheels, one for each of its distributions, without dependencies and
with its version marked by a local label (``2.10.0+kaggle``). A version that comes out with the label is *provided* by
the image. A version without it is shipped: *added* where the image has no such distribution, *replaced* where its
version does not fit.

The image is taken as it is as far as possible: only where nothing satisfies the requirements on it may
what is not protected be replaced. A distribution without a wheel may be built, unless that is what stands in the way.
Freedoms that turn out not to be needed are taken back one by one.
"""

import re
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.dependencies.package_index import compile_requirements, options_for
from kaggle_offline.dependencies.wheels import Wheel
from kaggle_offline.errors import LockError, OfflineError, ProtectedError
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.uv import is_network

_LABEL = "kaggle"
_LINE = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?(?:==(\S+)| @ (\S+))(?:\s+# via (.*))?", re.ASCII)
_EXTRA = re.compile(r"The package `([\w.-]+)(?:==| @ )[^`]+` does not have an extra named `([\w.-]+)`")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A distribution that the requirements come to.

    Attributes:
        name: canonical.
        version: empty where ``url`` says which it is.
        url: of a Git commit or an archive, else empty.
        via: the names of what requires it.
        provided: whether the image has just this.
        own: whether it is a package of this repository.
    """

    name: NormalizedName
    version: str
    url: str
    via: tuple[NormalizedName, ...]
    provided: bool
    own: bool

    @property
    def shipped(self) -> bool:
        """Tell whether it comes from the index, or wherever its URL says."""
        return not (self.provided or self.own)

    def requirement(self) -> str:
        """The requirement that leaves no choice but this."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """The freedoms of a resolution beyond taking wheels of the index.

    Attributes:
        replaceable: names of the image's distributions whose version need not stay.
        wheels: names of what must come as a wheel; None is everything.
    """

    replaceable: frozenset[NormalizedName] = frozenset()
    wheels: frozenset[NormalizedName] | None = None


Solution = dict[NormalizedName, Resolved]


class Resolver:
    """Resolves against one image.

    Args:
        image: what is there already.
        previous: pins to keep where they fit, such as ``{"hydra-core": "1.3.2"}``.
        read_wheels: fetches wheels of the index by ``name==version`` and reads them.
        without_wheel: of a solution, the names that have no wheel for the image.
        folder: to work in.

    Attributes:
        unknown_extras: such as ``"httpx[http3]"``: required, but the distribution has none of that name.
    """

    def __init__(
        self,
        image: ImageManifest,
        *,
        previous: Mapping[NormalizedName, str],
        read_wheels: Callable[[Sequence[str]], Sequence[Wheel]],
        without_wheel: Callable[[Collection[Resolved]], frozenset[NormalizedName]],
        folder: Path,
    ) -> None:
        self._image = image
        self._previous = previous
        self._read_wheels = read_wheels
        self._without_wheel = without_wheel
        self._folder = folder
        self._stubs = folder / "image"
        self._stubs.mkdir()
        self._extras: set[NormalizedName] = set()
        self._read: dict[str, Sequence[str]] = {}
        self.unknown_extras: set[str] = set()
        for name, version in image.pins.items():
            _write_stub(self._stubs, name, version, ())

    def resolve(
        self, project: Wheel, neighbours: Sequence[Wheel], *, extras: Sequence[str], protected: Sequence[str]
    ) -> Solution:
        """Resolve what a project, with some of its extras, and what it requires of its repository require.

        Raises:
            ProtectedError: something protected would have to be replaced; shows what leads there.
            LockError: nothing satisfies the requirements; says what stands in the way.
        """
        roots = _Roots(project, tuple(neighbours), tuple(extras))
        nothing: frozenset[NormalizedName] = frozenset()
        names = frozenset(self._image.pins)
        patterns = [canonicalize_name(pattern) for pattern in protected]
        free = frozenset(name for name in names if not any(fnmatch(name, pattern) for pattern in patterns))
        for name in sorted((names - free) & roots.names):
            raise ProtectedError(
                f"{name}: a package of this repository has the name of something protected in the image",
                "Give it another name, or list what is protected without it in submission.toml ([freeze] protected).",
            )
        for replaceable in (nothing, free):
            for wheels in (nothing, None):
                solution = self._try(roots, Freedom(replaceable=replaceable, wheels=wheels))
                if isinstance(solution, dict):
                    return self._tighten(roots, solution)
        solution = self._try(roots, Freedom(replaceable=names, wheels=nothing))
        if isinstance(solution, str):
            raise self._error(roots, solution, names - free)
        solution = self._tighten(roots, solution, first=names - free)
        raise ProtectedError(*self._conflict(roots, solution, free))

    def reason(self, solution: Solution, name: NormalizedName, roots: Sequence[Wheel]) -> str:
        """Why the image's version of ``name`` does not fit, such as ``"x 1.0 requires y>=2"``."""
        for requirer in solution[name].via:
            found = self._requirement(solution, requirer, name, roots)
            if found is not None and not _admits(found, self._image.pins[name]):
                return f"{_named(solution, requirer, roots)} requires {_text(found)}"
        return f"{', '.join(_named(solution, via, roots) for via in solution[name].via)} requires another"

    def _requirement(
        self, solution: Solution, requirer: NormalizedName, name: NormalizedName, roots: Sequence[Wheel]
    ) -> Requirement | None:
        """Return the requirement of ``requirer`` on ``name``, preferably one that excludes the image's version."""
        lines = map(Requirement, self._requirements(solution, requirer, roots))
        found = [line for line in lines if canonicalize_name(line.name) == name]
        environment = self._image.environment
        have = self._image.pins.get(name)
        # The line of an extra counts where nothing else does: that it was asked for is why this is looked at.
        found.sort(key=lambda r: (have is not None and _admits(r, have), "extra" in str(r.marker)))
        counting = [r for r in found if r.marker is None or "extra" in str(r.marker) or r.marker.evaluate(environment)]
        return next(iter(counting), None)

    def _try(self, roots: "_Roots", freedom: Freedom, *, settled: bool = False) -> Solution | str:
        """Resolve once; what uv says where it cannot be done.

        ``settled`` says that what may be replaced has to be: earlier pins of it are better than the image's.
        """
        source, constraints = self._folder / "requirements.in", self._folder / "constraints.txt"
        source.write_text(roots.source, encoding="utf-8")
        image = {name: _labelled(version) for name, version in self._image.pins.items()}
        free = freedom.replaceable | roots.names
        fixed = [f"{n}=={version}\n" for n, version in image.items() if n not in free]
        constraints.write_text(roots.constraints + "".join(fixed))
        # uv keeps to what its output holds already, as far as it can.
        output = self._folder / "requirements.txt"
        earlier = {n: v for n, v in self._previous.items() if n not in image or (settled and n in freedom.replaceable)}
        output.write_text("".join(f"{n}=={v}\n" for n, v in (image | earlier).items()))
        options = [*options_for(self._image), "--annotation-style", "line", "--no-strip-extras"]
        options += ["--constraint", str(constraints)] if constraints.stat().st_size else []
        options += ["--find-links", str(self._stubs), "--output-file", str(output)]
        wheels = [":all:"] if freedom.wheels is None else sorted(freedom.wheels)
        options += [f"--only-binary={name}" for name in wheels]
        result = compile_requirements(source, *options)
        if result.returncode != 0:
            return result.stderr.strip()
        without = {canonicalize_name(name) for name, _ in _EXTRA.findall(result.stderr)}
        missing = (without & set(self._image.pins)) - self._extras
        self.unknown_extras = {f"{canonicalize_name(name)}[{extra}]" for name, extra in _EXTRA.findall(result.stderr)}
        if missing:
            self._add_extras(sorted(missing))
            return self._try(roots, freedom, settled=settled)
        return _read_solution(output.read_text(encoding="utf-8"), roots.names, image)

    def _tighten(
        self, roots: "_Roots", solution: Solution, *, first: Collection[NormalizedName] | None = None
    ) -> Solution:
        """Re-pin, one at a time, every package whose pin was relaxed unnecessarily, as long as no version is lost.

        It would where an older release of something that is added asks for less. To find out what stands in
        the way, versions are of no matter, and it is begun with the names that are ``first``.
        """
        built = self._without_wheel(solution.values())
        freedom = Freedom(replaceable=self._replaced(solution), wheels=frozenset(solution) - built)
        if not freedom.replaceable and not built:
            return solution
        smaller: list[tuple[NormalizedName | None, frozenset[NormalizedName]]]
        order = sorted(freedom.replaceable, key=lambda name: (name not in (first or ()), name))
        smaller = [(name, frozenset()) for name in order]
        smaller += [(None, frozenset({name})) for name in sorted(built)]
        for kept, as_wheel in smaller:
            attempt = Freedom(
                replaceable=freedom.replaceable - {kept}, wheels=(freedom.wheels or frozenset()) | as_wheel
            )
            found = self._try(roots, attempt)
            if isinstance(found, str):
                continue
            if first is not None or self._added(found, but=as_wheel) == self._added(solution, but=as_wheel):
                freedom, solution = replace(attempt, replaceable=self._replaced(found)), found
        settled = self._try(roots, freedom, settled=True) if self._previous else solution
        return settled if isinstance(settled, dict) else solution

    def _added(self, solution: Solution, *, but: Collection[NormalizedName]) -> dict[NormalizedName, str]:
        """Version of what the image has not got, by name, ``but`` for some."""
        return {n: r.version for n, r in solution.items() if n not in self._image.pins and n not in but}

    def _error(self, roots: "_Roots", reason: str, protected: Collection[NormalizedName]) -> LockError:
        """Why nothing satisfies the requirements, whatever of the image may be replaced."""
        if is_network(reason):
            return LockError(f"the package index does not answer:\n{reason}", "Check the network, then run again.")
        named = sorted(name for name in protected if re.search(rf"\b{re.escape(name)}[<>=!~ ]", reason))
        has = "".join(f"\nThe image has {name} {self._image.pins[name]}." for name in named)
        return LockError(
            f"the requirements cannot be met:\n{reason.replace(f'+{_LABEL}', ' (image)')}{has}",
            f"Correct the requirements of {roots.project.name}, or take another image.",
        )

    def _replaced(self, solution: Solution) -> frozenset[NormalizedName]:
        return frozenset(n for n, r in solution.items() if n in self._image.pins and r.shipped)

    def _add_extras(self, names: Sequence[NormalizedName]) -> None:
        """Let the stubs of ``names`` say what their extras require, as the index's own wheels do."""
        pins = [f"{name}=={self._image.pins[name].public}" for name in names]
        try:
            wheels = self._read_wheels(pins)
        except OfflineError as error:
            raise LockError(
                f"what the extras of {', '.join(pins)} require cannot be read:\n{error.problem}",
                "Require what the extra is for by name.",
            ) from error
        for wheel in wheels:
            extras = [line for line in wheel.requirements if "extra ==" in line]
            _write_stub(self._stubs, wheel.name, self._image.pins[wheel.name], extras)
        self._extras.update(names)

    def _requirements(self, solution: Solution, name: NormalizedName, roots: Sequence[Wheel]) -> Sequence[str]:
        """Return the requirements of a distribution of the solution; none where they cannot be told."""
        own = {wheel.name: wheel for wheel in roots}
        if name in own:
            return own[name].requirements
        resolved = solution[name]
        if resolved.provided or resolved.url or name in self._without_wheel([resolved]):
            return ()
        line = resolved.requirement()
        if line not in self._read:
            try:
                self._read[line] = self._read_wheels([line])[0].requirements
            except OfflineError:
                self._read[line] = ()
        return self._read[line]

    def _conflict(self, roots: "_Roots", solution: Solution, free: Collection[NormalizedName]) -> tuple[str, str]:
        """The problem and the cure of a protected distribution that does not fit."""
        wheels = (roots.project, *roots.neighbours)
        chains = [_chain(solution, n, roots.project.name) for n in self._replaced(solution) - frozenset(free)]
        # The others may only follow from the one that is nearest to the project.
        chain = min(chains, key=lambda chain: (len(chain), chain))
        name = chain[-1]
        steps = []
        for requirer, required in pairwise(chain):
            found = self._requirement(solution, requirer, required, wheels)
            steps.append(f"  {_named(solution, requirer, wheels)} requires {_text(found) if found else required}")
        problem = f"{name}: the image has {self._image.pins[name]}, which must stay, but another is required:"
        cure = [f"allow {name} {self._image.pins[name]} in the requirement"]
        if len(chain) > 2:  # noqa: PLR2004 - something stands between the project and it
            cure = [f"require another version of {chain[1]}, or do without it"]
        cure += ["take an image that has what is needed"]
        other = solution[name].version or solution[name].url
        cure += [f"list what is protected without {name} in submission.toml ([freeze] protected), to ship {other}"]
        return "\n".join([problem, *steps]), f"Either {'; or '.join(cure)}."


@dataclass(frozen=True)
class _Roots:
    """The roots of a resolution: the project, and the neighbours that it requires by their names."""

    project: Wheel
    neighbours: tuple[Wheel, ...]
    extras: tuple[str, ...]

    @property
    def source(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project.name}{extras} @ {self.project.path.resolve().as_uri()}\n"

    @property
    def constraints(self) -> str:
        return "".join(f"{w.name} @ {w.path.resolve().as_uri()}\n" for w in self.neighbours)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(w.name for w in (self.project, *self.neighbours))


def _read_solution(text: str, own: Collection[str], image: Mapping[NormalizedName, str]) -> Solution:
    """Read uv's output; ``image`` has the labelled version of what is there already."""
    solution: Solution = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, version = canonicalize_name(match[1]), match[2] or ""
        via = {canonicalize_name(v.partition("[")[0]) for v in (match[4] or "").split(", ") if not v.startswith("-")}
        solution[name] = Resolved(
            name=name,
            version=Version(version).public if image.get(name) == version else version,
            url=match[3] or "",
            via=tuple(sorted(via - {""})),
            provided=image.get(name) == version,
            own=name in own,
        )
    return solution


def _chain(solution: Solution, name: NormalizedName, root: str) -> list[NormalizedName]:
    """The shortest way of requirements from ``root`` to ``name``."""
    ways = [[name]]
    seen = {name}
    for way in ways:
        for via in solution[way[0]].via if way[0] in solution else ():
            if via == root:
                return [via, *way]
            if via not in seen:
                seen.add(via)
                ways.append([via, *way])
    return [name]


def _named(solution: Solution, name: NormalizedName, roots: Sequence[Wheel]) -> str:
    versions = {wheel.name: wheel.version for wheel in roots}
    return f"{name} {versions.get(name) or solution[name].version}".strip()


def _text(requirement: Requirement) -> str:
    return f"{requirement.name}{f' @ {requirement.url}' if requirement.url else requirement.specifier}"


def _admits(requirement: Requirement, version: Version) -> bool:
    return not requirement.url and requirement.specifier.contains(version, prereleases=True)


def _labelled(version: Version) -> str:
    """The image's version as no index has it; a local label of its own is left, since it may be required."""
    return str(version) if version.local else f"{version}+{_LABEL}"


def _write_stub(folder: Path, name: str, version: Version, extras: Sequence[str]) -> None:
    """Write a wheel that requires nothing but what its ``extras`` do (lines with an ``extra`` marker)."""
    stem = f"{name.replace('-', '_')}-{_labelled(version)}"
    names = sorted({extra for line in extras for extra in re.findall(r'extra == "([^"]+)"', line)})
    lines = [f"Provides-Extra: {extra}\n" for extra in names] + [f"Requires-Dist: {line}\n" for line in extras]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        info = f"{stem}.dist-info"
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {_labelled(version)}\n"
        wheel.writestr(f"{info}/METADATA", "".join([head, *lines]))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: kaggle-offline\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
