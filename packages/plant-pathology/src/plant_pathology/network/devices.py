"""The devices of this machine, for torch and Lightning."""

import torch


def count_devices(devices: str | int) -> int:
    """Return the number of devices that Lightning uses for ``devices``: a number, a list of numbers or ``auto``."""
    if str(devices).isdigit():
        return int(devices)
    return str(devices).count(",") + 1 if "," in str(devices) else max(1, torch.cuda.device_count())


def best_precision(accelerator: str) -> str:
    """Lightning's name of the precision that an accelerator of its is built for: half on a GPU, single elsewhere."""
    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
