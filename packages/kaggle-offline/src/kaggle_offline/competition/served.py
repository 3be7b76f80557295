"""Served competitions: their gateways, which come with the data, and the stand-in where the data are absent."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from kaggle_offline.files import write_text
from kaggle_offline.repository.submission_toml import HoldOut

FOLDER = "kaggle_evaluation"
"""The folder of the hosts' files in the competition's data, and the package that kernels import."""

_GATEWAY = re.compile(rf"{FOLDER}/(?!core/)(?:\w+/)*(\w+)_gateway\.py")
_INPUT = re.compile(r"/kaggle/input/(?:competitions/)?[\w.-]+(?:/(.*))?")
_STAND_IN = resources.files("kaggle_offline.competition") / "stand_in" / FOLDER


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A competition's gateway, and the server that its kernels make.

    Attributes:
        path: the gateway's file in the competition's data.
        module: the server's module.
        server: the server's class.
        paths: the files of the data that the gateway reads unless it is given others; an empty text is the folder.
    """

    path: str
    module: str
    server: str
    paths: tuple[str, ...] = ("",)


def gateway_named(name: str) -> Gateway:
    """Return the gateway of a competition that is made up, by its module's name."""
    words = "".join(word.capitalize() for word in name.split("_"))
    module = f"{FOLDER}.{name}_inference_server"
    return Gateway(path=f"{FOLDER}/{name}_gateway.py", module=module, server=f"{words}InferenceServer")


def gateway_among(names: Iterable[str]) -> str:
    """Return the path of the gateway among the names of a competition's files; empty if it is not served."""
    return next((name for name in sorted(names) if _GATEWAY.fullmatch(name)), "")


def read_gateway(folder: Path, path: str) -> Gateway:
    """Return the gateway of a competition's data: the host's class, and the files that it reads by default.

    Args:
        folder: the data.
        path: the gateway's file in it.
    """
    server = path.replace("_gateway.py", "_inference_server.py")
    found = [name for name in _classes(folder / server) if name.endswith("InferenceServer")]
    module = server.removesuffix(".py").replace("/", ".")
    return Gateway(
        path=path, module=module, server=(found or ["InferenceServer"])[-1], paths=default_paths(folder / path)
    )


def default_paths(file: Path) -> tuple[str, ...]:
    """Return the files that a gateway reads unless it is given others, as paths in the data, in their order.

    They are the texts below ``/kaggle/input`` in its ``unpack_data_paths``; without any, the gateway takes the folder.
    """
    paths: list[str] = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef) and node.name == "unpack_data_paths":
            for text in _texts(node):
                match = _INPUT.fullmatch(text)
                if match:
                    paths.append((match[1] or "").rstrip("/"))
    return tuple(dict.fromkeys(paths)) or ("",)


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts of code in the order of their places."""
    found = [part for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    for part in sorted(found, key=lambda part: (part.lineno, part.col_offset)):
        yield str(part.value)


def _classes(file: Path) -> list[str]:
    return [node.name for node in ast.walk(_tree(file)) if isinstance(node, ast.ClassDef)]


def _tree(file: Path) -> ast.Module:
    """Return the syntax tree of a host's file; empty if it is not there or not Python."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def add_stand_in(folder: Path, rehearsal: HoldOut, test: str, id_column: str, columns: Iterable[str]) -> None:
    """Write files that stand in for the host's: rules forbid publishing those, and a clone has no data.

    The stand-in has what kernels know of the host's: the modules' names, any class that ends in ``InferenceServer``,
    ``serve``, ``run_local_gateway``, the ports, the files and the errors. It sends rows of the test set with the same
    value of ``rehearsal.group``, shuffled; without a group it sends single rows.

    Args:
        folder: drawn data.
        rehearsal: whose gateway it is.
        test: the table of the test set in the folder.
        id_column: of the submission.
        columns: the others.
    """
    root = folder / FOLDER
    for name, text in _read(_STAND_IN):
        write_text(root / name, text)
    gateway = PurePosixPath(rehearsal.gateway)
    for suffix in ("gateway", "inference_server"):
        target = folder / gateway.with_name(gateway.name.replace("_gateway.py", f"_{suffix}.py"))
        target.parent.mkdir(exist_ok=True)
        (root / f"stand_in_{suffix}.py").rename(target)
    settings = {"test": test, "id": id_column, "columns": list(columns), "batch": rehearsal.group}
    write_text(root / "stand_in.json", json.dumps(settings))


def _read(folder: Traversable, inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield the modules below a folder, as relative path and text."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _read(entry, f"{inside}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{inside}{entry.name}", entry.read_text(encoding="utf-8")
