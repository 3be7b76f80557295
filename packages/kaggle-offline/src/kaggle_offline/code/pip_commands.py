"""The lines of code that install with pip."""

import re
import shlex
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from kaggle_offline.code.cells import indent, logical_lines, parsed
from kaggle_offline.code.shell_commands import commands

_ANY_PIP = re.compile(r"\bpip3?\b.*?\b(?:install|download)\b", re.DOTALL)
_PIP = re.compile(
    r"\s*[!%]\s*(?:\S*python\S*\s+-m\s+|\{sys\.executable\}\s+-m\s+)?(?:uv\s+)?pip3?\s+install\s+(.*)", re.DOTALL
)
# Pip's own part of a line: to where the shell goes on, which is not within quotes.
_OWN_PART = re.compile(r"(?:'[^']*'|\"[^\"]*\"|\\.|>&|[^\\;&|])*", re.DOTALL)
_GOES_ON = re.compile(r"(?:&&|\|\||;)\s*(.*)", re.DOTALL)
# Options of pip that say where from, or where to.
_TELLING = ("--extra-index-url", "--find-links", "--index-url", "--target", "-f", "-i", "-t")
# Options of pip that are followed by a value.
_WITH_VALUE = re.compile(
    r"-[cfit]|--(constraint|find-links|index-url|extra-index-url|target|abi|cache-dir|implementation|log|no-binary"
    r"|only-binary|platform|prefix|progress-bar|proxy|python|python-version|retries|root|root-user-action|src|timeout"
    r"|trusted-host|upgrade-strategy)"
)


@dataclass(frozen=True, kw_only=True)
class PipInstall:
    """A line that has pip install something.

    Attributes:
        line: where, counted from 1.
        text: of the line.
        requirements: what it names that can be required.
        other: what it names besides: files, folders, lists of requirements.
        options: those that a requirement cannot say.
        rest: what the shell is told to do after it.
    """

    line: int
    text: str
    requirements: tuple[str, ...]
    other: tuple[str, ...]
    options: tuple[str, ...] = ()
    rest: str = ""


def pip_installs(code: str) -> list[PipInstall]:
    """The lines of a cell by which pip installs something."""
    found = []
    # Within a Python string, such a line does not install anything.
    for first, line in () if parsed(code) else logical_lines(code):
        match = _PIP.match(line)
        if match:
            own = _OWN_PART.match(match[1])
            arguments = own[0] if own else ""
            after = _GOES_ON.match(match[1], len(arguments))
            requirements, other, options = _named(arguments)
            found.append(
                PipInstall(
                    line=first,
                    text=line.strip(),
                    requirements=requirements,
                    other=other,
                    options=options,
                    rest=after[1].strip() if after else "",
                )
            )
    return found


def without_pip(code: str) -> str:
    """The code with the lines of `pip_installs` as comments."""
    lines = code.split("\n")
    for install in reversed(pip_installs(code)):
        first, last = install.line - 1, install.line + install.text.count("\n")
        before = indent(lines[first])
        # jupytext takes a comment that begins like such a line for one. A block may hold nothing else.
        nothing = f"{before}pass  " if before and not install.rest else ""
        what = "a requirement now" if install.requirements and not install.other else "not installed here"
        new = [f"{nothing}# {what}: {lines[first].strip(' !%')}"]
        new += [f"# {line.strip()}" for line in lines[first + 1 : last]]
        new += [f"{before}!{install.rest}"] if install.rest else []
        lines[first:last] = new
    return "\n".join(lines)


def _named(arguments: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the arguments of a pip line: requirements, others, and the options that matter then."""
    text = arguments.replace("\\\n", " ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        words = text.split()
    # The rest of the shell's line, its redirections and its comment do not matter here.
    end = next((n for n, word in enumerate(words) if set(word) <= set("();<>|&") or word[0] == "#"), len(words))
    if end < len(words) and words[end - 1].isdigit():
        # The number of what is written elsewhere.
        end -= 1
    requirements, other = [], []
    options = [word for word in words[:end] if word.partition("=")[0] in _TELLING]
    for before, word in zip(["", *words], words[:end], strict=False):
        if _WITH_VALUE.fullmatch(before) or word.startswith("-"):
            continue
        if before in ("-r", "--requirement"):
            other.append(word)
            continue
        try:
            requirements.append(str(Requirement(word)))
        except InvalidRequirement:
            other.append(word)
    return tuple(requirements), tuple(other), tuple(options)


def other_pip_lines(code: str) -> list[str]:
    """Return the lines that give a shell a pip command, but for those of `pip_installs`."""
    known = {install.line for install in pip_installs(code)}
    return [c.text for c in commands(code) if c.line not in known and _ANY_PIP.search(c.command)]
