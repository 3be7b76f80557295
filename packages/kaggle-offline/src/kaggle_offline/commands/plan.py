"""``plan``: the competitions that a submit tag submits, or that a change touches."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kaggle_offline.errors import ConfigurationError, TagError
from kaggle_offline.git import COMMIT_LENGTH, git
from kaggle_offline.reports.github import add_summary, give_jobs
from kaggle_offline.reports.markdown import in_cell, table
from kaggle_offline.repository.competition_inputs import inputs_of, settings_at, submitted, touched
from kaggle_offline.repository.git_changes import ask, changed_between, changed_since, incomplete_history
from kaggle_offline.repository.provenance import LOOKS, PREFIX, SubmitTag, parse_tag
from kaggle_offline.repository.upstreams import chains_of
from kaggle_offline.tables import aligned

# How many changed files are shown.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The competitions to submit or rehearse, and why.

    Attributes:
        title: the tag or the change that is planned.
        reasons: the competitions to submit or rehearse, each with the reason.
        others: the other competitions, each with the reason.
    """

    title: str
    reasons: Mapping[str, str]
    others: Mapping[str, str]

    def __str__(self) -> str:
        """Return the plan for a terminal."""
        lines = [f"{self.title}: {self.count}"]
        if self.reasons:
            lines.append(aligned(list(self.reasons.items())))
        for reason, names in self._others_by_reason().items():
            lines.append(f"  {reason}: {', '.join(names)}")
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return the plan for the page of a workflow run."""
        lines = [f"### {self.title}: {self.count}"]
        if self.reasons:
            rows = [(in_cell(competition), in_cell(reason)) for competition, reason in self.reasons.items()]
            lines += ["", table(["competition", "why"], rows)]
        for reason, names in self._others_by_reason().items():
            lines.append(f"\n{in_cell(reason)}: {in_cell(', '.join(names))}")
        return "\n".join(lines)

    def _others_by_reason(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for competition, reason in self.others.items():
            found.setdefault(reason, []).append(competition)
        return found

    @property
    def count(self) -> str:
        """Return the number of competitions, in words."""
        number = len(self.reasons)
        if number == 1:
            return "1 competition"
        return f"{number or 'no'} competitions"


@dataclass(frozen=True, kw_only=True)
class _SetTag:
    """A submit tag that is set: its commit, and the time in seconds at which it was set, as far as Git knows."""

    tag: SubmitTag
    commit: str
    date: int


def plan_tag(repository: Path, text: str) -> Plan:
    """Plan the submissions of a tag on the commit that is checked out, whether the tag is set or not.

    Raises:
        TagError: not a submit tag, an unknown competition, set elsewhere, or a version that does not grow.
        ConfigurationError: Git cannot read this folder, or not all of its history.
    """
    tag = parse_tag(text)
    if ask(repository, "rev-parse", "--is-shallow-repository") == "true":
        raise incomplete_history(repository)
    commit = ask(repository, "rev-parse", "HEAD")
    with settings_at(repository, commit) as folder:
        is_named_only = submitted(folder)
        inputs = inputs_of(folder, is_named_only)
    if tag.competition and tag.competition not in inputs:
        known = ", ".join(inputs) or "none"
        raise TagError(
            f"{text}: kernels/{tag.competition} not found, or not submitted",
            f"A tag looks like {LOOKS}; found: {known}.",
        )
    tags = _set_tags(repository)
    # Tags on later commits do not count: a tag keeps its meaning for ever.
    contained_in = _tags_around(repository, commit, "contains")
    earlier = {name: other for name, other in tags.items() if name not in contained_in or other.commit == commit}
    _check(tag, earlier, tags, commit)
    title = f"{tag} at {commit[:COMMIT_LENGTH]}"
    if tag.competition:
        others = {name: "not named by the tag" for name in inputs if name != tag.competition}
        return Plan(title=title, reasons={tag.competition: "the tag names it"}, others=others)
    bases = _bases(repository, tag, earlier, inputs)
    comparisons = {base: _Comparison(repository, base.commit, commit) for base in set(bases.values())}
    reasons = {}
    others = {}
    for competition, paths in inputs.items():
        base = bases.get(competition)
        if is_named_only[competition]:
            others[competition] = "only a tag with its name submits it"
            continue
        if base is None:
            reasons[competition] = "no submit tag covers it yet"
            continue
        files = comparisons[base].touched(competition, paths)
        if files:
            reasons[competition] = _reason(files, str(base.tag))
        else:
            others[competition] = f"as it was at {base.tag}"
    return Plan(title=title, reasons=reasons, others=others)


def plan_changes(repository: Path, since: str) -> Plan:
    """Plan the rehearsals of changes since the commit where this branch left ``since``, committed or not.

    Raises:
        ConfigurationError: Git does not know that commit, or not all that it holds.
    """
    base = branch_point(repository, since)
    comparison = _Comparison(repository, base, None)
    reasons = {}
    others = {}
    for competition, paths in inputs_of(repository, submitted(repository)).items():
        files = comparison.touched(competition, paths)
        if files:
            reasons[competition] = _reason(files, base[:COMMIT_LENGTH])
        else:
            others[competition] = "not touched"
    return Plan(title=f"changes since {base[:COMMIT_LENGTH]}", reasons=reasons, others=others)


class _Comparison:
    """The files that differ from an earlier commit, and the inputs that competitions had there.

    Both ends' inputs count: a package that was deleted, or lost its name, is an input at the earlier commit alone.
    """

    def __init__(self, repository: Path, before: str, after: str | None) -> None:
        """Compare two commits, or ``before`` and the working tree where ``after`` is None."""
        self._changed = (
            changed_since(repository, before) if after is None else changed_between(repository, before, after)
        )
        with settings_at(repository, before) as folder:
            self._inputs_before = inputs_of(folder)

    def touched(self, competition: str, inputs: frozenset[str]) -> tuple[str, ...]:
        """Return the changed files among a competition's inputs, sorted."""
        return touched(inputs | self._inputs_before.get(competition, frozenset()), self._changed)


def branch_point(repository: Path, since: str) -> str:
    """Return the commit where this branch left ``since``.

    Raises:
        ConfigurationError: the two have no commit in common.
    """
    base = git(repository, "merge-base", "HEAD", since) if not since.startswith("-") else None
    if not base:
        raise ConfigurationError(
            f"--since {since}: not a commit that this branch has an ancestor in common with",
            "Name a branch, tag or commit; if this clone was made with --depth, run: git fetch --unshallow",
        )
    return base.split()[0]


def default_branch(repository: Path) -> str:
    """Return the origin's default branch, such as ``origin/main``, or a branch that is called like one.

    Raises:
        ConfigurationError: the repository has no such branch.
    """
    branch = git(repository, "rev-parse", "--abbrev-ref", "origin/HEAD")
    # `git init` with a remote, unlike `git clone`, notes no default branch.
    for usual in (branch, "origin/main", "origin/master", "main", "master"):
        if usual and git(repository, "rev-parse", "--verify", "--quiet", usual) is not None:
            return usual
    raise ConfigurationError(
        f"{repository}: origin/HEAD is not set, and no branch is called main or master",
        "Name a branch or commit to compare with: --since REV",
    )


def _set_tags(repository: Path) -> dict[str, _SetTag]:
    """Return the submit tags that are set, by name; tags with our prefix that are not submit tags are left out."""
    # An annotated tag is an object of its own; the fields with a star are those of the commit behind it.
    fields = ("refname:strip=2", "creatordate:unix", "objecttype", "objectname", "*objecttype", "*objectname")
    format_ = "%09".join(f"%({field})" for field in fields)
    found = {}
    for line in ask(repository, "for-each-ref", f"--format={format_}", f"refs/tags/{PREFIX}*").splitlines():
        name, date, kind, commit, kind_behind, commit_behind = line.split("\t")
        if kind == "tag":
            kind, commit = kind_behind, commit_behind
        try:
            tag = parse_tag(name)
        except TagError:
            continue
        if kind == "commit":
            found[name] = _SetTag(tag=tag, commit=commit, date=int(date or 0))
    return found


def _tags_around(repository: Path, commit: str, side: str) -> set[str]:
    """Return the names of submit tags at a commit, and after it (``contains``) or before it (``merged``)."""
    format_ = "--format=%(refname:strip=2)"
    return set(ask(repository, "for-each-ref", format_, f"--{side}={commit}", f"refs/tags/{PREFIX}*").splitlines())


def _check(tag: SubmitTag, earlier: Mapping[str, _SetTag], tags: Mapping[str, _SetTag], commit: str) -> None:
    """Check that a tag's version is the highest of its competition, and that it is not set on another commit.

    Raises:
        TagError: it is not.
    """
    siblings = {name: other for name, other in tags.items() if other.tag.competition == tag.competition}
    highest = max((other.tag.version for other in siblings.values()), default=0)
    following = SubmitTag(competition=tag.competition, version=highest + 1)
    itself = tags.get(str(tag))
    if itself is not None and itself.commit != commit:
        raise TagError(
            f"{tag}: is set already, on {itself.commit[:COMMIT_LENGTH]}; checked out is {commit[:COMMIT_LENGTH]}",
            f"Use the next, {following}; or, to see what {tag} means, run: git switch --detach {tag}",
        )
    if itself is not None:
        siblings = {name: other for name, other in siblings.items() if _is_before(other, itself, name in earlier)}
    above = max((other.tag.version for other in siblings.values()), default=0)
    if above > tag.version:
        set_already = SubmitTag(competition=tag.competition, version=above)
        raise TagError(f"{tag}: {set_already} is set already, and versions must grow", f"Use the next: {following}.")


def _is_before(one: _SetTag, other: _SetTag, is_earlier: bool) -> bool:
    """Tell whether a tag was set before another: of two that are set at once each run sees both, and refuses neither.

    A tag without annotation has the date of its commit; at the same date, the order of the commits decides.
    """
    if one.date != other.date:
        return one.date < other.date
    return one.commit != other.commit and is_earlier


def _bases(
    repository: Path, tag: SubmitTag, earlier: Mapping[str, _SetTag], competitions: Iterable[str]
) -> dict[str, _SetTag]:
    """Return the last tag that covers each competition, before a tag for all; competitions without one are left out."""
    last: dict[str, _SetTag] = {}
    for found in sorted(earlier.values(), key=lambda found: found.tag.version):
        if found.tag.competition or found.tag.version < tag.version:
            last[found.tag.competition] = found
    of_all = last.pop("", None)
    if of_all is None:
        return {competition: last[competition] for competition in competitions if competition in last}
    before = _tags_around(repository, of_all.commit, "merged")
    after = _tags_around(repository, of_all.commit, "contains")
    bases = {}
    for competition in competitions:
        own = last.get(competition, of_all)
        name = str(own.tag)
        # Where neither commit contains the other, only the date tells which tag is later.
        is_later = name not in before and (name in after or own.date >= of_all.date)
        bases[competition] = own if is_later else of_all
    return bases


def _reason(changed: tuple[str, ...], since: str) -> str:
    """Return the reason that names some of the changed files, without characters that steer a terminal."""
    shown = [_printable(path) for path in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"changed since {since}: {', '.join(shown)}{more}"


def _printable(path: str) -> str:
    return path if path.isprintable() else ascii(path)


def run(options: argparse.Namespace, repository: Path) -> dict[str, Any]:
    """Run the subcommand; return the plan."""
    plan = plan_changes(repository, options.since) if options.tag is None else plan_tag(repository, options.tag)
    print(plan)
    add_summary(plan.markdown())
    give_jobs("competitions", list(plan.reasons))
    chains = chains_of(repository, list(plan.reasons))
    give_jobs("jobs", [{"competition": name, "chain": chain} for name, chain in chains.items()])
    return {"plan": asdict(plan)}
