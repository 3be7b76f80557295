"""Modules that code imports, and the distributions that they come from."""

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence

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


def imported_modules(tree: ast.AST, *, needed: bool = False) -> dict[str, int]:
    """The top-level modules that code imports, but for the standard library's, and the first line of each.

    With ``needed`` without those that it does without where they are missing, or that only a type checker reads.
    """
    found: dict[str, int] = {}
    for module, line in _imports(_needed(tree) if needed else ast.walk(tree)):
        if module not in sys.stdlib_module_names | _ONCE_STANDARD:
            found[module] = min(line, found.get(module, line))
    return found


def modules_gone(tree: ast.AST, python: str) -> dict[str, str]:
    """Return the modules that code imports without a fallback and that left the standard library up to ``python``.

    Args:
        tree: the code.
        python: a version, such as ``"3.12"``.

    Returns:
        The first Python without it, by module, sorted.
    """
    version = tuple(map(int, python.split(".")))
    imported = {module for module, _ in _imports(_needed(tree, fallbacks=False))}
    found = {}
    for first, modules in _GONE.items():
        if first <= version:
            found.update(dict.fromkeys(imported & modules, ".".join(map(str, first))))
    return dict(sorted(found.items()))


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
    """Tell whether a condition holds only for a type checker, or where a module is there."""
    text = ast.unparse(test)
    return not isinstance(test, ast.UnaryOp) and ("TYPE_CHECKING" in text or "find_spec(" in text)


def _does_without(handler: ast.ExceptHandler) -> bool:
    """Tell whether what a missing module raises is caught, and not raised again."""
    caught = "" if handler.type is None else ast.dump(handler.type)
    forgives = handler.type is None or any(n in caught for n in ("ImportError", "ModuleNotFoundError", "Exception"))
    return forgives and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def brings(distributions: Collection[str], module: str) -> bool:
    """Tell whether one of these distributions, by canonical names, is likely to bring a module."""
    if module in _NAMESPACES:
        return any(name.startswith(_NAMESPACES[module]) for name in distributions)
    return not set(distributions_of(module)).isdisjoint(distributions)


def is_known(module: str) -> bool:
    """Tell whether it is known what distributions bring a module; else they are guessed by its name."""
    return module in _DISTRIBUTIONS


def distributions_of(module: str) -> tuple[str, ...]:
    """The distributions, by canonical names, that may bring a module; the likeliest first."""
    guess = f"standard-{module}" if module in _ONCE_STANDARD else canonicalize_name(module)
    return _DISTRIBUTIONS.get(module, (guess,))
