"""Lines of code that install with pip."""

import re
import shlex
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from kaggle_offline.code.cells import indent, magics
from kaggle_offline.code.shell_commands import commands

_ANY_PIP = re.compile(r"\bpip3?\b.*?\b(?:install|download)\b", re.DOTALL)
# Some begin the line with another command; IPython takes a line that begins with pip or conda for a magic.
_PIP = re.compile(
    r"\s*(?:[!%]\s*)?(?P<before>[^#'\"]*?(?:&&|;)\s*)?"
    r"(?:\S*python\S*\s+-m\s+|\{sys\.executable\}\s+-m\s+)?(?:uv\s+)?(?:pip3?(?:\s+-\S+)*|conda|mamba)\s+install\s+(?P<rest>.*)",
    re.DOTALL,
)
# Pip's own part of a line: up to the shell's next command, outside of quotes.
_OWN_PART = re.compile(r"(?:'[^']*'|\"[^\"]*\"|\\.|>&|[^\\;&|])*", re.DOTALL)
_GOES_ON = re.compile(r"(?:&&|\|\||;)\s*(.*)", re.DOTALL)
# Options of pip that name a source or a target.
_TELLING = ("--extra-index-url", "--find-links", "--index-url", "--target", "-f", "-i", "-t")
# Options of pip that are followed by a value.
_WITH_VALUE = re.compile(
    r"-[cfit]|--(constraint|find-links|index-url|extra-index-url|target|abi|cache-dir|implementation|log|no-binary"
    r"|only-binary|platform|prefix|progress-bar|proxy|python|python-version|retries|root|root-user-action|src|timeout"
    r"|trusted-host|upgrade-strategy)"
)


@dataclass(frozen=True, kw_only=True)
class PipInstall:
    """A line that installs with pip.

    Attributes:
        line: its number, from 1.
        text: of the line.
        requirements: its arguments that are requirements.
        other: its other arguments: files, folders, requirements files.
        options: its options that a requirement cannot express.
        rest: the shell's other commands.
    """

    line: int
    text: str
    requirements: tuple[str, ...]
    other: tuple[str, ...]
    options: tuple[str, ...] = ()
    rest: str = ""


def pip_installs(code: str) -> list[PipInstall]:
    """Return the lines of a cell that install with pip."""
    found: list[PipInstall] = []
    for first, line in magics(code):
        match = _PIP.match(line)
        if match is None:
            continue
        own = _OWN_PART.match(match["rest"])
        arguments = own[0] if own else ""
        after = _GOES_ON.match(match["rest"], len(arguments))
        others = [(match["before"] or "").rstrip("&; ")]
        if after:
            others.append(after[1].strip())
        rest = " && ".join(filter(None, others))
        requirements, other, options = _arguments_of(arguments)
        found.append(
            PipInstall(
                line=first, text=line.strip(), requirements=requirements, other=other, options=options, rest=rest
            )
        )
    return found


def without_pip(code: str) -> str:
    """Return the code with the lines of `pip_installs` as comments."""
    lines = code.split("\n")
    for install in reversed(pip_installs(code)):
        first = install.line - 1
        last = install.line + install.text.count("\n")
        before = indent(lines[first])
        # The comment must not begin like a magic: jupytext would take it for one.
        note = "a requirement now" if install.requirements and not install.other else "not installed here"
        new = [f"# {note}: {lines[first].strip(' !%')}"]
        new += [f"# {line.strip()}" for line in lines[first + 1 : last]]
        if install.rest:
            new.append(f"{before}!{install.rest}")
        elif before:
            # The block may hold nothing else.
            new[0] = f"{before}pass  {new[0]}"
        lines[first:last] = new
    return "\n".join(lines)


def _arguments_of(arguments: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the arguments of a pip line: requirements, others, and options that a requirement cannot express."""
    text = arguments.replace("\\\n", " ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        words = text.split()
    words = _before_redirections(words)
    requirements: list[str] = []
    other: list[str] = []
    options = [word for word in words if word.partition("=")[0] in _TELLING]
    for before, word in zip(["", *words], words, strict=False):
        if _WITH_VALUE.fullmatch(before) or word.startswith("-"):
            continue
        if before in ("-r", "--requirement"):
            other.append(word)
            continue
        requirement = requirement_of(word)
        if requirement:
            requirements.append(requirement)
        else:
            other.append(word)
    return tuple(requirements), tuple(other), tuple(options)


def requirement_of(word: str) -> str:
    """Return an argument of pip as a requirement, a wheel by its name and version; empty if it is something else."""
    if word.endswith(".whl"):
        try:
            name, version, *_ = parse_wheel_filename(word.rpartition("/")[2])
        except InvalidWheelFilename:
            return ""
        return f"{name}=={version}"
    try:
        return str(Requirement(word))
    except InvalidRequirement:
        return ""


def _before_redirections(words: list[str]) -> list[str]:
    """Cut a shell's words before its redirections, its next command or its comment."""
    for number, word in enumerate(words):
        if set(word) <= set("();<>|&") or word[0] == "#":
            # As in 2>&1, the number before belongs to the redirection.
            is_stream = number > 0 and words[number - 1].isdigit()
            return words[: number - 1] if is_stream else words[:number]
    return words


def other_pip_lines(code: str) -> list[str]:
    """Return the lines that run pip with a network in a shell, without those of `pip_installs`."""
    known = {install.line for install in pip_installs(code)}
    others = [command for command in commands(code) if command.line not in known]
    return [each.text for each in others if _ANY_PIP.search(each.command) and "--no-index" not in each.command]
