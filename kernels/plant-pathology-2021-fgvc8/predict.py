# %% [markdown]
# # Plant Pathology 2021: offline prediction
# Installs what Kaggle's image lacks from a dataset, predicts every test image, writes `submission.csv`.

# %% tags=["parameters"]
# What this kernel was made of; `push` fills it in.
PACKAGES_DIGEST = ""
WEIGHTS: dict[str, float] = {}

# %% tags=["install"]
# `push` writes here what installs the packages that Kaggle's image lacks.

# %% [markdown]
# ## Predict

# %%
import subprocess
import sys
from pathlib import Path

import pandas as pd
from competition_kit.inputs import find_input

competition = find_input("plant-pathology-2021-fgvc8")
output = Path("/kaggle/working/submission.csv")
# A process of its own, as on two GPUs it starts another. Kaggle stops a kernel after nine hours, and then all is lost.
command = [sys.executable, "-m", "plant_pathology.predict", "--time-limit", str(8.5 * 3600), "--data", competition]
command += ["--checkpoints", find_input("plant-pathology-2021-fgvc8-models"), "--output", output]
command += ["--weights", *(f"{name}={weight}" for name, weight in WEIGHTS.items())]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as predicting:
    # So that it is shown as it comes.
    for line in predicting.stdout or ():
        print(line, end="")
if predicting.returncode != 0:
    raise RuntimeError(f"It ended with {predicting.returncode}; the reason stands above.")
# A file's name may be no text.
submission = pd.read_csv(output, keep_default_na=False, dtype=str, encoding_errors="surrogateescape")
submission.head()

# %% [markdown]
# ## A few predictions

# %%
from plant_pathology.leaves.pictures import contact_sheet

few = submission.head(8)
sheet = contact_sheet([competition / "test_images" / name for name in few["image"]], list(few["labels"]))
sheet.save("/kaggle/working/predictions.jpg")
sheet
