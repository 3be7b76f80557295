"""The distributions that a kernel has: resolved on an image, such that nothing it uses of the image breaks.

The resolver sees only the requirements of what is shipped. Two things more can make one of the image's distributions
unfit, and it is then resolved as if the image lacked it: its version is an estimate that may not be what is required;
or it requires another version of something that is replaced.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from packaging.utils import NormalizedName
from platformdirs import user_cache_path

from kaggle_offline.dependencies.breakage import Breakage, breakages_by_use
from kaggle_offline.dependencies.image_resolver import Resolver, Solution, matching, unprotecting, without_wheel
from kaggle_offline.dependencies.index.download import read_wheels
from kaggle_offline.dependencies.index.metadata import requirements_of
from kaggle_offline.dependencies.index.package_index import look_up, options_for
from kaggle_offline.dependencies.provided import requirements_on, uncertain
from kaggle_offline.dependencies.wheels import Wheel, as_chosen
from kaggle_offline.errors import LockError, ProtectedError
from kaggle_offline.files import read_json, write_text
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.repository.submission_toml import FreezeSettings
from kaggle_offline.uv import is_network

# Each round mends what the one before has broken.
_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A project to resolve on an image.

    Attributes:
        wheels: of this repository, the project's first.
        extras: of the project.
        image: to resolve on.
        freeze: the user's choices.
        kept: pins of an earlier lock, by name.
        scratch: a folder for temporary files.
    """

    wheels: Sequence[Wheel]
    extras: Sequence[str]
    image: ImageManifest
    freeze: FreezeSettings
    kept: Mapping[NormalizedName, str]
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A solution for an image.

    Attributes:
        resolver: that found it.
        solution: the distributions.
        left_out: why the image's version of a distribution was left out, by name.
        constraints: that what is kept of the image puts on what is replaced.
        moved: the distributions of the image that have to move with what is replaced.
    """

    resolver: Resolver
    solution: Solution
    left_out: Mapping[NormalizedName, str]
    constraints: tuple[str, ...] = ()
    moved: tuple[NormalizedName, ...] = ()


def find_solution(problem: Problem, say: Callable[[str], None]) -> Resolution:
    """Resolve on the image; ``say`` takes the step that the search is at.

    Raises:
        LockError: the requirements cannot be met, or what meets them breaks something of the image.
    """
    found = _resolve(problem, {}, (), say)
    accepted: set[NormalizedName] = set()
    while True:
        say("comparing the requirements with the image's estimated versions")
        more = _uncertainties(found.solution, problem)
        name = next((name for name in more if name not in accepted), None)
        if name is None:
            return _mended(found, problem, say)
        reason = f"its version is estimated, and {more[name]}"
        try:
            found = _resolve(problem, {**found.left_out, name: reason}, (), say)
        except LockError as error:
            if is_network(error.problem):
                raise
            # Nothing better than the image's version is left; install.py compares it with the requirements.
            print(f"  {name}: estimated, and cannot be shipped instead, although {more[name]}", flush=True)
            accepted.add(name)


def _resolve(
    problem: Problem,
    left_out: Mapping[NormalizedName, str],
    constraints: Sequence[str],
    say: Callable[[str], None],
    moved: Sequence[NormalizedName] = (),
) -> Resolution:
    """Resolve without some of the image's distributions, and with constraints of what it keeps.

    Those in ``moved`` are required: the stubs of the image's distributions, which need them, require nothing.
    """
    image = problem.image
    pins = {name: version for name, version in image.pins.items() if name not in left_out}
    resolver = Resolver(
        replace(image, pins=pins),
        previous=problem.kept,
        read_wheels=partial(read_wheels, image=image),
        folder=Path(tempfile.mkdtemp(dir=problem.scratch)),
        say=say,
        required=moved,
        bounds=constraints,
        freeze=problem.freeze,
        of_image=partial(_requirements_in, image),
    )
    project, *neighbours = problem.wheels
    solution = resolver.resolve(project, neighbours, extras=problem.extras)
    return Resolution(
        resolver=resolver, solution=solution, left_out=left_out, constraints=tuple(constraints), moved=tuple(moved)
    )


def _mended(found: Resolution, problem: Problem, say: Callable[[str], None]) -> Resolution:
    """Return a solution that breaks nothing that the kernel uses of the image, and report other breakage.

    Raises:
        LockError: every solution breaks something; names it.
    """
    for _ in range(_ROUNDS):
        broken, others = _broken(found, problem, say)
        if not broken:
            if others:
                names = sorted({each.name for each in others})
                why = "the kernel does not use them"
                if problem.freeze.overrides:
                    why += ", or their requirements are overridden"
                print(f"  no longer fit, and {why}: {', '.join(names)}", flush=True)
            return found
        found = _without_breakage(found, broken, problem, say)
    raise _error(broken, problem)


def _broken(found: Resolution, problem: Problem, say: Callable[[str], None]) -> tuple[list[Breakage], list[Breakage]]:
    """Return the distributions of the image that no longer fit: those that the kernel uses, and others."""
    image = problem.image
    replaced = _replaced(found.solution, problem)
    if not replaced:
        return [], []
    say("comparing what is replaced with the rest of the image")
    requirements = _requirements_in(image)
    provided = [name for name, item in found.solution.items() if item.provided]
    of_kernel, others = breakages_by_use(replaced, provided, requirements, image)
    # An override says that the others' requirements do not count.
    broken = [each for each in of_kernel if each.replaced not in problem.freeze.overridden]
    return broken, [*others, *(each for each in of_kernel if each not in broken)]


def _replaced(solution: Solution, problem: Problem) -> dict[NormalizedName, str]:
    """Return the new versions of the image's distributions: releases, wheels of the user's own, and addresses."""
    own = {wheel.name: wheel.version for wheel in problem.wheels}
    replaced = {}
    for name, item in solution.items():
        if name in problem.image.pins and not item.provided:
            replaced[name] = own.get(name) or item.version
    lines = [solution[name].requirement() for name, version in replaced.items() if not version]
    replaced |= {name: files.version for name, files in look_up(lines, options_for(problem.image)).items()}
    return {name: version for name, version in replaced.items() if version}


def _without_breakage(
    found: Resolution, broken: Sequence[Breakage], problem: Problem, say: Callable[[str], None]
) -> Resolution:
    """Resolve with what the image's distributions require, or else without the image's versions of these.

    Raises:
        LockError: neither has a solution.
    """
    constraints = (*found.constraints, *(each.requirement for each in broken))
    try:
        return _resolve(problem, found.left_out, constraints, say, found.moved)
    except LockError as error:
        if is_network(error.problem):
            raise
    fixed = matching(problem.image.pins, problem.freeze.protected)
    reasons = {each.name: f"the image's requires {each.requirement}" for each in broken if each.name not in fixed}
    if not reasons:
        raise _error(broken, problem)
    try:
        moved = tuple(dict.fromkeys([*found.moved, *reasons]))
        return _resolve(problem, {**found.left_out, **reasons}, found.constraints, say, moved)
    except LockError as error:
        if is_network(error.problem):
            raise
        raise _error(broken, problem) from error


def _error(broken: Sequence[Breakage], problem: Problem) -> LockError:
    fixed = matching({each.name for each in broken}, problem.freeze.protected)
    lines = "\n  ".join(map(str, broken))
    names = ", ".join(sorted({f"{each.replaced} {each.requirement[len(each.replaced) :]}" for each in broken}))
    if fixed:
        cure = f"Either require {names}; or let the others move, too:{unprotecting(problem.freeze.protected, fixed)}"
        return ProtectedError(f"the kernel would break what it uses:\n  {lines}", cure)
    return LockError(f"the kernel would break what it uses:\n  {lines}", f"Require {names}, or use another image.")


def _requirements_in(image: ImageManifest) -> dict[NormalizedName, tuple[str, ...]]:
    """Return the requirements of an image's distributions, which are asked for once."""
    path = user_cache_path("kaggle-offline") / "images" / f"{image.digest.removeprefix('sha256:')}.json"
    try:
        known: dict[NormalizedName, tuple[str, ...]] = read_json(path)
        return {name: tuple(lines) for name, lines in known.items()}
    except (OSError, ValueError):
        found, is_whole = requirements_of(image, sorted(image.pins))
        if is_whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(found))
        return found


def _uncertainties(solution: Solution, problem: Problem) -> dict[NormalizedName, str]:
    """Return what is required of the estimated distributions that have to be shipped instead, by name.

    The requirements of shipped sources and Git commits are not known before they are built.
    """
    image = problem.image
    candidates = image.estimated - matching(image.pins, problem.freeze.protected)
    estimated = {name for name, resolved in solution.items() if resolved.provided and name in candidates}
    # An extra that is required further away can lead to a requirement.
    requirers, waiting = set[NormalizedName](), [*estimated]
    while waiting:
        via = set(solution[waiting.pop()].via) & solution.keys() - requirers
        requirers |= via
        waiting += via
    shipped = [solution[name] for name in sorted(requirers) if solution[name].shipped]
    sources = without_wheel(shipped, image)
    lines = [resolved.requirement() for resolved in shipped if not resolved.url and resolved.name not in sources]
    wheels = [as_chosen(wheel, problem.freeze) for wheel in problem.wheels]
    if lines:
        wheels += [as_chosen(wheel, problem.freeze) for wheel in read_wheels(lines, image)]
    return uncertain(requirements_on(estimated, wheels, extras=problem.extras, image=image), image)
