"""``plan``: which competitions a submit tag, or a change, is about."""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from kaggle_offline.chain import COMMIT_LENGTH
from kaggle_offline.errors import ConfigurationError, TagError
from kaggle_offline.git import git
from kaggle_offline.inputs import inputs_of, touched
from kaggle_offline.kernel_folder import list_competitions
from kaggle_offline.tags import LOOKS, PREFIX, SubmitTag, parse_tag

# Of what has changed, how much is shown.
_SHOWN = 3

# What `git diff-tree --stdin` prints before the files of a pair of trees.
_PAIR = re.compile(r"([0-9a-f]{40,64}) [0-9a-f]{40,64}(?:\n|$)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done, and why.

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
        rows = [f"| {competition} | {why} |" for competition, why in self.reasons.items()]
        table = ["", "| competition | why |", "| --- | --- |", *rows] if rows else []
        notes = [f"\n{why}: {', '.join(names)}" for why, names in self._alike().items()]
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
    """What a tag on the commit that is checked out means, be it set or not.

    Raises:
        TagError: it is no submit tag, names no competition, is set elsewhere, or its version does not grow.
        ConfigurationError: Git knows nothing of this folder.
    """
    tag = parse_tag(text)
    competitions = list_competitions(repository)
    if tag.competition and tag.competition not in competitions:
        there = ", ".join(competitions) or "none"
        raise TagError(
            f"{text}: kernels/{tag.competition} is not there", f"A tag looks like {LOOKS}; there are: {there}."
        )
    commit, tree = _ask(repository, "rev-parse", "HEAD", "HEAD^{tree}").split()
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
    inputs = inputs_of(repository)
    folders = {path.rpartition("/")[0] for paths in inputs.values() for path in paths}
    changes = _changes(repository, {base.tree for base in bases.values()}, tree, folders)
    reasons = {competition: "no submit tag covers it yet" for competition in competitions if competition not in bases}
    for base in set(bases.values()):
        covered = {c: paths for c, paths in inputs.items() if bases.get(c) == base}
        hits = touched(covered, changes[base.tree])
        reasons |= {competition: _reason(files, str(base.tag)) for competition, files in hits.items()}
    others = {
        competition: f"as it was at {base.tag}" for competition, base in bases.items() if competition not in reasons
    }
    return Plan(of=of, reasons=dict(sorted(reasons.items())), others=others)


def plan_changes(repository: Path, since: str) -> Plan:
    """What has changed since the commit where this branch left ``since``, committed or not.

    Raises:
        ConfigurationError: Git knows no such commit.
    """
    base = branch_point(repository, since)
    tracked = _ask(repository, "diff", "--name-only", "--no-renames", "-z", base, "--")
    new = _ask(repository, "ls-files", "--others", "--exclude-standard", "-z")
    hits = touched(inputs_of(repository), filter(None, [*tracked.split("\0"), *new.split("\0")]))
    others = {c: "not touched" for c in list_competitions(repository) if c not in hits}
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
    """The branch that a clone came with, as at its origin; what is checked out where there is none."""
    return git(repository, "rev-parse", "--abbrev-ref", "origin/HEAD") or "HEAD"


def _set_tags(repository: Path) -> dict[str, _SetTag]:
    """The submit tags that are set, by name; others of that prefix are not ours."""
    # An annotated tag has its commit behind it.
    fields = "%(refname:strip=2) %(creatordate:unix) %(objecttype) %(objectname) %(tree)"
    fields += " %(*objecttype) %(*objectname) %(*tree)"
    found = {}
    for line in _ask(repository, "for-each-ref", f"--format={fields}", f"refs/tags/{PREFIX}*").splitlines():
        name, date, *objects = line.split()
        try:
            tag = parse_tag(name)
        except TagError:
            continue
        if objects[-3:-2] == ["commit"]:
            found[name] = _SetTag(tag=tag, commit=objects[-2], tree=objects[-1], date=int(date))
    return found


def _around(repository: Path, commit: str, side: str) -> set[str]:
    """The names of submit tags at a commit, and after it (``contains``) or before it (``merged``)."""
    format_ = "--format=%(refname:strip=2)"
    return set(_ask(repository, "for-each-ref", format_, f"--{side}={commit}", f"refs/tags/{PREFIX}*").splitlines())


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
    above = [f.tag for f in earlier.values() if f.tag.competition == tag.competition and f.tag.version > tag.version]
    if above:
        highest = max(above, key=lambda other: other.version)
        raise TagError(f"{tag}: {highest} is set already, and versions must grow", f"The next is {following}.")


def _bases(
    repository: Path, tag: SubmitTag, earlier: Mapping[str, _SetTag], competitions: Iterable[str]
) -> dict[str, _SetTag]:
    """The last tag before a tag for all, by the competitions that one covers."""
    highest: dict[str, _SetTag] = {}
    for found in sorted(earlier.values(), key=lambda found: found.tag.version):
        if found.tag != tag:
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


def _changes(repository: Path, bases: AbstractSet[str], tree: str, folders: AbstractSet[str]) -> dict[str, set[str]]:
    """The entries of ``folders`` that ``tree`` has otherwise than each of the trees ``bases``, by the latter.

    Git compares folders by their trees alone: how many files they hold, or had in between, costs nothing,
    and in a clone without the files of the past nothing has to be fetched.
    """
    names = [(root, folder) for root in sorted({*bases, tree}) for folder in sorted(folders)]
    asked = "".join(f"{root}:{folder}\n" for root, folder in names)
    answers = _ask(repository, "cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked).split("\n")
    told = zip(names, answers, strict=True)
    objects = {name: answer.removeprefix("tree ") for name, answer in told if answer.startswith("tree ")}
    found: dict[str, set[str]] = {base: set() for base in bases}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for base in bases:
        for folder in folders:
            before, now = objects.get((base, folder)), objects.get((tree, folder))
            if before and now and before != now:
                pairs.setdefault(f"{before} {now}", []).append((base, folder))
            elif before != now:
                found[base].add(folder)
    printed = _ask(repository, "diff-tree", "--stdin", "-z", "--name-only", stdin="".join(f"{p}\n" for p in pairs))
    where: list[tuple[str, str]] = []
    for entry in printed.split("\0"):
        # Each pair has a line of its own, before its entries.
        name = entry
        while header := _PAIR.match(name):
            where, name = pairs[header[0].strip()], name[header.end() :]
        for base, folder in where if name else ():
            path = f"{folder}/{name}".removeprefix("/")
            # One of the folders, where both have it, is looked into by itself.
            found[base] |= set() if {(base, path), (tree, path)} <= objects.keys() else {path}
    return found


def _ask(repository: Path, *arguments: str, stdin: str = "") -> str:
    """Ask Git what it must know.

    Raises:
        ConfigurationError: it does not.
    """
    answer = git(repository, *arguments, stdin=stdin)
    if answer is None:
        raise ConfigurationError(
            f"{repository}: git {arguments[0]} fails: this is no clone, has no commit, or not all of the history",
            "Run it in a clone; if that was made with --depth: git fetch --unshallow --tags",
        )
    return answer


def _reason(files: tuple[str, ...], since: str) -> str:
    shown = ", ".join(files[:_SHOWN])
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"changed since {since}: {shown}{more}"
