"""W&B runs that a kernel has written offline: found in its output, and synced."""

from pathlib import Path

from kaggle_offline.environment import command
from kaggle_offline.repository.kernel_folder import KernelFolder
from kaggle_offline.trackers.programs import call, is_used


def sync_runs(kernel: KernelFolder) -> None:
    """Sync those W&B runs in a kernel's downloaded output that are not synced yet; print what became of each."""
    output = kernel.build / "output"
    runs = [path for path in sorted(output.glob("wandb/offline-run-*/*.wandb")) if not _is_synced(path)]
    if runs and not is_used("wandb"):
        places = output / "wandb" / "offline-run-*"
        print(f"  W&B: {len(runs)} offline, not synced; to sync, run: wandb sync {places}")
        return
    for path in runs:
        print(f"  W&B: {path.parent.name}, ", end="", flush=True)
        outcome = call("wandb", "sync", str(path.parent), folder=kernel.build)
        # The exit code is 0 even where W&B's server has refused it.
        if _is_synced(path):
            print("synced")
        else:
            again = f"wandb login, then: {command('push', kernel.competition)}"
            print(f"not synced: {outcome.said}\n    → To sync, run: {again}")


def _is_synced(path: Path) -> bool:
    """Tell whether ``wandb sync`` has left the file that it leaves beside a run once all is uploaded."""
    return path.with_name(f"{path.name}.synced").exists()
