"""The chain of a submission: tag → commit → dataset versions → kernel version; Kaggle keeps it as its description.

A tag is ``submit-v3`` for every competition that has changed, or ``submit-<competition>-v3`` for that one.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from kaggle_offline.errors import TagError
from kaggle_offline.git import COMMIT_LENGTH, git
from kaggle_offline.repository.competition_inputs import inputs_of
from kaggle_offline.repository.packages import ROOT, is_in_root_package

PREFIX = "submit-"

# A version has one spelling, so that no two tags mean the same.
_TAG = re.compile(r"submit-(?:(?P<competition>[A-Za-z0-9][A-Za-z0-9._-]*)-)?v(?P<version>0|[1-9][0-9]{0,8})")

LOOKS = "submit-v3 (every competition that has changed) or submit-<competition>-v3 (that one)"


@dataclass(frozen=True, kw_only=True)
class SubmitTag:
    """A tag that submits: the competition, empty for all that have changed, and a version."""

    competition: str
    version: int

    def __str__(self) -> str:
        """Return the text that `parse_tag` reads."""
        if not self.competition:
            return f"{PREFIX}v{self.version}"
        return f"{PREFIX}{self.competition}-v{self.version}"


def parse_tag(text: str) -> SubmitTag:
    """Read a tag; the version follows the last hyphen, so no text has two readings.

    Raises:
        TagError: not a submit tag.
    """
    found = _TAG.fullmatch(text)
    if found is None:
        raise TagError(f"{text!r}: not a tag that submits", f"A tag looks like {LOOKS}, without leading zeros.")
    return SubmitTag(competition=found["competition"] or "", version=int(found["version"]))


_UNKNOWN = "-"
_CHAIN = re.compile(
    r"(?P<tag>\S+) commit (?P<commit>\S+) packages (?P<packages>\d+) models (?P<models>\d+|-) kernel (?P<kernel>\d+)"
)
_COMMIT = re.compile(r"[0-9a-f]{7,64}\+?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Neither wheels nor datasets contain these files: hidden ones, and those that Python and builds leave behind.
_LEFT_OUT = re.compile(r"(^|/)(\.|__pycache__(/|$)|[^/]*\.egg-info(/|$))")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The checkout: a commit, with a ``+`` where files differ from it, and its tag; each may be empty."""

    tag: str
    commit: str

    @property
    def digits(self) -> str:
        """Return the commit's digits; empty if it is no commit, as a submission's description may be anybody's."""
        return self.commit.rstrip("+") if _COMMIT.fullmatch(self.commit) else ""

    def __str__(self) -> str:
        """Return the tag, if there is one, and the commit."""
        return f"{self.tag} {self.commit}".strip()


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The origin of a submission: versions of the datasets and the kernel, and the kernel's digest.

    ``models`` is None where the kernel has no checkpoints.
    """

    source: Source
    packages: int
    models: int | None
    kernel: int
    digest: str

    def __str__(self) -> str:
        """Return the description of a submission, which `read_chain` reads.

        The digest comes first: a description that Kaggle shortens still identifies the content.
        """
        tag, commit = self.source.tag or _UNKNOWN, self.source.commit or _UNKNOWN
        models = _UNKNOWN if self.models is None else self.models
        return f"{self.digest} {tag} commit {commit} packages {self.packages} models {models} kernel {self.kernel}"


def read_chain(description: str) -> Chain | None:
    """Read the chain in a submission's description; None if it has none."""
    found, digest = _CHAIN.search(description), _DIGEST.search(description)
    if found is None or digest is None:
        return None
    fields = found.groupdict()
    source = Source(tag=fields["tag"].removeprefix(_UNKNOWN), commit=fields["commit"].removeprefix(_UNKNOWN))
    models = None if fields["models"] == _UNKNOWN else int(fields["models"])
    return Chain(
        source=source,
        packages=int(fields["packages"]),
        models=models,
        kernel=int(fields["kernel"]),
        digest=digest.group(),
    )


def read_source(repository: Path, competition: str) -> Source:
    """Return the commit that is checked out, and its newest submit tag that is about a competition.

    On a workflow run of a tag that is about it, it is that tag. A file that Git does not track, be it ignored or not,
    and that is an input of the competition, is a difference from the commit.
    """
    commit = git(repository, "rev-parse", f"--short={COMMIT_LENGTH}", "HEAD") or ""
    changed = git(repository, "status", "--porcelain", "--untracked-files=no") or _untracked(repository, competition)
    tags = (git(repository, "tag", "--points-at", "HEAD", "--sort=-creatordate", "--list", f"{PREFIX}*") or "").split()
    if os.environ.get("GITHUB_REF_TYPE") == "tag" and os.environ.get("GITHUB_REF_NAME", "") in tags:
        tags.insert(0, os.environ["GITHUB_REF_NAME"])
    if commit and changed:
        commit += "+"
    about = (tag for tag in tags if _is_about(tag, competition))
    return Source(tag=next(about, ""), commit=commit)


def _is_about(tag: str, competition: str) -> bool:
    try:
        return parse_tag(tag).competition in ("", competition)
    except TagError:
        return False


def _untracked(repository: Path, competition: str) -> bool:
    """Tell whether Git does not track an input of a competition."""
    inputs = inputs_of(repository, [competition])[competition]
    listed = (git(repository, "ls-files", "--others", "-z", "--", *(inputs - {ROOT})) or "").split("\0")
    if ROOT in inputs:
        # Without those that Git ignores: they are not parts of a package at the root.
        unknown = (git(repository, "ls-files", "--others", "--exclude-standard", "-z") or "").split("\0")
        listed += filter(is_in_root_package, unknown)
    builds = (*(f"{path}/build/" for path in inputs), *(f"{path}/dist/" for path in inputs))
    return any(path and not _LEFT_OUT.search(path) and not path.startswith(builds) for path in listed)
