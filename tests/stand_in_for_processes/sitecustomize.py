"""This module points the official client at a local Kaggle instead of kaggle.com; see tests/stand_in.py."""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

_MODULE = "kagglesdk.kaggle_env"


class _Redirect(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the module that knows Kaggle's addresses, and gives it another."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        assert self._loader is not None
        self._loader.exec_module(module)
        module._env_to_endpoint[module.KaggleEnv.PROD] = os.environ["STAND_IN_FOR_KAGGLE"]


if "STAND_IN_FOR_KAGGLE" in os.environ:
    sys.meta_path.insert(0, _Redirect())
