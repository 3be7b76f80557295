"""W&B runs that a kernel has written offline: found in its output, and synced."""

from kaggle_offline.environment import command
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.trackers.programs import call, is_installed


def sync_runs(kernel: KernelFolder) -> None:
    """Sync those W&B runs in a kernel's downloaded output that are not synced yet; print what became of them.

    ``wandb sync`` leaves a file beside a run that it has uploaded.
    """
    found = sorted((kernel.build / "output").glob("wandb/offline-run-*/*.wandb"))
    runs = [str(path.parent) for path in found if not path.with_name(f"{path.name}.synced").exists()]
    if not runs:
        return
    if not is_installed("wandb"):
        places = kernel.build / "output" / "wandb" / "offline-run-*"
        print(f"  W&B: not installed beside kaggle-offline; to sync the kernel's runs, run: wandb sync {places}")
        return
    print(f"  W&B: {len(runs)} offline, ", end="", flush=True)
    synced, line = call("wandb", "sync", *runs, folder=kernel.build)
    if synced:
        print("synced")
    else:
        print(f"not synced: {line}\n    → To sync, run: wandb login, then: {command('push', kernel.competition)}")
