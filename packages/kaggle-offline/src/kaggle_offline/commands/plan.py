"""``plan``: which competitions a submit tag, or a change, is about."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kaggle_offline.errors import ConfigurationError, TagError
from kaggle_offline.git import COMMIT_LENGTH, git
from kaggle_offline.reports.github import add_summary, give_jobs
from kaggle_offline.reports.markdown import in_cell
from kaggle_offline.repository.competition_inputs import committed, inputs_of, is_path, touched, tracked_links
from kaggle_offline.repository.git_changes import ask, changed_entries, changed_since, not_whole
from kaggle_offline.repository.provenance import LOOKS, PREFIX, SubmitTag, parse_tag

# How many changed files are shown.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The competitions to submit or rehearse, and why.

    Attributes:
        of: what it is for, in words.
        reasons: why, by competition: all of those that are to be submitted, or predicted.
        others: why not, by competition.
    """

    of: str
    reasons: Mapping[str, str]
    others: Mapping[str, str]

    def __str__(self) -> str:
        """For a terminal."""
        width = max(map(len, self.reasons), default=0)
        rows = [f"  {competition.ljust(width)}  {why}" for competition, why in self.reasons.items()]
        rows += [f"  {why}: {', '.join(names)}" for why, names in self._alike().items()]
        return "\n".join([f"{self.of}: {self.count}", *rows])

    def markdown(self) -> str:
        """For a workflow run's page."""
        rows = [f"| {in_cell(competition)} | {in_cell(why)} |" for competition, why in self.reasons.items()]
        table = ["", "| competition | why |", "| --- | --- |", *rows] if rows else []
        notes = [f"\n{in_cell(why)}: {in_cell(', '.join(names))}" for why, names in self._alike().items()]
        return "\n".join([f"### {self.of}: {self.count}", *table, *notes])

    def _alike(self) -> dict[str, list[str]]:
        """The others by why they are not among them."""
        found: dict[str, list[str]] = {}
        for competition, why in self.others.items():
            found.setdefault(why, []).append(competition)
        return found

    @property
    def count(self) -> str:
        """How many competitions, in words."""
        number = len(self.reasons)
        return f"{number or 'no'} competition{'' if number == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class _SetTag:
    """A submit tag that is set: its commit, that one's tree, and when it was set as far as Git knows."""

    tag: SubmitTag
    commit: str
    tree: str
    date: int


def plan_tag(repository: Path, text: str) -> Plan:
    """Plan the submissions of a tag on the commit that is checked out, be it set or not.

    Raises:
        TagError: it is no submit tag, names no competition, is set elsewhere, or its version does not grow.
        ConfigurationError: Git knows nothing of this folder, or not all of its history.
    """
    tag = parse_tag(text)
    if ask(repository, "rev-parse", "--is-shallow-repository") == "true":
        raise not_whole(repository)
    commit, tree = ask(repository, "rev-parse", "HEAD", "HEAD^{tree}").split()
    with committed(repository) as (folder, links):
        inputs = inputs_of(folder, links)
    competitions = sorted(inputs)
    if tag.competition and tag.competition not in competitions:
        there = ", ".join(competitions) or "none"
        raise TagError(
            f"{text}: kernels/{tag.competition} is not there", f"A tag looks like {LOOKS}; there are: {there}."
        )
    tags = _set_tags(repository)
    # Tags on later commits are of no account, so that what a tag means stays the same.
    later = {
        other for other in _around(repository, commit, "contains") if other in tags and tags[other].commit != commit
    }
    earlier = {other: found for other, found in tags.items() if other not in later}
    _check(tag, earlier, tags, commit)
    of = f"{tag} at {commit[:COMMIT_LENGTH]}"
    if tag.competition:
        others = {c: "not what the tag names" for c in competitions if c != tag.competition}
        return Plan(of=of, reasons={tag.competition: "the tag names it"}, others=others)
    bases = _bases(repository, tag, earlier, competitions)
    folders = {path.rpartition("/")[0] for paths in inputs.values() for path in filter(is_path, paths)}
    changes = changed_entries(repository, {base.tree for base in bases.values()}, tree, folders)
    reasons = {competition: "no submit tag covers it yet" for competition in competitions if competition not in bases}
    covered: dict[_SetTag, dict[str, frozenset[str]]] = {}
    for competition, base in bases.items():
        covered.setdefault(base, {})[competition] = inputs[competition]
    for base, those in covered.items():
        hits = touched(those, changes[base.tree])
        reasons |= {competition: _reason(files, str(base.tag)) for competition, files in hits.items()}
    others = {
        competition: f"as it was at {base.tag}" for competition, base in bases.items() if competition not in reasons
    }
    return Plan(of=of, reasons=dict(sorted(reasons.items())), others=others)


def plan_changes(repository: Path, since: str) -> Plan:
    """Plan the rehearsals of changes since the commit where this branch left ``since``, committed or not.

    Raises:
        ConfigurationError: Git knows no such commit, or not all that it holds.
    """
    base = branch_point(repository, since)
    inputs = inputs_of(repository, tracked_links(repository))
    hits = touched(inputs, changed_since(repository, base))
    others = {competition: "not touched" for competition in inputs if competition not in hits}
    reasons = {competition: _reason(files, base[:COMMIT_LENGTH]) for competition, files in hits.items()}
    return Plan(of=f"changes since {base[:COMMIT_LENGTH]}", reasons=reasons, others=others)


def branch_point(repository: Path, since: str) -> str:
    """The commit where what is checked out left ``since``.

    Raises:
        ConfigurationError: Git knows no such commit.
    """
    base = git(repository, "merge-base", "HEAD", since) if not since.startswith("-") else None
    if not base:
        raise ConfigurationError(
            f"--since {since}: Git knows no commit that it and what is checked out have in common",
            "Name a branch, tag or commit; a clone that is not whole takes: git fetch --unshallow",
        )
    return base.split()[0]


def default_branch(repository: Path) -> str:
    """The branch that a clone came with, as at its origin.

    Raises:
        ConfigurationError: Git knows of none.
    """
    branch = git(repository, "rev-parse", "--abbrev-ref", "origin/HEAD")
    if branch is None:
        raise ConfigurationError(
            f"{repository}: there is no origin/HEAD to compare with", "Name a branch or commit: --since main"
        )
    return branch


def _set_tags(repository: Path) -> dict[str, _SetTag]:
    """The submit tags that are set, by name; others of that prefix are not ours."""
    # An annotated tag has its commit behind it.
    commit = ("objecttype", "objectname", "tree")
    fields = "%09".join(
        f"%({field})" for field in ("refname:strip=2", "creatordate:unix", *commit, *(f"*{f}" for f in commit))
    )
    found = {}
    for line in ask(repository, "for-each-ref", f"--format={fields}", f"refs/tags/{PREFIX}*").splitlines():
        name, date, *objects = line.split("\t")
        try:
            tag = parse_tag(name)
        except TagError:
            continue
        kind, object_, tree = objects[3:] if objects[0] == "tag" else objects[:3]
        if kind == "commit":
            found[name] = _SetTag(tag=tag, commit=object_, tree=tree, date=int(date or 0))
    return found


def _around(repository: Path, commit: str, side: str) -> set[str]:
    """The names of submit tags at a commit, and after it (``contains``) or before it (``merged``)."""
    format_ = "--format=%(refname:strip=2)"
    return set(ask(repository, "for-each-ref", format_, f"--{side}={commit}", f"refs/tags/{PREFIX}*").splitlines())


def _check(tag: SubmitTag, earlier: Mapping[str, _SetTag], tags: Mapping[str, _SetTag], commit: str) -> None:
    """See that a tag is the next of its kind.

    Raises:
        TagError: it is not.
    """
    kind = [found.tag.version for found in tags.values() if found.tag.competition == tag.competition]
    following = SubmitTag(competition=tag.competition, version=max(kind, default=0) + 1)
    itself = tags.get(str(tag))
    if itself is not None and itself.commit != commit:
        raise TagError(
            f"{tag}: is set already, on {itself.commit[:COMMIT_LENGTH]}; checked out is {commit[:COMMIT_LENGTH]}",
            f"The next is {following}; what {tag} means is shown after: git switch --detach {tag}",
        )
    meant = [found for name, found in tags.items() if itself is None or _is_before(found, itself, name in earlier)]
    above = [f.tag for f in meant if f.tag.competition == tag.competition and f.tag.version > tag.version]
    if above:
        highest = max(above, key=lambda other: other.version)
        raise TagError(f"{tag}: {highest} is set already, and versions must grow", f"The next is {following}.")


def _is_before(one: _SetTag, other: _SetTag, is_earlier: bool) -> bool:
    """Tell whether a tag was set before another: of two that are set at once each run sees both, and refuses neither.

    Those that are not annotated have no date but their commit's: there the order of commits decides.
    """
    return one.date < other.date or (one.date == other.date and one.commit != other.commit and is_earlier)


def _bases(
    repository: Path, tag: SubmitTag, earlier: Mapping[str, _SetTag], competitions: Iterable[str]
) -> dict[str, _SetTag]:
    """The last tag before a tag for all, by the competitions that one covers."""
    highest: dict[str, _SetTag] = {}
    for found in sorted(earlier.values(), key=lambda found: found.tag.version):
        if found.tag.competition or found.tag.version < tag.version:
            highest[found.tag.competition] = found
    of_all = highest.pop("", None)
    if of_all is None:
        return {competition: highest[competition] for competition in competitions if competition in highest}
    before, after = (_around(repository, of_all.commit, side) for side in ("merged", "contains"))
    bases = {}
    for competition in competitions:
        own = highest.get(competition, of_all)
        # On branches that do not know of each other, only the clock tells.
        is_later = str(own.tag) not in before and (str(own.tag) in after or own.date >= of_all.date)
        bases[competition] = own if is_later else of_all
    return bases


def _reason(changed: tuple[str, ...], since: str) -> str:
    """Why, with some of the paths; with names where a package is gone that had one of them."""
    known = [path for path in changed if is_path(path)] or list(changed)
    # A path cannot steer a terminal or a workflow run here.
    shown = ", ".join(path if path.isprintable() else ascii(path) for path in known[:_SHOWN])
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"changed since {since}: {shown}{more}"


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    plan = plan_changes(repository, options.since) if options.tag is None else plan_tag(repository, options.tag)
    print(plan)
    add_summary(plan.markdown())
    give_jobs("competitions", list(plan.reasons))
