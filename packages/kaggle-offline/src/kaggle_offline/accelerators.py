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


def warning_about(machine_shape: str) -> str:
    """What is to be said about an accelerator; an empty text where it is nothing."""
    shape = machine_shape.strip().casefold()
    if shape in _RETIRED:
        return f"{machine_shape} is retired: the kernel {_RETIRED[shape]}"
    if shape in _GRANTED:
        return f"{machine_shape} is granted by some competitions alone: see that yours is one of them"
    return ""
