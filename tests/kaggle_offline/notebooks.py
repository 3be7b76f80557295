"""Notebooks as people have them, each of other habits; what they predict is the scaffold's table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LEARN = """\
from sklearn.linear_model import LogisticRegression

columns = ["width", "height"]
model = LogisticRegression().fit(train[columns], train["target"])
test["target"] = model.predict(test[columns])
test[["id", "target"]].to_csv("submission.csv", index=False)"""

# Pinned and quiet, in several spellings, one of them over two lines.
PINS = [
    "!pip install -q iniconfig==2.0.0\n%pip install --quiet 'packaging>=22' --no-deps",
    "!python -m pip install -q \\\n    pluggy==1.5.0 2>/dev/null",
    "import iniconfig, packaging, pluggy\nfrom importlib.metadata import version\nprint(version('pluggy'))",
    "%matplotlib inline\nimport pandas as pd\nSLUG = 'pinned-packages'",
    "import glob\n\ndef find(name):\n    return glob.glob(f'/kaggle/input/**/{SLUG}/{name}', recursive=True)[0]",
    "train = pd.read_csv(find('train.csv'))\ntest = pd.read_csv(find('test.csv'))",
    LEARN,
]

# Paths of the old layout, spelled in all ways.
PATHS = [
    "import os\nimport pandas as pd",
    "DATA = '/kaggle/input/old-paths/'\ntrain = pd.read_csv(DATA + 'train.csv')",
    'name = "test"\ntest = pd.read_csv(f"../input/old-paths/{name}.csv")',
    "sample = pd.read_csv(os.path.join('../input/old-paths', 'sample_submission.csv'))",
    LEARN,
]

# A module beside the notebook, which has one of its own.
HELPED = [
    '"""The table, read by a helper."""\nfrom helper import read\nimport more.names as names',
    "train, test = read(names.TRAIN), read(names.TEST)",
    LEARN,
]
HELPERS = {
    "helper.py": "import os, pandas as pd\nfrom more import places\n"
    "def read(name):\n    return pd.read_csv(os.path.join(places.find('helper-module'), name))\n",
    "more/__init__.py": "",
    "more/names.py": "TRAIN, TEST = 'train.csv', 'test.csv'\n",
    "more/places.py": "import glob\nROOT = '/kaggle/input'\n"
    "def find(slug):\n    return glob.glob(ROOT + '/**/' + slug, recursive=True)[0]\n",
    "unused.py": "import nothing_that_there_is\n",
}

NOTEBOOKS = {"pinned-packages": PINS, "old-paths": PATHS, "helper-module": HELPED}


def write_notebook(path: Path, cells: Sequence[str], **metadata: Any) -> None:
    """Write cells of code as Jupyter would have saved them, with an output."""
    output = {"output_type": "stream", "name": "stdout", "text": ["seen before\n"]}
    document = {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            **metadata,
        },
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# What it does\n"]},
            *(
                {
                    "cell_type": "code",
                    "execution_count": number,
                    "metadata": {"trusted": True},
                    "outputs": [output],
                    "source": source.splitlines(keepends=True),
                }
                for number, source in enumerate(cells)
            ),
        ],
    }
    path.write_text(json.dumps(document))


def write_notebooks(folder: Path) -> dict[str, Path]:
    """Write all of them, and the helpers; return where each is, by its competition."""
    for name, text in HELPERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for competition, cells in NOTEBOOKS.items():
        write_notebook(folder / f"{competition}.ipynb", cells)
    return {competition: folder / f"{competition}.ipynb" for competition in NOTEBOOKS}
