# %% [markdown]
# # My competition: offline prediction
# Learns from what the competition gives, predicts the test set, writes `submission.csv`.

# %% tags=["parameters"]
# The origin of this kernel; `push` fills it in.
PACKAGES_DIGEST = ""

# %% tags=["install"]
# `push` writes here what installs the packages that Kaggle's image lacks.

# %%
from pathlib import Path

from competition_kit.inputs import find_input
from my_competition.predict import predict

predict(find_input("my-competition"), Path("/kaggle/working/submission.csv"))
