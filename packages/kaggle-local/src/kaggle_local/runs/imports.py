"""The distributions that a host's files import: a metric, or a gateway."""

import ast
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kaggle_local.runs.image import ImageSpec

# The distributions of modules, where the names differ.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "grpc": "grpcio",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}


def with_imports(image: ImageSpec, files: Iterable[Path], also: Iterable[str] = ()) -> ImageSpec:
    """Return an image that also has the distributions that files import, as far as the image pins them.

    Args:
        image: to begin with.
        files: of Python; one that is damaged imports nothing.
        also: further distributions, pinned or not.
    """
    modules: set[str] = set()
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            # Its run reports it.
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    named = {_DISTRIBUTIONS.get(module, re.sub(r"[-_.]+", "-", module).lower()) for module in modules}
    wanted = {*also, *(named & image.pins.keys())} - set(image.distributions)
    return replace(image, distributions=(*image.distributions, *sorted(wanted)))
