"""Resolve a project's requirements on top of an image, with uv's resolver.

uv sees the image as a folder of wheels, one for each of its distributions, without dependencies and with a local
label in the version (``2.10.0+kaggle``). A distribution that comes out with the label is *provided* by the image. One
without it is shipped: *added* if the image lacks the distribution, *replaced* if the image's version does not fit.

The search tries the strictest rules first, and stops at the first that have a solution:

1. keep every version of the image, take wheels and sources;
2. keep every version of the image, take wheels only (a source can require what its wheels do not);
3. let unprotected distributions of the image be replaced, take wheels and sources;
4. the same, wheels only.

A solution that keeps the image can be years old: an old release that requires little always fits. Where the newest
release is over a year younger, the search looks whether letting go of the image's versions gives a younger one: without
the protected distributions it takes that, and with them it stops and shows both.

Then it takes back each freedom that the solution does not need. For example, ``albumentationsx`` requires
``pydantic>=2.12.4`` and the image has pydantic 2.12.3 and numpy 2.0.2. Rules 1 and 2 fail. Under rule 3 uv may replace
both, and picks pydantic 2.13 and numpy 2.4. Pinning numpy to the image's version again still has a solution with the
same added versions, so numpy stays; pinning pydantic has none, so pydantic is replaced and nothing else.

If all four fail, the search runs once more with protected distributions replaceable, only to explain the conflict.
"""

import json
import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from kaggle_offline.dependencies.breakage import Breakage, breakages_by_use
from kaggle_offline.dependencies.index.package_index import (
    compile_requirements,
    look_up,
    newest_with_wheel,
    options_for,
)
from kaggle_offline.dependencies.index.source_distributions import (
    ON_KAGGLE,
    against_torch,
    no_wheel_against_torch,
)
from kaggle_offline.dependencies.provided import requirements_on
from kaggle_offline.dependencies.wheels import Wheel, as_chosen
from kaggle_offline.errors import LockError, OfflineError, ProtectedError, UnbuiltError
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.submission_toml import FreezeSettings
from kaggle_offline.uv import is_network

_LABEL = "kaggle"
# A release that is this much older than the newest one is not what people mean by its bare name.
_OLD = timedelta(days=365)
_LINE = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?(?:==(\S+)| @ (\S+))(?:\s+# via (.*))?", re.ASCII)
_FAILED_BUILD = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_FAILED_GIT = "Git operation failed"
_YANKED = re.compile(r"`([^`]+)` is yanked(?: \(reason: \"(.*)\"\))?")
_NO_WHEELS = re.compile(r"([\w.-]+)(?:\[[^]]*\])?[<>=!.,\w]* ha(?:s|ve) no wheels with a matching Python")
_DEPENDS = re.compile(r"([\w.-]+)(?:[<>=!~]\S*)? depends? on (\S*[^\s,])")
_USELESS = re.compile(r"all versions of ([\w.-]+)\s+cannot be used")
_EXTRA = re.compile(r"The package `([\w.-]+)(?:==| @ )[^`]+` does not have an extra named `([\w.-]+)`")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A distribution of a solution.

    Attributes:
        name: canonical.
        version: empty if it has a ``url``.
        url: of a Git commit or an archive, else empty.
        via: the names of the distributions that require it.
        provided: whether the image has this version.
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
        """Tell whether the kernel needs its file: neither the image nor this repository has it."""
        return not (self.provided or self.own)

    def __str__(self) -> str:
        return f"{self.name} {self.version or self.url}"

    def requirement(self) -> str:
        """Return the requirement that only this distribution satisfies."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """The rules of a resolution.

    Attributes:
        replaceable: names of the image's distributions that another version may replace.
        wheels: names of the distributions that must come as a wheel; None for all.
    """

    replaceable: frozenset[NormalizedName] = frozenset()
    wheels: frozenset[NormalizedName] | None = None


Solution = dict[NormalizedName, Resolved]


class Resolver:
    """Resolves against one image.

    Args:
        image: the image.
        previous: pins to keep where they fit, such as ``{"hydra-core": "1.3.2"}``.
        read_wheels: fetches wheels of the index by ``name==version`` and reads them.
        folder: an empty folder for temporary files.
        say: takes the step that the search is at.
        required: names of distributions that are required, too: the stubs of the image require nothing.
        bounds: further constraints, such as ``"protobuf>=5.28"``.
        freeze: the user's choices.
        of_image: returns the requirements of the image's distributions, to explain a conflict.

    Attributes:
        unknown_extras: required extras that their distributions do not have, such as ``"httpx[http3]"``.
        yanked: releases that were withdrawn from the index, such as ``"httpx==0.1"``, and why.
    """

    def __init__(
        self,
        image: ImageManifest,
        *,
        previous: Mapping[NormalizedName, str],
        read_wheels: Callable[[Sequence[str]], Sequence[Wheel]],
        folder: Path,
        say: Callable[[str], None],
        required: Collection[str] = (),
        bounds: Sequence[str] = (),
        freeze: FreezeSettings,
        of_image: Callable[[], Mapping[NormalizedName, Sequence[str]]],
    ) -> None:
        self._image = image
        self._previous = previous
        self._read_wheels = read_wheels
        self._folder = folder
        self._say = say
        self._required = required
        self._bounds = bounds
        self._freeze = freeze
        self._of_image = of_image
        self._stubs = folder / "image"
        self._stubs.mkdir()
        self._extras: set[NormalizedName] = set()
        self._read: dict[str, Sequence[str]] = {}
        self.unknown_extras: set[str] = set()
        self.yanked: dict[str, str] = {}
        for name, version in image.pins.items():
            _write_stub(self._stubs, name, version, ())

    def resolve(self, project: Wheel, neighbours: Sequence[Wheel], *, extras: Sequence[str]) -> Solution:
        """Resolve the requirements of a project with some of its extras.

        Args:
            project: its wheel.
            neighbours: the wheels of this repository that it requires.
            extras: of the project.

        Raises:
            ProtectedError: only replacing a protected distribution would satisfy the requirements; shows the chain
                of requirements that leads to it.
            LockError: the requirements cannot be met; quotes uv's explanation.
        """
        roots = _Roots(project, tuple(neighbours), tuple(extras))
        nothing: frozenset[NormalizedName] = frozenset()
        names = frozenset(self._image.pins)
        protected = self._freeze.protected
        fixed = matching(names, protected)
        for name in sorted(fixed & roots.names):
            raise ProtectedError(
                f"{name}: a package of this repository has the name of a protected distribution of the image",
                "Rename it, or set [freeze] protected in submission.toml to a list without it.",
            )
        for replaceable in (nothing, names - fixed):
            solution = self._search(roots, replaceable)
            if isinstance(solution, dict):
                return self._tighten(roots, self._up_to_date(roots, solution, protected))
        solution = self._search(roots, names)
        if isinstance(solution, str):
            raise self._error(roots, solution, fixed)
        solution = self._tighten(roots, solution, first=fixed)
        raise ProtectedError(*self._conflict(roots, solution, protected))

    def _search(self, roots: "_Roots", replaceable: frozenset[NormalizedName]) -> Solution | str:
        """Resolve with wheels and sources, or else with wheels alone; return uv's explanation if both fail."""
        kept = "every version of the image"
        if replaceable:
            kept = "the protected versions of the image"
        if replaceable == self._image.pins.keys():
            kept = "no version of the image"
        self._say(f"resolving, keeping {kept}")
        solution = self._try(roots, Freedom(replaceable=replaceable, wheels=frozenset()))
        if isinstance(solution, dict):
            return solution
        from_wheels = self._try(roots, Freedom(replaceable=replaceable))
        return from_wheels if isinstance(from_wheels, dict) else solution

    def _up_to_date(self, roots: "_Roots", solution: Solution, protected: Sequence[str]) -> Solution:
        """Return the solution, or another if only the image's versions keep it at releases that are years old.

        Raises:
            ProtectedError: the other solution replaces protected distributions; shows both.
        """
        old = self._old_releases(roots, solution)
        names = frozenset(self._image.pins)
        fixed = matching(names, protected)
        free = self._search(roots, names) if old else ""
        younger = self._younger(free, old) if isinstance(free, dict) else frozenset()
        if isinstance(free, str) or not younger:
            return solution
        in_the_way = sorted(self._replaced(free) & fixed)
        if not in_the_way:
            return free
        found = self._search(roots, names - fixed)
        if isinstance(found, dict) and younger <= self._younger(found, old):
            return found
        lines = []
        for name in sorted(younger):
            lines.append(f"{name}: only {solution[name].version} of {old[name]} fits the image's protected versions")
        moved = [f"{name} {self._image.pins[name]} → {free[name].version}" for name in in_the_way]
        others = [str(free[name]) for name in sorted(younger)]
        lines.append(f"{', '.join(others)} would replace {', '.join(moved)}")
        pins = ", ".join(solution[name].requirement() for name in sorted(younger))
        without = sorted(without_wheel([free[name] for name in in_the_way], self._image))
        unfit = [str(free[name]) for name in without]
        cure = f"Either require {pins}; or ship the others:{unprotecting(protected, in_the_way)}"
        if unfit:
            cure = f"Require {pins}, if that is meant: {', '.join(unfit)} has no wheel for Python {self._image.python}."
        raise ProtectedError("\n  ".join(lines), cure)

    def _old_releases(self, roots: "_Roots", solution: Solution) -> dict[NormalizedName, date]:
        """Return the added distributions that are over a year older than the newest release, and their days.

        A pin that an earlier lock has is kept on purpose. The newest release is the one that satisfies what the
        packages of this repository require.
        """
        added = {}
        for name, resolved in solution.items():
            is_kept = self._previous.get(name) == resolved.version
            if resolved.shipped and not resolved.url and name not in self._image.pins and not is_kept:
                added[name] = resolved.requirement()
        wheels = [as_chosen(wheel, self._freeze) for wheel in (roots.project, *roots.neighbours)]
        required = requirements_on(added, wheels, extras=roots.extras, image=self._image)
        lines = []
        for name in added:
            specifiers = ",".join(map(str, required.get(name, {}).values()))
            lines.append(f"{name}{specifiers}")
        newest = look_up(lines, options_for(self._image))
        different = [line for name, line in added.items() if newest[name].version != solution[name].version]
        old = {}
        for name, files in look_up(different, options_for(self._image)).items():
            last = newest[name].uploaded
            if files.uploaded and last and last - files.uploaded > _OLD:
                old[name] = files.uploaded
        return old

    def _younger(self, solution: Solution, old: Mapping[NormalizedName, date]) -> frozenset[NormalizedName]:
        """Return the names of old releases for which a solution has one that is over a year younger."""
        lines = [solution[name].requirement() for name in old if name in solution]
        younger = set()
        for name, files in look_up(lines, options_for(self._image)).items():
            if files.uploaded and files.uploaded - old[name] > _OLD:
                younger.add(name)
        return frozenset(younger)

    def reason(self, solution: Solution, name: NormalizedName, roots: Sequence[Wheel]) -> str:
        """Return why the image's version of ``name`` does not fit, such as ``"x 1.0 requires y>=2"``."""
        requirers = solution[name].via
        for requirer in requirers:
            found = self._requirement(solution, requirer, name, roots)
            if found is not None and not _admits(found, self._image.pins[name]):
                return f"{_named(solution, requirer, roots)} requires {_text(found)}"
        named = [_named(solution, requirer, roots) for requirer in requirers]
        return f"{', '.join(named)} requires another version"

    def _requirement(
        self, solution: Solution, requirer: NormalizedName, name: NormalizedName, roots: Sequence[Wheel]
    ) -> Requirement | None:
        """Return the requirement of ``requirer`` on ``name``, preferably one that excludes the image's version."""
        have = self._image.pins.get(name)
        candidates: list[tuple[bool, bool, Requirement]] = []
        for requirement in map(Requirement, self._requirements(solution, requirer, roots)):
            if canonicalize_name(requirement.name) != name:
                continue
            # The line of an extra counts only if nothing else explains the version: the extra may not be asked for.
            of_extra = "extra" in str(requirement.marker)
            if of_extra or requirement.marker is None or requirement.marker.evaluate(self._image.environment):
                fits = have is not None and _admits(requirement, have)
                candidates.append((fits, of_extra, requirement))
        return min(candidates, key=lambda candidate: candidate[:2])[2] if candidates else None

    def _try(self, roots: "_Roots", freedom: Freedom, *, settled: bool = False) -> Solution | str:
        """Resolve once; return uv's explanation if that fails.

        ``settled`` says that every replaceable distribution has to be replaced: its earlier pin is preferred to the
        image's version.
        """
        source = self._folder / "requirements.in"
        constraints = self._folder / "constraints.txt"
        output = self._folder / "requirements.txt"
        image = {name: _labelled(version) for name, version in self._image.pins.items()}
        source.write_text(roots.source + "".join(f"{name}\n" for name in self._required), encoding="utf-8")
        free = freedom.replaceable | roots.names
        fixed = {name: version for name, version in image.items() if name not in free}
        bounds = "".join(f"{line}\n" for line in self._bounds)
        constraints.write_text(roots.constraints + bounds + _lines(fixed))
        preferred = dict(image)
        for name, version in self._previous.items():
            if name not in image or (settled and name in freedom.replaceable):
                preferred[name] = version
        # uv prefers the versions that its output file lists already.
        output.write_text(_lines(preferred))
        options = [*options_for(self._image), "--annotation-style", "line", "--no-strip-extras"]
        # uv takes those of an option instead of the variable's.
        places = [str(self._stubs), *os.environ.get("UV_FIND_LINKS", "").split(",")]
        for place in filter(None, places):
            options += ["--find-links", place]
        options += ["--output-file", str(output)]
        if constraints.stat().st_size:
            options += ["--constraint", str(constraints)]
        lines = [*self._freeze.overrides, *roots.by_address]
        if lines:
            overrides = self._folder / "overrides.txt"
            overrides.write_text("".join(f"{line}\n" for line in lines))
            options += ["--overrides", str(overrides)]
        wheels = [":all:"] if freedom.wheels is None else sorted(freedom.wheels)
        options += [f"--only-binary={name}" for name in wheels]
        result = compile_requirements(source, *options, no_deps=self._freeze.no_deps)
        if result.returncode != 0:
            return result.stderr.strip()
        unknown = [(canonicalize_name(name), extra) for name, extra in _EXTRA.findall(result.stderr)]
        self.unknown_extras = {f"{name}[{extra}]" for name, extra in unknown}
        self.yanked = dict(_YANKED.findall(result.stderr))
        # The stubs of the image's distributions have no extras until one is required.
        missing = {name for name, _ in unknown if name in image} - self._extras
        if missing:
            self._add_extras(sorted(missing))
            return self._try(roots, freedom, settled=settled)
        return _read_solution(output.read_text(encoding="utf-8"), roots.names, image)

    def _tighten(
        self, roots: "_Roots", solution: Solution, *, first: Collection[NormalizedName] | None = None
    ) -> Solution:
        """Re-pin, one at a time, every package whose pin was relaxed unnecessarily.

        An attempt counts only if every added distribution keeps its version: an older release that requires less
        would always satisfy the image. With ``first``, the search explains a conflict: it begins with those names,
        and versions may change.
        """
        built = without_wheel(solution.values(), self._image)
        freedom = Freedom(replaceable=self._replaced(solution), wheels=frozenset(solution) - built)
        if not freedom.replaceable and not built:
            return solution
        preferred = frozenset(first or ())
        for name in sorted(freedom.replaceable, key=lambda name: (name not in preferred, name)):
            self._say(f"looking whether the image's {name} can stay")
            attempt = replace(freedom, replaceable=freedom.replaceable - {name})
            found = self._try(roots, attempt)
            if isinstance(found, str):
                continue
            if first is not None or self._added(found) == self._added(solution):
                freedom = replace(attempt, replaceable=self._replaced(found))
                solution = found
        for name in sorted(built):
            self._say(f"looking for a wheel of {name}")
            attempt = replace(freedom, wheels=(freedom.wheels or frozenset()) | {name})
            found = self._try(roots, attempt)
            if isinstance(found, dict) and (
                first is not None or self._added(found, name) == self._added(solution, name)
            ):
                freedom = replace(attempt, replaceable=self._replaced(found))
                solution = found
        if not self._previous:
            return solution
        settled = self._try(roots, freedom, settled=True)
        return settled if isinstance(settled, dict) else solution

    def _added(self, solution: Solution, left_out: NormalizedName | None = None) -> dict[NormalizedName, str]:
        """Return the versions of the distributions that the image lacks, by name, but for one."""
        names = solution.keys() - self._image.pins.keys() - {left_out}
        return {name: solution[name].version for name in names}

    def _error(self, roots: "_Roots", reason: str, protected: Collection[NormalizedName]) -> LockError:
        """Return the error for requirements that cannot be met whatever is replaced."""
        if is_network(reason):
            return LockError(
                f"the package index, or the host of a Git repository, does not answer:\n{reason}",
                "Check the network, then run again.",
            )
        built = _FAILED_BUILD.search(reason)
        if built and against_torch(reason):
            return no_wheel_against_torch(built[1], self._image)
        explanation = reason.replace(f"+{_LABEL}", " (image)")
        for name in sorted(protected):
            if re.search(rf"\b{re.escape(name)}[<>=!~ ]", reason):
                explanation += f"\nThe image has {name} {self._image.pins[name]}."
        if self._freeze.overriding:
            explanation += f"\nsubmission.toml overrides: {', '.join(self._freeze.overriding)}."
        problem = f"the requirements cannot be met:\n{explanation}"
        if _FAILED_GIT in reason:
            return LockError(problem, "Correct the address and the commit, or give Git access to the repository.")
        if built:
            # Another distribution may have the name on the index.
            hint = "Require another commit of it."
            if " @ " not in built[1]:
                hint = self._allowing(built[1].partition("==")[0])
            return UnbuiltError(problem, f"{hint} Or {ON_KAGGLE}", requirement=built[1])
        return LockError(problem, self._hint(roots, reason))

    def _hint(self, roots: "_Roots", reason: str) -> str:
        """Return the hint that names the distribution to change, as far as uv's explanation tells it."""
        own = {roots.project.name, *(wheel.name for wheel in roots.neighbours)}
        unfit = _NO_WHEELS.search(reason)
        if unfit:
            return self._with_wheel(unfit[1], unfit[0], reason, own)
        for requirer, requirement in _DEPENDS.findall(reason):
            if requirer not in own:
                return f"Allow another version of {requirer}: it requires {requirement}."
        return f"Correct the requirements of {roots.project.name}, or use another image."

    def _with_wheel(self, name: str, text: str, reason: str, own: Collection[str]) -> str:
        """Return the hint for a distribution that has no wheel for the image's Python, in the versions required.

        Args:
            name: of the distribution.
            text: uv's words for it.
            reason: all that uv says.
            own: the packages of this repository.
        """
        pin, python = text.partition(" ")[0], self._image.python
        dependencies = _DEPENDS.findall(reason)
        for requirer, requirement in dependencies:
            if requirer not in own and requirement == pin:
                return (
                    f"Allow another version of {requirer}: it requires {pin}, which has no wheel for Python {python}."
                )
        # uv ends with what a package of this repository requires: no version suits of one that it names alone.
        alone = [line for requirer, line in dependencies if requirer in own and re.fullmatch(r"[\w.-]+", line)]
        useless = [other for other in (*_USELESS.findall(reason), *alone[-1:]) if other not in {*own, name}]
        if useless:
            return f"Remove {useless[0]}, or use an older image: no version of it suits Python {python}."
        return self._allowing(name)

    def _allowing(self, name: str) -> str:
        """Return the hint that names a version of a distribution which the image has, or which has a wheel for it."""
        python, of_image = self._image.python, self._image.pins.get(canonicalize_name(name))
        if of_image is not None:
            return f"Allow {name} {of_image.public}, which the image has, or use an older image."
        newest = newest_with_wheel(canonicalize_name(name), self._image)
        if newest:
            return f"Allow {name} {newest}, which has a wheel for Python {python}, or use an older image."
        return f"Require another distribution: no release of {name} has a wheel for Python {python}."

    def _replaced(self, solution: Solution) -> frozenset[NormalizedName]:
        shipped = {name for name, resolved in solution.items() if resolved.shipped}
        return frozenset(shipped & self._image.pins.keys())

    def _add_extras(self, names: Sequence[NormalizedName]) -> None:
        """Rewrite the stubs of ``names`` with the requirements of their extras, as the index's wheels state them."""
        pins = [f"{name}=={self._image.pins[name].public}" for name in names]
        try:
            wheels = self._read_wheels(pins)
        except OfflineError as error:
            raise LockError(
                f"the extras of {', '.join(pins)} cannot be read:\n{error.problem}",
                "Require the distributions of the extra by name.",
            ) from error
        for wheel in wheels:
            extras = [line for line in wheel.requirements if "extra ==" in line]
            _write_stub(self._stubs, wheel.name, self._image.pins[wheel.name], extras)
        self._extras.update(names)

    def _requirements(self, solution: Solution, name: NormalizedName, roots: Sequence[Wheel]) -> Sequence[str]:
        """Return the requirements of a distribution of the solution; empty where they cannot be read."""
        own = {wheel.name: wheel for wheel in roots}
        if name in own:
            return own[name].requirements
        resolved = solution[name]
        if resolved.provided or resolved.url or name in without_wheel([resolved], self._image):
            return ()
        line = resolved.requirement()
        if line not in self._read:
            try:
                (wheel,) = self._read_wheels([line])
                self._read[line] = as_chosen(wheel, self._freeze).requirements
            except OfflineError:
                self._read[line] = ()
        return self._read[line]

    def _conflict(self, roots: "_Roots", solution: Solution, protected: Sequence[str]) -> tuple[str, str]:
        """Return the problem and the hint for a protected distribution that does not fit."""
        wheels = (roots.project, *roots.neighbours)
        names = matching(self._replaced(solution), protected)
        # The other conflicts may only follow from the one that is nearest to the project.
        chain = min(self._chains(roots, solution, names), key=lambda chain: (len(chain), chain))
        name = chain[-1]
        have = self._image.pins[name]
        lines = [f"{name}: the image has {have}, which is protected, but another version is required:"]
        for requirer, required in pairwise(chain):
            found = self._requirement(solution, requirer, required, wheels)
            requirement = _text(found) if found else required
            lines.append(f"  {_named(solution, requirer, wheels)} requires {requirement}")
        moved = [f"{other} {self._image.pins[other]} → {solution[other].version}" for other in sorted(names)]
        broken = [each for each in self._broken_by(solution) if each.name not in names]
        followers = matching({each.name for each in broken}, protected)
        moved += [f"{other} {self._image.pins[other]}" for other in sorted(followers)]
        if len(moved) > 1:
            lines.append(f"  would move together: {', '.join(moved)}")
        if len(chain) > 2:  # noqa: PLR2004 - something stands between the project and it
            first = f"require another version of {chain[1]}, or remove it"
        else:
            first = f"allow {name} {have} in the requirement"
        hint = f"Either {first}; or use an image that has the version"
        if without_wheel([solution[each] for each in names], self._image):
            return "\n".join(lines), f"{hint}; {solution[name]} has no wheel for Python {self._image.python}."
        return "\n".join(lines), f"{hint}; or ship {solution[name]}:{unprotecting(protected, [*names, *followers])}"

    def _chains(
        self, roots: "_Roots", solution: Solution, names: Collection[NormalizedName]
    ) -> list[list[NormalizedName]]:
        """Return chains from the project to replaced distributions: through what excludes the image's version."""
        wheels = (roots.project, *roots.neighbours)
        project = roots.project.name
        excluding = []
        for name in names:
            for requirer in solution[name].via:
                found = self._requirement(solution, requirer, name, wheels)
                if found is not None and not _admits(found, self._image.pins[name]):
                    first = [requirer] if requirer == project else _chain(solution, requirer, project)
                    excluding.append([*first, name])
        return excluding or [_chain(solution, name, project) for name in names]

    def _broken_by(self, solution: Solution) -> list[Breakage]:
        """Return what a solution would break of the image's distributions that the kernel uses."""
        replaced = {name: solution[name].version for name in self._replaced(solution) if solution[name].version}
        provided = [name for name, item in solution.items() if item.provided]
        of_kernel, _ = breakages_by_use(replaced, provided, self._of_image(), self._image)
        return of_kernel


@dataclass(frozen=True)
class _Roots:
    """The roots of a resolution: the project, with some of its extras, and its neighbours in this repository."""

    project: Wheel
    neighbours: tuple[Wheel, ...]
    extras: tuple[str, ...]

    @property
    def source(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project.name}{extras} @ {self.project.path.resolve().as_uri()}\n"

    @property
    def constraints(self) -> str:
        lines = (f"{wheel.name} @ {wheel.path.resolve().as_uri()}" for wheel in self.neighbours)
        return "".join(f"{line}\n" for line in lines if line not in self.by_address)

    @property
    def by_address(self) -> list[str]:
        """Return the neighbours that another requires by an address: uv takes no second address as a constraint."""
        named: set[str] = set()
        for wheel in (self.project, *self.neighbours):
            required = map(Requirement, wheel.requirements)
            named.update(canonicalize_name(line.name) for line in required if line.url)
        wheels = [wheel for wheel in self.neighbours if wheel.name in named]
        return [f"{wheel.name} @ {wheel.path.resolve().as_uri()}" for wheel in wheels]

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.project.name, *(wheel.name for wheel in self.neighbours)})


def matching(names: Collection[NormalizedName], patterns: Sequence[str]) -> frozenset[NormalizedName]:
    """Return the names that match one of the patterns, such as ``"nvidia-*"``."""
    canonical = [canonicalize_name(pattern) for pattern in patterns]
    found: set[NormalizedName] = set()
    for pattern in canonical:
        found.update(name for name in names if fnmatch(name, pattern))
    return frozenset(found)


def without_wheel(resolved: Iterable[Resolved], image: ImageManifest) -> frozenset[NormalizedName]:
    """Return the names of the shipped distributions that have no wheel for the image."""
    files = look_up([item.requirement() for item in resolved if item.shipped], options_for(image))
    return frozenset(name for name, found in files.items() if not found.wheels)


def unprotecting(protected: Sequence[str], names: Collection[NormalizedName]) -> str:
    """Return the lines of submission.toml that protect all but some names."""
    kept = [pattern for pattern in protected if not matching(names, [pattern])]
    return f" in submission.toml, write\n[freeze]\nprotected = {json.dumps(kept)}"


def _lines(versions: Mapping[NormalizedName, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in versions.items())


def _read_solution(text: str, own: Collection[str], image: Mapping[NormalizedName, str]) -> Solution:
    """Read uv's output; ``image`` has the labelled versions."""
    solution: Solution = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name = canonicalize_name(match[1])
        version = match[2] or ""
        provided = image.get(name) == version
        if provided:
            version = Version(version).public
        # As in ``# via -r requirements.in, httpx[http2]``.
        requirers = [text.partition("[")[0] for text in (match[4] or "").split(", ")]
        via = {canonicalize_name(text) for text in requirers if text and not text.startswith("-")}
        solution[name] = Resolved(
            name=name, version=version, url=match[3] or "", via=tuple(sorted(via)), provided=provided, own=name in own
        )
    return solution


def _chain(solution: Solution, name: NormalizedName, root: str) -> list[NormalizedName]:
    """Return the shortest chain of requirements from ``root`` to ``name``."""
    chains = [[name]]
    seen = {name}
    # Breadth first: the list grows while it is read.
    for chain in chains:
        requirers = solution[chain[0]].via if chain[0] in solution else ()
        for via in requirers:
            if via == root:
                return [via, *chain]
            if via not in seen:
                seen.add(via)
                chains.append([via, *chain])
    return [name]


def _named(solution: Solution, name: NormalizedName, roots: Sequence[Wheel]) -> str:
    versions = {wheel.name: wheel.version for wheel in roots}
    return f"{name} {versions.get(name) or solution[name].version}".strip()


def _text(requirement: Requirement) -> str:
    if requirement.url:
        return f"{requirement.name} @ {requirement.url}"
    return f"{requirement.name}{requirement.specifier}"


def _admits(requirement: Requirement, version: Version) -> bool:
    return not requirement.url and requirement.specifier.contains(version, prereleases=True)


def _labelled(version: Version) -> str:
    """Mark the image's version with a label that no index has; a label of its own stays, since it may be required."""
    return str(version) if version.local else f"{version}+{_LABEL}"


def _write_stub(folder: Path, name: str, version: Version, extras: Sequence[str]) -> None:
    """Write a wheel whose only requirements are those of its ``extras``: lines with an ``extra`` marker."""
    stem = f"{name.replace('-', '_')}-{_labelled(version)}"
    names = set(re.findall(r'extra == "([^"]+)"', "\n".join(extras)))
    lines = [f"Provides-Extra: {extra}\n" for extra in sorted(names)]
    lines += [f"Requires-Dist: {line}\n" for line in extras]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        info = f"{stem}.dist-info"
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {_labelled(version)}\n"
        wheel.writestr(f"{info}/METADATA", "".join([head, *lines]))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: kaggle-offline\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
