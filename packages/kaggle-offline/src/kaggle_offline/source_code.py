"""What a kernel's code says of what it needs: imports, hard-coded input paths, packages that it installs.

The code is read, not run. Cells may hold IPython's lines (``%magic``, ``!command``), which Python cannot parse.
"""

import ast
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# Modules that are called otherwise than the distributions they come in.
_DISTRIBUTIONS = {
    "attr": ("attrs",),
    "Bio": ("biopython",),
    "bs4": ("beautifulsoup4",),
    "Crypto": ("pycryptodome",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu",),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "hydra": ("hydra-core",),
    "imblearn": ("imbalanced-learn",),
    "iterstrat": ("iterative-stratification",),
    "jwt": ("pyjwt",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "mpl_toolkits": ("matplotlib",),
    "PIL": ("pillow",),
    "pkg_resources": ("setuptools",),
    "SimpleITK": ("simpleitk",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "umap": ("umap-learn",),
    "yaml": ("pyyaml",),
}

_MAGIC = re.compile(r"\s*(?:[\w, ]+=\s*)?[!%]")
# A cell that begins so is handed to another than Python, but for these.
_CELL_MAGIC = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun)\b)")
_ANY_PIP = re.compile(r"\bpip3?\b.*?\binstall\b")
_PIP = re.compile(
    r"\s*[!%]\s*(?:\S*python\S*\s+-m\s+|\{sys\.executable\}\s+-m\s+)?(?:uv\s+)?pip3?\s+install\s+(.*)", re.DOTALL
)
# What fetches something when it runs: calls, by the ends of their names, and commands.
_FETCHES = (
    "hub.load",
    "hf_hub_download",
    "snapshot_download",
    "requests.get",
    "urlopen",
    "urlretrieve",
    "gdown.download",
)
_FETCHING_LINE = re.compile(r"\s*[!%]\s*(wget|curl|git\s+clone|apt|apt-get|conda|gdown|kaggle)\b")

# Options of pip that are followed by a value.
_WITH_VALUE = re.compile(
    r"-[cfit]|--(constraint|find-links|index-url|extra-index-url|target|abi|cache-dir|implementation|log|no-binary"
    r"|only-binary|platform|prefix|progress-bar|proxy|python|python-version|retries|root|root-user-action|src|timeout"
    r"|trusted-host|upgrade-strategy)"
)

# A folder below the inputs, under the old layout or the new: then a slug, and what is within it.
_INPUT = re.compile(
    r"(?:/kaggle|(?:\.\./)+)/?input/(?:competitions/|datasets/[\w-]+/)?(?P<slug>(?!competitions\b|datasets\b|models\b)[a-z0-9][\w-]*)"
)


@dataclass(frozen=True, kw_only=True)
class InputPath:
    """A path of an input that is written out.

    Attributes:
        line: where, counted from 1.
        slug: of the dataset or competition; empty where it does not stand there whole.
        text: the code that has it.
        instead: what to write; empty where that has to be thought about.
    """

    line: int
    slug: str
    text: str
    instead: str


@dataclass(frozen=True, kw_only=True)
class PipInstall:
    """A line that has pip install something.

    Attributes:
        line: where, counted from 1.
        text: of the line.
        requirements: what it names that can be required.
        other: what it names besides: files, folders, lists of requirements.
    """

    line: int
    text: str
    requirements: tuple[str, ...]
    other: tuple[str, ...]


def without_magics(code: str) -> str:
    """The code without IPython's own lines, so that Python can parse it; all others stay where they are.

    Of a cell that is handed to another than Python nothing is left.
    """
    if _CELL_MAGIC.match(code):
        return ""
    lines = code.split("\n")
    for first, line in _logical_lines(code):
        if _MAGIC.match(line):
            # A block may hold nothing else.
            lines[first - 1] = f"{_indent(line)}pass"
            for number in range(first, first + line.count("\n")):
                lines[number] = ""
    return "\n".join(lines)


def parse(code: str) -> ast.Module | None:
    """The code's syntax tree; None where it is no Python, IPython's own lines aside."""
    return _parsed(code) or _parsed(without_magics(code))


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def imported_modules(tree: ast.AST, *, needed: bool = False) -> dict[str, int]:
    """The top-level modules that code imports, but for the standard library's, and the first line of each.

    With ``needed`` without those that it does without where they are missing, or that only a type checker reads.
    """
    found: dict[str, int] = {}
    for node in _needed(tree) if needed else ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names:
                found[top] = min(node.lineno, found.get(top, node.lineno))  # type: ignore[attr-defined]
    return found


def _needed(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree's nodes, but for what a missing module or a run does without."""
    yield node
    for child in ast.iter_child_nodes(node):
        tried = isinstance(child, ast.Try) and any(h.type is None or _forgives(h.type) for h in child.handlers)
        tried = tried or (isinstance(child, ast.With) and any("suppress" in ast.dump(i) for i in child.items))
        typed = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not (tried or typed):
            yield from _needed(child)


def _forgives(caught: ast.expr) -> bool:
    return any(name in ast.dump(caught) for name in ("ImportError", "ModuleNotFoundError", "Exception"))


def is_known(module: str) -> bool:
    """Whether it is known what distributions bring a module; else they are guessed by its name."""
    return module in _DISTRIBUTIONS


def distributions_of(module: str) -> tuple[str, ...]:
    """The distributions, by canonical names, that may bring a module; the likeliest first."""
    return _DISTRIBUTIONS.get(module, (canonicalize_name(module),))


def pip_installs(code: str) -> list[PipInstall]:
    """The lines of a cell by which pip installs something."""
    found = []
    # In a text of Python's such a line is none.
    for first, line in () if _parsed(code) else _logical_lines(code):
        match = _PIP.match(line)
        if match:
            requirements, other = _named(match[1])
            found.append(PipInstall(line=first, text=line.strip(), requirements=requirements, other=other))
    return found


def other_pip_lines(code: str) -> list[str]:
    """The lines that look as if they had pip install something, in a way that is not read."""
    return [
        line.strip()
        for _, line in _logical_lines(code)
        if not line.lstrip().startswith("#") and len(_ANY_PIP.findall(line)) > bool(_PIP.match(line))
    ]


def without_pip(code: str) -> str:
    """The code with the lines of `pip_installs` as comments."""
    lines = code.split("\n")
    for install in pip_installs(code):
        first = install.line - 1
        # jupytext takes a comment that begins like such a line for one. A block may hold nothing else.
        nothing = f"{_indent(lines[first])}pass  " if _indent(lines[first]) else ""
        lines[first] = f"{nothing}# a requirement now: {lines[first].strip(' !%')}"
        for number in range(first + 1, first + 1 + install.text.count("\n")):
            lines[number] = f"# {lines[number].strip()}"
    return "\n".join(lines)


def _logical_lines(code: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that a backslash continues as one, with the line's end within."""
    lines = code.split("\n")
    number = 0
    while number < len(lines):
        first, line = number, lines[number]
        while line.rstrip().endswith("\\") and number + 1 < len(lines):
            number += 1
            line = f"{line}\n{lines[number]}"
        yield first + 1, line
        number += 1


def _named(arguments: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What pip is told to install, without its options."""
    text = arguments.replace("\\\n", " ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        words = text.split()
    # What the shell does after pip, where it writes to, and a comment are its own affair.
    end = next((n for n, word in enumerate(words) if set(word) <= set("();<>|&") or word[0] == "#"), len(words))
    if end < len(words) and words[end - 1].isdigit():
        # The number of what is written elsewhere.
        end -= 1
    requirements, other = [], []
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
    return tuple(requirements), tuple(other)


def fetches(code: str) -> list[tuple[int, str]]:
    """What code fetches from a network when it runs, as far as it shows: lines, counted from 1, and the code."""
    found = [(first, line.strip()) for first, line in _logical_lines(code) if _FETCHING_LINE.match(line)]
    tree = parse(code)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if any(name == end or name.endswith(f".{end}") for end in _FETCHES):
                found.append((node.lineno, f"{name}(…)"))
            if any(
                k.arg == "pretrained" and isinstance(k.value, ast.Constant) and k.value.value is True
                for k in node.keywords
            ):
                found.append((node.lineno, f"{name}(…, pretrained=True)"))
    return sorted(found)


def input_paths(code: str) -> list[InputPath]:
    """The paths of inputs that code has written out, in the order of their lines."""
    return [path for path, _ in _input_literals(code)]


def with_inputs_found(code: str) -> str:
    """The code with those paths as what `InputPath.instead` says, where it says so and the code stays Python."""
    lines = [line.encode() for line in code.split("\n")]
    for path, node in reversed(_input_literals(code)):
        if path.instead:
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            end = lines[last][node.end_col_offset :]
            lines[first : last + 1] = [lines[first][: node.col_offset] + path.instead.encode() + end]
    replaced = b"\n".join(lines).decode()
    return replaced if parse(replaced) is not None else code


def magics_with_inputs(code: str) -> list[str]:
    """IPython's own lines in which an input's path is written out."""
    return [line.strip() for _, line in _logical_lines(code) if _MAGIC.match(line) and _INPUT.search(line)]


def _input_literals(code: str) -> list[tuple[InputPath, ast.expr]]:
    tree = parse(code)
    if tree is None:
        return []
    source = code if _parsed(code) else without_magics(code)
    skipped = {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}
    # An f-string, with all that it holds, is one literal.
    formats = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    skipped |= {id(part) for node in formats for part in ast.walk(node) if part is not node}
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        segment = ast.get_source_segment(source, node) or ""
        text = node.value if isinstance(node, ast.Constant) else segment
        if isinstance(text, str) and (match := _INPUT.search(text)):
            is_whole = text[match.end() :][:1] in ("", "/", "'", '"')
            instead = _with_constant(text, match) if isinstance(node, ast.Constant) else _with_format(segment, match)
            path = InputPath(
                line=node.lineno,
                slug=match["slug"] if is_whole else "",
                text=segment,
                instead=instead if is_whole else "",
            )
            found.append((path, node))
    return sorted(found, key=lambda pair: (pair[0].line, pair[1].col_offset))


def _with_constant(text: str, match: re.Match[str]) -> str:
    """An f-string that says the same of a text that begins with an input's path."""
    if match.start() != 0:
        return ""
    rest = json.dumps(text[match.end() :], ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
    return f"f\"{{find_input('{match['slug']}')}}{rest}\""


def _with_format(segment: str, match: re.Match[str]) -> str:
    """The f-string with the path's beginning found; empty where it is not at the f-string's own beginning."""
    begin = re.match(r"[rR]?[fF][rR]?('''|\"\"\"|'|\")", segment)
    if begin is None or match.start() != begin.end():
        return ""
    inner = "'" if begin[1].startswith('"') else '"'
    return f"{begin[0]}{{find_input({inner}{match['slug']}{inner})}}{segment[match.end() :]}"
