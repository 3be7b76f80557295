"""A program: log the submission on standard input to MLflow, as `scores` writes it, and print where it is."""

import json
import os
import sys
from importlib import import_module

# By it a submission that is logged again finds its run.
_SUBMISSION = "kaggle.submission"


def main() -> None:
    """Log the submission."""
    entry = json.load(sys.stdin)
    mlflow = import_module("mlflow")
    client = mlflow.MlflowClient()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or entry["competition"]
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    runs = client.search_runs([number], f"tags.`{_SUBMISSION}` = '{entry['submission']}'")
    if runs:
        run = runs[0].info.run_id
    else:
        tags = {_SUBMISSION: entry["submission"]}
        if "commit" in entry["versions"]:
            # The user interface shows this one: mlflow.org, "System tags".
            tags["mlflow.source.git.commit"] = entry["versions"]["commit"]
        run = client.create_run(number, run_name=entry["name"], tags=tags).info.run_id
    for key, version in entry["versions"].items():
        client.log_param(run, key, version)
    for key, score in entry["scores"].items():
        client.log_metric(run, key, score)
    client.set_terminated(run)
    print(f"experiment {name} at {mlflow.get_tracking_uri()}")


if __name__ == "__main__":
    main()
