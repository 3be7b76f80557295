# %% [markdown]
# # Plant Pathology 2021: offline prediction
# Installs what Kaggle's image lacks from a dataset, predicts every test image, writes `submission.csv`.

# %% tags=["parameters"]
# What this kernel was made of; `push` fills it in.
PACKAGES_DIGEST = ""
WEIGHTS: dict[str, float] = {}

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


def run(*arguments: str | Path) -> None:
    """Run Python with these arguments, and show what it prints as it comes."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="")
    if process.returncode != 0:
        raise RuntimeError(f"It ended with {process.returncode}; the reason stands above.")


packages = find_input("plant-pathology-2021-fgvc8-packages")
run(packages / "install.py", "--digest", PACKAGES_DIGEST)
importlib.invalidate_caches()

# %% [markdown]
# ## Predict

# %%
import pandas as pd

competition = find_input("plant-pathology-2021-fgvc8")
output = Path("/kaggle/working/submission.csv")
# A process of its own, as on two GPUs it starts another. Kaggle stops a kernel after nine hours, and then all is lost.
run(
    *("-m", "plant_pathology.predict", "--time-limit", str(8.5 * 3600)),
    *("--data", competition, "--checkpoints", find_input("plant-pathology-2021-fgvc8-models"), "--output", output),
    *("--weights", *(f"{name}={weight}" for name, weight in WEIGHTS.items())),
)
submission = pd.read_csv(output, keep_default_na=False)
submission.head()

# %% [markdown]
# ## A few predictions

# %%
from plant_pathology.pictures import contact_sheet

few = submission.head(8)
sheet = contact_sheet([competition / "test_images" / name for name in few["image"]], list(few["labels"]))
sheet.save("/kaggle/working/predictions.jpg")
sheet
