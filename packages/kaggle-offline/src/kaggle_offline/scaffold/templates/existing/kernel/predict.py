# %% [markdown]
# # My competition: offline prediction
# Hands the sample submission in: go on with your package's prediction.

# %% tags=["parameters"]
# The origin of this kernel; `push` fills it in.
PACKAGES_DIGEST = ""

# %% tags=["install"]
# `push` writes here what installs the packages that Kaggle's image lacks.

# %%
import shutil
from pathlib import Path

import my_competition  # noqa: F401 - installed above


def find_input(slug: str) -> Path:
    """Return the folder of the competition's data, which Kaggle mounts at either place."""
    places = (Path(f"/kaggle/input/competitions/{slug}"), Path(f"/kaggle/input/{slug}"))
    return next(place for place in places if place.is_dir())


COMPETITION = find_input("my-competition")

# %%
shutil.copyfile(COMPETITION / "SAMPLE TABLE", "/kaggle/working/submission.csv")
