"""Lines of code that install with pip."""

import ast
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from kaggle_offline.code.cells import indent, magics, nodes_of
from kaggle_offline.code.shell_commands import SAYS, SHELLS, commands, is_called, words_of

_ANY_PIP = re.compile(r"\bpip3?\b.*?\b(?:install|download)\b", re.DOTALL)
# IPython takes a line that begins with pip or conda for a magic.
_PIP = re.compile(
    r"\s*(?:\w+=\S*\s+)*(?:sudo\s+)?(?:\S*python\S*\s+-m\s+|\{?sys\.executable\}?\s+-m\s+)?"
    r"(?:uv\s+)?(?:pip3?(?:\s+-\S+)*|conda|mamba)\s+(?P<verb>install|uninstall)\s+(?P<arguments>.*)",
    re.DOTALL,
)
# A command of a shell's line, outside of quotes, and the sign before it.
_COMMAND = re.compile(
    r"(?P<sign>&&|\|\||\|&|[;|&]|^)(?P<command>(?:'[^']*'|\"[^\"]*\"|\\.|[<>]&|&>|[^\\;&|])*)", re.DOTALL
)
# A comment in a shell's line, outside of quotes.
_COMMENT = re.compile(r"(?P<kept>'[^']*'|\"[^\"]*\"|\\.)|(?:(?<=\s)|^)#[^\n]*", re.DOTALL)
# The credentials of an address: before an @, or the value of a parameter with such a name.
_CREDENTIALS = re.compile(r"(://)[^/@\s'\"]+(@)|([?&](?:token|key|secret|password|auth)=)[^&\s'\"]+()", re.IGNORECASE)
# Options of pip that name a source or a target.
_TELLING = ("--extra-index-url", "--find-links", "--index-url", "--target", "-f", "-i", "-t")
# Options of pip that are followed by a value.
_WITH_VALUE = re.compile(
    r"-[cfinptC]|--(constraint|find-links|index-url|extra-index-url|target|abi|cache-dir|implementation|log|no-binary"
    r"|only-binary|platform|prefix|progress-bar|proxy|python|python-version|retries|root|root-user-action|src|timeout"
    r"|trusted-host|upgrade-strategy|cert|channel|client-cert|config-settings?|default-index|exclude-newer"
    r"|exists-action|global-option|index|index-strategy|keyring-provider|link-mode|name|override|prerelease"
    r"|python-platform|report|resolution|torch-backend|upgrade-package|use-deprecated|use-feature)"
)


@dataclass(frozen=True, kw_only=True)
class PipInstall:
    """Code that installs or removes with pip: a line of IPython's, or a statement that has a shell do it.

    Attributes:
        line: its number, from 1.
        last: the number of its last line.
        text: the code.
        requirements: its arguments that are requirements.
        other: its other arguments: files, folders, requirements files.
        options: its options that a requirement cannot express, with their values.
        removed: the distributions that it removes, by canonical names.
        rest: the shell's other commands.
        is_call: whether it is a statement of Python.
    """

    line: int
    last: int
    text: str
    requirements: tuple[str, ...]
    other: tuple[str, ...]
    options: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rest: str = ""
    is_call: bool = False


def pip_installs(code: str) -> list[PipInstall]:
    """Return the code of a cell that installs with pip; credentials in it are left out."""
    return [install for install in _with_pip(code) if install.requirements or install.other or not install.removed]


def _with_pip(code: str) -> list[PipInstall]:
    found = []
    for first, line in magics(code):
        command = line.strip().removeprefix("!").removeprefix("%")
        found.append(_install_in(command, first, first + line.count("\n"), line.strip()))
    lines = code.split("\n")
    for node in nodes_of(code):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
            call = node.value
            if is_called(ast.unparse(call.func), SHELLS) and stands_alone(node, lines):
                install = _install_in(_quoted(call.args[0]), node.lineno, node.end_lineno or 0, ast.unparse(node))
                # The rest of a call would have to become another.
                if install and not install.rest:
                    found.append(replace(install, is_call=True))
    return sorted(filter(None, found), key=lambda install: install.line)


def stands_alone(node: ast.Expr, lines: list[str]) -> bool:
    """Tell whether no other statement is in the lines of a statement."""
    first, last = lines[node.lineno - 1].encode(), lines[(node.end_lineno or node.lineno) - 1].encode()
    after = last[node.end_col_offset :].strip()
    return not first[: node.col_offset].strip() and (not after or after.startswith(b"#"))


def _quoted(node: ast.expr) -> str:
    """Return a shell's command; the words of a list are quoted, and … stands for a value."""
    if isinstance(node, ast.List | ast.Tuple):
        return " ".join(map(_quoted_word, node.elts))
    return "".join(words_of(node)) if isinstance(node, ast.Constant | ast.JoinedStr) else "…"


def _quoted_word(node: ast.expr) -> str:
    if ast.unparse(node) == "sys.executable":
        return "python"
    return shlex.quote("".join(words_of(node))) if isinstance(node, ast.Constant | ast.JoinedStr) else "…"


def _install_in(command: str, first: int, last: int, text: str) -> PipInstall | None:
    """Return what a shell's line installs and removes with pip; None if it does neither."""
    requirements: list[str] = []
    other: list[str] = []
    options: list[str] = []
    removed: list[str] = []
    rest: list[tuple[str, str]] = []
    is_pip = found = False
    for part in _COMMAND.finditer(_COMMENT.sub(r"\g<kept>", command)):
        match = _PIP.match(part["command"])
        if part["sign"] in ("|", "|&", "||") and is_pip:
            continue  # reads what pip prints, or runs where it fails
        if part["command"].lstrip().startswith("("):
            return None  # commands of a shell of their own
        is_pip = match is not None
        if match is None:
            rest.append((part["sign"], part["command"].strip()))
            continue
        if part["sign"] == "|" and rest:
            rest.pop()  # writes what pip reads
        found = True
        each, others, telling = _arguments_of(match["arguments"])
        if match["verb"] == "install":
            requirements += each
            other += others
            options += telling
        else:
            removed += [canonicalize_name(Requirement(name).name) for name in each]
    if not found:
        return None
    return PipInstall(
        line=first,
        last=last,
        text=without_credentials(text),
        requirements=tuple(line for line in requirements if without_credentials(line) == line),
        other=tuple(map(without_credentials, [*other, *(line for line in requirements if _CREDENTIALS.search(line))])),
        options=tuple(map(without_credentials, options)),
        removed=tuple(removed),
        rest=_joined(rest),
    )


def without_credentials(text: str) -> str:
    """Return a text with … for the user, password or token of an address."""
    return _CREDENTIALS.sub(lambda match: f"{match[1] or match[3]}…{match[2] or ''}", text)


def _joined(commands: list[tuple[str, str]]) -> str:
    """Return the line of a shell with these commands, each after its sign."""
    line = ""
    for sign, command in commands:
        if line and command:
            line += f" {sign} ".replace(" ; ", "; ")
        line += command
    return line


def without_pip(code: str, required: Collection[str] = ()) -> str:
    """Return the code with what `pip_installs` returns as comments.

    Args:
        code: of a cell.
        required: canonical names of distributions that are required: a line that only removes such is a comment, too.
    """
    lines = code.split("\n")
    for install in reversed(_with_pip(code)):
        only_removes = bool(install.removed) and not install.requirements and not install.other
        if only_removes and not set(install.removed) & set(required):
            continue
        first = install.line - 1
        before = indent(lines[first])
        # The comment must not begin like a magic: jupytext would take it for one.
        note = "a requirement now" if install.requirements and not install.other else "not installed here"
        if only_removes:
            note = "not removed here"
        new = [f"# {note}: {without_credentials(lines[first].strip(' !%'))}"]
        new += [f"# {without_credentials(line.strip())}" for line in lines[first + 1 : install.last]]
        if install.rest:
            new.append(f"{before}!{install.rest}")
        elif before or install.is_call:
            # The block may hold nothing else.
            new[0] = f"{before}pass  {new[0]}"
        lines[first : install.last] = new
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
    options: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        name, _, value = word.partition("=")
        if before in _TELLING:
            options.append(f"{before} {word}")
        elif name in _TELLING and value:
            options.append(f"{name} {value}")
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
    """Return the code that runs pip with a network, without that of `pip_installs`."""
    known = {install.line for install in _with_pip(code)}
    others = [command for command in commands(code) if command.line not in known]
    found = [each.text for each in others if _ANY_PIP.search(each.command) and "--no-index" not in each.command]
    return [*found, *_handed_on(code)]


def _handed_on(code: str) -> Iterator[str]:
    """Yield calls that hand a pip command to a function of the code's own, or to pip itself."""
    for node in nodes_of(code):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func)
        if is_called(name, SHELLS) or SAYS.search(name):
            continue
        given = [part for part in node.args if isinstance(part, ast.List | ast.Tuple | ast.Constant)]
        words = [" ".join(words_of(part)) for part in given]
        if name == "pip.main":
            words = [f"pip {word}" for word in words]
        if any(_PIP.match(word) for word in words):
            yield ast.unparse(node)
