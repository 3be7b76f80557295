"""What a kernel's code says of what it needs: the modules that it imports, and the packages that it installs.

The code is read, not run. Cells may hold IPython's lines (``%magic``, ``!command``), which Python cannot parse.
"""

import ast
import re
import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# Modules that are called otherwise than the distributions they come in.
_DISTRIBUTIONS = {
    "absl": ("absl-py",),
    "albumentations": ("albumentations", "albumentationsx"),
    "asynchat": ("pyasynchat",),
    "asyncore": ("pyasyncore",),
    "attr": ("attrs",),
    "audioop": ("audioop-lts",),
    "bayes_opt": ("bayesian-optimization",),
    "Bio": ("biopython",),
    "bs4": ("beautifulsoup4",),
    "cgi": ("legacy-cgi", "standard-cgi"),
    "cgitb": ("legacy-cgi", "standard-cgitb"),
    "Crypto": ("pycryptodome",),
    "cv2": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "dateutil": ("python-dateutil",),
    "distutils": ("setuptools",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu",),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "hydra": ("hydra-core",),
    "imblearn": ("imbalanced-learn",),
    "imp": ("zombie-imp",),
    "iterstrat": ("iterative-stratification",),
    "jwt": ("pyjwt",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "magic": ("python-magic",),
    "mpl_toolkits": ("matplotlib",),
    "openslide": ("openslide-python",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow",),
    "pkg_resources": ("setuptools",),
    "pptx": ("python-pptx",),
    "pylab": ("matplotlib",),
    "serial": ("pyserial",),
    "SimpleITK": ("simpleitk",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "skopt": ("scikit-optimize",),
    "slugify": ("python-slugify",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu"),
    "umap": ("umap-learn",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}
# Modules that many distributions have a part of, and how the names of those begin.
_NAMESPACES = {"google": ("google-", "protobuf"), "mpl_toolkits": ("matplotlib", "basemap"), "ruamel": ("ruamel",)}
# Modules that left the standard library, by the first Python without them (its documentation's "What's New").
_GONE = {
    (3, 12): {"asynchat", "asyncore", "distutils", "imp", "smtpd"},
    (3, 13): {
        *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis"),
        *("nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
    },
}
_ONCE_STANDARD = frozenset[str]().union(*_GONE.values())

# An own line of IPython's.
MAGIC = re.compile(r"\s*(?:[\w, ]+=\s*)?(?:!|%{1,2}(?=\w))")
# IPython's help, and what it takes without a sign before it; they are looked for where a cell is no Python else.
HELP = re.compile(
    r"\s*(?:\?{1,2}[\w.]+|%{0,2}[\w.]+\?{1,2}|(?:cat|cd|cp|ls|mkdir|mv|pwd|rm|rmdir)(?:\s+[^\s=(].*)?)\s*$"
)
# A cell that begins so is handed to another than Python, but for these.
CELL_MAGIC = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun)\b)")
_WRITES_MODULE = re.compile(r"\s*%%writefile\s+(?:-a\s+)?(?:\./)?(\w+)\.py[ \t]*\n")
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


def without_magics(code: str) -> str:
    """The code without IPython's own lines, so that Python can parse it; all others stay where they are.

    Of a cell that is handed to another than Python nothing is left.
    """
    if CELL_MAGIC.match(code):
        return ""
    lines = code.split("\n")
    for first, line in logical_lines(code):
        if MAGIC.match(line) or HELP.match(line):
            # A block may hold nothing else.
            lines[first - 1] = f"{indent(line)}pass"
            for number in range(first, first + line.count("\n")):
                lines[number] = ""
    return "\n".join(lines)


def parse(code: str) -> ast.Module | None:
    """The code's syntax tree; None where it is no Python, IPython's own lines aside."""
    return parsed(code) or parsed(without_magics(code))


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of code that is Python as it stands; else None."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def indent(line: str) -> str:
    """The blanks that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def why_no_python(code: str) -> str | None:
    """The line, counted from 1, and the reason for which code is no Python; None where it is."""
    if parse(code) is not None:
        return None
    try:
        ast.parse(without_magics(code))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or "too deep"
    return None


def imported_modules(tree: ast.AST, *, needed: bool = False) -> dict[str, int]:
    """The top-level modules that code imports, but for the standard library's, and the first line of each.

    With ``needed`` without those that it does without where they are missing, or that only a type checker reads.
    """
    found: dict[str, int] = {}
    for module, line in _imports(_needed(tree) if needed else ast.walk(tree)):
        if module not in sys.stdlib_module_names | _ONCE_STANDARD:
            found[module] = min(line, found.get(module, line))
    return found


def modules_gone(tree: ast.AST, python: str) -> list[str]:
    """The top-level modules that code imports, whatever else is there, and that ``python``, as "3.12", has no more."""
    version = tuple(map(int, python.split(".")))
    gone = {module for first, modules in _GONE.items() if first <= version for module in modules}
    return sorted(gone & {module for module, _ in _imports(_needed(tree, fallbacks=False))})


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """The top-level modules that are imported, with their lines."""
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        for name in names:
            top = name.partition(".")[0]
            if top and not top.startswith("_"):
                yield top, node.lineno  # type: ignore[attr-defined]


def _needed(node: ast.AST, *, fallbacks: bool = True) -> Iterator[ast.AST]:
    """A syntax tree's nodes, but for what a missing module, a run or another Python does without.

    ``fallbacks`` says whether what takes a missing module's place is among them.
    """
    yield node
    for child in ast.iter_child_nodes(node):
        parts: Sequence[ast.AST] = [child]
        if isinstance(child, ast.Try) and any(_does_without(handler) for handler in child.handlers):
            parts = [*(child.handlers if fallbacks else ()), *child.orelse, *child.finalbody]
        elif isinstance(child, ast.If) and "version_info" in ast.unparse(child.test):
            parts = []
        elif isinstance(child, ast.If) and _is_guard(child.test):
            parts = child.orelse
        elif isinstance(child, ast.With) and any("suppress" in ast.dump(i) for i in child.items):
            parts = []
        for part in parts:
            yield from _needed(part, fallbacks=fallbacks)


def _is_guard(test: ast.expr) -> bool:
    """Whether a condition holds only for a type checker, or where a module is there."""
    text = ast.unparse(test)
    return not isinstance(test, ast.UnaryOp) and ("TYPE_CHECKING" in text or "find_spec(" in text)


def _does_without(handler: ast.ExceptHandler) -> bool:
    """Whether what a missing module raises is caught, and not raised again."""
    caught = "" if handler.type is None else ast.dump(handler.type)
    forgives = handler.type is None or any(n in caught for n in ("ImportError", "ModuleNotFoundError", "Exception"))
    return forgives and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def brings(distributions: Collection[str], module: str) -> bool:
    """Whether one of these distributions, by canonical names, is likely to bring a module."""
    if module in _NAMESPACES:
        return any(name.startswith(_NAMESPACES[module]) for name in distributions)
    return not set(distributions_of(module)).isdisjoint(distributions)


def is_known(module: str) -> bool:
    """Whether it is known what distributions bring a module; else they are guessed by its name."""
    return module in _DISTRIBUTIONS


def distributions_of(module: str) -> tuple[str, ...]:
    """The distributions, by canonical names, that may bring a module; the likeliest first."""
    guess = f"standard-{module}" if module in _ONCE_STANDARD else canonicalize_name(module)
    return _DISTRIBUTIONS.get(module, (guess,))


def pip_installs(code: str) -> list[PipInstall]:
    """The lines of a cell by which pip installs something."""
    found = []
    # In a text of Python's such a line is none.
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


def logical_lines(code: str) -> Iterator[tuple[int, str]]:
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


def _named(arguments: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What pip is told to install: what can be required, what cannot, and the options that matter then."""
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


def module_written(code: str) -> tuple[str, str] | None:
    """The module that a cell writes, by name and text; None of any other cell."""
    match = _WRITES_MODULE.match(code)
    return (match[1], code[match.end() :]) if match else None
