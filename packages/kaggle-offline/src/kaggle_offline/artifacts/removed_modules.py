"""Modules of Python that shipped wheels import, and that the image's Python no longer has."""

import ast
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from keyword import iskeyword

from kaggle_offline.code.imports import modules_gone, provider
from kaggle_offline.dependencies.index.download import Shipped

_IMPORT = re.compile(rb"^(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_ASIDE = re.compile(r"(?:^|/)(?:tests?|testing|docs?|examples?|benchmarks?|setup\.py|conftest\.py)(?:/|$)")


def removed_imports(shipped: Sequence[Shipped], python: str, installed: Collection[str]) -> list[str]:
    """Return a line for each distribution that imports a removed module whenever one of its own modules is imported.

    Such an import is not an error: a kernel may do without that module. The search reads about 100 MB of wheels in a
    second.

    Args:
        shipped: the files.
        python: the image's, such as ``"3.13"``.
        installed: the canonical names of all that the kernel has: some bring a removed module back.
    """
    lines = []
    for file in shipped:
        found = next(_removed(file, python, installed), None)
        if found is not None:
            name, module, since = found
            lines.append(f"{file.pin}: {name} imports {module}, removed in Python {since}")
    return lines


def _removed(file: Shipped, python: str, installed: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the module of a wheel, what it imports at its top level, and the Python that removed that."""
    if file.path.suffix != ".whl":
        return
    with zipfile.ZipFile(file.path) as wheel:
        for entry in sorted(wheel.namelist()):
            if not entry.endswith(".py") or _ASIDE.search(entry):
                continue
            text = wheel.read(entry)
            names = sorted({name.decode() for name in _IMPORT.findall(text)})
            # One line for each name is parsed, not thousands of modules. Text can look like code: "from and".
            tree = ast.parse("".join(f"import {name}\n" for name in names if not iskeyword(name)))
            for module, since in modules_gone(tree, python).items():
                if not provider(installed, module):
                    yield entry, module, since
