"""Kaggle's accelerators, as ``machine_shape`` in kernel-metadata.json names them."""

# Kaggle replaces these without a word (kaggle 2.2.5, ``_RETIRED_ACCELERATORS``).
_RETIRED = {
    "nvidiateslap100": "runs on NvidiaTeslaT4 instead",
    "tpuv38": "runs on TpuV5E8 instead",
    "tpu1vmv38": "runs on TpuV5E8 instead",
    "tpuv232": "runs on the CPU instead",
    "tpuv2256": "runs on the CPU instead",
}
# Competitions grant these to their participants (kaggle-cli, docs/kernels.md).
_GRANTED = ("nvidial4x1", "nvidiah100", "nvidiartxpro6000")


def is_gpu(machine_shape: str) -> bool:
    """Tell whether an accelerator is a GPU."""
    return machine_shape.strip().casefold().startswith("nvidia")


def warning_about_retired(machine_shape: str) -> str:
    """Return a warning about an accelerator that Kaggle replaces, or an empty text."""
    shape = machine_shape.strip().casefold()
    return f"{machine_shape} is retired: the kernel {_RETIRED[shape]}" if shape in _RETIRED else ""


def warning_about_granted(machine_shape: str) -> str:
    """Return a warning about an accelerator that some competitions grant, or an empty text."""
    if machine_shape.strip().casefold() not in _GRANTED:
        return ""
    return f"only some competitions grant {machine_shape}: check that yours does"
