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

# Kaggle mounts a competition's data at either place.
PLACES = (Path("/kaggle/input/competitions/my-competition"), Path("/kaggle/input/my-competition"))
COMPETITION = next(place for place in PLACES if place.is_dir())

# %%
shutil.copyfile(COMPETITION / "SAMPLE TABLE", "/kaggle/working/submission.csv")
