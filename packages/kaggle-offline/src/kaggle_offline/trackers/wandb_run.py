"""A program: log the submission on standard input to W&B, as `scores` writes it, and print where it is."""

import json
import os
import sys
from importlib import import_module


def main() -> None:
    """Log the submission."""
    entry = json.load(sys.stdin)
    wandb = import_module("wandb")
    versions = entry["versions"]
    # By default W&B notes the commit that is checked out now.
    os.environ["WANDB_GIT_COMMIT"] = versions.get("commit", "")
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or entry["competition"],
        # By it a submission that is logged again finds its run.
        id=f"kaggle-{entry['submission']}",
        resume="allow",
        name=entry["name"],
        job_type="submission",
        config=versions,
        settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_machine_info=True),
    )
    run.summary.update(entry["scores"])
    run.finish()
    print(run.url or f"{run.dir}; to upload it, run: wandb sync")


if __name__ == "__main__":
    main()
