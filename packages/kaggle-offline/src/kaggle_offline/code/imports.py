"""Modules that code imports, and the distributions that they come from."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import stdlibs
from packaging.utils import canonicalize_name

# Modules with other names than their distributions. Published mappings have thousands of entries and several guesses
# for a name; these are the modules that kernels import, each checked by hand.
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
    "faiss": ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cu11"),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "google.protobuf": ("protobuf",),
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
# Namespaces that several distributions share, and the beginnings of those distributions' names.
_NAMESPACES = {"google": ("google-", "protobuf"), "mpl_toolkits": ("matplotlib", "basemap"), "ruamel": ("ruamel",)}
# Namespaces whose parts have distributions of their own, and those among them whose names tell the distribution's, as
# google-genai and google-cloud-storage; that of nvidia.dali is nvidia-dali-cuda120.
_SPLIT = ("autogluon", "google", "google.cloud", "nvidia")
_TELLING = ("autogluon", "google", "google.cloud")
# The standard library of the Pythons that images have had, and its modules that the newest Python lacks. Modules
# that are gone for longer, such as parser, are more likely a file of the competitor's.
_VERSIONS = tuple(stdlibs.KNOWN_VERSIONS[stdlibs.KNOWN_VERSIONS.index("3.11") :])
_STANDARD = frozenset[str]().union(*map(stdlibs.stdlib_module_names, _VERSIONS))
_ONCE_STANDARD = _STANDARD - stdlibs.stdlib_module_names(_VERSIONS[-1])


def imported_modules(tree: ast.AST, *, needed: bool = False) -> dict[str, int]:
    """Return the top-level modules that code imports, with the first line of each, without the standard library's.

    It returns the parts of a namespace, such as ``google``, whose parts come from different distributions.

    With ``needed``, modules are left out that the code can do without, or that only a type checker imports.
    """
    found: dict[str, int] = {}
    nodes = _needed(tree) if needed else ast.walk(tree)
    for module, line in _imports(nodes):
        if module not in _STANDARD:
            found[module] = min(line, found.get(module, line))
    return found


def modules_gone(tree: ast.AST, python: str) -> dict[str, str]:
    """Return the modules that code imports without a fallback and that Python had before ``python``.

    Args:
        tree: the code.
        python: a version, such as ``"3.12"``.

    Returns:
        The Python that removed it, by module, sorted.
    """
    known = python if python in _VERSIONS else _VERSIONS[-1]
    imported = {module for module, _ in _imports(_needed(tree, fallbacks=False))}
    gone = (imported & _STANDARD) - stdlibs.stdlib_module_names(known)
    return {module: _removed_in(module) for module in sorted(gone)}


def _removed_in(module: str) -> str:
    """Return the first Python after the last that has a module; the last one known if none follows."""
    having = [version for version in _VERSIONS if module in stdlibs.stdlib_module_names(version)]
    following = _VERSIONS.index(having[-1]) + 1
    return _VERSIONS[min(following, len(_VERSIONS) - 1)]


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield the imported top-level modules with their lines."""
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module in _SPLIT and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        elif isinstance(node, ast.Call) and _imports_by_name(node):
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                names = [argument.value]
        for name in names:
            top = _top(name)
            if top and not top.startswith("_"):
                yield top, node.lineno  # type: ignore[attr-defined]


def _top(name: str) -> str:
    """Return the part of a module's name that tells its distribution: the first, or more in a split namespace."""
    parts = name.split(".")
    count = 1
    while ".".join(parts[:count]) in _SPLIT and count < len(parts):
        count += 1
    return ".".join(parts[:count])


def _imports_by_name(call: ast.Call) -> bool:
    """Tell whether a call is ``importlib.import_module(…)`` or ``__import__(…)``, with an argument."""
    return bool(call.args) and ast.unparse(call.func).rpartition(".")[2] in ("import_module", "__import__")


def _needed(node: ast.AST, *, fallbacks: bool = True) -> Iterator[ast.AST]:
    """Yield a syntax tree's nodes without the code that may fail, or that only runs elsewhere.

    ``fallbacks`` says whether the code that runs in its place is included.
    """
    yield node
    for child in ast.iter_child_nodes(node):
        parts: Sequence[ast.AST] = [child]
        if isinstance(child, ast.Try) and any(_catches_missing(handler) for handler in child.handlers):
            parts = [*child.orelse, *child.finalbody]
            if fallbacks:
                parts = [*child.handlers, *parts]
        elif isinstance(child, ast.If) and "version_info" in ast.unparse(child.test):
            parts = []
        elif isinstance(child, ast.If) and _is_guard(child.test):
            parts = child.orelse
        elif isinstance(child, ast.With) and any("suppress" in ast.dump(i) for i in child.items):
            parts = []
        for part in parts:
            yield from _needed(part, fallbacks=fallbacks)


def _is_guard(test: ast.expr) -> bool:
    """Tell whether a condition holds only for a type checker, or only if a module exists."""
    text = ast.unparse(test)
    return not isinstance(test, ast.UnaryOp) and ("TYPE_CHECKING" in text or "find_spec(" in text)


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches the error of a missing module, and does more than to raise it again or say it."""
    if any(isinstance(node, ast.Raise) for node in ast.walk(handler)):
        return False
    if all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) for node in handler.body):
        return False
    if handler.type is None:
        return True
    caught = ast.dump(handler.type)
    return any(name in caught for name in ("ImportError", "ModuleNotFoundError", "Exception"))


ELSEWHERE = ", unless a folder that the code adds has it"
"""The end of a sentence on a module that no distribution is known to have."""
_ADDS_FOLDERS = re.compile(
    r"\bsys\.path\b|^\s*%cd\b|\bchdir\(|^\s*!\s*(?:cp|ln)\b|\bcopytree\(|\bPYTHONPATH\b", re.MULTILINE
)


def finds_elsewhere(texts: Iterable[str]) -> bool:
    """Tell whether code may import modules from folders that it adds, changes to, or copies."""
    return any(_ADDS_FOLDERS.search(text) for text in texts)


def provider(distributions: Collection[str], module: str, image: Collection[str] = ()) -> str:
    """Return the distribution that is likeliest to contain a module; empty if none of them seems to.

    Args:
        distributions: by canonical names.
        module: imported.
        image: the distributions of the image, which has many modules under their own names.
    """
    guess = canonicalize_name(module)
    above = module.rpartition(".")[0]
    likely = [name for name in distributions_of(module) if name in distributions]
    if module in _NAMESPACES:
        likely += [name for name in distributions if name.startswith(_NAMESPACES[module])]
    if above in _SPLIT:
        likely += [name for name in distributions if name == above or name.startswith(guess)]
    likely += [name for name in distributions if name.replace("-", "") == guess.replace("-", "")]
    if not is_known(module) and guess not in image:
        # As rerun, which is in rerun-sdk.
        likely += [name for name in distributions if name.startswith(f"{guess}-")]
    return likely[0] if likely else ""


def is_known(module: str) -> bool:
    """Tell whether a module's distributions are known; else they are guessed from its name."""
    return module in _DISTRIBUTIONS or module.rpartition(".")[0] in _TELLING


def distributions_of(module: str) -> tuple[str, ...]:
    """Return the distributions, by canonical names, that may contain a module; the likeliest first."""
    guess = f"standard-{module}" if module in _ONCE_STANDARD else canonicalize_name(module)
    return _DISTRIBUTIONS.get(module, (guess,))
