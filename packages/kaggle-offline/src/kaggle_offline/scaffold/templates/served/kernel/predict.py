# %% [markdown]
# # My competition: answers to the gateway
# In the rerun the competition's gateway sends the hidden test set, a batch at a time. Otherwise the kernel runs the
# gateway on the public test set. Either way the gateway writes `submission.parquet`.

# %% tags=["parameters"]
# The origin of this kernel; `push` fills it in.
PACKAGES_DIGEST = ""

# %% tags=["install"]
# `push` writes here what installs the packages that Kaggle's image lacks.

# %%
import os
import sys

from competition_kit.inputs import find_input
from my_competition.predict import predict

COMPETITION = find_input("my-competition")
sys.path.append(str(COMPETITION))

# %%
from SERVER_MODULE import SERVER_CLASS

server = SERVER_CLASS(predict)
if os.getenv("KAGGLE_IS_COMPETITION_RERUN"):
    server.serve()
else:
    server.run_local_gateway(tuple(f"{COMPETITION}/{name}" for name in ("SERVER PATHS",)))
