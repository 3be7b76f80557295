# %% [markdown]
# # Plant Pathology 2021: offline prediction
# Installs what Kaggle's image lacks from a dataset, predicts every test image, writes `submission.csv`.

# %% tags=["parameters"]
# What this kernel was made of; `push` fills it in.
PACKAGES_DIGEST = ""

# %% [markdown]
# ## Install

# %%
import importlib
import subprocess
import sys
from pathlib import Path


def find_input(slug: str) -> Path:
    """Return the folder of a dataset or competition, under either of Kaggle's mount layouts."""
    patterns = (slug, f"datasets/*/{slug}", f"competitions/{slug}")
    found = [path for pattern in patterns for path in Path("/kaggle/input").glob(pattern)]
    if not found:
        raise FileNotFoundError(f"{slug} is not among this kernel's inputs")
    return found[0]


packages = find_input("plant-pathology-2021-fgvc8-packages")
installer = subprocess.run(
    [sys.executable, packages / "install.py", "--digest", PACKAGES_DIGEST],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    check=False,
)
print(installer.stdout)
if installer.returncode != 0:
    raise RuntimeError("The packages could not be installed; the reason stands above.")
importlib.invalidate_caches()

# %% [markdown]
# ## Predict

# %%
from plant_pathology.predict import predict, write_submission

competition = find_input("plant-pathology-2021-fgvc8")
checkpoint = find_input("plant-pathology-2021-fgvc8-models") / "model.ckpt"
predictions = predict(competition, checkpoint)
submission = write_submission(predictions.table, Path("/kaggle/working/submission.csv"))
print(predictions.report())
submission.head()

# %% [markdown]
# ## A few predictions

# %%
from plant_pathology.pictures import contact_sheet

few = submission.head(8)
sheet = contact_sheet([competition / "test_images" / name for name in few["image"]], list(few["labels"]))
sheet.save("/kaggle/working/predictions.jpg")
sheet
