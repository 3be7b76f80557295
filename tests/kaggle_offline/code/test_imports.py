"""Imports are found, those that code needs apart, and traced to distributions."""

import ast

import pytest
from kaggle_offline.code.cells import parse
from kaggle_offline.code.imports import distributions_of, imported_modules


def test_imports_are_found_but_for_the_standard_library() -> None:
    tree = parse("%load_ext x\nimport os, numpy as np\nfrom sklearn.svm import SVC\nfrom . import y\nimport a.b.c\n")
    assert tree is not None
    assert imported_modules(tree) == {"numpy": 2, "sklearn": 3, "a": 5}


def test_what_code_does_without_is_not_needed() -> None:
    tree = ast.parse(
        "try:\n    import cupy\nexcept ImportError:\n    cupy = None\nif TYPE_CHECKING:\n    import b\nimport c\n"
        "try:\n    import d\nexcept:\n    d = 0\nwith suppress(ImportError):\n    import e\n"
        "if find_spec('f'):\n    import f\n"
    )
    assert set(imported_modules(tree)) == {"b", "c", "cupy", "d", "e", "f"}
    assert set(imported_modules(tree, needed=True)) == {"c"}


def test_what_code_does_without_only_at_first_sight_is_needed() -> None:
    tree = ast.parse(
        "try:\n    import a\nexcept ImportError:\n    raise\n"
        "try:\n    import b\nexcept ImportError:\n    import c\nelse:\n    import d\n"
        "if TYPE_CHECKING:\n    import e\nelse:\n    import f\n"
        "if not TYPE_CHECKING:\n    import g\n"
        "importlib.import_module('h.i')\n__import__('j')\n"
    )
    assert set(imported_modules(tree, needed=True)) == {"a", "c", "d", "f", "g", "h", "j"}


@pytest.mark.parametrize(("module", "name"), [("sklearn", "scikit-learn"), ("pytorch_lightning", "pytorch-lightning")])
def test_modules_come_in_distributions(module: str, name: str) -> None:
    assert distributions_of(module)[0] == name
