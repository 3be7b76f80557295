"""A program that logs a submission to MLflow."""

import os
from importlib import import_module
from typing import Any

from kaggle_offline.trackers.programs import run_program

# By it a submission that is logged again finds its run.
_SUBMISSION = "kaggle.submission"


def log(entry: dict[str, Any]) -> str:
    """Log a submission, as `scores` describes it, or complete its run; return where that is."""
    mlflow = import_module("mlflow")
    client = mlflow.MlflowClient()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or entry["competition"]
    experiment = client.get_experiment_by_name(name)
    if experiment and experiment.lifecycle_stage == "deleted":
        raise ValueError(f"the experiment {name} is deleted: restore it, or set MLFLOW_EXPERIMENT_NAME")
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    runs = client.search_runs([number], f"tags.`{_SUBMISSION}` = '{entry['submission']}'")
    if runs:
        run = runs[0]
    else:
        # MLflow's pages show the commit of this tag (mlflow.org, "System Tags").
        tags = {_SUBMISSION: entry["submission"], "mlflow.source.git.commit": entry["commit"]}
        run = client.create_run(number, run_name=entry["name"], tags=tags)
    for key, score in entry["scores"].items():
        client.log_metric(run.info.run_id, key, score)
    for key, version in entry["versions"].items():
        # A parameter cannot be changed.
        if key not in run.data.params:
            client.log_param(run.info.run_id, key, version)
    client.set_terminated(run.info.run_id)
    # Without the part that may hold a password.
    return f"experiment {name} at {mlflow.get_tracking_uri().partition('?')[0]}"


if __name__ == "__main__":
    run_program(log)
