"""Images: the specification of the one that new kernel versions run in, and the environments."""

import json
import sys
from pathlib import Path

from kaggle_local.errors import StorageError
from kaggle_local.runs.image import ImageSpec


class Images:
    """The images of a storage; the environments in ``images/`` can be rebuilt from their specifications."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "images"
        self._in_use = root / "image.json"

    @property
    def is_set(self) -> bool:
        """Tell whether there ever was one to be used."""
        return self._in_use.exists()

    def in_use(self) -> ImageSpec:
        """Return the image in use; if none was set, an image with nothing but a notebook's runner.

        Raises:
            StorageError: the record of it is damaged.
        """
        if not self.is_set:
            return ImageSpec(python=f"{sys.version_info.major}.{sys.version_info.minor}", pins={}, distributions=())
        try:
            return ImageSpec.from_json(json.loads(self._in_use.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            cure = "Delete the file. The next push writes it again."
            raise StorageError(f"{self._in_use}: not the record of an image", cure) from error

    def use(self, spec: ImageSpec) -> None:
        """Have the versions that are pushed from now on run in an image of that."""
        draft = self._in_use.with_suffix(".draft")
        draft.write_text(json.dumps(spec.to_json()))
        draft.replace(self._in_use)
