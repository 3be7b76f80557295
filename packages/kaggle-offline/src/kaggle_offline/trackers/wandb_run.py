"""A program that logs a submission to W&B."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from kaggle_offline.trackers.programs import run_program


def log(entry: dict[str, Any]) -> str:
    """Log a submission, as `scores` describes it, or replace what its run holds; return where that is."""
    wandb = import_module("wandb")
    # By default W&B notes the commit that is checked out now.
    os.environ["WANDB_GIT_COMMIT"] = entry["commit"]
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or entry["competition"],
        # By it a submission that is logged again finds its run.
        id=f"kaggle-{entry['submission']}",
        resume="allow",
        name=entry["name"],
        job_type="submission",
        config=entry["versions"],
        settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_machine_info=True),
    )
    run.summary.update(entry["scores"])
    run.finish()
    folder = Path(run.dir).parent
    return str(run.url or f"{folder}; to upload it, run: wandb sync {folder}")


if __name__ == "__main__":
    run_program(log)
