"""Upstream kernels: those of this repository whose output other kernels of it read (``kernel_sources``)."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import read_json


def upstreams_of(repository: Path, competition: str) -> dict[str, str]:
    """Return the kernel folders whose output a competition's kernel reads, by the names that it has for them.

    A malformed ``kernel-metadata.json`` names none; its reader reports it.
    """
    sources = _metadata(repository, competition).get("kernel_sources")
    named = [source for source in sources if isinstance(source, str)] if isinstance(sources, list) else []
    # Kaggle drops the version of a source.
    wanted = {"/".join(source.casefold().split("/")[:2]): source for source in named}
    found = {}
    if wanted:
        for path in sorted((repository / "kernels").glob("*/kernel-metadata.json")):
            name = path.parent.name
            ref = str(_metadata(repository, name).get("id")).casefold()
            is_pushed = (path.parent / "submission.toml").is_file()
            if is_pushed and ref in wanted and name != competition:
                found[wanted[ref]] = name
    return found


def with_upstreams(repository: Path, competitions: Iterable[str]) -> list[str]:
    """Return competitions and all of their upstream kernels, each after those that it reads.

    Raises:
        ConfigurationError: two kernels read each other's output.
    """
    order = TopologicalSorter[str]()
    waiting, seen = list(competitions), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.add(name)
            upstreams = list(upstreams_of(repository, name).values())
            order.add(name, *upstreams)
            waiting += upstreams
    try:
        return list(order.static_order())
    except CycleError as error:
        names = " and ".join(sorted(set(error.args[1])))
        raise ConfigurationError(
            f"kernel_sources: {names} read each other's output", "Remove one of them from kernel-metadata.json."
        ) from error


def chains_of(repository: Path, competitions: Iterable[str]) -> dict[str, str]:
    """Return a name for each competition, which those have in common that read the output of the same kernels."""
    chains: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for competition in competitions:
        read = with_upstreams(repository, [competition])
        known = sorted({chains[name] for name in read if name in chains})
        chain = known[0] if known else competition
        for other in known[1:]:
            for name in members.pop(other):
                chains[name] = chain
                members[chain].append(name)
        for name in read:
            if name not in chains:
                chains[name] = chain
                members.setdefault(chain, []).append(name)
    return {competition: chains[competition] for competition in competitions}


def _metadata(repository: Path, competition: str) -> dict[str, Any]:
    try:
        metadata = read_json(repository / "kernels" / competition / "kernel-metadata.json")
    except (OSError, ValueError):
        return {}
    return metadata if isinstance(metadata, dict) else {}
