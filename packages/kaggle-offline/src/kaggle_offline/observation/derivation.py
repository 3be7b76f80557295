"""``image derive``: the content of Kaggle's image, derived from public lists.

Kaggle builds its image on a Colab runtime (Kaggle/docker-python, Dockerfile.tmpl). The derivation follows the build:

1. the base is the ``pip freeze`` of that runtime (googlecolab/backend-info);
2. ``kaggle_requirements.txt`` is resolved on it as of the day of the build: the base's tensorflow, keras, torch and
   jax are held, its other versions are preferred;
3. the Dockerfile's own ``pip install`` and ``pip uninstall`` commands follow.

A version that the resolver gives is *estimated*. The versions of the base and those of exact pins are *published*. A
distribution that comes from a Git repository, or is built while the image is, is known by name only.
"""

import re
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from kaggle_offline.dependencies.index.package_index import compile_requirements, options_for
from kaggle_offline.errors import ConfigurationError, LockError, NetworkError
from kaggle_offline.repository.image_manifest import ImageManifest
from kaggle_offline.uv import is_network

# As in the Dockerfile: pip freeze | grep -E 'tensorflow|keras|torch|jax'.
_HELD = re.compile(r"tensorflow|keras|torch|jax")
# Libraries that torch requires in other versions, or not at all, in another build than Kaggle's.
_ACCELERATOR = re.compile(r"nvidia-|cuda-|triton")

# The version of each distribution of a solution, and those that require it.
_Solution = dict[NormalizedName, tuple[str, tuple[str, ...]]]

_LINE = re.compile(r"([\w.-]+)(?:\[[^]]*\])?==(\S+?)(?:\s+# via (.*))?", re.ASCII)
_VIA_FILE = re.compile(r"-r \S+")
_BRANCH = re.compile(r"\{\{\s*(if eq \.Accelerator \"(\w+)\"|else|end)\s*\}\}")
# Options of pip whose value is the next word.
_WITH_VALUE = (
    *("-c", "-e", "-f", "-i", "-r", "-t", "--constraint", "--editable", "--extra-index-url", "--find-links"),
    *("--index-url", "--python", "--requirement", "--target"),
)

_COLAB = "https://raw.githubusercontent.com/googlecolab/backend-info/main"
_DOCKER_PYTHON = "https://raw.githubusercontent.com/Kaggle/docker-python/main"
_ANSWER_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The public lists that an image is derived from, as texts.

    Attributes:
        base: the ``pip freeze`` of the Colab runtime.
        requirements: ``kaggle_requirements.txt``.
        dockerfile: the Dockerfile, or its template, of which only pip's commands are read.
    """

    base: str
    requirements: str
    dockerfile: str


@dataclass(frozen=True, kw_only=True)
class _Command:
    """A ``pip install`` or ``pip uninstall`` of the Dockerfile: its requirements, and its options."""

    words: tuple[str, ...]
    uninstall: bool
    forced: bool


@dataclass
class _Content:
    """The content of an image while it is derived."""

    pins: dict[NormalizedName, str] = field(default_factory=dict)
    estimated: set[NormalizedName] = field(default_factory=set)
    unlisted: set[NormalizedName] = field(default_factory=set)


def read_source(place: str) -> str:
    """Read a list from a file or an address.

    Raises:
        ConfigurationError: the file cannot be read.
        NetworkError: the address does not answer with a text.
    """
    if not place.startswith(("http://", "https://")):
        try:
            return Path(place).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{place}: {error}", "Name a text file, or an http address.") from error
    try:
        answer = requests.get(place, timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise NetworkError(f"{place}: {error}") from error
    return answer.text


def published_lists(*, gpu: bool, mirror: str = "") -> dict[str, str]:
    """Return the places of the newest lists, by the attribute of a recipe; a mirror is a folder or address with all."""
    variant = ".gpu" if gpu else ""
    return {
        "base": f"{mirror or _COLAB}/pip-freeze{variant}.txt",
        "requirements": f"{mirror or _DOCKER_PYTHON}/kaggle_requirements.txt",
        "dockerfile": f"{mirror or _DOCKER_PYTHON}/Dockerfile.tmpl",
    }


def python_of(recipe: Recipe) -> str:
    """Return the minor version of the image's Python, as the Dockerfile's folders have it; empty without one."""
    found = re.search(r"/python(3\.\d+)/", recipe.dockerfile)
    return found[1] if found else ""


def derive(
    recipe: Recipe, header: Mapping[str, str], *, as_of: date
) -> tuple[dict[str, str], dict[NormalizedName, str]]:
    """Derive the content of an image.

    Args:
        recipe: the public lists.
        header: of the manifest; ``python``, ``platform`` and ``accelerator`` count.
        as_of: releases of later days are left out.

    Returns:
        The header with ``unlisted`` and ``estimated``, and the pins.

    Raises:
        ConfigurationError: a list is malformed.
        LockError: the requirements have no solution on that day, or the package index does not answer.
    """
    minor = ".".join(header["python"].split(".")[:2])
    platform = header["platform"]
    image = ImageManifest(name="", python=minor, platform=platform, pins={}, header=dict(header), digest="")
    content = _read_base(recipe.base)
    wanted = _read_requirements(recipe.requirements, content)
    held = [f"{name}=={_public(version)}" for name, version in content.pins.items() if _HELD.search(name)]
    solution = _resolve([*held, *map(str, wanted)], content.pins, image, as_of)
    _merge(content, solution, exact=_names(wanted, exact=True))
    for command in _commands(recipe.dockerfile, header["accelerator"]):
        _run(command, content, image, as_of)
    lists = {"unlisted": content.unlisted - content.pins.keys(), "estimated": content.estimated & content.pins.keys()}
    return {**header, **{key: " ".join(sorted(names)) for key, names in lists.items() if names}}, content.pins


def _read_base(text: str) -> _Content:
    """Read a ``pip freeze``; archives are known by their file names, and Git repositories by name only."""
    content = _Content()
    for line in _lines(text):
        name, at, url = line.partition(" @ ")
        if at:
            version = "" if url.startswith("git+") else _version_of_archive(url)
        else:
            name, _, version = line.partition("==")
        if version:
            content.pins[canonicalize_name(name)] = version
        elif at:
            content.unlisted.add(canonicalize_name(name))
        else:
            raise ConfigurationError(f"the base: {line}: not a pin", "Give a list that pip freeze has written.")
    return content


def _version_of_archive(url: str) -> str:
    """Return the version that the name of a wheel or source distribution states; empty if it states none."""
    file = PurePosixPath(urlsplit(url).path).name
    try:
        parsed = parse_wheel_filename(file)[:2] if file.endswith(".whl") else parse_sdist_filename(file)
        return str(parsed[1])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a requirements file without comments and options."""
    for line in text.splitlines():
        words = re.sub(r"(^|\s)#.*", "", line).strip()
        if words and not words.startswith("-"):
            yield words


def _read_requirements(text: str, content: _Content) -> list[Requirement]:
    """Read ``kaggle_requirements.txt``; its Git repositories are known by name only.

    Raises:
        ConfigurationError: a line is not a requirement.
    """
    found = []
    for line in _lines(text):
        if line.startswith("git+"):
            content.unlisted.add(_name_of_repository(line))
        else:
            found.append(_requirement(line))
    return found


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ConfigurationError(f"{text}: not a requirement: {error}", "Correct the list.") from error


def _name_of_repository(url: str) -> NormalizedName:
    return canonicalize_name(PurePosixPath(urlsplit(url).path.partition("@")[0]).name.removesuffix(".git"))


def _names(wanted: Iterable[Requirement], *, exact: bool) -> set[NormalizedName]:
    """Return the names of requirements with an exact pin, or with any specifier."""
    found = set()
    for requirement in wanted:
        operators = {clause.operator for clause in requirement.specifier}
        if operators == {"=="} or (operators and not exact):
            found.add(canonicalize_name(requirement.name))
    return found


def _resolve(
    lines: Sequence[str],
    preferred: Mapping[NormalizedName, str],
    image: ImageManifest,
    as_of: date,
    *options: str,
) -> _Solution:
    """Resolve requirements; return the version of each distribution and those that require it, by name.

    Raises:
        LockError: the requirements had no solution on that day, or the package index does not answer.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch) / "requirements.in", Path(scratch) / "requirements.txt"
        source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        # uv prefers the versions that its output file lists already.
        output.write_text("".join(f"{name}=={_public(version)}\n" for name, version in preferred.items()))
        end = f"{as_of + timedelta(days=1)}T00:00:00Z"
        fixed = [*options_for(image), "--exclude-newer", end, "--annotation-style", "line"]
        result = compile_requirements(source, *fixed, "--quiet", "--output-file", str(output), *options)
        if result.returncode != 0:
            raise LockError(
                f"the image's requirements cannot be met as of {as_of}:\n{result.stderr.strip()}",
                "Check the network, the day, and that the lists are of the same build.",
            )
        found = {}
        for match in filter(None, map(_LINE.fullmatch, output.read_text(encoding="utf-8").splitlines())):
            requirers = _VIA_FILE.sub("requirements", match[3] or "").split(", ")
            found[canonicalize_name(match[1])] = match[2], tuple(text.partition("[")[0] for text in requirers)
        return found


def _merge(content: _Content, solution: _Solution, *, exact: set[NormalizedName]) -> None:
    """Take over the new versions of a solution; those of names that are not ``exact`` are estimated."""
    left_out = _of_another_torch(content, solution)
    for name, (version, _) in solution.items():
        if name not in left_out and _public(content.pins.get(name, "")) != version:
            content.pins[name] = version
            content.estimated.add(name)
            content.estimated -= exact


def _of_another_torch(content: _Content, solution: _Solution) -> set[NormalizedName]:
    """Return the accelerator's libraries that the image lacks and nothing requires but torch, and each other."""
    found = set()
    for name, (_, requirers) in solution.items():
        others = [requirer for requirer in requirers if requirer != "torch" and not _ACCELERATOR.match(requirer)]
        if _ACCELERATOR.match(name) and name not in content.pins and not others:
            found.add(name)
    return found


def _commands(dockerfile: str, accelerator: str) -> Iterator[_Command]:
    """Yield pip's commands in a Dockerfile, or in a template of one, whose conditions ask for the accelerator."""
    text = re.sub(r"(?m)^\s*#.*\n", "", dockerfile).replace("\\\n", " ")
    skipped = False
    for line in text.splitlines():
        branch = _BRANCH.match(line.strip())
        if branch is not None:
            skipped = {"else": not skipped, "end": False}.get(branch[1], branch[2] != accelerator)
        elif line.startswith("RUN ") and not skipped:
            for command in re.split(r"&&|;|\|\|?", line.removeprefix("RUN ")):
                yield from _pip_command(command)


def _pip_command(text: str) -> Iterator[_Command]:
    """Yield the command of a shell if it is pip's, or uv's."""
    try:
        words = shlex.split(text)
    except ValueError:
        return
    if "pip" not in words[:3]:
        return
    verb, *arguments = words[words.index("pip") + 1 :] or [""]
    if verb not in ("install", "uninstall"):
        return
    named = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        if not word.startswith("-") and before not in _WITH_VALUE and "/" not in word.partition("git+")[0]:
            named.append(word)
    if named:
        forced = "--force-reinstall" in arguments or "--upgrade" in arguments
        yield _Command(words=tuple(named), uninstall=verb == "uninstall", forced=forced)


def _run(command: _Command, content: _Content, image: ImageManifest, as_of: date) -> None:
    """Apply a command of the Dockerfile to the content.

    The version of a requirement with a specifier is published: the bounds of the Dockerfile are below the newest
    release, so that they leave one version. A distribution without a wheel is known by name only.
    """
    if command.uninstall:
        for word in command.words:
            content.pins.pop(canonicalize_name(word), None)
        return
    repositories = [word for word in command.words if word.startswith("git+")]
    content.unlisted.update(map(_name_of_repository, repositories))
    wanted = [_requirement(word) for word in command.words if word not in repositories]
    new = [requirement for requirement in wanted if command.forced or not _has(content, requirement)]
    if not _names(new, exact=False):
        # Any release would do, one without a wheel included.
        for requirement in new:
            _add_if_there_is_a_wheel(requirement, content, image, as_of)
    elif new:
        preferred = {} if command.forced else content.pins
        solution = _resolve(list(map(str, new)), preferred, image, as_of, "--only-binary", ":all:")
        _merge(content, solution, exact=_names(new, exact=False))


def _add_if_there_is_a_wheel(requirement: Requirement, content: _Content, image: ImageManifest, as_of: date) -> None:
    try:
        solution = _resolve([str(requirement)], content.pins, image, as_of, "--only-binary", ":all:")
    except LockError as error:
        if is_network(error.problem):
            raise
        content.unlisted.add(canonicalize_name(requirement.name))
    else:
        _merge(content, solution, exact=set())


def _has(content: _Content, requirement: Requirement) -> bool:
    version = content.pins.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _public(version: str) -> str:
    return version.partition("+")[0]
