# %% [markdown]
# # Digit Recognizer: offline prediction
# Learns from the competition's table, predicts every test image, writes `submission.csv`.

# %% tags=["parameters"]
# What this kernel was made of; `push` fills it in.
PACKAGES_DIGEST = ""

# %% tags=["install"]
# `push` writes here what installs the packages that Kaggle's image lacks.

# %%
from pathlib import Path

from competition_kit.inputs import find_input
from digit_recognizer.predict import predict

predict(find_input("digit-recognizer"), Path("/kaggle/working/submission.csv"))
