"""What code fetches from a network when it runs, as far as reading it shows: by calls, and by what a shell is given."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kaggle_offline.source_code import MAGIC, logical_lines, parse, parsed, pip_installs

# Calls that fetch, by the ends of their names.
_CALLS = (
    "hub.load",
    "hf_hub_download",
    "snapshot_download",
    "load_state_dict_from_url",
    "download_url_to_file",
    "load_dataset",
    "nltk.download",
    "requests.get",
    "urlopen",
    "urlretrieve",
    "gdown.download",
    "kagglehub.model_download",
    "kagglehub.dataset_download",
    "fetch_openml",
    "fetch_20newsgroups",
)
# Calls that do where they are given the name of something published, or an address.
_CALLS_BY_NAME = ("from_pretrained", "SentenceTransformer")
_CALLS_BY_ADDRESS = re.compile(r"(?:read_\w+|get|load|KerasLayer|Request|download\w*)")
_ADDRESS = re.compile(r"https?://")
# Arguments that have weights or data fetched.
_KEYWORDS = {"pretrained": (True,), "download": (True,), "encoder_weights": ("imagenet",)}
_WEIGHTS = re.compile(r"DEFAULT|IMAGENET\w*|imagenet")

# Calls that hand a command on.
_SHELLS = (
    "os.system",
    "os.popen",
    "getoutput",
    *(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")),
)
_SHELL_CELL = re.compile(r"\s*%%(?:bash|sh|script|!)\b")
_FETCHES = re.compile(
    r"(?:^|&&|\|\||[;|(\n])\s*(?:sudo\s+)?(?:wget|curl|aria2c|gdown|git\s+clone|apt|apt-get|conda|mamba|kaggle|huggingface-cli"
    r"|hf\s+download|(?:\S*python\S*\s+-m\s+)?spacy\s+download)\b"
)
_PIP = re.compile(r"\bpip3?\b.*?\b(?:install|download)\b", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Command:
    """What code gives a shell.

    Attributes:
        line: where, counted from 1.
        text: the code.
        command: what the shell gets.
    """

    line: int
    text: str
    command: str


def fetches(code: str) -> list[tuple[int, str]]:
    """Lines, counted from 1, and the code in them; what pip installs is not among them."""
    found = [(command.line, command.text) for command in commands(code) if _FETCHES.search(command.command)]
    tree = parse(code)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if _is(name, _CALLS):
                found.append((node.lineno, f"{name}(…)"))
            elif _fetches_by_name(name, node):
                found.append((node.lineno, f"{name}({ast.unparse(node.args[0])})"))
            else:
                arguments = [keyword for keyword in node.keywords if _fetches_by_keyword(keyword)]
                found += [(node.lineno, f"{name}(…, {ast.unparse(keyword)})") for keyword in arguments]
    return sorted(found)


def other_pip_lines(code: str) -> list[str]:
    """What gives a shell something that has pip install, but for the lines of `pip_installs`."""
    known = {install.line for install in pip_installs(code)}
    return [c.text for c in commands(code) if c.line not in known and _PIP.search(c.command)]


def commands(code: str) -> list[Command]:
    """What code gives a shell: IPython's lines, cells that one runs, and calls with a text or a list of them."""
    found: list[Command] = []
    if _SHELL_CELL.match(code):
        lines = [(number, line.strip()) for number, line in logical_lines(code)][1:]
        return [Command(line=n, text=line, command=line) for n, line in lines if line and not line.startswith("#")]
    for number, line in () if parsed(code) else logical_lines(code):
        if MAGIC.match(line):
            found.append(Command(line=number, text=line.strip(), command=line.partition("!")[2] or line.strip(" %")))
    tree = parse(code)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and node.args and _is(ast.unparse(node.func), _SHELLS):
            words = list(_texts(node.args[0]))
            found.append(Command(line=node.lineno, text=ast.unparse(node), command=" ".join(words)))
    return sorted(found, key=lambda command: command.line)


def _is(name: str, ends: tuple[str, ...]) -> bool:
    return any(name == end or name.endswith(f".{end}") for end in ends)


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that a command is made of; what is not written out stands as a word of its own."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.List | ast.Tuple):
        for part in node.elts:
            yield from _texts(part)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    else:
        yield ast.unparse(node)


def _fetches_by_name(name: str, call: ast.Call) -> bool:
    """Whether a call is given the name of something published, rather than a path, or an address."""
    first = call.args[0] if call.args else None
    if name.endswith("create_model") and len(call.args) > 1:
        return isinstance(call.args[1], ast.Constant) and call.args[1].value is True
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
        return False
    if _is(name, _CALLS_BY_NAME):
        return not first.value.startswith(("/", ".")) and not any(k.arg == "local_files_only" for k in call.keywords)
    return bool(_CALLS_BY_ADDRESS.fullmatch(name.rpartition(".")[2]) and _ADDRESS.match(first.value))


def _fetches_by_keyword(keyword: ast.keyword) -> bool:
    if keyword.arg == "weights":
        return bool(_WEIGHTS.fullmatch(ast.unparse(keyword.value).rpartition(".")[2].strip("'\"")))
    return isinstance(keyword.value, ast.Constant) and keyword.value.value in _KEYWORDS.get(keyword.arg or "", ())
