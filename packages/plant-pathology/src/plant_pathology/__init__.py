"""Plant Pathology 2021 (FGVC8): which diseases a photographed apple leaf shows."""

import os

# GNU's OpenMP computes for torch: this is how often a thread looks for the others before it sleeps. As often as by
# default, it would keep cores busy that the processes need which decode; it is read when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
